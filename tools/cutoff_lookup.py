"""Looks up the cutoff that a command names: a rule's name, a file, or none."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from spikecut.models.card import ModelCard
from spikecut.models.policy.file import SUFFIX, load_policy
from spikecut.models.policy.network import PolicyPlanner
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.cutoff_file import FittedCutoff, load_cutoff
from spikecut.pipeline.rules.rejection import DEFAULT, Level, Rejecting
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.pipeline.rules.thresholds import confidence, never

_NAME = re.compile(r"(\w+)-(\d+(?:\.\d+)?)pt")


def find_cutoff(wanted: str | None, weights: Path, card: ModelCard) -> FittedCutoff:
    """The rule called `wanted`, checked to have been fitted for this network; a planned one with its policy.

    `confidence-1pt` means the file beside the weights for a tolerated loss of 1 point, `confidence` the one
    for the same tolerance as the network's default, `none` the full window, anything else a path; None is the
    network's default.

    Raises:
        ModelError: if there is no such cutoff, or it belongs to another network, or its policy is not there.
    """
    name = wanted or card.default_cutoff
    if name == "none":
        return unfitted(card)
    if name in RULES:
        name = f"{name}-{card.default_cutoff.partition('-')[2]}"
    path = beside(weights, name) if name.split("-")[0] in RULES else Path(name)
    if not path.is_file():
        why = "is a directory" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
        raise ModelError(
            f"no cutoff {name!r} ({path} {why})",
            hint=f"spikecut calibrate fits one; there are: {', '.join(['none', *available(weights)])}",
        )
    fitted = load_cutoff(path)
    fitted.check(card.weights_sha256, card.classes, card.spec.step_us)
    rule = fitted.cutoff
    if rule.horizon < card.horizon:
        raise ModelError(
            f"{path}: decider: a rule for {rule.horizon} steps; the network takes {card.horizon}",
            hint="fit one for this network: spikecut calibrate",
        )
    if not isinstance(rule, Planned):
        return fitted
    policy = policy_of(weights, card, path.parent)
    if policy is None:
        raise ModelError(
            f"{path}: its policy is missing, {policy_beside(weights).name}",
            hint="it lies beside the cutoff or beside the network; spikecut policy trains one",
        )
    return replace(fitted, cutoff=replace(rule, planner=policy))


def level_for(wanted: str | None, fitted: FittedCutoff, card: ModelCard) -> tuple[str, Level] | None:
    """The level of sensitivity of this name; None is `normal` where the cutoff has levels, else no level, as `off` is.

    Raises:
        ConfigError: if the cutoff has no levels.
    """
    levels = fitted.sensitivity
    if wanted == "off" or (wanted is None and levels is None):
        return None
    if levels is None:
        raise ConfigError(
            f"--sensitivity {wanted}: the cutoff {fitted.cutoff.rule!r} of network {card.name!r} has no levels",
            hint="spikecut calibrate FOLDER --gesture-free SESSIONS fits them",
        )
    return wanted or DEFAULT, levels.level(wanted or DEFAULT)


def rejecting_for(wanted: str | None, fitted: FittedCutoff, card: ModelCard) -> Rejecting:
    """Which answers are none at a level of sensitivity (`level_for`).

    The classes of the card that are no gesture are none at every level, `off` included.

    Raises:
        ConfigError: if the cutoff has no levels.
    """
    level = level_for(wanted, fitted, card)
    return Rejecting(card.no_gestures) if level is None else Rejecting(card.no_gestures, level[1].threshold)


def cutoffs_for(wanted: Sequence[str], weights: Path, card: ModelCard) -> dict[str, FittedCutoff]:
    """The cutoffs of these names or files, or all beside the network, each under its name in tables; `none` left out.

    Raises:
        ModelError: as `find_cutoff`.
    """
    names = [name for name in wanted or available(weights) if name != "none"]
    return {shown(name, weights): find_cutoff(name, weights, card) for name in names}


def policy_of(weights: Path, card: ModelCard, *folders: Path) -> PolicyPlanner | None:
    """The policy that was trained for a network: in one of the folders, or beside the network; None without any.

    Raises:
        ModelError: if it is another network's, or damaged.
    """
    beside_it = policy_beside(weights)
    paths = (*(folder / beside_it.name for folder in folders), beside_it)
    policy_path = next((path for path in paths if path.is_file()), None)
    return None if policy_path is None else load_policy(policy_path, card)


def shared_policy(rules: Iterable[FittedCutoff]) -> PolicyPlanner | None:
    """The policy that these cutoffs need while outputs are recorded; None if they need none.

    Raises:
        ConfigError: if they need different ones.
    """
    planners = [rule.cutoff.planner for rule in rules if isinstance(rule.cutoff, Planned)]
    policies: dict[str, PolicyPlanner] = {one.policy: one for one in planners if isinstance(one, PolicyPlanner)}
    if len(policies) > 1:
        names = " and ".join(name[:12] for name in policies)
        raise ConfigError(f"cutoffs that ask different policies, {names}", hint="look at one after the other")
    return next(iter(policies.values()), None)


def with_equal_cost(rules: dict[str, FittedCutoff]) -> dict[str, FittedCutoff]:
    """The rules; after each planned one SEENN-I with the threshold of the same mean cost on the fitting recordings."""
    both: dict[str, FittedCutoff] = {}
    for name, rule in rules.items():
        both[name] = rule
        if isinstance(rule.cutoff, Planned) and "equal_cost_confidence" in rule.observed:
            alpha, spent = rule.observed["equal_cost_confidence"], rule.observed["mean_cost"]
            alike = replace(confidence(alpha, rule.cutoff.horizon), readout=rule.cutoff.readout)
            spent_on = "on the recordings it was fitted on"
            promise = f"SEENN-I where it cost most nearly as much as {name} {spent_on}, {spent:.2f} steps."
            both[equal_cost_name(name)] = replace(rule, cutoff=alike, observed={}, promise=promise)
    return both


def equal_cost_name(planned: str) -> str:
    """The name of SEENN-I at the cost of a planned rule.

    >>> equal_cost_name("planned-1pt")
    'confidence as planned-1pt'
    """
    return f"confidence as {planned}"


def warn_of_fits(rules: Mapping[str, FittedCutoff], fit: str) -> None:
    """Warns on stderr if recordings are fitted in another way than those that cutoffs were fitted on."""
    others = sorted(name for name, rule in rules.items() if rule.n and rule.fit != fit)
    if others:
        before = rules[others[0]].fit or "the network's own sensor"
        print(
            f"warning: {', '.join(others)}: fitted on recordings of {before}, used on {fit or 'its own sensor'}: no "
            "promise holds; spikecut calibrate fits cutoffs on such recordings",
            file=sys.stderr,
        )


def unfitted(card: ModelCard) -> FittedCutoff:
    """No cutoff: the whole window."""
    identity = card.weights_sha256, card.classes, card.spec.step_us
    return FittedCutoff(never(card.horizon), *identity, 0.0, 0, "", "It never stops early.")


def available(weights: Path) -> list[str]:
    """The cutoffs that have a file beside the weights, the smallest tolerance first."""
    names = [path.name.removeprefix(f"{_stem(weights)}.").removesuffix(".json") for path in _files(weights)]
    known = [match for match in map(_NAME.fullmatch, names) if match and match[1] in RULES]
    rules = list(RULES)
    return [match[0] for match in sorted(known, key=lambda match: (float(match[2]), rules.index(match[1])))]


def called(rule: str, tolerance: float) -> str:
    """The name of a fitted cutoff: its rule, and the tolerated loss in points.

    >>> called("topk", 0.005), called("fixed", 0.02)
    ('topk-0.5pt', 'fixed-2pt')
    """
    return f"{rule}-{f'{100 * tolerance:.6f}'.rstrip('0').rstrip('.')}pt"


def shown(wanted: str, weights: Path) -> str:
    """The name of a cutoff in a table: for a file its name, without that of the network.

    >>> shown("fits/nmnist.ltt-1pt.json", Path("nmnist.safetensors"))
    'ltt-1pt'
    """
    return Path(wanted).name.removesuffix(".json").removeprefix(f"{_stem(weights)}.")


def beside(weights: Path, name: str) -> Path:
    """The path of a network's cutoff: `NAME.safetensors` and `NAME.py` have `NAME.RULE-POINTSpt.json`.

    >>> beside(Path("nets.py:small"), "ltt-2pt").name
    'nets.small.ltt-2pt.json'
    """
    return weights.with_name(f"{_stem(weights)}.{name}.json")


def policy_beside(weights: Path) -> Path:
    """The path of a network's policy.

    >>> policy_beside(Path("nets.py:small")).name
    'nets.small.policy.safetensors'
    """
    return weights.with_name(f"{_stem(weights)}{SUFFIX}")


def _files(weights: Path) -> list[Path]:
    return sorted(weights.parent.glob(f"{_stem(weights)}.*.json"))


def _stem(weights: Path) -> str:
    return weights.name.replace(".py:", ".") if ".py:" in weights.name else weights.stem
