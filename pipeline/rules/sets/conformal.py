"""Conformal prediction sets that stay valid when read after every step: stop when few enough classes remain.

The promise: *with a probability of at least 1 - alpha the set at the stop holds the truth*, for recordings
exchangeable with those of the calibration, whatever the network is worth. It speaks of the set, not of its first class.
SpikeCP: Chen, Park, Simeone, arXiv 2305.11322; ensembles: the same, arXiv 2310.16675; pooling p-values under any
dependence: Vovk and Wang, arXiv 1212.4966.

| correction for looking often | keeps the promise |
|---|---|
| `maxrank` | yes, at all steps at once: half of the recordings rank scores, the other half gives the rank quantile |
| `bonferroni` | yes, at a few checkpoints, each with alpha / C |
| `simes` | under positive dependence only |
| `none` | no: as the public port of SpikeCP has it; kept to show the difference |
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import SUM, Readout
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.results import Evidence, Verdict
from spikecut.pipeline.rules.rule import Wish, percent
from spikecut.pipeline.rules.sets.nonconformity import (
    NONCONFORMITY,
    SetOptions,
    checkpoints,
    true_scores,
    upper_quantile,
)
from spikecut.pipeline.rules.sets.pooled import PooledSets, fit_pooled
from spikecut.pipeline.rules.thresholds import Held, check, leader


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


def fit_conformal(
    recorded: RecordedOutputs, alpha: float, options: SetOptions | None = None, *, seed: int = 0
) -> ConformalSets | PooledSets:
    """Sets that hold the truth with a probability of at least 1 - alpha, looked at whenever the correction allows.

    Too few recordings for the promise give infinite quantiles: it never stops early. The seed divides the recordings
    of `maxrank` in two halves.

    Raises:
        ConfigError: if alpha lies outside 0 to 1, or `simes` is used with a readout other than the sum.
    """
    if not 0 < alpha < 1:
        raise ConfigError(f"an alpha of {alpha}; it lies between 0 and 1")
    options = options or SetOptions()
    if options.correction == "simes":
        if recorded.reading is not None:
            raise ConfigError("Simes' correction reads the sum of the outputs; leave the readout out")
        return fit_pooled(recorded, alpha, options)
    if options.correction == "maxrank":
        quantiles = _ranked(recorded, alpha, options.score, seed)
    else:
        quantiles = _checked_now_and_then(recorded, alpha, options)
    return ConformalSets(options.score, quantiles, alpha, options.max_size, options.correction, recorded.readout)


def _ranked(recorded: RecordedOutputs, alpha: float, score: str, seed: int) -> Float64[ndarray, " T"]:
    """Quantiles of all steps at once: half of the recordings rank scores, the other half gives the rank quantile."""
    ranking, expecting = recorded.split(0.5, seed)
    by_rank = np.sort(true_scores(ranking, score), axis=0)
    scores = true_scores(expecting, score)
    spread = np.maximum(by_rank.std(axis=0), 1e-9)  # beyond the last rank it goes on in these units
    of_each_step = range(recorded.horizon)
    ranks = np.stack([np.searchsorted(by_rank[:, t], scores[:, t], side="left") for t in of_each_step], axis=1)
    ranks = ranks + np.maximum(scores - by_rank[-1], 0) / spread
    rank = upper_quantile(ranks.max(axis=1), alpha)
    return np.asarray(by_rank[int(rank)] if rank < len(by_rank) else by_rank[-1] + (rank - len(by_rank)) * spread)


def _checked_now_and_then(recorded: RecordedOutputs, alpha: float, options: SetOptions) -> Float64[ndarray, " T"]:
    """Quantiles at the checkpoints, each with its share of alpha; without correction at every step with full alpha."""
    corrected = options.correction == "bonferroni"
    marks = checkpoints(recorded.horizon, options.n_checkpoints if corrected else recorded.horizon)
    share = alpha / len(marks) if corrected else alpha
    scores = true_scores(recorded, options.score)
    quantiles = np.full(recorded.horizon, np.inf)
    for step in marks:
        quantiles[step - 1] = upper_quantile(scores[:, step - 1], share)
    return quantiles


def covers(wish: Wish) -> str:
    """The sentence of conformal sets."""
    if wish.correction == "none":
        return "Nothing is promised: the set is looked at after every step, without a correction for that."
    if_so = ", if the p-values of different steps are positively dependent" if wish.correction == "simes" else ""
    return (
        f"The set at the stop holds the truth with a probability of at least {100 * (1 - wish.tolerance):g} %, for "
        f"recordings exchangeable with those it was fitted on{if_so}. It speaks of the set, not of its first class."
    )


def recordings_for_sets(alpha: float) -> int:
    """The fewest recordings with which `maxrank` may stop early: 1 / alpha - 1 in the half that gives the quantile.

    >>> recordings_for_sets(0.1), recordings_for_sets(0.01)
    (17, 197)
    """
    to_expect = ceil((1 - alpha) / alpha - 1e-9)
    return next(n for n in (2 * to_expect - 1, 2 * to_expect, 2 * to_expect + 1) if n - round(n / 2) >= to_expect > 0)


def sets_stay_large(n: int, wish: Wish) -> str:
    """Why so few recordings cannot give sets that are small before the end."""
    needed = recordings_for_sets(wish.tolerance)
    ranked = wish.correction == "maxrank"
    more = f"; it takes at least {needed} recordings" if ranked and n < needed else ""
    return (
        f"with {n} recordings,{' half of them to rank and half to expect,' if ranked else ''} sets that miss the truth "
        f"in {percent(wish.tolerance)} at most never get small enough to stop early{more}"
    )
