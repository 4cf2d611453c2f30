"""`spikecut calibrate`: one pass over held-out recordings, and a fitted cutoff for every rule and tolerance."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from spikecut.models.files import opening
from spikecut.models.policy.network import PolicyPlanner
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import Readout, parse_temperatures
from spikecut.pipeline.files.atomic_files import claimed, refuse_existing
from spikecut.pipeline.metrics.intervals import wilson
from spikecut.pipeline.recorded import sweep
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.rule import Wish
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.tools.batch.calibration_statistics import reference_of
from spikecut.tools.batch.continuous.sensitivity import check_wanted, with_sensitivity
from spikecut.tools.batch.executors import executor_of
from spikecut.tools.batch.fitting.cutoffs import check_wishes, fit_all, notes_on, wanted
from spikecut.tools.batch.fitting.cutoffs import fitted_cutoff as fitted_cutoff
from spikecut.tools.batch.fitting.readouts import read_with
from spikecut.tools.batch.gathered import Gathered, refuse_trained_on, refuse_unfinished
from spikecut.tools.batch.network_choice import network_for_data
from spikecut.tools.batch.outputs import Named, Passing, gather
from spikecut.tools.cutoff_lookup import available, beside, called, find_cutoff, policy_of
from spikecut.tools.flags import command_line
from spikecut.tools.frame_streams import on_stderr
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
    named = RULES if "all" in options.rule else dict.fromkeys(options.rule)
    check_wishes(named, wishes)
    parse_temperatures(options.temperature, 1)  # refused before the network runs
    if options.outputs and options.outputs.suffix != ".npz":
        raise ConfigError(f"--outputs {options.outputs}: expected the name of an .npz file", hint="NAME.npz")
    weights = _network(options)
    folder = options.out or (weights.parent if weights.parent != opening.SHIPPED else Path())
    policy = None
    if any(RULES[rule].plans for rule in named):
        policy = policy_of(weights, opening.card_of(weights), folder)
    rules = [rule for rule in named if policy or "all" not in options.rule or not RULES[rule].plans]
    check_wanted(options, opening.card_of(weights))
    targets = _targets(options, folder, weights, rules)
    every = wanted(rules, wishes, at_once=options.simultaneous)
    for note in notes_on((rule for rule, _ in every), at_once=options.simultaneous, flag="--simultaneous"):
        print(f"note: {note}", file=sys.stderr)
    with claimed(*targets.values(), *([options.outputs] if options.outputs else [])):
        return _calibrate(options, weights, policy, every, targets)


def _calibrate(
    options: "Calibrate",
    weights: Path,
    policy: PolicyPlanner | None,
    every: Sequence[tuple[str, Wish]],
    targets: dict[str, Path],
) -> int:
    """Fits and writes the cutoffs that passed the checks."""
    network = Named(str(weights), options.engine)
    gathered = gather(options.folder, network, options.part, read_options(options), policy, _passing(options))
    refuse_trained_on(gathered, options.force)
    refuse_unfinished(gathered, options.force)
    if options.outputs:
        gathered.save(options.outputs, overwrite=options.overwrite)
    plain = Readout(options.readout, options.leak if options.readout == "leaky" else 0.0, gathered.recorded.members)
    recorded = read_with(gathered.recorded, plain, options.temperature, options.seed, on_stderr)
    gathered = dataclasses.replace(gathered, recorded=recorded)
    fitted = with_sensitivity(options, gathered, fit_all(gathered, every, or_never=options.or_never))
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
