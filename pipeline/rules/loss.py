"""What stopping early costs on recorded outputs: accuracy against a tolerance, or errors and time in one number."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, Sweep, first_stops, sweep
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, never

MEAN = Readout("mean")
"""What the rules of early classification (`sr1`, `economy`, `calimera`) read, as the library ml_edm does."""
WEIGHTS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a rule fared in a sweep: share of right answers and mean number of steps."""

    accuracy: float
    mean_steps: float


def outcome(recorded: RecordedOutputs, swept: Sweep) -> Outcome:
    """Accuracy and mean steps of a rule's sweep over these recordings."""
    return Outcome(float((swept.labels == recorded.labels).mean()), float(swept.stops.mean()))


def allowed_accuracy(recorded: RecordedOutputs, tolerance: float) -> float:
    """The accuracy of the full window, less the tolerance."""
    return float(recorded.correct()[:, -1].mean()) - tolerance


def reaches(accuracy: float | Float64[ndarray, " T"], floor: float) -> Bool[ndarray, "..."]:
    """Whether an accuracy is at least the floor, but for rounding."""
    return np.asarray(accuracy >= floor - _ROUNDING)


def earliest_within(
    recorded: RecordedOutputs, tolerance: float, candidates: Iterable[ThresholdCutoff]
) -> ThresholdCutoff:
    """The candidate, all of one score, with the fewest mean steps within the tolerance, in the recordings' readout.

    If none keeps the tolerance, one that never stops.
    """
    correct, lanes = recorded.correct(), np.arange(len(recorded))
    floor = allowed_accuracy(recorded, tolerance)
    scores: Float32[ndarray, "N T"] | None = None
    best: tuple[float, ThresholdCutoff] | None = None
    for plain in candidates:
        candidate = replace(plain, readout=recorded.readout)
        scores = recorded.scores(candidate.score) if scores is None else scores
        stops = first_stops(scores > candidate.thresholds)
        if reaches(correct[lanes, stops - 1].mean(), floor) and (best is None or stops.mean() < best[0]):
            best = float(stops.mean()), candidate
    return best[1] if best else replace(never(recorded.horizon), readout=recorded.readout)


def cheapest_within(
    recorded: RecordedOutputs, tolerance: float, rules: Iterable[CutoffDecider[Any]]
) -> CutoffDecider[Any]:
    """Of rules that weigh cost against time, the earliest within the tolerance; if none is, one that never stops."""
    floor = allowed_accuracy(recorded, tolerance)
    best: tuple[float, CutoffDecider[Any]] = (float(recorded.horizon), never(recorded.horizon))
    for rule in rules:
        result = outcome(recorded, sweep(recorded, rule))
        if reaches(result.accuracy, floor) and result.mean_steps < best[0]:
            best = result.mean_steps, rule
    return best[1]


def mean_cost(right: Bool[ndarray, "N T"], stops: Int64[ndarray, " N"], weight: float) -> float:
    """The mean of `weight` [wrong] + (1 - `weight`) t/T, where `right` says which answers of each step are."""
    answered = right[np.arange(len(stops)), stops - 1]
    return float((weight * ~answered + (1 - weight) * stops / right.shape[1]).mean())
