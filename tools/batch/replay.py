"""`spikecut replay`: a folder of labelled recordings, with every cutoff and without, really stopped."""

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import EmptyRecording
from spikecut.pipeline.metrics.intervals import Estimate, bootstrap_mean, bootstrap_ratio, wilson
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.replay import replay
from spikecut.pipeline.results import Decision
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.step_budget import policy_cost
from spikecut.pipeline.rules.thresholds import fixed
from spikecut.sources.datasets.class_folders import Part
from spikecut.tools.batch.examples import Examples, Fate, complain, examples_of
from spikecut.tools.batch.outputs import told_overlap
from spikecut.tools.cutoff_lookup import available, find_cutoff, shown, unfitted, with_equal_cost
from spikecut.tools.time_unit import Pace, pace_of

Labels = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One cutoff over all recordings: what was decided, and how long the loop took."""

    name: str
    decisions: tuple[Decision, ...]
    items: tuple[int, ...]
    wall_s: float
    n_damaged: int


def one_pass(
    examples: Examples,
    stepper: SteppedModel[Any],
    card: ModelCard,
    cutoff: CutoffDecider[Any],
    batch_size: int,
    *,
    name: str = "",
    quiet: bool = True,
) -> Pass:
    """Replays all recordings from disk with one rule; the clock covers reading, binning, stepping, deciding."""
    fates: list[Fate] = []
    started = time.perf_counter()
    streams = examples.streams(card, fates)
    found = dict(replay(streams, stepper, cutoff, horizon=card.horizon, batch_size=batch_size))
    wall_s = time.perf_counter() - started
    kept = sorted((i, d) for i, d in found.items() if d is not None and fates[i].error is None)
    n_damaged = complain(fates, quiet=quiet)
    return Pass(name or cutoff.rule, tuple(d for _, d in kept), tuple(i for i, _ in kept), wall_s, n_damaged)


def run_replay(
    folder: Path,
    *,
    model: str,
    cutoffs: Sequence[str],
    part: Part,
    batch_size: int,
    seed: int,
    as_json: bool,
) -> int:
    """The command: the full window, the fixed horizon and the rules asked for, side by side.

    Raises:
        EmptyRecording: if no recording could be read.
    """
    weights = opening.locate(model)
    stepper, card = opening.load(weights)
    examples = examples_of(folder, card, part)
    for note in examples.notes:
        print(f"note: {note}", file=sys.stderr)
    n_trained_on = len(examples.that_trained(card))
    names = [name for name in cutoffs or available(weights) if name != "none"]
    rules = {"none": unfitted(card)} | with_fixed(
        with_equal_cost({shown(name, weights): find_cutoff(name, weights, card) for name in names})
    )

    one_pass(examples.first(batch_size), stepper, card, rules["none"].cutoff, batch_size)  # warm: compiled, allocated
    passes = [
        one_pass(examples, stepper, card, rule.cutoff, batch_size, name=name, quiet=name != "none")
        for name, rule in rules.items()
    ]
    if not passes[0].decisions:
        raise EmptyRecording(folder, f"none of its {len(examples)} {pace_of(card.spec).things} could be read")
    report = {
        "model": card.name,
        "folder": str(folder),
        "part": part,
        "n": len(passes[0].decisions),
        "n_unreadable": len(examples) - len(passes[0].decisions),
        "n_trained_on": n_trained_on,
        "seed": seed,
        "step_us": card.spec.step_us,
        "horizon": card.horizon,
        "rules": [
            _row(
                p, rules[p.name], _constant(rules[p.name], rules), passes, examples.labels, np.random.default_rng(seed)
            )
            for p in passes
        ],
    }
    if as_json:
        print(json.dumps(report))
    else:
        _print(report, pace_of(card.spec))
    if n_trained_on:
        print(
            f"warning: {told_overlap(n_trained_on, card)} trained the network: its accuracy here says nothing. "
            "Use --part test.",
            file=sys.stderr,
        )
    return 3 if passes[0].n_damaged else 0


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
    """What the constant that a rule is compared with is called: a fitted one's name, or its number of steps."""
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
    rng: np.random.Generator,
) -> dict[str, Any]:
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
