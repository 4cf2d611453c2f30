"""`spikecut evaluate`: all fitted rules on one pass of recorded outputs; a folder of results that `report` reads."""

import json
import math
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from spikecut.models.files import opening
from spikecut.pipeline.files.atomic_files import claimed, refuse_existing
from spikecut.pipeline.metrics.evaluation import (
    Anytime,
    Assessment,
    Curve,
    anytime,
    assess,
    at_equal_cost,
    curve,
    risk_coverage,
)
from spikecut.pipeline.metrics.intervals import Estimate
from spikecut.pipeline.recorded import Sweep
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.step_budget import policy_cost
from spikecut.tools.batch.evaluation_files import write_evaluation
from spikecut.tools.batch.network_choice import network_for_data, shown_name
from spikecut.tools.batch.outputs import Gathered, Named, gather, overlap_text
from spikecut.tools.cutoff_lookup import cutoffs_for, equal_cost_name, shared_policy, warn_of_fits, with_equal_cost
from spikecut.tools.reading_options import read_options
from spikecut.tools.time_unit import pace_of

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.evaluate import Evaluate

CURVES = ("top2_gap", "confidence", "entropy")  # the scores that need no weights and are more than the time
_CURVE_COLUMNS = (
    "score",
    "threshold",
    "mean_steps",
    "steps_low",
    "steps_high",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
)


def run_evaluate(options: "Evaluate") -> int:
    """The command: prints the table, and writes `evaluation.json`, `outputs.npz` and CSV files into a folder.

    Raises:
        ConfigError: if the folder holds an evaluation already.
    """
    target, outputs = options.out / "evaluation.json", options.out / "outputs.npz"
    for path in (target, outputs):
        refuse_existing(path, overwrite=options.overwrite)
    with claimed(target, outputs):
        return _evaluate(options, target)


def _evaluate(options: "Evaluate", target: Path) -> int:
    reading = read_options(options)
    weights = network_for_data(options.model, options.folder, text=reading.text is not None)
    rules = with_equal_cost(cutoffs_for(options.cutoff, weights, opening.card_of(weights)))
    gathered = gather(
        options.folder,
        Named(str(weights), options.engine),
        options.part,
        reading,
        shared_policy(rules.values()),
    )
    rows, sweeps = _assessed(gathered, rules, options.seed)
    whole = anytime(gathered.recorded)
    curves = [curve(gathered.recorded, score, seed=options.seed) for score in CURVES]
    fitted_here = [name for name, rule in rules.items() if rule.data == gathered.data]
    evaluation = {
        **_about(options, gathered, fitted_here),
        "anytime": _plain(asdict(whole)),
        "rules": _plain(rows),
        "curves": [_curve(one) for one in curves],
        "risk_coverage": _risk(gathered),
        "confusion": {name: _confusion(gathered, swept) for name, swept in sweeps.items()},
    }
    tables = _tables(gathered, whole, curves, sweeps)
    evaluation = write_evaluation(target, evaluation, gathered, tables, overwrite=options.overwrite)
    if options.json:
        print(json.dumps(evaluation, allow_nan=False))
    else:
        _print(gathered, whole, rows)
        print(target)
    _warn(gathered, fitted_here)
    warn_of_fits(rules, gathered.fit)
    return 3 if gathered.n_damaged else 0


def _about(options: "Evaluate", gathered: Gathered, fitted_here: Sequence[str]) -> dict[str, Any]:
    """The network, the recordings, the date and the command line of an evaluation."""
    card, part, seed = gathered.card, gathered.part, options.seed
    command = ["spikecut", "evaluate", str(options.folder), "--model", shown_name(gathered.weights), "--part", part]
    command += ["--out", str(options.out), "--seed", str(seed)]
    return {
        "kind": "spikecut evaluation",
        "version": 1,
        "command": shlex.join([*command, *(["--cutoff", *options.cutoff] if options.cutoff else [])]),
        "model": card.name,
        "network": card.weights_sha256,
        "data": str(options.folder),
        "data_sha256": gathered.data,
        "part": part,
        "n": len(gathered.recorded),
        "n_trained_on": gathered.n_trained_on,
        "fitted_here": fitted_here,
        "seed": seed,
        "step_us": card.spec.step_us,
        "unit": pace_of(card.spec).unit,
        "horizon": gathered.recorded.horizon,
        "classes": list(card.classes),
        **({"fit": gathered.fit} if gathered.fit else {}),
    }


def _assessed(
    gathered: Gathered, rules: dict[str, FittedCutoff], seed: int
) -> tuple[list[dict[str, Any]], dict[str, Sweep]]:
    """Every rule's figures and stops; of a planned rule also those of SEENN-I at equal cost."""
    recorded = gathered.recorded
    rows, sweeps = [], {}
    for name, rule in rules.items():
        figures, sweeps[name] = assess(recorded, rule.cutoff, int(rule.observed.get("equal_fixed_steps", 0)), seed)
        rows.append(_row(name, rule, figures))
    for row in rows:
        if (alike := equal_cost_name(row["name"])) in sweeps:
            same = at_equal_cost(recorded, sweeps[row["name"]], row["policy_cost"], sweeps[alike], seed)
            row["equal_cost"] = asdict(same)
    return rows, sweeps


def _warn(gathered: Gathered, fitted_here: Sequence[str]) -> None:
    """Warns on stderr if figures are too optimistic."""
    if gathered.n_trained_on:
        print(f"warning: {overlap_text(gathered.n_trained_on, gathered.card)} trained the network", file=sys.stderr)
    if fitted_here:
        print(
            f"warning: fitted on these very {pace_of(gathered.card.spec).things}, so their figures flatter: "
            + ", ".join(fitted_here),
            file=sys.stderr,
        )


def _row(name: str, rule: FittedCutoff, figures: Assessment) -> dict[str, Any]:
    about = {"name": name, "promise": rule.promise, **asdict(figures)}
    return {**about, "policy_cost": policy_cost(rule.cutoff), "equal_cost": None}


def _plain(value: Any) -> Any:
    """For JSON: arrays as lists, estimates as value and interval, NaN as null."""
    if isinstance(value, Estimate):
        return [_plain(value.value), _plain(value.low), _plain(value.high)]
    if isinstance(value, dict):
        if set(value) == {"value", "low", "high"}:
            return [_plain(value[name]) for name in ("value", "low", "high")]
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _curve(one: Curve) -> dict[str, Any]:
    return {
        "score": one.score,
        "area": round(one.area, 6),
        "thresholds": _plain(one.thresholds),
        "mean_steps": _plain(one.mean_steps),
        "accuracy": _plain(one.accuracy),
    }


def _risk(gathered: Gathered) -> dict[str, Any]:
    given, wrong = risk_coverage(gathered.recorded, gathered.recorded.horizon)
    picks = np.unique(np.linspace(0, len(given) - 1, 200).astype(int))
    return {"coverage": _plain(given[picks]), "risk": _plain(wrong[picks])}


def _confusion(gathered: Gathered, swept: Sweep) -> list[list[int]]:
    k = len(gathered.card.classes)
    table = np.bincount(gathered.recorded.labels * k + swept.labels, minlength=k * k).reshape(k, k)
    return [[int(n) for n in row] for row in table]


def _tables(
    gathered: Gathered, whole: Anytime, curves: Sequence[Curve], sweeps: dict[str, Sweep]
) -> dict[str, Iterable[Sequence[Any]]]:
    """The rows of the CSV files, the heading first, by the names of the files."""
    step_ms = gathered.card.spec.step_us / 1000
    by_step: Iterable[Sequence[Any]] = (
        (t + 1, step_ms * (t + 1), one.value, one.low, one.high, whole.calibration_error[t])
        for t, one in enumerate(whole.accuracy)
    )
    by_threshold: Iterable[Sequence[Any]] = (
        (one.score, one.thresholds[i], *one.mean_steps[i], *one.accuracy[i])
        for one in curves
        for i in range(len(one.thresholds))
    )
    classes, truth = gathered.card.classes, gathered.recorded.labels
    answers: Iterable[Sequence[Any]] = (
        (gathered.names[i], classes[truth[i]], name, classes[swept.labels[i]], swept.stops[i], step_ms * swept.stops[i])
        for name, swept in sweeps.items()
        for i in range(len(truth))
    )
    return {
        "anytime.csv": chain([("step", "ms", "accuracy", "low", "high", "calibration_error")], by_step),
        "curves.csv": chain([_CURVE_COLUMNS], by_threshold),
        "decisions.csv": chain([("recording", "truth", "rule", "answer", "step", "ms")], answers),
    }


def _print(gathered: Gathered, whole: Anytime, rows: Sequence[dict[str, Any]]) -> None:
    card, pace = gathered.card, pace_of(gathered.card.spec)
    what = f"{len(gathered.recorded)} {pace.things} ({gathered.part})"
    title = f"{card.name}, {what}; 95 % intervals; a sweep, nothing was stopped"
    table = Table(title=title, box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, header_style="bold")
    columns = ["rule", "right", "loss", "time", "x full", "fixed", "x fixed", "early loss", "as full"]
    if any(row["coverage"] for row in rows):
        columns.append("set")
    for column in columns:
        table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
    full = whole.accuracy[-1]
    table.add_row("full window", _cell(full, 100, ".1f", " %"), "", pace.whole(card.horizon))
    for row in rows:
        cells = (
            row["name"],
            _cell(_estimate(row["accuracy"]), 100, ".1f", " %"),
            _cell(_estimate(row["loss"]), 1, ".1f"),
            _cell(_estimate(row["mean_steps"]), pace.factor, pace.form, f" {pace.unit}"),
            _cell(_estimate(row["earlier_than_full"]), 1, ".2f"),
            pace.whole(row["fixed_steps"]) if row["fixed_steps"] else "",
            _cell(_estimate(row["earlier_than_fixed"]), 1, ".2f"),
            _cell(_estimate(row["early_loss"]), 1, ".1f", " %"),
            _cell(_estimate(row["agreement"]), 100, ".1f", " %"),
            _cell(_estimate(row["coverage"]), 100, ".1f", " %"),
        )
        table.add_row(*cells[: len(columns)])
    sets = " set: prediction sets that hold the truth." if "set" in columns else ""
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for row in rows:
        if row["equal_cost"]:
            console.print(_planned(row), highlight=False)
    console.print(
        "loss: points against the full window, read as the rule reads it. early loss: of the answers before the end,\n"
        f"those that turn from right to wrong. as full: same answer as the full window.{sets}\n"
        f"Without any rule: mean accuracy over the steps {whole.area:.3f}, optimal cutoff step {whole.oct:.1f}, "
        f"AET {whole.aet:.1f}, first right answer {whole.earliest:.1f}, zero-loss floor {whole.floor:.1f} steps.",
        style="dim",
    )


def _planned(row: dict[str, Any]) -> str:
    """The cost of a planned rule with its policy, and SEENN-I at the same cost."""
    same = {name: Estimate(**raw) for name, raw in row["equal_cost"].items()}
    steps, gain = same["cost"].value - row["policy_cost"], same["gain"]
    return (
        f"{row['name']}: {same['accuracy'].value:.1%} right for {same['cost'].value:.2f} steps ({steps:.2f} + "
        f"{row['policy_cost']:.2f} for its policy). Confidence, set to cost as much on\nthe calibration recordings: "
        f"{same['other_accuracy'].value:.1%} for {same['other_cost'].value:.2f}. Planning gains {gain.value:+.1f} "
        f"points ({gain.low:+.1f} to {gain.high:+.1f})."
    )


def _estimate(raw: Any) -> Estimate | None:
    return Estimate(**raw) if isinstance(raw, dict) else raw


def _cell(one: Estimate | None, factor: float, form: str, unit: str = "") -> str:
    if one is None:
        return ""
    low, high = factor * one.low, factor * one.high
    return f"{factor * one.value:{form}}{unit}" + ("" if low == high else f"\n{low:{form}}–{high:{form}}")
