"""How sure an answer must be, so that movement without gestures raises few false alarms: thresholds with a promise.

The promise: *with a probability of at least `confidence` over the draw of the recordings, movement like the recorded
raises at most so many false alarms a minute.* Every threshold is a hypothesis "it raises more", tested with the exact
Poisson tail over the recorded minutes (Garwood, Biometrika 28:437, 1936), from the strictest threshold to the boldest,
until one cannot be refused. The order is fixed before the data are seen, so testing many costs nothing: fixed sequence
testing, as in Learn then Test (Angelopoulos et al., arXiv 2110.01052). The levels of sensitivity are such sequences,
one for each tolerated rate; each promise holds on its own. Alarms are taken for independent of one another: many in a
row by one person or one cause make the bound too small, so the recordings should be short and of many people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.probability import log_odds
from spikecut.pipeline.metrics.intervals import rate_bound, share_bound
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules.rejection import LEVELS, Level, Rejecting, Sensitivity

GRID = (  # log-odds: a network that sums its outputs has large ones at the end of its window; -4 is p = 0.018
    *(round(40 * 1.05**k, 1) for k in range(80, 0, -1)),
    *(tenths / 10 for tenths in range(400, -41, -1)),
)
FACTORS = {"low": 0.25, "normal": 1.0, "high": 4.0}  # of the tolerated rate


@dataclass(frozen=True, slots=True)
class Proven:
    """The boldest threshold that was proven for a tolerated rate, its alarms, and the bound of their rate."""

    threshold: float
    alarms: int
    bound: float


def fit_thresholds(
    alarms: Callable[[float], int], minutes: float, tolerated: Sequence[float], confidence: float = 0.95
) -> list[Proven]:
    """For each tolerated rate of false alarms a minute the boldest threshold of `GRID` that keeps it.

    `alarms` gives the number of false alarms at a threshold, over all `minutes`; it is called with falling thresholds,
    and no more once every sequence has ended.

    Raises:
        ConfigError: if so few minutes, or so many alarms, carry one of the promises at no threshold.
    """
    proven: dict[float, Proven] = {}
    going, strictest = list(tolerated), -1
    for threshold in GRID:
        n = alarms(threshold)
        strictest = n if strictest < 0 else strictest
        bound = rate_bound(n, minutes, confidence)
        going = [rate for rate in going if bound <= rate]
        proven |= {rate: Proven(threshold, n, bound) for rate in going}
        if not going:
            break
    if lacking := [rate for rate in tolerated if rate not in proven]:
        rate = min(lacking)
        needed = [f"{minutes_needed(rate, n, confidence):.1f} min" for n in (0, 1)]
        raise ConfigError(
            f"{minutes:.1f} min without gestures, with {strictest} alarms at the strictest threshold, cannot carry at "
            f"most {rate:g} false alarms a minute with {100 * confidence:g} % confidence: that needs {needed[0]} "
            f"without an alarm, {needed[1]} with one",
            hint="more recordings without gestures, a larger --alarms-a-minute, or a smaller --confidence",
        )
    return [proven[rate] for rate in tolerated]


def minutes_needed(rate: float, alarms: int = 0, confidence: float = 0.95) -> float:
    """The shortest time in which so many alarms still prove a rate.

    >>> [round(minutes_needed(1.0, n), 2) for n in (0, 1, 2)]
    [3.0, 4.74, 6.3]
    """
    return rate_bound(alarms, 1.0, confidence) / rate


def rejected(recorded: RecordedOutputs, decider: CutoffDecider[Any], rejecting: Rejecting) -> Bool[ndarray, " N"]:
    """Which recordings get no answer: one window from the onset on, as `recognise` decides on it."""
    swept = sweep(recorded, rejecting.over(decider))
    totals = recorded.outputs.cumsum(axis=1)[np.arange(len(recorded)), swept.stops - 1]
    sure = rejecting.admits(log_odds(totals, swept.labels))
    return np.asarray(np.isin(swept.labels, rejecting.classes) | ~sure)


def fit_sensitivity(
    alarms: Callable[[float], int],
    minutes: float,
    gestures: Callable[[float], Bool[ndarray, " N"]],
    tolerated: float,
    confidence: float = 0.95,
) -> Sensitivity:
    """The three levels: a quarter of the `tolerated` rate of alarms, the rate, and four times as many.

    `gestures` says at a threshold which recorded gestures are rejected. Their share is measured, not fitted: its bound
    is Clopper and Pearson's, and holds for a threshold that was chosen on other recordings, as here.

    Raises:
        ConfigError: as `fit_thresholds`.
    """
    thresholds = fit_thresholds(alarms, minutes, [tolerated * FACTORS[name] for name in LEVELS], confidence)
    levels = {}
    for name, one in zip(LEVELS, thresholds, strict=True):
        lost = gestures(one.threshold)
        n_lost, n = int(lost.sum()), len(lost)
        levels[name] = Level(
            threshold=one.threshold,
            alarms=one.alarms,
            minutes=minutes,
            alarms_bound=one.bound,
            alarms_a_minute=tolerated * FACTORS[name],
            rejected=n_lost,
            n=n,
            rejected_bound=share_bound(n_lost, n, confidence),
            confidence=confidence,
        )
    return Sensitivity(levels["low"], levels["normal"], levels["high"])
