"""From recorded outputs and labels to a fitted cutoff.

One pass of the network over held-out recordings (`replay.record_outputs`) serves every rule and every
tolerance. The *loss* of a rule is the accuracy of the full window minus its own accuracy, on the same
recordings. Fitting here looks for the earliest rule whose loss on the calibration recordings is at most the
tolerance: an observation about these recordings, not a guarantee about others. Guarantees: `ltt.py`, `conformal.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, Sweep, first_stops, sweep
from spikecut.pipeline.rules.patience import Patience
from spikecut.pipeline.rules.step_budget import Planned, granted, left_beyond
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, collapsing, confidence, entropy, fixed, never, topk


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a rule fared in a sweep: share of right answers and mean number of steps."""

    accuracy: float
    mean_steps: float


def outcome(recorded: RecordedOutputs, swept: Sweep) -> Outcome:
    """Accuracy and mean steps of a rule's sweep over these recordings."""
    return Outcome(float((swept.labels == recorded.labels).mean()), float(swept.stops.mean()))


def fit_fixed(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """The shortest fixed number of steps within the tolerance: what every adaptive rule has to beat."""
    accuracy = recorded.correct().mean(axis=0)
    within = np.flatnonzero(accuracy >= accuracy[-1] - tolerance - 1e-12)
    return replace(fixed(int(within[0]) + 1, recorded.horizon), readout=recorded.readout)


def fit_confidence(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """SEENN-I with the alpha that stops earliest within the tolerance, or one that never stops."""
    return _earliest_within(recorded, tolerance, map(_ranged(confidence, recorded), _levels(recorded, "confidence")))


def fit_entropy(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """DT-SNN with the alpha that stops earliest within the tolerance, or one that never stops."""
    return _earliest_within(recorded, tolerance, map(_ranged(entropy, recorded), _levels(recorded, "entropy")))


def fit_collapsing(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """The collapsing bound, straight, bent inwards or outwards, that stops earliest within the tolerance."""
    leads = np.quantile(recorded.scores("top2_gap").astype(np.float64), np.linspace(0, 1, 300))
    bounds = (collapsing(2 * beta, kappa, recorded.horizon) for kappa in (0.25, 0.5, 1.0, 2.0) for beta in leads)
    return _earliest_within(recorded, tolerance, bounds)


def fit_patience(recorded: RecordedOutputs, tolerance: float) -> Patience:
    """The smallest patience within the tolerance."""
    floor = recorded.correct()[:, -1].mean() - tolerance - 1e-12
    for steps in range(1, recorded.horizon):
        rule = Patience(steps, recorded.horizon, recorded.readout)
        if outcome(recorded, sweep(recorded, rule)).accuracy >= floor:
            return rule
    return Patience(recorded.horizon, recorded.horizon, recorded.readout)


def fit_topk(recorded: RecordedOutputs, tolerance: float, min_support: int = 20) -> ThresholdCutoff:
    """The Top-K cutoff with the epsilon that stops earliest within the tolerance (safe thresholds)."""
    epsilons = np.linspace(0, 0.5, 101)
    candidates = (topk(topk_thresholds(recorded, float(e), min_support)) for e in epsilons)
    return _earliest_within(recorded, tolerance, candidates)


def fit_topk_reference(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """The same with thresholds as the reference code computes them, on held-out recordings and without its dropout."""
    epsilons = np.linspace(0, 0.5, 101)
    candidates = (topk(topk_thresholds_reference(recorded, float(e))) for e in epsilons)
    return _earliest_within(recorded, tolerance, candidates)


def fit_planned(recorded: RecordedOutputs, tolerance: float) -> CutoffDecider[Any]:
    """SEENN-II with the shortest budgets within the tolerance; where that is the horizon for all, no policy is asked.

    What a policy learned on outputs that are too good (a network is surer of what trained it) is put right by one
    number, the share of its probability that may lie beyond the budget.

    Raises:
        ConfigError: if no policy's plans were recorded with the outputs.
    """
    waiting = planned(recorded)
    assert recorded.plans is not None
    correct, lanes = recorded.correct(), np.arange(len(recorded))
    floor = correct[:, -1].mean() - tolerance - 1e-12
    left = left_beyond(recorded.plans.logits)
    shares = np.append(np.unique(left), 1.0)
    between = (shares[:-1] + shares[1:]) / 2  # so that the last digits of a batch of another size decide nothing
    picks = np.unique(np.linspace(0, len(between) - 1, 1_000).round().astype(int))
    for share in between[picks[::-1]]:
        steps = granted(left, waiting.look, float(share))
        if correct[lanes, steps - 1].mean() >= floor and (steps < recorded.horizon).any():
            return replace(waiting, beyond=float(share))
    return replace(never(recorded.horizon), readout=recorded.readout)


def planned(recorded: RecordedOutputs) -> Planned:
    """SEENN-II as its policy was published to be used, with the largest logit, for the policy that was recorded.

    Raises:
        ConfigError: if none was.
    """
    plans = recorded.plans
    if plans is None:
        raise ConfigError(
            "outputs that were recorded without a policy", hint="spikecut policy trains one, beside the network"
        )
    look = recorded.horizon - plans.logits.shape[1] + 1
    return Planned(plans.policy, recorded.horizon, look, cost=plans.cost, readout=recorded.readout)


def equal_cost_confidence(recorded: RecordedOutputs, cost: float) -> float:
    """The alpha with which SEENN-I takes as many steps on average as something else has cost, as nearly as it can."""
    scores, levels = recorded.scores("confidence"), [0.0, *_levels(recorded, "confidence")]
    means = np.array([first_stops(scores > level).mean() for level in levels])
    return float(levels[int(np.abs(means - cost).argmin())])


def topk_thresholds(recorded: RecordedOutputs, epsilon: float, min_support: int = 20) -> Float64[ndarray, " T"]:
    """The safe thresholds beta_t of the Top-K cutoff.

    beta_t is the smallest candidate b such that, among at least `min_support` recordings whose gap at
    step t exceeds b, a share of at least 1 - epsilon is right from t on to the end. Candidates are 0
    and the gaps that were observed at that step. A step where no candidate qualifies gets infinity:
    nobody stops there.
    """
    gaps, stable = recorded.scores("top2_gap"), _stable(recorded.correct())
    betas = np.full(recorded.horizon, np.inf)
    for t in range(recorded.horizon):
        order = np.argsort(-gaps[:, t], kind="stable")
        gap = gaps[order, t].astype(np.float64)
        n_above = np.arange(1, len(gap) + 1)
        n_stable = np.cumsum(stable[order, t])
        following = np.append(gap[1:], 0.0)  # the largest candidate that the first n gaps exceed
        good = (gap > following) & (n_above >= min_support) & _reaches(n_stable, n_above, epsilon)
        if good.any():
            betas[t] = following[np.flatnonzero(good)[-1]]
    return betas


def topk_thresholds_reference(recorded: RecordedOutputs, epsilon: float, n_bins: int = 100) -> Float64[ndarray, " T"]:
    """The thresholds beta_t exactly as the reference code of Wu et al. computes them.

    One grid of `n_bins` levels up to the largest gap serves all steps; a single lucky recording is
    support enough; a step without any ends at the last level instead of infinity. Kept to compare with
    published numbers; `topk_thresholds` is the one to use.
    """
    gaps, stable = recorded.scores("top2_gap"), _stable(recorded.correct())
    levels = np.arange(n_bins) * (float(gaps.max()) / n_bins)
    above = gaps[:, :, None] > levels
    n_above, n_stable = above.sum(axis=0), (above & stable[:, :, None]).sum(axis=0)
    good = (n_above > 0) & _reaches(n_stable, n_above, epsilon)
    good[:, -1] = True
    return np.asarray(levels[good.argmax(axis=1)])


def optimal_cutoff_steps(recorded: RecordedOutputs) -> Int64[ndarray, " N"]:
    """OCT of Wu et al.: the first step, counted from 1, from which the answer is right to the end.

    Recordings that are wrong at the end get the horizon. It needs the truth, and it is a measure of
    stability, no lower bound: a rule may stop earlier on an answer that is right, wrong, right.
    """
    stable = _stable(recorded.correct())
    return np.where(stable[:, -1], stable.argmax(axis=1) + 1, recorded.horizon).astype(np.int64)


def _stable(correct: Bool[ndarray, "N T"]) -> Bool[ndarray, "N T"]:
    return np.asarray(np.logical_and.accumulate(correct[:, ::-1], axis=1)[:, ::-1])


def _reaches(n_stable: Int64[ndarray, "..."], n: Int64[ndarray, "..."], epsilon: float) -> Bool[ndarray, "..."]:
    return np.asarray(n_stable >= (1 - epsilon) * n - 1e-9 * n)


def _levels(recorded: RecordedOutputs, score: str) -> list[float]:
    """Candidates for a level of a score between 0 and 1: quantiles of what was seen, and 1, which never stops."""
    seen = recorded.scores(score).ravel().astype(np.float64)
    return [*np.unique(np.quantile(seen, np.linspace(0, 1, 1_000)).clip(0, 1)).tolist(), 1.0]


def _ranged(
    make: Callable[[float, int], ThresholdCutoff], recorded: RecordedOutputs
) -> Callable[[float], ThresholdCutoff]:
    return lambda level: make(level, recorded.horizon)


def _earliest_within(
    recorded: RecordedOutputs, tolerance: float, candidates: Iterable[ThresholdCutoff]
) -> ThresholdCutoff:
    """The candidate, all of one score, with the fewest mean steps within the tolerance, in the recordings' readout."""
    correct, lanes = recorded.correct(), np.arange(len(recorded))
    floor = correct[:, -1].mean() - tolerance - 1e-12
    scores: Float32[ndarray, "N T"] | None = None
    best: tuple[float, ThresholdCutoff] | None = None
    for plain in candidates:
        candidate = replace(plain, readout=recorded.readout)
        scores = recorded.scores(candidate.score) if scores is None else scores
        stops = first_stops(scores > candidate.thresholds)
        if correct[lanes, stops - 1].mean() >= floor and (best is None or stops.mean() < best[0]):
            best = float(stops.mean()), candidate
    return best[1] if best else replace(never(recorded.horizon), readout=recorded.readout)


FITTERS: dict[str, Callable[[RecordedOutputs, float], CutoffDecider[Any]]] = {
    "fixed": fit_fixed,
    "topk": fit_topk,
    "topk_reference": fit_topk_reference,
    "confidence": fit_confidence,
    "entropy": fit_entropy,
    "collapsing": fit_collapsing,
    "patience": fit_patience,
}
