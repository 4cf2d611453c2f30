"""When to stop: a score of the evidence so far, and a threshold for every step.

The score is read from the **sum** of the outputs, as in the reference code of both papers; a lane stops
at the first step whose score is *above* (never equal to) that step's threshold. Equal leaders go to the
lowest class. The forced end at the horizon belongs to the loop, not to the rule.

| rule | score | threshold | source |
|---|---|---|---|
| `fixed` | the step itself | the same for all | the baseline of every comparison |
| `topk` | lead of the first over the second class | one a step, fitted | Wu et al., arXiv 2301.09522, section 3 |
| `confidence` | largest softmax probability | one for all steps | SEENN-I, Li et al., arXiv 2304.01230, section 3.2 |
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.results import Evidence, Verdict


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdCutoff:
    """Stops a lane at the first step t whose score exceeds `thresholds[t - 1]`; infinity never stops.

    `rule` is the name people know it by, `score` one of `SCORES`. It keeps no state.
    """

    rule: str
    score: str
    thresholds: Float64[ndarray, " T"]

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ConfigError(f"score {self.score!r}; expected one of {', '.join(SCORES)}")
        if not len(self.thresholds) or np.isnan(self.thresholds).any():
            raise ConfigError(f"rule {self.rule!r} needs a threshold for every step, and no NaN among them")

    @property
    def horizon(self) -> int:
        """The number of steps it was made for."""
        return len(self.thresholds)

    def decide(self, evidence: Evidence, state: None = None) -> tuple[Verdict, None]:
        """The verdict on every lane after one step.

        Raises:
            ModelError: if the network said something that is not a number, or the step lies beyond
                the horizon.
        """
        if not np.isfinite(evidence.total).all():
            raise ModelError(
                f"step {evidence.steps.min()}: the network's output is not finite",
                hint="the checkpoint is damaged, or its training diverged",
            )
        if evidence.steps.max() > self.horizon:
            raise ModelError(f"step {evidence.steps.max()} of a cutoff made for {self.horizon} steps")
        score = SCORES[self.score](evidence)
        label = evidence.total.argmax(axis=1).astype(np.int64)
        return Verdict(score > self.thresholds[evidence.steps - 1], label, score), None


def fixed(steps: int, horizon: int) -> ThresholdCutoff:
    """Stops every lane after the same number of steps."""
    if not 1 <= steps <= horizon:
        raise ConfigError(f"a fixed cutoff after {steps} steps; expected 1 to {horizon}")
    return ThresholdCutoff("fixed", "step", np.full(horizon, steps - 1.0))


def topk(thresholds: Sequence[float] | Float64[ndarray, " T"]) -> ThresholdCutoff:
    """The Top-K cutoff of Wu et al.: stops when the lead of the first class exceeds beta_t."""
    return ThresholdCutoff("topk", "top2_gap", np.asarray(thresholds, np.float64))


def confidence(alpha: float, horizon: int) -> ThresholdCutoff:
    """SEENN-I: stops when the largest softmax probability exceeds alpha."""
    if not 0 <= alpha <= 1:
        raise ConfigError(f"alpha is {alpha}; a probability lies between 0 and 1")
    return ThresholdCutoff("confidence", "confidence", np.full(horizon, float(alpha)))


def never(horizon: int) -> ThresholdCutoff:
    """No cutoff: every lane runs to the horizon."""
    return ThresholdCutoff("none", "confidence", np.full(horizon, np.inf))


def step_number(evidence: Evidence) -> Float32[ndarray, " B"]:
    """The step itself: the only evidence of those who wait for a fixed time."""
    return evidence.steps.astype(np.float32)


def top2_gap(evidence: Evidence) -> Float32[ndarray, " B"]:
    """How far the leader is ahead: highest minus second highest summed output.

    The Top-K cutoff of Wu et al. (arXiv 2301.09522) stops when this exceeds beta. Equal leaders give
    0, which never exceeds a beta of 0 or more.

    Raises:
        ModelError: if there is one class only; it has no runner-up.

    >>> total = np.array([[1, 5, 2], [3, 3, 0]], np.float32)
    >>> top2_gap(Evidence(np.array([1, 1]), total, total))
    array([3., 0.], dtype=float32)
    """
    n_classes = evidence.total.shape[1]
    if n_classes < 2:
        raise ModelError("one class has no runner-up, so there is no gap to measure")
    first_two = np.partition(evidence.total, (n_classes - 2, n_classes - 1), axis=1)
    return np.asarray(first_two[:, -1] - first_two[:, -2])


def largest_probability(evidence: Evidence) -> Float32[ndarray, " B"]:
    """The largest entry of softmax(total), temperature 1.

    >>> total = np.log(np.array([[1, 3]], np.float32))
    >>> largest_probability(Evidence(np.array([1]), total, total)).round(6)
    array([0.75], dtype=float32)
    """
    lead = evidence.total - evidence.total.max(axis=1, keepdims=True)
    return np.asarray(1 / np.exp(lead).sum(axis=1), np.float32)


SCORES: dict[str, Callable[[Evidence], Float32[ndarray, " B"]]] = {
    "step": step_number,
    "top2_gap": top2_gap,
    "confidence": largest_probability,
}
