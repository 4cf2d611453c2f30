"""The figures of an evaluation: every rule swept over recorded outputs, as JSON and as tables of CSV."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import numpy as np

from spikecut.pipeline.metrics.early_curve import EarlyCurve, early_curve
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
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, Sweep
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.step_budget import policy_cost
from spikecut.tools.batch.gathered import Gathered
from spikecut.tools.cutoff_lookup import equal_cost_name
from spikecut.tools.time_unit import pace_of

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


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """All figures of an evaluation: `document` is that of evaluation.json, `tables` are the rows of the CSV files.

    `rows` are the rules' figures with their intervals, `whole` and `early` are what holds without any rule.
    """

    document: dict[str, Any]
    tables: dict[str, Iterable[Sequence[Any]]]
    rows: list[dict[str, Any]]
    whole: Anytime
    early: EarlyCurve


def evaluated(gathered: Gathered, rules: dict[str, FittedCutoff], seed: int, command: str, data: str) -> Evaluated:
    """Sweeps every rule over recorded outputs; `command` and `data` are what the document says of itself."""
    rows, sweeps = _assessed(gathered, rules, seed)
    whole, early = anytime(gathered.recorded), early_curve(gathered.recorded)
    curves = [curve(gathered.recorded, score, seed=seed) for score in CURVES]
    fitted_here = fitted_on(gathered, rules)
    document = {
        **_about(gathered, fitted_here, seed, command, data),
        "anytime": _plain(asdict(whole)),
        "early": _early(early, gathered),
        "rules": _plain(rows),
        "curves": [_curve(one) for one in curves],
        "risk_coverage": _risk(gathered),
        "confusion": {name: _confusion(gathered, swept) for name, swept in sweeps.items()},
    }
    tables = {**_tables(gathered, whole, curves, sweeps), "early.csv": _early_table(early, gathered)}
    return Evaluated(document, tables, rows, whole, early)


def fitted_on(gathered: Gathered, rules: Mapping[str, Any]) -> list[str]:
    """The names of the rules that were fitted on these very recordings."""
    return [name for name, rule in rules.items() if isinstance(rule, FittedCutoff) and rule.data == gathered.data]


def assess_all(
    recorded: RecordedOutputs, rules: Mapping[str, FittedCutoff | CutoffDecider[Any]], seed: int
) -> dict[str, tuple[Assessment, Sweep]]:
    """Every rule's figures and stops; a fitted one beside the constant that lost no more where it was fitted."""
    assessed = {}
    for name, rule in rules.items():
        fitted = rule if isinstance(rule, FittedCutoff) else None
        steps = 0 if fitted is None else int(fitted.observed.get("equal_fixed_steps", 0))
        decider: Any = rule if fitted is None else fitted.cutoff
        assessed[name] = assess(recorded, decider, steps, seed)
    return assessed


def _about(gathered: Gathered, fitted_here: list[str], seed: int, command: str, data: str) -> dict[str, Any]:
    """The network, the recordings and the command line of an evaluation."""
    card, unfinished = gathered.card, gathered.unfinished
    return {
        "kind": "spikecut evaluation",
        "version": 1,
        "command": command,
        "model": card.name,
        "network": card.weights_sha256,
        "data": data,
        "data_sha256": gathered.data,
        "part": gathered.part,
        "n": len(gathered.recorded),
        "n_trained_on": gathered.n_trained_on,
        "fitted_here": fitted_here,
        "seed": seed,
        "step_us": card.spec.step_us,
        "unit": pace_of(card.spec).unit,
        "horizon": gathered.recorded.horizon,
        "classes": list(card.classes),
        "default_rule": card.default_cutoff,
        **({"fit": gathered.fit} if gathered.fit else {}),
        **({"unfinished": dict(zip(("n_done", "n_items"), unfinished, strict=True))} if unfinished else {}),
    }


def _assessed(
    gathered: Gathered, rules: dict[str, FittedCutoff], seed: int
) -> tuple[list[dict[str, Any]], dict[str, Sweep]]:
    """Every rule's figures and stops; of a planned rule also those of SEENN-I at equal cost."""
    recorded = gathered.recorded
    assessed = assess_all(recorded, rules, seed)
    sweeps = {name: swept for name, (_, swept) in assessed.items()}
    rows = [_row(name, rule, assessed[name][0]) for name, rule in rules.items()]
    for row in rows:
        if (alike := equal_cost_name(row["name"])) in sweeps:
            same = at_equal_cost(recorded, sweeps[row["name"]], row["policy_cost"], sweeps[alike], seed)
            row["equal_cost"] = asdict(same)
    return rows, sweeps


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


def _early(early: EarlyCurve, gathered: Gathered) -> dict[str, Any]:
    """The early curve for JSON; a step before a picture has no length, so its times are null."""
    timed = pace_of(gathered.card.spec).unit == "ms"
    times = [gathered.card.spec.step_us / 1000 * (t + 1) for t in range(len(early.share))] if timed else None
    return {"share": _plain(early.share), "ms": times, "top1": _plain(early.top1), "top5": _plain(early.top5)}


def _early_table(early: EarlyCurve, gathered: Gathered) -> Iterable[Sequence[Any]]:
    """The same as rows, the heading first; Top-5 and times are empty where there are none."""
    yield ("step", "share", "ms", "top1", "top1_low", "top1_high", "top5", "top5_low", "top5_high")
    times = _early(early, gathered)["ms"]
    for t, one in enumerate(early.top1):
        five: Sequence[Any] = ("", "", "")
        if early.top5 is not None:
            five = (early.top5[t].value, early.top5[t].low, early.top5[t].high)
        yield (t + 1, early.share[t], times[t] if times else "", one.value, one.low, one.high, *five)


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
