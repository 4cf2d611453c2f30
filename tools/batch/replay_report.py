"""The figures of a replay: every rule beside the full window, as JSON and as a table."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from rich.console import Console
from rich.table import Table

from spikecut.pipeline.metrics.intervals import Estimate, bootstrap_mean, bootstrap_ratio, wilson
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.step_budget import policy_cost
from spikecut.tools.batch.passes.outcomes import Outcomes
from spikecut.tools.time_unit import Pace


@dataclass(frozen=True, slots=True)
class Timing:
    """Really stopped: of each rule the seconds over the same `n` recordings, and answers unlike those of the pass."""

    n: int
    wall_s: Mapping[str, float]
    n_unlike: int = 0


def rows_of(
    outcomes: Outcomes,
    rules: Mapping[str, FittedCutoff],
    constants: Mapping[str, str | None],
    timing: Timing,
    seed: int,
) -> list[dict[str, Any]]:
    """One object a rule; figures against the full window only where it was computed, times only where measured."""
    return [_row(outcomes, name, rule, constants[name], timing, seed) for name, rule in rules.items()]


def _row(
    outcomes: Outcomes, name: str, rule: FittedCutoff, beside: str | None, timing: Timing, seed: int
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    at, cost = outcomes.of(name), policy_cost(rule.cutoff)
    full = outcomes.of("none") if "none" in outcomes.rules else None
    constant = outcomes.of(beside) if beside in outcomes.rules else None
    right, steps, ms = _floats(outcomes.right[at]), _floats(outcomes.steps[at]), outcomes.us[at] / 1000
    loss = None if full is None else bootstrap_mean(100 * (_floats(outcomes.right[full]) - right), rng)
    mean_steps, mean_ms = bootstrap_mean(steps, rng), bootstrap_mean(ms, rng)
    earlier = None if full is None else bootstrap_ratio(_floats(outcomes.steps[full]), steps + cost, rng)
    than_fixed = None if constant is None else bootstrap_ratio(_floats(outcomes.steps[constant]), steps + cost, rng)
    wall_s, whole_s = timing.wall_s.get(name), timing.wall_s.get("none")
    return {
        "rule": name,
        "promise": rule.promise,
        "accuracy": _triple(wilson(int(right.sum()), len(outcomes))),
        "n_right": int(right.sum()),
        "loss_points": _triple(loss),
        "mean_steps": _triple(mean_steps),
        "mean_ms": _triple(mean_ms),
        "earlier_than_full": _triple(earlier),
        "earlier_than_fixed": _triple(than_fixed),
        "fixed": beside,
        "executed_steps": int(steps.sum()),
        "policy_cost": round(cost, 4),
        "wall_s": None if wall_s is None else round(wall_s, 4),
        "faster_than_full": round(whole_s / wall_s, 3) if whole_s and wall_s else None,
    }


def _floats(values: ndarray) -> Float64[ndarray, " N"]:
    return np.asarray(values, np.float64)


def _triple(estimate: Estimate | None) -> list[float] | None:
    if estimate is None:
        return None
    return [round(estimate.value, 4), round(estimate.low, 4), round(estimate.high, 4)]


def print_table(report: Mapping[str, Any], pace: Pace) -> None:
    """The table for people, and what its columns mean."""
    title = f"{report['model']}, {report['n']} {pace.things} ({report['part']}); 95 % intervals, seed {report['seed']}"
    table = Table(title=title, box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, header_style="bold")
    for column in ("rule", "right", "loss", "steps", "time", "x full", "fixed", "x fixed", "x wall"):
        table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
    fitted, constants = _apart(report["rules"])
    steps = {row["rule"]: f"{row['mean_steps'][0]:.0f}" for row in fitted}
    steps |= {row["rule"]: row["rule"].removesuffix(" steps") for row in constants}
    for row in fitted:
        table.add_row(*_cells(row, pace, steps))
    if constants:
        table.add_row()
        table.add_row("constants")
    for row in constants:
        table.add_row(*_cells(row, pace, steps))
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(table)
    console.print("\n".join(_legend(report, pace)), style="dim", highlight=False)


def _apart(rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rules that were fitted, and those constants that are there only to compare them with."""
    compared = {row["fixed"] for row in rows}
    fitted = [row for row in rows if row["rule"] not in compared or row["fixed"] is not None]
    return fitted, sorted((row for row in rows if row not in fitted), key=lambda row: row["executed_steps"])


def _cells(row: Mapping[str, Any], pace: Pace, steps: Mapping[str, str]) -> list[str]:
    """The row of a rule; `steps` has those of the constants by their names."""
    full = row["rule"] == "none"
    right = [100 * share for share in row["accuracy"]]
    return [
        {"none": "full window", "1 steps": "1 step"}.get(row["rule"], row["rule"]),
        f"{right[0]:.1f} %\n{right[1]:.1f}–{right[2]:.1f}",
        "" if full else _cell(row["loss_points"], ".1f"),
        f"{row['mean_steps'][0]:.2f}" + (f" + {row['policy_cost']:.2f}" if row["policy_cost"] else ""),
        _cell(row["mean_ms"], ".1f", " ms") if pace.unit == "ms" else _cell(row["mean_steps"], ".2f", " steps"),
        "" if full else _cell(row["earlier_than_full"], ".1f"),
        "" if row["earlier_than_fixed"] is None else steps[row["fixed"]],
        "" if full else _cell(row["earlier_than_fixed"], ".2f"),
        "" if full or row["faster_than_full"] is None else f"{row['faster_than_full']:.1f}",
    ]


def _legend(report: Mapping[str, Any], pace: Pace) -> Sequence[str]:
    if report.get("stopped_by"):
        return [f"Stopped by {report['stopped_by']}; nothing else was computed."]
    lines = [
        "loss: points of accuracy against the full window. x full: how many times earlier than it.",
        f"fixed: the fewest steps, the same for all, that lost no more than the rule on the {pace.things} it was",
        "fitted on; x fixed: how many times earlier than them.",
    ]
    if _apart(report["rules"])[1]:
        lines.append(f"constants: what those steps do on these {pace.things}.")
    if n := report["n_timed"]:
        lines.append(f"x wall: how many times less wall time than the full window took, really stopped on {n} of them.")
    if any(row["policy_cost"] for row in report["rules"]):
        lines.append("steps + a policy's cost in steps, which the x count.")
    return lines


def _cell(triple: Sequence[float] | None, form: str, unit: str = "") -> str:
    """A figure, and below it its interval where it has one."""
    if triple is None:
        return ""
    value, low, high = triple
    return f"{value:{form}}{unit}" + ("" if low == high else f"\n{low:{form}}–{high:{form}}")
