"""Metrics of rules on recorded outputs, and of the network itself, step by step.

All of it is a *sweep*: computed afterwards from outputs of full length. Good for comparing rules on equal terms;
time saved is measured by `spikecut replay`, which really stops.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.metrics.intervals import (
    Estimate,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_ratio,
    wilson,
)
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, Sweep, sweep
from spikecut.pipeline.rules.step_budget import policy_cost
from spikecut.pipeline.rules.topk import optimal_cutoff_steps


@dataclass(frozen=True, slots=True, eq=False)
class Anytime:
    """Metrics of the network after each step, independent of any rule.

    `accuracy` is that of stopping all recordings after step 1, 2, …, with its Wilson interval; `area` its mean over the
    steps. `oct` is the mean optimal cutoff step of Wu et al. (first step from which the answer stays right; a measure
    of stability), `aet` the average earliest time of Li et al., from the accuracies, `earliest` the mean first right
    answer itself (the horizon if there is none), `floor` the mean steps of a rule that knows the truth and loses
    nothing: the first right answer of those that are right at the end, one step for the others. `calibration_error`
    compares confidence with accuracy in 15 bins.
    """

    accuracy: tuple[Estimate, ...]
    area: float
    oct: float
    aet: float
    earliest: float
    floor: float
    calibration_error: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Accuracy against mean steps of one score over a range of thresholds, with bootstrap intervals; `area` below it.

    The area is the mean accuracy between one step and the horizon, along the upper edge of the points.
    """

    score: str
    thresholds: Float64[ndarray, " P"]
    mean_steps: Float64[ndarray, "P 3"]
    accuracy: Float64[ndarray, "P 3"]
    area: float


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """The metrics of one rule: every figure with its 95 % interval.

    `loss` is accuracy lost against the full window, in points. `early_loss` is the share of answers before the horizon
    that would have been right at the end and are wrong, in per cent; `early_loss_by_step` the same among answers given
    by each step (NaN where there are none). `agreement` is how often the answer is that of the full window.
    `right_by_step` and `wrong_by_step` count the answers given at each step; `coverage` and `set_size` are of sets.
    """

    accuracy: Estimate
    loss: Estimate
    mean_steps: Estimate
    earlier_than_full: Estimate
    fixed_steps: int
    earlier_than_fixed: Estimate | None
    early_loss: Estimate | None
    early_loss_by_step: Float64[ndarray, " T"]
    agreement: Estimate
    right_by_step: Int64[ndarray, " T"]
    wrong_by_step: Int64[ndarray, " T"]
    coverage: Estimate | None
    set_size: Estimate | None


def anytime(recorded: RecordedOutputs) -> Anytime:
    """The network without any rule."""
    correct, n, horizon = recorded.correct(), len(recorded), recorded.horizon
    first = np.where(correct.any(axis=1), correct.argmax(axis=1) + 1, horizon)
    shares = correct.mean(axis=0)
    return Anytime(
        accuracy=tuple(wilson(int(right), n) for right in correct.sum(axis=0)),
        area=float(shares.mean()),
        oct=float(optimal_cutoff_steps(recorded).mean()),
        aet=average_earliest_time(shares),
        earliest=float(first.mean()),
        floor=float(np.where(correct[:, -1], first, 1).mean()),
        calibration_error=calibration_errors(recorded),
    )


def average_earliest_time(accuracy: Float64[ndarray, " T"]) -> float:
    """AET of SEENN from accuracies alone, as if a right answer stayed right: T minus the accuracies before T.

    >>> average_earliest_time(np.array([0.375, 0.5, 0.4375, 0.5625, 0.6875, 0.75]))
    3.4375
    """
    return float(len(accuracy) - accuracy[:-1].sum())


def expected_calibration_error(logits: Float32[ndarray, "N K"], correct: Bool[ndarray, " N"], bins: int = 15) -> float:
    """The mean distance between confidence and accuracy over equal bins of confidence (Guo et al., arXiv 1706.04599).

    >>> expected_calibration_error(np.log(np.array([[8, 2], [8, 2]], np.float32)), np.array([True, False])).__round__(3)
    0.3
    """
    confidence = softmax(logits.astype(np.float64)).max(axis=1)
    which = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts = np.bincount(which, minlength=bins)
    gaps = np.bincount(which, confidence, bins) - np.bincount(which, correct.astype(np.float64), bins)
    return float(np.abs(gaps).sum() / counts.sum())


def calibration_errors(recorded: RecordedOutputs) -> tuple[float, ...]:
    """The expected calibration error after every step, of the recordings' readout."""
    logits, correct = recorded.logits(), recorded.correct()
    return tuple(expected_calibration_error(logits[:, t], correct[:, t]) for t in range(recorded.horizon))


def risk_coverage(recorded: RecordedOutputs, step: int) -> tuple[Float64[ndarray, " N"], Float64[ndarray, " N"]]:
    """If only the most confident answers after a step were given: the share given, and of these the share wrong."""
    confidence = softmax(recorded.logits()[:, step - 1].astype(np.float64)).max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    wrong = ~recorded.correct()[order, step - 1]
    given = np.arange(1, len(order) + 1)
    return given / len(order), wrong.cumsum() / given


def curve(recorded: RecordedOutputs, score: str, *, points: int = 100, draws: int = 200, seed: int = 0) -> Curve:
    """One pass over scores for all thresholds: quantiles of what recordings reach by each step, and by the last one."""
    reached = np.maximum.accumulate(recorded.scores(score), axis=1)
    correct, horizon, n = recorded.correct(), recorded.horizon, len(recorded)
    if horizon < 2:
        raise ConfigError("a curve over a window of one step; there is nothing to stop early")
    by_step, by_end = (values.astype(np.float64) for values in (reached[:, :-1], reached[:, -1]))
    shares = np.linspace(0, 1, points // 2)
    levels = np.unique(np.concatenate([np.quantile(by_step, shares), np.quantile(by_end, shares)]))
    stops = np.stack([np.minimum((reached <= level).sum(axis=1), horizon - 1) for level in levels])
    right = np.take_along_axis(correct.T, stops, axis=0).astype(np.float64)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), draws) / n
    steps = (stops + 1).astype(np.float64)
    mean_steps, accuracy = _banded(steps, weights), _banded(right, weights)
    return Curve(score, levels, mean_steps, accuracy, _area(mean_steps[:, 0], accuracy[:, 0], horizon))


def assess(
    recorded: RecordedOutputs, decider: CutoffDecider[Any], fixed_steps: int = 0, seed: int = 0
) -> tuple[Assessment, Sweep]:
    """One rule, beside the full window and the constant `fixed_steps` (0: none to compare with).

    The full window is read as the rule reads, where it has a readout of its own. Ratios count what a rule pays for a
    policy, in steps; the mean of steps does not.
    """
    if own := getattr(decider, "readout", None):
        recorded = recorded.read_by(own)
    swept, correct, horizon, n = sweep(recorded, decider), recorded.correct(), recorded.horizon, len(recorded)
    rng = np.random.default_rng(seed)
    right = swept.labels == recorded.labels
    lost = correct[:, -1] & ~right
    early = swept.stops < horizon
    final = recorded.logits()[:, -1].argmax(axis=1)
    steps = swept.stops.astype(np.float64)
    paid = steps + policy_cost(decider)
    by_step = np.array([lost[swept.stops <= t].mean() if (swept.stops <= t).any() else np.nan for t in _steps(horizon)])
    covered = None if swept.sets is None else swept.sets[np.arange(n), recorded.labels]
    return Assessment(
        accuracy=wilson(int(right.sum()), n),
        loss=bootstrap_mean(100.0 * (correct[:, -1].astype(np.float64) - right), rng),
        mean_steps=bootstrap_mean(steps, rng),
        earlier_than_full=bootstrap_ratio(np.full(n, float(horizon)), paid, rng),
        fixed_steps=fixed_steps,
        earlier_than_fixed=bootstrap_ratio(np.full(n, float(fixed_steps)), paid, rng) if fixed_steps else None,
        early_loss=_percent(wilson(int(lost[early].sum()), int(early.sum()))) if early.any() else None,
        early_loss_by_step=by_step,
        agreement=wilson(int((swept.labels == final).sum()), n),
        right_by_step=np.bincount(swept.stops[right], minlength=horizon + 1)[1:].astype(np.int64),
        wrong_by_step=np.bincount(swept.stops[~right], minlength=horizon + 1)[1:].astype(np.int64),
        coverage=None if covered is None else wilson(int(covered.sum()), n),
        set_size=None if swept.sets is None else bootstrap_mean(swept.sets.sum(axis=1).astype(np.float64), rng),
    ), swept


@dataclass(frozen=True, slots=True)
class EqualCost:
    """A planned rule beside SEENN-I at the same mean cost on the calibration recordings, compared on other recordings.

    Costs are in steps of the network, the policy's among them. `gain` is the accuracy of the planned rule less that of
    the other, in points, paired over the recordings.
    """

    cost: Estimate
    accuracy: Estimate
    other_cost: Estimate
    other_accuracy: Estimate
    gain: Estimate


def at_equal_cost(recorded: RecordedOutputs, planned: Sweep, policy_cost: float, other: Sweep, seed: int) -> EqualCost:
    """Compares two sweeps over the same recordings; one has paid `policy_cost` steps for every recording."""
    rng, n = np.random.default_rng(seed), len(recorded)
    right, other_right = (100.0 * (swept.labels == recorded.labels) for swept in (planned, other))
    return EqualCost(
        cost=bootstrap_mean(planned.stops + policy_cost, rng),
        accuracy=wilson(int((right > 0).sum()), n),
        other_cost=bootstrap_mean(other.stops.astype(np.float64), rng),
        other_accuracy=wilson(int((other_right > 0).sum()), n),
        gain=bootstrap_difference(right, other_right, rng),
    )


def _steps(horizon: int) -> range:
    return range(1, horizon + 1)


def _percent(share: Estimate) -> Estimate:
    return Estimate(100 * share.value, 100 * share.low, 100 * share.high)


def _banded(values: Float64[ndarray, "P N"], weights: Float64[ndarray, "D N"]) -> Float64[ndarray, "P 3"]:
    drawn = values @ weights.T
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    return np.stack([values.mean(axis=1), low, high], axis=1)


def _area(steps: Float64[ndarray, " P"], accuracy: Float64[ndarray, " P"], horizon: int) -> float:
    order = np.argsort(steps, kind="stable")
    best = np.maximum.accumulate(accuracy[order])
    grid = np.linspace(1, horizon, 1_000)
    at = np.searchsorted(steps[order], grid, side="right") - 1
    return float(np.where(at >= 0, best[np.maximum(at, 0)], 0.0).mean())
