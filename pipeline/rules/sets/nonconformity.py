"""Nonconformity scores of classes, and their quantiles, from which conformal sets are made."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.probability import negative_log_softmax
from spikecut.pipeline.recorded import RecordedOutputs

CORRECTIONS = ("maxrank", "bonferroni", "simes", "none")


@dataclass(frozen=True, slots=True)
class SetOptions:
    """How sets are made: the correction for looking often (the table in `conformal.py`), and when they are small.

    A rule stops when at most `max_size` classes remain. `bonferroni` and `simes` look at `n_checkpoints` steps.
    `score` is a name of `NONCONFORMITY`.
    """

    correction: str = "maxrank"
    max_size: int = 1
    n_checkpoints: int = 8
    score: str = "surprise"

    def __post_init__(self) -> None:
        if self.correction not in CORRECTIONS:
            raise ConfigError(f"correction {self.correction!r}; expected one of {', '.join(CORRECTIONS)}")
        if self.n_checkpoints < 1:
            raise ConfigError(f"{self.n_checkpoints} checkpoints; expected at least 1")


def surprise(logits: Float32[ndarray, "B K"], steps: Int64[ndarray, " B"]) -> Float64[ndarray, "B K"]:
    """-ln softmax: what SpikeCP calls its global score.

    >>> surprise(np.log(np.array([[1, 3]], np.float32)), np.array([1])).round(4)
    array([[1.3863, 0.2877]])
    """
    return negative_log_softmax(logits)


def silence(logits: Float32[ndarray, "B K"], steps: Int64[ndarray, " B"]) -> Float64[ndarray, "B K"]:
    """Steps minus spikes of the class's own neuron: SpikeCP's local score, for outputs that are spikes."""
    return np.asarray(steps[:, None] - logits.astype(np.float64))


NONCONFORMITY = {"surprise": surprise, "silence": silence}


def true_scores(recorded: RecordedOutputs, score: str) -> Float64[ndarray, "N T"]:
    """The nonconformity of the true class at every step, in the readout of the recordings."""
    logits, n = recorded.logits(), np.arange(len(recorded))
    steps = [NONCONFORMITY[score](logits[:, t], np.full(len(n), t + 1)) for t in range(recorded.horizon)]
    return np.stack([one[n, recorded.labels] for one in steps], axis=1)


def upper_quantile(values: Float64[ndarray, " N"], alpha: float) -> float:
    """The k-th smallest of the values and one infinity, k = ceil((1 - alpha)(n + 1))."""
    k = ceil((1 - alpha) * (len(values) + 1) - 1e-9)
    return float(np.sort(values)[k - 1]) if k <= len(values) else np.inf


def checkpoints(horizon: int, n: int) -> Int64[ndarray, " C"]:
    """`n` steps, equally spaced, the last one the horizon."""
    n = min(n, horizon)
    return np.unique((np.arange(1, n + 1) * horizon) // n).astype(np.int64)
