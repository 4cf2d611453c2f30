"""Top-K: thresholds on the lead of the first class over the second, fitted to a share of stable answers.

Wu et al., arXiv 2301.09522, section 3. `topk` asks for support at every threshold, `topk_reference` computes the
thresholds exactly as the published code does.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.rules.loss import earliest_within
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, topk


def fit_topk(recorded: RecordedOutputs, tolerance: float, min_support: int = 20) -> ThresholdCutoff:
    """The Top-K cutoff with the epsilon that stops earliest within the tolerance (safe thresholds)."""
    epsilons = np.linspace(0, 0.5, 101)
    candidates = (topk(topk_thresholds(recorded, float(e), min_support)) for e in epsilons)
    return earliest_within(recorded, tolerance, candidates)


def fit_topk_reference(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """The same with thresholds as the reference code computes them, on held-out recordings and without its dropout."""
    epsilons = np.linspace(0, 0.5, 101)
    candidates = (topk(topk_thresholds_reference(recorded, float(e))) for e in epsilons)
    return earliest_within(recorded, tolerance, candidates)


def topk_thresholds(recorded: RecordedOutputs, epsilon: float, min_support: int = 20) -> Float64[ndarray, " T"]:
    """The safe thresholds beta_t of the Top-K cutoff.

    beta_t is the smallest candidate b such that, among at least `min_support` recordings whose gap at
    step t exceeds b, a share of at least 1 - epsilon is right from t on to the end. Candidates are 0
    and the gaps that were observed at that step. A step where no candidate qualifies gets infinity,
    so that no lane stops there.
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
