"""Learn then test: thresholds of any score with a promise about recordings outside the calibration set.

The promise: *with a probability of at least 1 - delta over the draw of the calibration recordings, stopping early turns
at most a share `gap` of right answers into wrong ones*, for recordings drawn independently in the same way. Several
recordings of one person are not independent: where there are such, the promise is for these people, and for new ones
it may be less; the sentence that is stored with a rule says so.
Every threshold is a hypothesis "it costs more than the gap", tested with the exact binomial tail, from the safest to
the boldest, until one cannot be refused: the order is fixed before the data are seen, so testing many costs nothing.
Ringel et al., arXiv 2402.00857 (marginal and conditional); Angelopoulos et al., arXiv 2110.01052 (the principle).
"""

from collections.abc import Callable
from dataclasses import replace
from math import ceil, log
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, first_stops
from spikecut.pipeline.rules.observed import planned
from spikecut.pipeline.rules.rule import Wish, percent, points
from spikecut.pipeline.rules.step_budget import granted, left_beyond
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, never

_ODDS = np.exp(np.arange(140, -31, -1) / 10)
GRIDS = {
    "confidence": _ODDS / (1 + _ODDS),  # finest where certainty is: 0.9999992 down to 0.05
    "entropy": _ODDS / (1 + _ODDS),
    "top2_gap": 2.0 ** (np.arange(80, -41, -1) / 8),
}


def recordings_needed(gap: float, delta: float, n_lost: int = 0) -> int:
    """The fewest calibration recordings that can carry the promise when `n_lost` of them are lost.

    >>> [recordings_needed(0.01, 0.05, lost) for lost in (0, 1, 2)]
    [299, 473, 628]
    """
    enough = max(n_lost + 1, ceil(log(delta) / log(1 - gap)))
    while _tail(n_lost, enough, gap) > delta:
        enough *= 2
    short = enough // 2
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if _tail(n_lost, middle, gap) <= delta else (middle, enough)
    return enough


def fit_marginal(
    recorded: RecordedOutputs,
    gap: float,
    delta: float = 0.05,
    *,
    score: str = "confidence",
    grid: Float64[ndarray, " G"] | None = None,
) -> ThresholdCutoff:
    """One threshold for all steps: on average over recordings, the gap is kept.

    It reads the logits of `recorded.readout`; temperatures must not have been fitted on these recordings. If not even
    the safest threshold can be proven, the rule never stops early.

    Raises:
        ConfigError: if gap or delta lie outside 0 to 1, or the score has no grid.
    """
    _check(gap, delta)
    scores, lost = recorded.scores(score), _lost(recorded)
    best = np.inf
    for level in _grid(score) if grid is None else grid:
        stops = first_stops(scores >= level)
        if _p_value(lost[np.arange(len(lost)), stops - 1], gap) > delta:
            break
        best = float(level)
    return ThresholdCutoff("ltt", score, np.full(recorded.horizon, best), recorded.readout, inclusive=True)


def fit_conditional(
    recorded: RecordedOutputs,
    gap: float,
    delta: float = 0.05,
    *,
    score: str = "confidence",
    grid: Float64[ndarray, " G"] | None = None,
    seed: int | None = 0,
) -> ThresholdCutoff:
    """A threshold for every step: among those that stop by step t the gap is kept, for every t. Early is as safe.

    Half of the recordings propose thresholds, the other half tests them, from the last step to the first. With
    `seed` None the halves are the first and the second, as in the published code.
    """
    _check(gap, delta)
    half = len(recorded) // 2
    if seed is None:
        propose, test = recorded.pick(np.arange(half)), recorded.pick(np.arange(half, len(recorded)))
    else:
        propose, test = recorded.split(0.5, seed)
    levels = _grid(score) if grid is None else grid
    proposed = _propose(propose, gap, score, levels)
    scores, lost, horizon = test.scores(score), _lost(test), recorded.horizon
    thresholds, lanes = np.full(horizon, np.inf), np.arange(len(test))
    for t in range(horizon - 1, -1, -1):
        trial = thresholds.copy()
        trial[t] = proposed[t]
        stops = first_stops(scores >= trial)
        costs = lost[lanes, stops - 1]
        if any(_p_value(costs[stops <= u + 1], gap) > delta for u in range(t, horizon)):
            break
        thresholds = trial
    return ThresholdCutoff("ltt_conditional", score, thresholds, recorded.readout, inclusive=True)


def fit_planned(recorded: RecordedOutputs, gap: float, delta: float = 0.05) -> CutoffDecider[Any]:
    """The budgets of SEENN-II with the same promise: the share of probability beyond them is tested from none on.

    If no budget below the horizon can be proven for any recording, the rule never stops early and needs no policy. The
    policy must not have been trained on these recordings.

    Raises:
        ConfigError: if no policy's plans were recorded, or gap or delta lie outside 0 to 1.
    """
    _check(gap, delta)
    rule, lost = planned(recorded), _lost(recorded)
    assert recorded.plans is not None
    proven: float | None = None
    left = left_beyond(recorded.plans.logits)
    for share in 1 / (1 + _ODDS):
        steps = granted(left, rule.look, float(share))
        if _p_value(lost[np.arange(len(lost)), steps - 1], gap) > delta:
            break
        if (steps < recorded.horizon).any():
            proven = float(share)
    if proven is None:
        return replace(never(recorded.horizon), readout=recorded.readout)
    return replace(rule, beyond=proven, rule="ltt_planned")


def fit_fixed(recorded: RecordedOutputs, gap: float, delta: float = 0.05) -> ThresholdCutoff:
    """The shortest constant number of steps with the same promise, tested from the longest down."""
    _check(gap, delta)
    lost = _lost(recorded)
    steps = recorded.horizon
    while steps > 1 and _p_value(lost[:, steps - 2], gap) <= delta:
        steps -= 1
    return ThresholdCutoff(
        "ltt_fixed", "step", np.full(recorded.horizon, float(steps)), recorded.readout, inclusive=True
    )


def marginal(wish: Wish) -> str:
    """The sentence of a rule that keeps the gap on average over recordings."""
    return (
        f"With {100 * (1 - wish.delta):g} % confidence, stopping early turns at most {percent(wish.tolerance)} of "
        "answers from right to wrong, on recordings drawn independently like those it was fitted on."
    )


def conditional(wish: Wish) -> str:
    """The sentence of a rule that keeps the gap among those that have stopped by each step."""
    return (
        f"With {100 * (1 - wish.delta):g} % confidence, at every step: of the answers given by then at most "
        f"{percent(wish.tolerance)} turn from right to wrong, on recordings drawn independently like those it saw."
    )


def too_few(name: str, more: str = "") -> Callable[[int, Wish], str]:
    """Why n recordings cannot carry the promise of the rule of this name, and how many it takes."""

    def text(n: int, wish: Wish) -> str:
        needed = [recordings_needed(wish.tolerance, wish.delta, lost) for lost in (0, 1, 2)]
        return (
            f"{n} recordings cannot carry the promise of {name!r}: at delta {wish.delta:g}, a loss of "
            f"{points(wish.tolerance)} needs {needed[0]} recordings without a loss, {needed[1]} with one, "
            f"{needed[2]} with two{more}"
        )

    return text


def _propose(
    recorded: RecordedOutputs, gap: float, score: str, levels: Float64[ndarray, " G"]
) -> Float64[ndarray, " T"]:
    """For each step in turn the smallest level with which those stopped so far keep the gap."""
    scores, lost, lanes = recorded.scores(score), _lost(recorded), np.arange(len(recorded))
    proposed = np.full(recorded.horizon, np.inf)
    for t in range(recorded.horizon):
        for level in sorted(levels):
            trial = proposed.copy()
            trial[t] = level
            stops = first_stops(scores >= trial)
            here = stops <= t + 1
            if not here.any() or lost[lanes, stops - 1][here].mean() <= gap:
                proposed = trial
                break
    return proposed


def _lost(recorded: RecordedOutputs) -> Bool[ndarray, "N T"]:
    """Whether stopping after each step turns an answer that is right at the end into a wrong one."""
    correct = recorded.correct()
    return np.asarray(correct[:, -1:] & ~correct)


def _p_value(lost: Bool[ndarray, " N"], gap: float) -> float:
    return _tail(int(lost.sum()), len(lost), gap)


def _tail(n_lost: int, n: int, gap: float) -> float:
    """The probability that at most so few of n recordings are lost if a share `gap` of all would be."""
    from scipy.stats import binom  # a quarter of a second to import: only fitting needs it

    return float(binom.cdf(n_lost, n, gap))


def _grid(score: str) -> Float64[ndarray, " G"]:
    if score not in GRIDS:
        raise ConfigError(f"no grid of thresholds for the score {score!r}; there are {', '.join(GRIDS)}")
    return np.asarray(GRIDS[score], np.float64)


def _check(gap: float, delta: float) -> None:
    if not 0 < gap < 1 or not 0 < delta < 1:
        raise ConfigError(f"a gap of {gap} at a delta of {delta}; both lie between 0 and 1")
