"""`spikecut replay`: a folder of labelled recordings, with every cutoff and without.

One pass over all recordings answers for every rule. Time saved is measured afterwards, on a sample of the recordings:
there the network really stops, and its answers are compared with those of the pass.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError, EmptyRecording, printable
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.replay import replay
from spikecut.pipeline.results import Decision
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.thresholds import fixed
from spikecut.sources.datasets import is_dataset
from spikecut.sources.datasets.reading import Fate
from spikecut.sources.formats.reading.files import check_name
from spikecut.tools.batch.examples import Examples, examples_of
from spikecut.tools.batch.executors import executor_of
from spikecut.tools.batch.gathered import overlap_text
from spikecut.tools.batch.network_choice import network_for_data
from spikecut.tools.batch.passes.course import complain_of, going_on
from spikecut.tools.batch.passes.outcomes import Outcomes, overlap
from spikecut.tools.batch.passes.replay_run import Replayed, replay_all, run_card
from spikecut.tools.batch.passes.replay_work import FULL, ReplayWork
from spikecut.tools.batch.passes.sharing import Share, share_of
from spikecut.tools.batch.replay_report import Timing, print_table, rows_of
from spikecut.tools.batch.run_folder.card import read_card
from spikecut.tools.batch.run_folder.folder import CARD, Opening, RunFolder, open_run
from spikecut.tools.batch.run_folder.manifest import Item, items_of
from spikecut.tools.cutoff_lookup import cutoffs_for, unfitted, warn_of_fits, with_equal_cost
from spikecut.tools.flags import command_line
from spikecut.tools.frame_streams import say_fits
from spikecut.tools.reading_options import read_options
from spikecut.tools.time_unit import pace_of

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.replay import Replay


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One cutoff over all recordings: the decisions, the duration of the loop, and the unreadable recordings."""

    name: str
    decisions: tuple[Decision, ...]
    items: tuple[int, ...]
    wall_s: float
    fates: tuple[Fate, ...]


def one_pass(
    examples: Examples,
    stepper: SteppedModel[Any],
    card: ModelCard,
    cutoff: CutoffDecider[Any],
    batch_size: int,
    *,
    name: str = "",
) -> Pass:
    """Replays all recordings from disk with one rule; the clock covers reading, binning, stepping, deciding."""
    fates: list[Fate] = []
    started = time.perf_counter()
    streams = examples.streams(card, fates)
    decisions = dict(replay(streams, stepper, cutoff, horizon=card.horizon, batch_size=batch_size))
    wall_s = time.perf_counter() - started
    kept = sorted((i, d) for i, d in decisions.items() if d is not None and fates[i].error is None)
    return Pass(name or cutoff.rule, tuple(d for _, d in kept), tuple(i for i, _ in kept), wall_s, tuple(fates))


def run_replay(options: "Replay") -> int:
    """The command: the full window, the fixed horizons and the cutoffs, side by side.

    Raises:
        EmptyRecording: if no recording could be read.
        ConfigError: if the run folder was begun with another configuration.
    """
    reading = read_options(options)
    _check_folder(options.folder)
    weights = network_for_data(options.model, options.folder, text=reading.text is not None)
    card = opening.card_of(weights)
    whole = examples_of(options.folder, card, options.part, reading)
    share = None if options.shard is None else share_of(whole, options.shard)
    examples = whole if share is None else share.examples
    for note in examples.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    rules = _rules(options, weights, card)
    work = ReplayWork(
        weights=weights,
        engine=options.engine,
        folder=options.folder,
        part=options.part,
        reading=examples.reading,
        rules=rules,
        watched=_watched(rules, card),
        lanes=options.batch_size,
        parts=None if options.out is None else options.out / "parts",
        stops=options.stop is not None,
        digests=options.out is not None or bool(card.trained_on),
        examples=examples,
    )
    with _kept(options, work, card, share) as run:
        with going_on(run, command_line("replay", options), "--out RUN makes a run that can be gone on with"):
            replayed = replay_all(work, run, executor_of(options), None if share is None else share.batch_size)
        outcomes = replayed.outcomes
        n_bad = _complain(replayed, examples, options.folder, run)
        say_fits(replayed.fits, examples.reading)
        warn_of_fits(rules, str(replayed.fits))
        if not len(outcomes):
            what = pace_of(card.spec).things
            raise EmptyRecording(options.folder, f"none of its {len(examples)} {what} could be read")
        timing = _timed(options, work, card, outcomes)
        n_trained_on = len(overlap(outcomes, card.trained_on))
        report = _report(options, card, replayed, rules, timing) | {"n_trained_on": n_trained_on}
        if run is not None:
            run.note("report", **report)
    if options.json:
        print(json.dumps(report))
    else:
        print_table(report, pace_of(card.spec))
    if n_trained_on:
        print(
            f"warning: {overlap_text(n_trained_on, card)} trained the network: its accuracy here says nothing. "
            "Use --part test.",
            file=sys.stderr,
        )
    return 3 if n_bad else 0


def _check_folder(folder: Path) -> None:
    """Refuses a name that no folder can have, a run folder, and one file that is no data set."""
    check_name(folder)
    if (folder / CARD).is_file():
        data = read_card(folder / CARD).get("data")
        raise ConfigError(
            f"{folder}: a run folder, which holds answers; expected recordings",
            hint=f"spikecut replay {data} --out {folder} goes on with it; spikecut why {folder} shows wrong answers",
        )
    if folder.is_file() and not is_dataset(folder):
        raise ConfigError(
            f"{folder}: one file; expected a folder of <class>/<recording>",
            hint=f"spikecut run {folder} classifies one recording; evaluate and calibrate take recorded outputs",
        )


def _rules(options: "Replay", weights: Any, card: ModelCard) -> dict[str, FittedCutoff]:
    """The rules of the pass, the full window first; with `--stop` the one that really stops."""
    if options.stop is None:
        compared = with_equal_cost(cutoffs_for(options.cutoff, weights, card))
        return {FULL: unfitted(card)} | with_fixed(compared)
    if options.cutoff:
        raise ConfigError("--stop and --cutoff", hint="--stop RULE computes nothing but the answers of one rule")
    return cutoffs_for([options.stop], weights, card) or {FULL: unfitted(card)}


def _watched(rules: Mapping[str, FittedCutoff], card: ModelCard) -> str:
    """The rule whose answers progress shows: the network's default, or the last."""
    return card.default_cutoff if card.default_cutoff in rules else list(rules)[-1]


@contextmanager
def _kept(options: "Replay", work: ReplayWork, card: ModelCard, share: Share | None) -> Iterator[RunFolder | None]:
    """The run folder, if the results are kept; that of a share has the key of the whole run."""
    examples = work.examples
    if options.out is None or examples is None:
        yield None
        return
    about = run_card(work, card, command_line("replay", options))
    if share is not None:
        about = dataclasses.replace(about, shard=share.shard(about.key(_items(share.whole, options.folder, card))))
    with open_run(
        options.out, about, _items(examples, options.folder, card), Opening(options.retry_quarantined)
    ) as run:
        yield run


def _items(examples: Examples, folder: Path, card: ModelCard) -> list[Item]:
    labels = [card.classes[label] for label in examples.labels]
    return items_of(examples.members, examples.ids(folder), labels)


def _complain(replayed: Replayed, examples: Examples, folder: Path, run: RunFolder | None) -> int:
    """Says on stderr which recordings could not be read or were damaged; returns how many."""
    outcomes = replayed.outcomes
    places = dict(zip(examples.ids(folder), (member.place for member in examples.members), strict=True))
    hurt = {places[item]: int(n) for item, n in zip(outcomes.items, outcomes.dropped, strict=True) if n}
    return complain_of(replayed.faults, hurt, None if run is None else run.path)


def _timed(options: "Replay", work: ReplayWork, card: ModelCard, outcomes: Outcomes) -> Timing:
    """Really stops with every rule, on a sample of whole sources; answers unlike those of the pass are counted."""
    examples = work.examples
    if options.timed == 0 or work.stops or examples is None:
        return Timing(0, {})
    sample = examples if options.timed >= len(examples) else examples.drawn(options.timed, options.seed)
    ids, n_batch = sample.ids(options.folder), options.batch_size
    stepper, _ = opening.load(work.weights, engine=options.engine)
    one_pass(sample.first(n_batch), stepper, card, work.rules[FULL].cutoff, n_batch)  # warm: compiled, allocated
    wall_s: dict[str, float] = {}
    answered, n_unlike = len(ids), 0
    for name, rule in work.rules.items():
        stopped = one_pass(sample, stepper, card, rule.cutoff, n_batch, name=name)
        wall_s[name], answered = stopped.wall_s, min(answered, len(stopped.items))
        answers = {ids[at]: decision for at, decision in zip(stopped.items, stopped.decisions, strict=True)}
        n_unlike += _unlike(answers, outcomes, name, card.classes)
    if n_unlike:
        print(f"warning: {n_unlike} answers of the pass are not those of a network that stops", file=sys.stderr)
    return Timing(answered, wall_s, n_unlike)


def _unlike(answers: Mapping[str, Decision], outcomes: Outcomes, rule: str, classes: Sequence[str]) -> int:
    """How many answers of a network that really stopped have another label or step than those of the pass."""
    at = outcomes.of(rule)
    passed = zip(outcomes.items, outcomes.pred[at], outcomes.steps[at].tolist(), strict=True)
    both = ((answers[item], (label, steps)) for item, label, steps in passed if item in answers)
    return sum((classes[one.label], one.steps) != other for one, other in both)


def _report(
    options: "Replay", card: ModelCard, replayed: Replayed, rules: dict[str, FittedCutoff], timing: Timing
) -> dict[str, Any]:
    """The object of `--json`: the first rule is the full window."""
    outcomes, constants = replayed.outcomes, {name: _constant(rule, rules) for name, rule in rules.items()}
    return {
        "model": card.name,
        "folder": str(options.folder),
        "part": options.part,
        "n": len(outcomes),
        "n_unreadable": replayed.n_items - len(outcomes),
        "n_trained_on": 0,
        "seed": options.seed,
        "step_us": card.spec.step_us,
        "horizon": card.horizon,
        "rules": rows_of(outcomes, rules, constants, timing, options.seed),
        "n_timed": timing.n,
        "n_unlike": timing.n_unlike,
        **({"stopped_by": options.stop} if options.stop else {}),
        **({"fit": str(replayed.fits)} if replayed.fits.used else {}),
        **({"run": str(options.out)} if options.out else {}),
    }


def with_fixed(rules: dict[str, FittedCutoff]) -> dict[str, FittedCutoff]:
    """The rules, each after the shortest constant that lost no more on the recordings that it was fitted on."""
    both: dict[str, FittedCutoff] = {}
    for name, rule in rules.items():
        constant = _constant(rule, rules)
        if constant and constant not in rules:
            steps = fixed(_equal_steps(rule), rule.cutoff.horizon)
            both[constant] = dataclasses.replace(rule, cutoff=steps, observed={}, promise="The same for all.")
        both[name] = rule
    return both


def _constant(rule: FittedCutoff, rules: Mapping[str, FittedCutoff]) -> str | None:
    """The name of the constant that a rule is compared with: of a fitted one its name, or its number of steps."""
    if not (steps := _equal_steps(rule)):
        return None
    alike = (name for name, one in rules.items() if one.cutoff.rule == "fixed" and _equal_steps(one) == steps)
    return next(alike, f"{steps} steps")


def _equal_steps(rule: FittedCutoff) -> int:
    return int(rule.observed.get("equal_fixed_steps", 0))
