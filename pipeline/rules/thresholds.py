"""When to stop: a score of the evidence so far, and a threshold for every step.

A lane stops at the first step whose score is *above* (with `inclusive`: at or above) that step's threshold. Equal
leaders go to the lowest class. The forced end at the horizon belongs to the loop, not to the rule.

| rule | score | threshold | source |
|---|---|---|---|
| `fixed` | the step itself | the same for all | the baseline of every comparison |
| `topk` | lead of the first over the second class | one a step, fitted | Wu et al., arXiv 2301.09522, section 3 |
| `confidence` | largest softmax probability | one for all steps | SEENN-I, Li et al., arXiv 2304.01230, section 3.2 |
| `entropy` | 1 - entropy / ln K | one for all steps | DT-SNN, Li et al., arXiv 2305.17346 |
| `msprt` | the lead | ln((K - 1) / epsilon) | matrix SPRT, Armitage 1950; equal to `topk` with one beta |
| `collapsing` | the lead | beta (1 - t/T)^kappa | a bound that gives in as time runs out |
| `sr1` | g1 p(1) + g2 (p(1) - p(2)) | -g3 t/T | Mori et al., IEEE TNNLS 29:4569 (2018) |
| `ltt` | any of these | fitted with a guarantee | `pipeline/rules/ltt.py` |

The rule with a budget from a policy (SEENN-II) is in `pipeline/rules/step_budget.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.evidence.probability import all_finite
from spikecut.pipeline.evidence.readout import SUM, Readout
from spikecut.pipeline.evidence.scores import SCORES
from spikecut.pipeline.files.arguments import finite, kind_of, steps_of, whole
from spikecut.pipeline.files.strict import unexpected
from spikecut.pipeline.results import Evidence, Verdict

Held = Float32[ndarray, "B M"]


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdCutoff:
    """Stops a lane at the first step t whose score exceeds `thresholds[t - 1]`; infinity never stops.

    `rule` is the common name of the rule, `score` one of `SCORES`, and `weights` are the coefficients of a score with
    several parts. The only state is the sum of a leaky readout.
    """

    rule: str
    score: str
    thresholds: Float64[ndarray, " T"]
    readout: Readout = SUM
    inclusive: bool = False
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        kind_of("rule", self.rule, str, "a text")
        kind_of("score", self.score, str, f"one of {', '.join(SCORES)}")
        if self.score not in SCORES:
            raise ConfigError(f"score {self.score!r}; expected one of {', '.join(SCORES)}")
        _numbers("thresholds", self.thresholds)
        kind_of("readout", self.readout, Readout, "a Readout")
        kind_of("inclusive", self.inclusive, (bool, np.bool_), "True or False")
        _numbers("weights", self.weights)
        if not len(self.thresholds) or np.isnan(self.thresholds).any():
            raise ConfigError(f"rule {self.rule!r} needs a threshold for every step, and no NaN among them")

    @property
    def horizon(self) -> int:
        """The number of steps it was made for."""
        return len(self.thresholds)

    def decide(self, evidence: Evidence, state: Held | None = None) -> tuple[Verdict, Held | None]:
        """The verdict on every lane after one step.

        Raises:
            ModelError: if an output of the network is not a number, or the step lies beyond the horizon.
        """
        check(evidence, self.horizon)
        logits, state = self.readout.read(evidence, state)
        score = SCORES[self.score](logits, evidence.steps, self.weights)
        return Verdict(self.reached(score, evidence.steps), leader(logits), score), state

    def reached(self, score: Float32[ndarray, " B"], steps: Int64[ndarray, " B"]) -> Bool[ndarray, " B"]:
        """Which scores are enough to stop after so many steps."""
        limits = self.thresholds[steps - 1]
        return np.asarray(score >= limits if self.inclusive else score > limits)


def check(evidence: Evidence, horizon: int) -> None:
    """Refuses outputs that are not finite, and steps beyond the horizon.

    Raises:
        ModelError: naming the step.
    """
    if not all_finite(evidence.total):
        raise ModelError(
            f"step {evidence.steps.min()}: the network's output is not finite",
            hint="the checkpoint is damaged, or its training diverged",
        )
    if evidence.steps.max() > horizon:
        raise ModelError(f"step {evidence.steps.max()} of a cutoff made for {horizon} steps")


def leader(logits: Float32[ndarray, "B K"]) -> Int64[ndarray, " B"]:
    """The class with the largest logit; of equal ones the lowest."""
    return np.asarray(logits.argmax(axis=1), np.int64)


def fixed(steps: int, horizon: int) -> ThresholdCutoff:
    """Stops every lane after the same number of steps.

    Raises:
        ConfigError: if they are not 1 to `horizon`.

    >>> fixed(4, horizon=6).thresholds
    array([3., 3., 3., 3., 3., 3.])
    """
    steps, horizon = whole("steps", steps), steps_of(horizon)
    if not 1 <= steps <= horizon:
        raise ConfigError(f"a fixed cutoff after {steps} steps; expected 1 to {horizon}")
    return ThresholdCutoff("fixed", "step", np.full(horizon, steps - 1.0))


def topk(thresholds: Sequence[float] | Float64[ndarray, " T"]) -> ThresholdCutoff:
    """The Top-K cutoff of Wu et al.: stops when the lead of the first class exceeds beta_t.

    `thresholds` is one number (T,) for each step up to the horizon, in the unit of the summed outputs; infinity never
    stops. `spikecut calibrate --rule topk` and `fit` find them.

    Raises:
        ConfigError: if they are no numbers, or one is NaN.

    >>> topk([np.inf, 4.0, 2.5]).horizon
    3
    """
    return ThresholdCutoff("topk", "top2_gap", _numbers("thresholds", thresholds))


def confidence(alpha: float, horizon: int) -> ThresholdCutoff:
    """SEENN-I: stops when the largest softmax probability exceeds alpha.

    Raises:
        ConfigError: if alpha is no number from 0 to 1.

    >>> confidence(0.9, horizon=30).rule, confidence(0.9, horizon=30).horizon
    ('confidence', 30)
    """
    if not 0 <= (alpha := finite("alpha", alpha)) <= 1:
        raise ConfigError(f"alpha is {alpha}; a probability lies between 0 and 1")
    return ThresholdCutoff("confidence", "confidence", np.full(steps_of(horizon), alpha))


def never(horizon: int) -> ThresholdCutoff:
    """No cutoff: every lane runs to the horizon.

    >>> never(horizon=2).thresholds
    array([inf, inf])
    """
    return ThresholdCutoff("none", "confidence", np.full(steps_of(horizon), np.inf))


def entropy(alpha: float, horizon: int) -> ThresholdCutoff:
    """DT-SNN: stops when 1 - entropy / ln K exceeds alpha."""
    if not 0 <= (alpha := finite("alpha", alpha)) <= 1:
        raise ConfigError(f"alpha is {alpha}; it lies between 0 and 1")
    return ThresholdCutoff("entropy", "entropy", np.full(steps_of(horizon), alpha))


def msprt(epsilon: float, n_classes: int, horizon: int) -> ThresholdCutoff:
    """The matrix SPRT with one bound: nothing is fitted.

    If outputs were exact log-likelihoods, at most a share epsilon of recordings would be answered wrongly before the
    horizon. They never are, and at the horizon an answer is forced: the promise is the model's, not the data's.
    """
    epsilon, n_classes, horizon = finite("epsilon", epsilon), whole("n_classes", n_classes), steps_of(horizon)
    if not 0 < epsilon < 1 or n_classes < 2:
        raise ConfigError(f"epsilon {epsilon} for {n_classes} classes; expected 0 to 1, and two classes or more")
    return ThresholdCutoff("msprt", "top2_gap", np.full(horizon, np.log((n_classes - 1) / epsilon)))


def collapsing(beta: float, kappa: float, horizon: int) -> ThresholdCutoff:
    """A bound on the lead that falls from beta to 0 as the horizon comes near: beta (1 - t/T)^kappa."""
    beta, kappa, horizon = finite("beta", beta), finite("kappa", kappa), steps_of(horizon)
    if beta < 0 or kappa < 0:
        raise ConfigError(f"a bound of {beta} that collapses with {kappa}; neither may be negative")
    left = 1 - np.arange(1, horizon + 1) / horizon
    return ThresholdCutoff("collapsing", "top2_gap", beta * left**kappa)


def sr1(gammas: tuple[float, float, float], horizon: int) -> ThresholdCutoff:
    """SR1 of Mori et al.: stops when g1 p(1) + g2 (p(1) - p(2)) + g3 t/T is above 0; p is softmax of the mean."""
    if len(_numbers("gammas", gammas)) != 3:
        raise ConfigError(f"gammas: found {len(gammas)} numbers; expected three")
    horizon = steps_of(horizon)
    time = np.arange(1, horizon + 1) / horizon
    return ThresholdCutoff("sr1", "sr1", -gammas[2] * time, Readout("mean"), weights=gammas[:2])


def _numbers(name: str, values: Any) -> Float64[ndarray, " N"]:
    """Numbers one behind the other as an array.

    Raises:
        ConfigError: if they are none.
    """
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        array = np.empty((0, 0))
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise unexpected(name, values, "a list of numbers")
    return array.astype(np.float64, copy=False)
