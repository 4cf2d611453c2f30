"""`spikecut replay`: a folder of labelled recordings, with every cutoff and without; the network really stops."""

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import EmptyRecording, printable
from spikecut.pipeline.metrics.intervals import Estimate, bootstrap_mean, bootstrap_ratio, wilson
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.replay import replay
from spikecut.pipeline.results import Decision
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.step_budget import policy_cost
from spikecut.pipeline.rules.thresholds import fixed
from spikecut.sources.datasets.reading import Fate
from spikecut.tools.batch.examples import Examples, complain, examples_of
from spikecut.tools.batch.outputs import overlap_text
from spikecut.tools.cutoff_lookup import cutoffs_for, unfitted, warn_of_fits, with_equal_cost
from spikecut.tools.frame_streams import say_fits
from spikecut.tools.reading_options import read_options
from spikecut.tools.time_unit import Pace, pace_of

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.replay import Replay

Labels = np.ndarray[Any, np.dtype[np.int64]]


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
    """
    weights = opening.locate(options.model)
    stepper, card = opening.load(weights, engine=options.engine)
    examples = examples_of(options.folder, card, options.part, read_options(options))
    for note in examples.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    n_trained_on = len(examples.that_trained(card))
    rules = {"none": unfitted(card)} | with_fixed(with_equal_cost(cutoffs_for(options.cutoff, weights, card)))
    n_batch = options.batch_size
    one_pass(examples.first(n_batch), stepper, card, rules["none"].cutoff, n_batch)  # warm: compiled, allocated
    passes = [one_pass(examples, stepper, card, rule.cutoff, n_batch, name=name) for name, rule in rules.items()]
    passes = _answered_by_all(passes)
    n_damaged = complain(passes[0].fates)
    say_fits(examples.fits, examples.reading)
    warn_of_fits(rules, str(examples.fits))
    if not passes[0].decisions:
        raise EmptyRecording(options.folder, f"none of its {len(examples)} {pace_of(card.spec).things} could be read")
    report = _report(options, card, examples, rules, passes, n_trained_on)
    if options.json:
        print(json.dumps(report))
    else:
        _print(report, pace_of(card.spec))
    if n_trained_on:
        print(
            f"warning: {overlap_text(n_trained_on, card)} trained the network: its accuracy here says nothing. "
            "Use --part test.",
            file=sys.stderr,
        )
    return 3 if n_damaged else 0


def _answered_by_all(passes: Sequence[Pass]) -> list[Pass]:
    """The passes without recordings that one of them has no answer to, because the network's output was not finite."""
    common = set.intersection(*(set(one.items) for one in passes))
    kept = []
    for one in passes:
        pairs = [pair for pair in zip(one.items, one.decisions, strict=True) if pair[0] in common]
        items, decisions = tuple(item for item, _ in pairs), tuple(decision for _, decision in pairs)
        kept.append(dataclasses.replace(one, items=items, decisions=decisions))
    return kept


def _report(
    options: "Replay",
    card: ModelCard,
    examples: Examples,
    rules: dict[str, FittedCutoff],
    passes: Sequence[Pass],
    n_trained_on: int,
) -> dict[str, Any]:
    """The object of `--json`: the first pass is that of the full window."""
    rows = [
        _row(one, rules[one.name], _constant(rules[one.name], rules), passes, examples.labels, options.seed)
        for one in passes
    ]
    return {
        "model": card.name,
        "folder": str(options.folder),
        "part": options.part,
        "n": len(passes[0].decisions),
        "n_unreadable": len(examples) - len(passes[0].decisions),
        "n_trained_on": n_trained_on,
        "seed": options.seed,
        "step_us": card.spec.step_us,
        "horizon": card.horizon,
        "rules": rows,
        **({"fit": str(examples.fits)} if examples.fits.used else {}),
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


def _constant(rule: FittedCutoff, rules: dict[str, FittedCutoff]) -> str | None:
    """The name of the constant that a rule is compared with: of a fitted one its name, or its number of steps."""
    if not (steps := _equal_steps(rule)):
        return None
    alike = (name for name, one in rules.items() if one.cutoff.rule == "fixed" and _equal_steps(one) == steps)
    return next(alike, f"{steps} steps")


def _equal_steps(rule: FittedCutoff) -> int:
    return int(rule.observed.get("equal_fixed_steps", 0))


def _row(
    this: Pass,
    rule: FittedCutoff,
    beside: str | None,
    passes: Sequence[Pass],
    labels: Labels,
    seed: int,
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    full, constant = passes[0], next((p for p in passes if p.name == beside), None)
    right = _right(this, labels)
    cost = policy_cost(rule.cutoff)
    steps, ms = _steps(this), np.array([d.latency_us / 1000 for d in this.decisions])
    return {
        "rule": this.name,
        "promise": rule.promise,
        "accuracy": _triple(wilson(int(right.sum()), len(this.items))),
        "n_right": int(right.sum()),
        "loss_points": _triple(bootstrap_mean(100 * (_right(full, labels) - right), rng)),
        "mean_steps": _triple(bootstrap_mean(steps, rng)),
        "mean_ms": _triple(bootstrap_mean(ms, rng)),
        "earlier_than_full": _triple(bootstrap_ratio(_steps(full), steps + cost, rng)),
        "earlier_than_fixed": _triple(bootstrap_ratio(_steps(constant), steps + cost, rng)) if constant else None,
        "fixed": beside,
        "executed_steps": int(steps.sum()),
        "policy_cost": round(cost, 4),
        "wall_s": round(this.wall_s, 4),
        "faster_than_full": round(full.wall_s / this.wall_s, 3),
    }


def _right(this: Pass, labels: Labels) -> np.ndarray[Any, np.dtype[np.float64]]:
    pairs = zip(this.items, this.decisions, strict=True)
    return np.array([decision.label == labels[item] for item, decision in pairs], np.float64)


def _steps(this: Pass) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([d.steps for d in this.decisions], np.float64)


def _triple(estimate: Estimate) -> list[float]:
    return [round(estimate.value, 4), round(estimate.low, 4), round(estimate.high, 4)]


def _print(report: dict[str, Any], pace: Pace) -> None:
    title = f"{report['model']}, {report['n']} {pace.things} ({report['part']}); 95 % intervals, seed {report['seed']}"
    table = Table(title=title, box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, header_style="bold")
    for column in ("rule", "right", "loss", "steps", "time", "x full", "x fixed", "x wall"):
        table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
    for row in report["rules"]:
        full = row["rule"] == "none"
        right = [100 * share for share in row["accuracy"]]
        table.add_row(
            "full window" if full else row["rule"],
            f"{right[0]:.1f} %\n{right[1]:.1f}–{right[2]:.1f}",
            "" if full else _cell(row["loss_points"], ".1f"),
            f"{row['mean_steps'][0]:.2f}" + (f" + {row['policy_cost']:.2f}" if row["policy_cost"] else ""),
            _cell(row["mean_ms"], ".1f", " ms") if pace.unit == "ms" else _cell(row["mean_steps"], ".2f", " steps"),
            "" if full else _cell(row["earlier_than_full"], ".1f"),
            "" if full or not row["earlier_than_fixed"] else _cell(row["earlier_than_fixed"], ".2f"),
            "" if full else f"{row['faster_than_full']:.1f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(table)
    console.print(
        "loss: points of accuracy against the full window. x full: how many times earlier than it, x fixed:\n"
        f"than the shortest constant that lost no more on the {pace.things} the rule was fitted on.\n"
        "x wall: how many times less wall time than the full window took, in this one pass."
        + (
            "\nsteps + a policy's cost in steps, which the x count."
            if any(row["policy_cost"] for row in report["rules"])
            else ""
        ),
        style="dim",
    )


def _cell(triple: list[float], form: str, unit: str = "") -> str:
    """A figure, and below it its interval where it has one."""
    value, low, high = triple
    return f"{value:{form}}{unit}" + ("" if low == high else f"\n{low:{form}}–{high:{form}}")
