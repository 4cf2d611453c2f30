"""`spikecut calibrate`: one pass over held-out recordings, and a fitted cutoff for every rule and tolerance."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from spikecut.models.files import opening
from spikecut.models.policy.network import PolicyPlanner
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import Readout, fit_temperatures, parse_temperatures
from spikecut.pipeline.files.atomic_files import claimed, refuse_existing
from spikecut.pipeline.metrics.evaluation import calibration_errors
from spikecut.pipeline.metrics.intervals import wilson
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.fit import check_wish, equal_fixed_steps, fit, sentence, simultaneous
from spikecut.pipeline.rules.loss import outcome
from spikecut.pipeline.rules.observed import equal_cost_confidence
from spikecut.pipeline.rules.rule import Wish
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.tools.batch.calibration_statistics import reference_of
from spikecut.tools.batch.continuous.sensitivity import check_wanted, with_sensitivity
from spikecut.tools.batch.executors import executor_of
from spikecut.tools.batch.gathered import Gathered, refuse_trained_on, refuse_unfinished
from spikecut.tools.batch.network_choice import network_for_data
from spikecut.tools.batch.outputs import Named, Passing, gather
from spikecut.tools.cutoff_lookup import available, beside, called, find_cutoff, policy_of
from spikecut.tools.flags import command_line
from spikecut.tools.reading_options import read_options
from spikecut.tools.time_unit import pace_of

if TYPE_CHECKING:
    from spikecut.tools.commands.fit.calibrate import Calibrate


def run_calibrate(options: "Calibrate") -> int:
    """The command: fits the rules for every tolerated loss, prints the table, writes the files.

    `all` is every rule, those with a policy only if its file exists.

    Raises:
        ConfigError: if a rule, a tolerance, a temperature or the delta is invalid, if recordings that trained the
            network are among them (unless forced), if they cannot carry a promise, if a file would be overwritten, or
            if the file of outputs is to have another suffix than `.npz`.
    """
    if options.statistics_only:
        return _add_statistics(options)
    wishes = [
        Wish(tolerance, options.delta, options.seed, correction=options.correction)
        for tolerance in dict.fromkeys(options.tolerance)
    ]
    wanted = RULES if "all" in options.rule else dict.fromkeys(options.rule)
    for wish in wishes:
        for rule in wanted:
            check_wish(rule, wish)
    parse_temperatures(options.temperature, 1)  # refused before the network runs
    if options.outputs and options.outputs.suffix != ".npz":
        raise ConfigError(f"--outputs {options.outputs}: expected the name of an .npz file", hint="NAME.npz")
    weights = _network(options)
    folder = options.out or (weights.parent if weights.parent != opening.SHIPPED else Path())
    policy = None
    if any(RULES[rule].plans for rule in wanted):
        policy = policy_of(weights, opening.card_of(weights), folder)
    rules = [rule for rule in wanted if policy or "all" not in options.rule or not RULES[rule].plans]
    check_wanted(options, opening.card_of(weights))
    targets = _targets(options, folder, weights, rules)
    wishes_of_rules = _wanted(rules, wishes, options.simultaneous)
    with claimed(*targets.values(), *([options.outputs] if options.outputs else [])):
        return _calibrate(options, weights, policy, wishes_of_rules, targets)


def _calibrate(
    options: "Calibrate",
    weights: Path,
    policy: PolicyPlanner | None,
    wishes_of_rules: Sequence[tuple[str, Wish]],
    targets: dict[str, Path],
) -> int:
    """Fits and writes the cutoffs that passed the checks."""
    network = Named(str(weights), options.engine)
    gathered = gather(options.folder, network, options.part, read_options(options), policy, _passing(options))
    refuse_trained_on(gathered, options.force)
    refuse_unfinished(gathered, options.force)
    if options.outputs:
        gathered.save(options.outputs, overwrite=options.overwrite)
    gathered = dataclasses.replace(gathered, recorded=read_with(gathered.recorded, options))
    fitted = {
        called(rule, wish.tolerance): fitted_cutoff(gathered, rule, wish, or_never=options.or_never)
        for rule, wish in wishes_of_rules
    }
    fitted = with_sensitivity(options, gathered, fitted)
    for name, cutoff in fitted.items():
        cutoff.save(targets[name], overwrite=options.overwrite)
    _print(gathered, fitted)
    for name in fitted:
        print(targets[name])
    for line in dict.fromkeys(f"{name.partition('-')[0]}: {cutoff.promise}" for name, cutoff in fitted.items()):
        print(line, file=sys.stderr)
    return 3 if gathered.n_damaged else 0


def _passing(options: "Calibrate") -> Passing:
    return Passing(
        executor=executor_of(options),
        out=options.keep,
        command=command_line("calibrate", options),
        otherwise="--keep RUN makes a run that can be gone on with",
    )


def _network(options: "Calibrate") -> Path:
    return network_for_data(options.model, options.folder, text=read_options(options).text is not None)


def _targets(options: "Calibrate", folder: Path, weights: Path, rules: Sequence[str]) -> dict[str, Path]:
    """The file of every cutoff, by its name.

    Raises:
        ConfigError: if two would have one name, or a file exists and is not to be overwritten.
    """
    tolerances = dict.fromkeys(options.tolerance)
    names = [called(rule, tolerance) for tolerance in tolerances for rule in rules]
    if len(set(names)) < len(names):
        raise ConfigError(f"tolerances {options.tolerance} are too close to one another to have different names")
    targets = {name: folder / beside(weights, name).name for name in names}
    written = (*targets.values(), *([options.outputs] if options.outputs else []))
    for path in written:
        refuse_existing(path, overwrite=options.overwrite)
    return targets


def _wanted(rules: Sequence[str], wishes: Sequence[Wish], at_once: bool) -> list[tuple[str, Wish]]:
    """Every rule for every tolerance; with `at_once` the promises share their delta, so that all hold simultaneously.

    Warns on stderr what choosing among several promises costs.
    """
    wanted = [(rule, wish) for wish in wishes for rule in rules]
    promised = [rule for rule, _ in wanted if RULES[rule].promises]
    at_delta = [rule for rule in promised if RULES[rule].at_delta]
    if at_once:
        wanted = [(rule, simultaneous(rule, wish, len(at_delta))) for rule, wish in wanted]
    if len(promised) > 1 and not at_once:
        print(
            f"note: {len(promised)} promises are fitted on the same recordings. Each holds for a rule that was chosen "
            "beforehand; the one that turns out earliest breaks its promise more often. With --simultaneous all hold "
            "at once",
            file=sys.stderr,
        )
    elif at_once and (without := sorted(set(promised) - set(at_delta))):
        print(
            f"note: --simultaneous leaves {', '.join(without)} as it is: its promise has no delta to divide",
            file=sys.stderr,
        )
    return wanted


def read_with(recorded: RecordedOutputs, options: "Calibrate") -> RecordedOutputs:
    """The recordings to fit rules on, with the readout and temperatures of the options.

    Temperatures to be fitted take three of ten recordings (or people) for themselves, since a promise needs
    others; the calibration error before and after is that of the remaining ones.
    """
    kind, temperature = options.readout, options.temperature
    plain = Readout(kind, options.leak if kind == "leaky" else 0.0, recorded.members)
    if temperature == "1":
        return recorded if kind == "sum" else recorded.read_by(plain)
    if (given := parse_temperatures(temperature, recorded.horizon)) is not None:
        return recorded.read_by(dataclasses.replace(plain, temperatures=given))
    for_temperatures, rest = recorded.read_by(plain).split(0.3, options.seed)
    values = fit_temperatures(for_temperatures.logits(), for_temperatures.labels)
    fitted = rest.read_by(dataclasses.replace(plain, temperatures=values))
    before, after = (100 * float(np.mean(calibration_errors(one))) for one in (rest, fitted))
    print(
        f"temperatures {values.min():.2f} to {values.max():.2f}, fitted on {len(for_temperatures)} recordings; mean "
        f"calibration error on the other {len(rest)}: {before:.1f} points before, {after:.1f} after",
        file=sys.stderr,
    )
    return fitted


def fitted_cutoff(gathered: Gathered, rule: str, wish: Wish, *, or_never: bool = False) -> FittedCutoff:
    """A rule fitted on gathered outputs, with its figures on them."""
    recorded = gathered.recorded
    cutoff = fit(rule, recorded, wish, or_never=or_never)
    observed = outcome(recorded, sweep(recorded, cutoff))
    planned = {}
    if isinstance(cutoff, Planned):
        cost = observed.mean_steps + cutoff.cost
        planned = {"mean_cost": cost, "equal_cost_confidence": equal_cost_confidence(recorded, cost)}
    return FittedCutoff(
        cutoff=cutoff,
        network=gathered.card.weights_sha256,
        classes=gathered.card.classes,
        step_us=gathered.card.spec.step_us,
        tolerance=wish.tolerance,
        n=len(recorded),
        data=gathered.data,
        promise=sentence(rule, recorded, wish),
        observed={
            "accuracy": observed.accuracy,
            "mean_steps": observed.mean_steps,
            "full_window_accuracy": float(recorded.correct()[:, -1].mean()),
            "equal_fixed_steps": equal_fixed_steps(recorded, observed.accuracy),
            **planned,
        },
        delta=wish.delta,
        seed=wish.seed,
        fit=gathered.fit,
        reference=reference_of(gathered, cutoff),
        simulated=gathered.simulated,
    )


def _add_statistics(options: "Calibrate") -> int:
    """Adds the statistics of recordings to the cutoffs beside the network, which are not fitted anew."""
    network = Named(str(_network(options)), options.engine)
    gathered = gather(options.folder, network, options.part, read_options(options), how=_passing(options))
    refuse_unfinished(gathered, options.force)
    if gathered.statistics is None:
        raise ConfigError("--statistics-only: these examples have no events", hint="pictures have no statistics")
    folder = options.out or (gathered.weights.parent if gathered.weights.parent != opening.SHIPPED else Path())
    for name in available(gathered.weights):
        rule = find_cutoff(name, gathered.weights, gathered.card)
        if isinstance(rule.cutoff, Planned):
            continue
        target = folder / beside(gathered.weights, name).name
        reference = reference_of(gathered, rule.cutoff)
        dataclasses.replace(rule, reference=reference).save(target, overwrite=options.overwrite)
        print(target)
    return 3 if gathered.n_damaged else 0


def _print(gathered: Gathered, fitted: Mapping[str, FittedCutoff]) -> None:
    card, recorded = gathered.card, gathered.recorded
    pace, correct, n = pace_of(card.spec), recorded.correct(), len(recorded)
    full = wilson(int(correct[:, -1].sum()), n)
    table = Table(title=f"{card.name}: fitted on {n} {pace.things} ({gathered.part})", box=None, header_style="bold")
    for column in ("cutoff", "right", "lost (95 %)", "mean time", "x full", "fixed of equal loss", "x fixed"):
        table.add_column(column, justify="left" if column == "cutoff" else "right", no_wrap=True)
    table.add_row("full window", f"{full.value:.1%}", "", pace.whole(card.horizon), "1.0", "", "")
    for name, cutoff in fitted.items():
        swept = sweep(recorded, cutoff.cutoff)
        lost = wilson(int((correct[:, -1] & (swept.labels != recorded.labels)).sum()), n)
        steps, fixed = cutoff.observed["mean_steps"], cutoff.observed["equal_fixed_steps"]
        table.add_row(
            name,
            f"{cutoff.observed['accuracy']:.1%}",
            f"{100 * lost.value:.1f} % ({100 * lost.low:.1f}–{100 * lost.high:.1f})",
            pace.text(steps),
            f"{card.horizon / steps:.1f}",
            pace.whole(int(fixed)),
            f"{fixed / steps:.2f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(table)
    note = f"lost: right at the end of the window, wrong when stopped. Fitted and seen on the same {pace.things}."
    if recorded.plans is not None and any(isinstance(cutoff.cutoff, Planned) for cutoff in fitted.values()):
        note += f"\nplanned: its policy costs {recorded.plans.cost:.2f} steps of computing, which the times leave out."
    console.print(note, style="dim")
