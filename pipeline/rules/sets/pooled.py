"""Conformal sets by p-values: of one network with Simes' correction, or of an ensemble whose p-values are pooled.

Ensembles: Chen, Park, Simeone, arXiv 2310.16675; pooling p-values under any dependence: Vovk and Wang, arXiv 1212.4966.
"""

from dataclasses import dataclass
from math import e

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.results import Evidence, Verdict
from spikecut.pipeline.rules.sets.nonconformity import NONCONFORMITY, SetOptions, checkpoints, true_scores
from spikecut.pipeline.rules.thresholds import check, leader

POOLINGS = ("mean", "geometric", "bonferroni", "max")
_TIE = 1e-7  # p-values are kept in float32 on the way


@dataclass(frozen=True, slots=True, eq=False)
class PooledSets:
    """Sets by p-values: of one network with Simes' correction, or of an ensemble whose p-values are pooled.

    `scores` are the sorted calibration scores of every member at every checkpoint, `checkpoints` the steps. A class's
    p-value is the share of calibration recordings at least as strange as it would be. `pooling` makes one of
    the members': twice their mean, e times their geometric mean, R times their minimum, or their maximum.
    """

    scores: Float64[ndarray, "R C n"]
    checkpoints: Int64[ndarray, " C"]
    horizon: int
    level: float
    score: str = "surprise"
    max_size: int = 1
    correction: str = "bonferroni"
    pooling: str = "mean"
    rule: str = "pooled"

    def __post_init__(self) -> None:
        if self.score not in NONCONFORMITY or self.pooling not in POOLINGS:
            raise ConfigError(f"score {self.score!r} with pooling {self.pooling!r}; one of them is not known")
        if self.correction not in ("bonferroni", "simes"):
            raise ConfigError(f"correction {self.correction!r} of p-values; expected bonferroni or simes")

    def decide(
        self, evidence: Evidence, state: Float32[ndarray, "B C K"] | None = None
    ) -> tuple[Verdict, Float32[ndarray, "B C K"]]:
        """The verdict on every lane, with its set; the state is 1 - p of every class at the checkpoints so far."""
        check(evidence, self.horizon)
        members, n_checkpoints, n = self.scores.shape
        totals = evidence.total.reshape(len(evidence.total), members, -1)
        n_classes = totals.shape[2]
        against = np.zeros((len(totals), n_checkpoints, n_classes), np.float32) if state is None else state.copy()
        for at, step in enumerate(self.checkpoints):
            if not (here := evidence.steps == step).any():
                continue
            strangeness = [NONCONFORMITY[self.score](totals[here, r], evidence.steps[here]) for r in range(members)]
            n_below = np.stack(
                [np.searchsorted(self.scores[r, at], strange, side="left") for r, strange in enumerate(strangeness)]
            )
            against[here, at] = 1 - _pooled((1 + n - n_below) / (n + 1), self.pooling)
        sets = self._kept(1 - against.astype(np.float64))
        sizes = sets.sum(axis=1)
        stop = (sizes <= self.max_size) & (evidence.steps >= self.checkpoints[0])
        mean = Readout(members=members).read(evidence, None)[0]
        return Verdict(stop, leader(mean), -sizes.astype(np.float32), sets), against

    def _kept(self, p: Float64[ndarray, "B C K"]) -> Bool[ndarray, "B K"]:
        n = p.shape[1]
        if self.correction == "bonferroni":
            return np.asarray((n * p.min(axis=1)) > self.level + _TIE)
        ranked = np.sort(p, axis=1) * (n / np.arange(1, n + 1))[:, None]
        return np.asarray(ranked.min(axis=1) > self.level + _TIE)


def fit_pooled(
    recorded: RecordedOutputs, alpha: float, options: SetOptions | None = None, *, pooling: str = "mean"
) -> PooledSets:
    """The p-values of the members of an ensemble, pooled, with the promise of `fit_conformal`.

    Without options: corrected by `bonferroni`.
    """
    options = options or SetOptions("bonferroni")
    marks = checkpoints(recorded.horizon, options.n_checkpoints)
    members, n_classes = recorded.members, recorded.n_classes
    per_member = [
        RecordedOutputs(recorded.outputs[:, :, r * n_classes : (r + 1) * n_classes], recorded.labels)
        for r in range(members)
    ]
    scores = [np.sort(true_scores(one, options.score)[:, marks - 1], axis=0).T for one in per_member]
    how = options.score, options.max_size, options.correction, pooling
    return PooledSets(np.stack(scores), marks, recorded.horizon, alpha, *how)


def _pooled(p: Float64[ndarray, "R B K"], how: str) -> Float64[ndarray, "B K"]:
    n = len(p)
    if n == 1:
        return np.asarray(p[0])
    if how == "mean":
        return np.asarray(np.minimum(1, 2 * p.mean(axis=0)))
    if how == "geometric":
        return np.asarray(np.minimum(1, e * np.exp(np.log(p).mean(axis=0))))
    return np.asarray(np.minimum(1, n * p.min(axis=0)) if how == "bonferroni" else p.max(axis=0))
