"""Prediction sets that are allowed to be looked at after every step: stop when few enough classes remain.

The promise: *with a probability of at least 1 - alpha the set at the stop holds the truth*, for recordings
exchangeable with those of the calibration, whatever the network is worth. It speaks of the set, not of its first class.
SpikeCP: Chen, Park, Simeone, arXiv 2305.11322; ensembles: the same, arXiv 2310.16675; pooling p-values under any
dependence: Vovk and Wang, arXiv 1212.4966.

| correction for looking often | keeps the promise |
|---|---|
| `maxrank` | yes, at every step at once: half of the recordings rank scores, the other half says what to expect |
| `bonferroni` | yes, at a few checkpoints, each with alpha / C |
| `simes` | under positive dependence only |
| `none` | no: as the public port of SpikeCP has it; kept to show the difference |
"""

from dataclasses import dataclass
from math import ceil, e

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.readout import SUM, Readout
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.results import Evidence, Verdict
from spikecut.pipeline.rules.thresholds import Held, check, leader

CORRECTIONS = ("maxrank", "bonferroni", "simes", "none")
POOLINGS = ("mean", "geometric", "bonferroni", "max")


@dataclass(frozen=True, slots=True, eq=False)
class ConformalSets:
    """Keeps the classes whose score is at most the step's quantile; stops when at most `max_size` remain.

    `score` is `surprise` (-ln p) or `silence` (steps minus spikes). A quantile of infinity keeps every class: no
    checkpoint, or too few recordings for the promise. An empty set stops, and stays empty; the answer is the leader.
    """

    score: str
    quantiles: Float64[ndarray, " T"]
    level: float
    max_size: int = 1
    correction: str = "maxrank"
    readout: Readout = SUM
    rule: str = "conformal"

    def __post_init__(self) -> None:
        if self.score not in NONCONFORMITY:
            raise ConfigError(f"score {self.score!r}; expected one of {', '.join(NONCONFORMITY)}")
        if self.max_size < 1:
            raise ConfigError(f"sets of at most {self.max_size} classes; expected at least 1")

    @property
    def horizon(self) -> int:
        """The number of steps it was made for."""
        return len(self.quantiles)

    def decide(self, evidence: Evidence, state: Held | None = None) -> tuple[Verdict, Held | None]:
        """The verdict on every lane, with its set; the score is the negative size of the set."""
        check(evidence, self.horizon)
        logits, state = self.readout.read(evidence, state)
        sets = NONCONFORMITY[self.score](logits, evidence.steps) <= self.quantiles[evidence.steps - 1, None]
        sizes = sets.sum(axis=1)
        stop = (sizes <= self.max_size) & (self.quantiles[evidence.steps - 1] < np.inf)
        return Verdict(stop, leader(logits), -sizes.astype(np.float32), sets), state


@dataclass(frozen=True, slots=True, eq=False)
class PooledSets:
    """The same by p-values: of one network with Simes' correction, or of an ensemble whose p-values are pooled.

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


def surprise(logits: Float32[ndarray, "B K"], steps: Int64[ndarray, " B"]) -> Float64[ndarray, "B K"]:
    """-ln softmax: what SpikeCP calls its global score.

    >>> surprise(np.log(np.array([[1, 3]], np.float32)), np.array([1])).round(4)
    array([[1.3863, 0.2877]])
    """
    lead = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(lead).sum(axis=1, keepdims=True)) - lead)


def silence(logits: Float32[ndarray, "B K"], steps: Int64[ndarray, " B"]) -> Float64[ndarray, "B K"]:
    """Steps minus spikes of the class's own neuron: SpikeCP's local score, for outputs that are spikes."""
    return np.asarray(steps[:, None] - logits.astype(np.float64))


NONCONFORMITY = {"surprise": surprise, "silence": silence}
_TIE = 1e-7  # p-values are kept in float32 on the way


def fit_conformal(
    recorded: RecordedOutputs,
    alpha: float,
    *,
    correction: str = "maxrank",
    max_size: int = 1,
    n_checkpoints: int = 8,
    score: str = "surprise",
    readout: Readout | None = None,
    seed: int = 0,
) -> ConformalSets | PooledSets:
    """Sets that hold the truth with a probability of at least 1 - alpha, looked at whenever the correction allows.

    Too few recordings for the promise give infinite quantiles: it never stops early.

    Raises:
        ConfigError: if alpha lies outside 0 to 1, or there is no such correction.
    """
    if not 0 < alpha < 1:
        raise ConfigError(f"an alpha of {alpha}; it lies between 0 and 1")
    if correction not in CORRECTIONS:
        raise ConfigError(f"correction {correction!r}; expected one of {', '.join(CORRECTIONS)}")
    if correction == "simes":
        if readout is not None:
            raise ConfigError("Simes' correction reads the sum of the outputs; leave the readout out")
        return fit_pooled(
            recorded, alpha, correction="simes", max_size=max_size, n_checkpoints=n_checkpoints, score=score
        )
    readout, horizon = readout or recorded.readout, recorded.horizon
    quantiles = np.full(horizon, np.inf)
    if correction == "maxrank":
        ranking, expecting = recorded.split(0.5, seed)
        by_rank = np.sort(_true_scores(ranking, score, readout), axis=0)
        found = _true_scores(expecting, score, readout)
        spread = np.maximum(by_rank.std(axis=0), 1e-9)  # beyond the last rank it goes on in these units
        ranks = np.stack([np.searchsorted(by_rank[:, t], found[:, t], side="left") for t in range(horizon)], axis=1)
        ranks = ranks + np.maximum(found - by_rank[-1], 0) / spread
        rank = _upper_quantile(ranks.max(axis=1), alpha)
        quantiles = by_rank[int(rank)] if rank < len(by_rank) else by_rank[-1] + (rank - len(by_rank)) * spread
    else:
        marks = _checkpoints(horizon, n_checkpoints) if correction == "bonferroni" else np.arange(1, horizon + 1)
        share = alpha / len(marks) if correction == "bonferroni" else alpha
        found = _true_scores(recorded, score, readout)
        for step in marks:
            quantiles[step - 1] = _upper_quantile(found[:, step - 1], share)
    return ConformalSets(score, quantiles, alpha, max_size, correction, readout)


def fit_pooled(
    recorded: RecordedOutputs,
    alpha: float,
    *,
    pooling: str = "mean",
    correction: str = "bonferroni",
    max_size: int = 1,
    n_checkpoints: int = 8,
    score: str = "surprise",
) -> PooledSets:
    """The p-values of the members of an ensemble, pooled, with the same promise."""
    marks = _checkpoints(recorded.horizon, n_checkpoints)
    members, n_classes = recorded.members, recorded.n_classes
    per_member = [
        RecordedOutputs(recorded.outputs[:, :, r * n_classes : (r + 1) * n_classes], recorded.labels)
        for r in range(members)
    ]
    scores = np.stack([np.sort(_true_scores(one, score, SUM)[:, marks - 1], axis=0).T for one in per_member])
    return PooledSets(scores, marks, recorded.horizon, alpha, score, max_size, correction, pooling)


def _true_scores(recorded: RecordedOutputs, score: str, readout: Readout) -> Float64[ndarray, "N T"]:
    """How strange the truth was at every step."""
    logits, n = recorded.logits(readout), np.arange(len(recorded))
    steps = [NONCONFORMITY[score](logits[:, t], np.full(len(n), t + 1)) for t in range(recorded.horizon)]
    return np.stack([one[n, recorded.labels] for one in steps], axis=1)


def _upper_quantile(values: Float64[ndarray, " N"], alpha: float) -> float:
    """The k-th smallest of the values and one infinity, k = ceil((1 - alpha)(n + 1))."""
    k = ceil((1 - alpha) * (len(values) + 1) - 1e-9)
    return float(np.sort(values)[k - 1]) if k <= len(values) else np.inf


def _checkpoints(horizon: int, n: int) -> Int64[ndarray, " C"]:
    """`n` steps, equally spaced, the last one the horizon."""
    n = min(n, horizon)
    return np.unique((np.arange(1, n + 1) * horizon) // n).astype(np.int64)


def _pooled(p: Float64[ndarray, "R B K"], how: str) -> Float64[ndarray, "B K"]:
    n = len(p)
    if n == 1:
        return np.asarray(p[0])
    if how == "mean":
        return np.asarray(np.minimum(1, 2 * p.mean(axis=0)))
    if how == "geometric":
        return np.asarray(np.minimum(1, e * np.exp(np.log(p).mean(axis=0))))
    return np.asarray(np.minimum(1, n * p.min(axis=0)) if how == "bonferroni" else p.max(axis=0))
