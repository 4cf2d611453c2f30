"""From recorded outputs and labels to a fitted cutoff.

One pass of the network over held-out recordings (`replay.record_outputs`) serves every rule and every
tolerance. The *loss* of a rule is the accuracy of the full window minus its own accuracy, on the same
recordings. Fitting looks for the earliest rule whose loss on the calibration recordings is at most the
tolerance: an observation about these recordings, not a guarantee about others.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.cutoff import SCORES, ThresholdCutoff, confidence, fixed, topk
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.results import Evidence


@dataclass(frozen=True, slots=True, eq=False)
class RecordedOutputs:
    """What a network said at every step of every recording, and the truth.

    `outputs` are per step, not summed; `labels` are class numbers.
    """

    outputs: Float32[ndarray, "N T K"]
    labels: Int64[ndarray, " N"]

    def __post_init__(self) -> None:
        if len(self.outputs) != len(self.labels) or not len(self.labels):
            raise ConfigError(f"{len(self.outputs)} recorded outputs with {len(self.labels)} labels")
        if not 0 <= self.labels.min() <= self.labels.max() < self.outputs.shape[2]:
            raise ConfigError(f"labels outside the {self.outputs.shape[2]} classes of the outputs")

    @property
    def horizon(self) -> int:
        return int(self.outputs.shape[1])

    def totals(self) -> Float32[ndarray, "N T K"]:
        """The running sums that the deciders read."""
        return self.outputs.cumsum(axis=1, dtype=np.float32)

    def correct(self) -> Bool[ndarray, "N T"]:
        """Whether the answer would be right if the network were stopped after each step."""
        return np.asarray(self.totals().argmax(axis=2) == self.labels[:, None])

    def scores(self, score: str) -> Float32[ndarray, "N T"]:
        """A score of `cutoff.SCORES` after every step."""
        totals = self.totals()
        n = len(totals)
        after = [
            SCORES[score](Evidence(np.full(n, t + 1), self.outputs[:, t], totals[:, t])) for t in range(self.horizon)
        ]
        return np.stack(after, axis=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a rule fared in a sweep: share of right answers and mean number of steps."""

    accuracy: float
    mean_steps: float


def sweep(recorded: RecordedOutputs, cutoff: ThresholdCutoff) -> Int64[ndarray, " N"]:
    """The step, counted from 1, at which the rule would have stopped each recording.

    Computed afterwards from full-length outputs: good for fitting and plotting, no evidence of time
    saved.
    """
    return _first_above(recorded.scores(cutoff.score), cutoff.thresholds)


def outcome(recorded: RecordedOutputs, stops: Int64[ndarray, " N"]) -> Outcome:
    """Accuracy and mean steps if every recording is stopped after `stops` steps."""
    right = recorded.correct()[np.arange(len(stops)), stops - 1]
    return Outcome(float(right.mean()), float(stops.mean()))


def fit_fixed(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """The shortest fixed number of steps within the tolerance: what every adaptive rule has to beat."""
    accuracy = recorded.correct().mean(axis=0)
    within = np.flatnonzero(accuracy >= accuracy[-1] - tolerance - 1e-12)
    return fixed(int(within[0]) + 1, recorded.horizon)


def fit_confidence(recorded: RecordedOutputs, tolerance: float, n_candidates: int = 1_000) -> ThresholdCutoff:
    """SEENN-I with the alpha that stops earliest within the tolerance.

    Candidates are quantiles of the confidences seen, and 1, which never stops.
    """
    seen = recorded.scores("confidence").ravel()
    alphas = np.unique(np.quantile(seen.astype(np.float64), np.linspace(0, 1, n_candidates)).clip(0, 1))
    candidates = (confidence(float(alpha), recorded.horizon) for alpha in (*alphas, 1.0))
    return _earliest_within(recorded, tolerance, "confidence", candidates)


def fit_topk(recorded: RecordedOutputs, tolerance: float, min_support: int = 20) -> ThresholdCutoff:
    """The Top-K cutoff with the epsilon that stops earliest within the tolerance (safe thresholds)."""
    epsilons = np.linspace(0, 0.5, 101)
    candidates = (topk(topk_thresholds(recorded, float(e), min_support)) for e in epsilons)
    return _earliest_within(recorded, tolerance, "top2_gap", candidates)


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


def _first_above(scores: Float32[ndarray, "N T"], thresholds: Float64[ndarray, " T"]) -> Int64[ndarray, " N"]:
    stop = scores > thresholds
    stop[:, -1] = True
    return np.asarray(stop.argmax(axis=1) + 1, np.int64)


def _earliest_within(
    recorded: RecordedOutputs,
    tolerance: float,
    score: str,
    candidates: Iterable[ThresholdCutoff],
) -> ThresholdCutoff:
    scores, correct = recorded.scores(score), recorded.correct()
    lanes = np.arange(len(scores))
    floor = correct[:, -1].mean() - tolerance - 1e-12
    best: tuple[float, ThresholdCutoff] | None = None
    for candidate in candidates:
        stops = _first_above(scores, candidate.thresholds)
        if correct[lanes, stops - 1].mean() >= floor and (best is None or stops.mean() < best[0]):
            best = float(stops.mean()), candidate
    return best[1] if best else ThresholdCutoff("none", score, np.full(recorded.horizon, np.inf))


FITTERS: dict[str, Callable[[RecordedOutputs, float], ThresholdCutoff]] = {
    "fixed": fit_fixed,
    "topk": fit_topk,
    "confidence": fit_confidence,
}
