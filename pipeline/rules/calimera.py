"""CALIMERA: a regression of what waiting still brings, fitted backwards in time. No guarantee, least mean cost.

Bilski and Jastrzebska, Information Processing and Management 60 (2023); reads softmax of the running mean.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.results import Evidence, Verdict
from spikecut.pipeline.rules.loss import MEAN, cheapest_within
from spikecut.pipeline.rules.rule import Wish
from spikecut.pipeline.rules.thresholds import check, leader

_DELAYS = (0.02, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Calimera:
    """Stops when a kernel ridge regression expects waiting to cost more than it brings; the score is that cost.

    `seen` are the features of S calibration recordings at each of the W steps before the last, `duals` the
    regression's coefficients. A step costs S kernels: by far the dearest rule.
    """

    seen: Float64[ndarray, "W S F"]
    duals: Float64[ndarray, "W S"]
    rule: str = "calimera"

    @property
    def horizon(self) -> int:
        """The number of steps it was made for."""
        return len(self.duals) + 1

    def decide(self, evidence: Evidence, state: None = None) -> tuple[Verdict, None]:
        """The verdict on every lane after one step; at the last, where nothing can be gained, the score is 0."""
        check(evidence, self.horizon)
        logits, _ = MEAN.read(evidence, None)
        features = _features(softmax(logits.astype(np.float64)))
        score = np.zeros(len(logits), np.float32)
        for lane, step in enumerate(evidence.steps):
            if step < self.horizon:
                kernel = _kernel(features[lane : lane + 1], self.seen[step - 1])
                score[lane] = (kernel @ self.duals[step - 1])[0]
        return Verdict((score > 0) | (evidence.steps == self.horizon), leader(logits), score), None


def fit_calimera(recorded: RecordedOutputs, delay: float = 0.25, most: int = 400, seed: int = 0) -> Calimera:
    """Fitted backwards in time; being late by the whole window costs as much as `delay` errors.

    At most `most` recordings, drawn by `seed`, are kept, because every step computes a kernel with each of them.
    """
    if len(recorded) > most:
        recorded = recorded.pick(np.sort(np.random.default_rng(seed).permutation(len(recorded))[:most]))
    p = softmax(recorded.logits(MEAN).astype(np.float64))
    n, horizon, _ = p.shape
    if horizon < 2:
        raise ConfigError("a window of one step leaves nothing to wait for")
    features = np.stack([_features(p[:, t]) for t in range(horizon - 1)])
    duals = np.zeros((horizon - 1, n))
    later = 1 - p[:, -1].max(axis=1) + delay
    for t in range(horizon - 2, -1, -1):
        now = 1 - p[:, t].max(axis=1) + delay * (t + 1) / horizon
        kernel = _kernel(features[t], features[t])
        duals[t] = np.linalg.solve(kernel + np.eye(n), later - now)
        later = np.where(kernel @ duals[t] < 0, later, now)
    return Calimera(features, duals)


def fit_calimera_within(recorded: RecordedOutputs, wish: Wish) -> CutoffDecider[Any]:
    """Of rules fitted for several prices of delay, the one that stops earliest within the tolerance."""
    rules = (fit_calimera(recorded, delay, seed=wish.seed) for delay in _DELAYS)
    return cheapest_within(recorded, wish.tolerance, rules)


def _features(p: Float64[ndarray, "N K"]) -> Float64[ndarray, "N F"]:
    """The probabilities, the lead of the first over the second, and the first."""
    two = np.sort(p, axis=1)[:, -2:]
    return np.concatenate([p, two[:, 1:] - two[:, :1], two[:, 1:]], axis=1)


def _kernel(a: Float64[ndarray, "A F"], b: Float64[ndarray, "S F"]) -> Float64[ndarray, "A S"]:
    """The radial kernel of width 1 / F, as scikit-learn's default."""
    squares = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return np.asarray(np.exp(-squares / a.shape[1]))
