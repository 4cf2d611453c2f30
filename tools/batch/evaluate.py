"""`spikecut evaluate`: all fitted rules on one pass of recorded outputs; a folder of results that `report` reads."""

import csv
import json
import math
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError
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
from spikecut.sources.datasets.class_folders import Part
from spikecut.tools.batch.outputs import Gathered, gather, told_overlap
from spikecut.tools.cutoff_lookup import asked_by, available, equal_cost_name, find_cutoff, shown, with_equal_cost
from spikecut.tools.time_unit import pace_of

SCORES = ("top2_gap", "confidence", "entropy")


def run_evaluate(
    data: Path, *, model: str, cutoffs: Sequence[str], part: Part, out: Path, seed: int, overwrite: bool, as_json: bool
) -> int:
    """The command: prints the table, and writes `evaluation.json`, `outputs.npz` and CSV files into `out`.

    Raises:
        ConfigError: if the folder holds an evaluation already, or no cutoff is there to evaluate.
    """
    target = out / "evaluation.json"
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists", hint="choose another folder with --out, or pass --overwrite")
    weights = opening.locate(model)
    card = opening.card_of(weights)
    names = [name for name in cutoffs or available(weights) if name != "none"]
    rules = with_equal_cost({shown(name, weights): find_cutoff(name, weights, card) for name in names})
    found = gather(data, model, part, asked_by(rules.values()))
    recorded = found.recorded
    rows, sweeps = [], {}
    for name, rule in rules.items():
        seen, swept = assess(recorded, rule.cutoff, int(rule.observed.get("equal_fixed_steps", 0)), seed)
        rows.append(_row(name, rule, seen))
        sweeps[name] = swept
    for row in rows:
        if (alike := equal_cost_name(row["name"])) in sweeps:
            same = at_equal_cost(recorded, sweeps[row["name"]], row["policy_cost"], sweeps[alike], seed)
            row["equal_cost"] = asdict(same)
    knowing = anytime(recorded)
    curves = [curve(recorded, score, seed=seed) for score in SCORES]
    fitted_here = [name for name, rule in rules.items() if rule.data == found.data]
    command = ["spikecut", "evaluate", str(data), "--model", model, "--part", found.part, "--out", str(out)]
    command += ["--seed", str(seed), *(["--cutoff", *cutoffs] if cutoffs else [])]
    evaluation = {
        "kind": "spikecut evaluation",
        "version": 1,
        "command": shlex.join(command),
        "model": found.card.name,
        "network": found.card.weights_sha256,
        "data": str(data),
        "data_sha256": found.data,
        "part": found.part,
        "n": len(recorded),
        "n_trained_on": found.n_trained_on,
        "fitted_here": fitted_here,
        "seed": seed,
        "step_us": found.card.spec.step_us,
        "unit": pace_of(found.card.spec).unit,
        "horizon": recorded.horizon,
        "classes": list(found.card.classes),
        "anytime": _plain(asdict(knowing)),
        "rules": _plain(rows),
        "curves": [_curve(one) for one in curves],
        "risk_coverage": _risk(found),
        "confusion": {name: _confusion(found, swept) for name, swept in sweeps.items()},
    }
    out.mkdir(parents=True, exist_ok=True)
    found.save(out / "outputs.npz")
    _write_tables(out, found, knowing, curves, sweeps)
    target.write_text(json.dumps(evaluation, allow_nan=False, indent=1) + "\n")
    if as_json:
        print(json.dumps(evaluation, allow_nan=False))
    else:
        _print(found, knowing, rows)
        print(target)
    if found.n_trained_on:
        print(f"warning: {told_overlap(found.n_trained_on, found.card)} trained the network", file=sys.stderr)
    if fitted_here:
        told = ", ".join(fitted_here)
        print(
            f"warning: fitted on these very {pace_of(found.card.spec).things}, so their figures flatter: {told}",
            file=sys.stderr,
        )
    return 3 if found.n_damaged else 0


def _row(name: str, rule: FittedCutoff, seen: Assessment) -> dict[str, Any]:
    about = {"name": name, "promise": rule.promise, **asdict(seen)}
    return {**about, "policy_cost": policy_cost(rule.cutoff), "equal_cost": None}


def _plain(value: Any) -> Any:
    """For JSON: arrays as lists, estimates as value and interval, what is no number as null."""
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


def _risk(found: Gathered) -> dict[str, Any]:
    given, wrong = risk_coverage(found.recorded, found.recorded.horizon)
    picks = np.unique(np.linspace(0, len(given) - 1, 200).astype(int))
    return {"coverage": _plain(given[picks]), "risk": _plain(wrong[picks])}


def _confusion(found: Gathered, swept: Sweep) -> list[list[int]]:
    k = len(found.card.classes)
    table = np.bincount(found.recorded.labels * k + swept.labels, minlength=k * k).reshape(k, k)
    return [[int(n) for n in row] for row in table]


def _write_tables(
    out: Path, found: Gathered, knowing: Anytime, curves: Sequence[Curve], sweeps: dict[str, Sweep]
) -> None:
    step_ms = found.card.spec.step_us / 1000
    _csv(
        out / "anytime.csv",
        ("step", "ms", "accuracy", "low", "high", "calibration_error"),
        (
            (t + 1, step_ms * (t + 1), one.value, one.low, one.high, knowing.calibration_error[t])
            for t, one in enumerate(knowing.accuracy)
        ),
    )
    _csv(
        out / "curves.csv",
        ("score", "threshold", "mean_steps", "steps_low", "steps_high", "accuracy", "accuracy_low", "accuracy_high"),
        (
            (one.score, one.thresholds[i], *one.mean_steps[i], *one.accuracy[i])
            for one in curves
            for i in range(len(one.thresholds))
        ),
    )
    classes, truth = found.card.classes, found.recorded.labels
    _csv(
        out / "decisions.csv",
        ("recording", "truth", "rule", "answer", "step", "ms"),
        (
            (
                found.names[i],
                classes[truth[i]],
                name,
                classes[swept.labels[i]],
                swept.stops[i],
                step_ms * swept.stops[i],
            )
            for name, swept in sweeps.items()
            for i in range(len(truth))
        ),
    )


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            writer.writerow([f"{one:.6g}" if isinstance(one, float) else one for one in row])


def _print(found: Gathered, knowing: Anytime, rows: Sequence[dict[str, Any]]) -> None:
    card, pace = found.card, pace_of(found.card.spec)
    what = f"{len(found.recorded)} {pace.things} ({found.part})"
    title = f"{card.name}, {what}; 95 % intervals; a sweep, nothing was stopped"
    table = Table(title=title, box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, header_style="bold")
    columns = ["rule", "right", "loss", "time", "x full", "fixed", "x fixed", "early loss", "as full"]
    if any(row["coverage"] for row in rows):
        columns.append("set")
    for column in columns:
        table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
    full = knowing.accuracy[-1]
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
    told = " set: prediction sets that hold the truth." if "set" in columns else ""
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for row in rows:
        if row["equal_cost"]:
            console.print(_planned(row), highlight=False)
    console.print(
        "loss: points against the full window, read as the rule reads it. early loss: of the answers before the end,\n"
        f"those that turn from right to wrong. as full: same answer as the full window.{told}\n"
        f"Without any rule: mean accuracy over the steps {knowing.area:.3f}, optimal cutoff step {knowing.oct:.1f}, "
        f"AET {knowing.aet:.1f}, first right answer {knowing.earliest:.1f}, zero-loss floor {knowing.floor:.1f} steps.",
        style="dim",
    )


def _planned(row: dict[str, Any]) -> str:
    """What a planned rule cost with its policy, and what SEENN-I did for as much."""
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
