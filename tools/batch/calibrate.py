"""`spikecut calibrate`: one pass over held-out recordings, and a fitted cutoff for every rule and tolerance."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.evaluation import calibration_errors
from spikecut.pipeline.metrics.intervals import wilson
from spikecut.pipeline.readout import Readout, fit_temperatures, temperatures_said
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.fit import check_wish, equal_fixed_steps, fit, sentence
from spikecut.pipeline.rules.loss import outcome
from spikecut.pipeline.rules.observed import equal_cost_confidence
from spikecut.pipeline.rules.rule import Wish
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.sources.datasets.class_folders import Part
from spikecut.tools.batch.outputs import Gathered, gather, refuse_trained_on
from spikecut.tools.cutoff_lookup import beside, called, policy_of
from spikecut.tools.time_unit import pace_of


def run_calibrate(
    data: Path,
    *,
    model: str,
    part: Part,
    rules: Sequence[str],
    tolerances: Sequence[float],
    delta: float,
    readout: str,
    leak: float,
    temperature: str,
    seed: int,
    or_never: bool,
    out: Path | None,
    outputs: Path | None,
    overwrite: bool,
    force: bool,
) -> int:
    """The command: fits the rules for every tolerated loss, prints the table, writes the files.

    `all` is every rule, those that ask a policy only if one is there.

    Raises:
        ConfigError: if a rule, a tolerance, a temperature or the delta cannot be, if recordings that trained the
            network are among them (unless forced), if they cannot carry a promise, or if a file would be overwritten.
    """
    wishes = [Wish(tolerance, delta, seed) for tolerance in dict.fromkeys(tolerances)]
    named = RULES if "all" in rules else dict.fromkeys(rules)
    for wish in wishes:
        for rule in named:
            check_wish(rule, wish)
    temperatures_said(temperature, 1)  # refused before the network runs
    weights = opening.locate(model)
    folder = out or (weights.parent if weights.parent != opening.SHIPPED else Path())
    policy = None
    if any(RULES[rule].plans for rule in named):
        policy = policy_of(weights, opening.card_of(weights), folder)
    rules = tuple(rule for rule in named if policy or "all" not in rules or not RULES[rule].plans)
    names = {(rule, wish.tolerance): called(rule, wish.tolerance) for wish in wishes for rule in rules}
    if len(set(names.values())) < len(names):
        raise ConfigError(f"tolerances {tolerances} are too close to one another to be told apart by name")
    targets = {key: folder / beside(weights, name).name for key, name in names.items()}
    written = (*targets.values(), *([outputs] if outputs else []))
    if (taken := [str(path) for path in written if path.exists()]) and not overwrite:
        raise ConfigError(f"{taken[0]} exists", hint="choose another folder with --out, or pass --overwrite")
    found = gather(data, model, part, policy)
    refuse_trained_on(found, force)
    if outputs:
        found.save(outputs)
    found = dataclasses.replace(found, recorded=read_with(found.recorded, readout, leak, temperature, seed))
    fitted = [
        (
            names[rule, wish.tolerance],
            targets[rule, wish.tolerance],
            fitted_cutoff(found, rule, wish, or_never=or_never),
        )
        for wish in wishes
        for rule in rules
    ]
    for _, target, cutoff in fitted:
        cutoff.save(target, overwrite=overwrite)
    _print(found, [(name, cutoff) for name, _, cutoff in fitted])
    for _, target, _ in fitted:
        print(target)
    for told in dict.fromkeys(f"{name.partition('-')[0]}: {cutoff.promise}" for name, _, cutoff in fitted):
        print(told, file=sys.stderr)
    return 3 if found.n_damaged else 0


def read_with(recorded: RecordedOutputs, kind: str, leak: float, temperature: str, seed: int) -> RecordedOutputs:
    """The recordings to fit rules on, read as asked for.

    Temperatures to be fitted take three of ten recordings (or people) for themselves, since a promise needs
    others; the calibration error before and after is told of those that remain.
    """
    plain = Readout(kind, leak if kind == "leaky" else 0.0, recorded.members)
    if temperature == "1":
        return recorded if kind == "sum" else recorded.read_by(plain)
    if (said := temperatures_said(temperature, recorded.horizon)) is not None:
        return recorded.read_by(dataclasses.replace(plain, temperatures=said))
    for_temperatures, rest = recorded.read_by(plain).split(0.3, seed)
    values = fit_temperatures(for_temperatures.logits(), for_temperatures.labels)
    fitted = rest.read_by(dataclasses.replace(plain, temperatures=values))
    before, after = (100 * float(np.mean(calibration_errors(one))) for one in (rest, fitted))
    print(
        f"temperatures {values.min():.2f} to {values.max():.2f}, fitted on {len(for_temperatures)} recordings; mean "
        f"calibration error on the other {len(rest)}: {before:.1f} points before, {after:.1f} after",
        file=sys.stderr,
    )
    return fitted


def fitted_cutoff(found: Gathered, rule: str, wish: Wish, *, or_never: bool = False) -> FittedCutoff:
    """A rule fitted on gathered outputs, with what it did there."""
    recorded = found.recorded
    cutoff = fit(rule, recorded, wish, or_never=or_never)
    seen = outcome(recorded, sweep(recorded, cutoff))
    planned = {}
    if isinstance(cutoff, Planned):
        cost = seen.mean_steps + cutoff.cost
        planned = {"mean_cost": cost, "equal_cost_confidence": equal_cost_confidence(recorded, cost)}
    return FittedCutoff(
        cutoff=cutoff,
        network=found.card.weights_sha256,
        classes=found.card.classes,
        step_us=found.card.spec.step_us,
        tolerance=wish.tolerance,
        n=len(recorded),
        data=found.data,
        promise=sentence(rule, recorded, wish),
        observed={
            "accuracy": seen.accuracy,
            "mean_steps": seen.mean_steps,
            "full_window_accuracy": float(recorded.correct()[:, -1].mean()),
            "equal_fixed_steps": equal_fixed_steps(recorded, seen.accuracy),
            **planned,
        },
        delta=wish.delta,
        seed=wish.seed,
    )


def _print(found: Gathered, fitted: Sequence[tuple[str, FittedCutoff]]) -> None:
    card, recorded = found.card, found.recorded
    pace, correct, n = pace_of(card.spec), recorded.correct(), len(recorded)
    full = wilson(int(correct[:, -1].sum()), n)
    table = Table(title=f"{card.name}: fitted on {n} {pace.things} ({found.part})", box=None, header_style="bold")
    for column in ("cutoff", "right", "lost (95 %)", "mean time", "x full", "fixed of equal loss", "x fixed"):
        table.add_column(column, justify="left" if column == "cutoff" else "right", no_wrap=True)
    table.add_row("full window", f"{full.value:.1%}", "", pace.whole(card.horizon), "1.0", "", "")
    for name, cutoff in fitted:
        swept = sweep(recorded, cutoff.cutoff)
        lost = wilson(int((correct[:, -1] & (swept.labels != recorded.labels)).sum()), n)
        steps, fixed = cutoff.observed["mean_steps"], cutoff.observed["equal_fixed_steps"]
        table.add_row(
            name,
            f"{cutoff.observed['accuracy']:.1%}",
            f"{100 * lost.value:.1f} % ({100 * lost.low:.1f}–{100 * lost.high:.1f})",
            pace.told(steps),
            f"{card.horizon / steps:.1f}",
            pace.whole(int(fixed)),
            f"{fixed / steps:.2f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(table)
    told = f"lost: right at the end of the window, wrong when stopped. Fitted and seen on the same {pace.things}."
    if recorded.plans is not None and any(isinstance(cutoff.cutoff, Planned) for _, cutoff in fitted):
        told += f"\nplanned: its policy costs {recorded.plans.cost:.2f} steps of computing, which the times leave out."
    console.print(told, style="dim")
