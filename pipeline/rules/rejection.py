"""When an answer is none: movement that is no gesture ends without one.

Two sources of a "no", alone or together: classes of the network that stand for no gesture, and a threshold on the
log-odds of the answer among all classes (which is its probability on a scale that does not end at 1). Below the
threshold the network is stepped on although its rule would stop, so that an answer may still become sure; at the end of
the window it is none. The threshold is fitted with a promise on recordings without gestures
(`pipeline/metrics/alarm_rates.py`), for three levels of sensitivity, and stored with the rule that it was fitted for.
"""

from dataclasses import dataclass, fields
from math import inf, isfinite
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.evidence.probability import log_odds
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.results import Decision, Evidence, Verdict

LEVELS = ("low", "normal", "high")  # of sensitivity
DEFAULT = "normal"


@dataclass(frozen=True, slots=True)
class Level:
    """A level of sensitivity: the threshold on the log-odds, and the two rates that were measured with it.

    On `minutes` of recordings without gestures there were `alarms`; with the `confidence`, the rate is at most
    `alarms_bound` a minute, which is at most what was tolerated, `alarms_a_minute`. Of `n` gestures `rejected` got no
    answer within the window; with the same confidence the share is at most `rejected_bound`.
    """

    threshold: float
    alarms: int
    minutes: float
    alarms_bound: float
    alarms_a_minute: float
    rejected: int
    n: int
    rejected_bound: float
    confidence: float

    def __post_init__(self) -> None:
        if not isfinite(self.threshold):
            raise ModelError(f"a threshold of {self.threshold}; expected a number")
        if self.alarms < 0 or not self.minutes > 0 or not 0 <= self.alarms_bound <= self.alarms_a_minute:
            raise ModelError(
                f"{self.alarms} alarms in {self.minutes:g} min, at most {self.alarms_bound:g} of "
                f"{self.alarms_a_minute:g} a minute; expected 0 or more, a time above 0, and no more than is tolerated"
            )
        if not 0 <= self.rejected <= self.n or not 0 <= self.rejected_bound <= 1 or not 0 < self.confidence < 1:
            raise ModelError(
                f"{self.rejected} of {self.n} rejected, at most {self.rejected_bound:g}, with a confidence of "
                f"{self.confidence:g}; expected no more than all, a share, and a share between 0 and 1"
            )

    @property
    def sentence(self) -> str:
        """The promise, and what it costs."""
        return (
            f"With {100 * self.confidence:g} % confidence, at most {self.alarms_bound:.2g} false alarms a minute of "
            f"movement like the recorded ({self.alarms} in {self.minutes:.1f} min), and at most "
            f"{100 * self.rejected_bound:.2g} % of gestures rejected ({self.rejected} of {self.n})."
        )


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The three levels, fitted on the recordings without gestures whose digest is `data`."""

    low: Level
    normal: Level
    high: Level
    data: str = ""

    def __post_init__(self) -> None:
        if not self.low.threshold >= self.normal.threshold >= self.high.threshold:
            raise ModelError("sensitivity: thresholds that rise with the sensitivity; expected them to fall")

    def level(self, name: str) -> Level:
        """One of `LEVELS`."""
        level: Level = getattr(self, name)
        return level

    def levels(self) -> dict[str, Level]:
        """All by their names, the least sensitive first."""
        return {one.name: self.level(one.name) for one in fields(self) if one.name in LEVELS}


@dataclass(frozen=True, slots=True)
class Rejecting:
    """Which answers are none: those of the `classes` that are no gesture, and those below the `threshold`."""

    classes: tuple[int, ...] = ()
    threshold: float = -inf

    def admits(self, odds: Float64[ndarray, " B"]) -> Bool[ndarray, " B"]:
        """Whether answers with these log-odds are sure enough."""
        return odds >= self.threshold

    def refuses(self, decision: Decision) -> bool:
        """Whether this answer is none."""
        if decision.label in self.classes:
            return True
        odds = log_odds(decision.total[None], np.array([decision.label]))
        return self.threshold > -inf and not bool(self.admits(odds)[0])

    def over(self, decider: CutoffDecider[Any]) -> CutoffDecider[Any]:
        """A rule that stops with a gesture only once it is sure enough, and with none as before."""
        return Sure(decider, self, decider.rule) if self.threshold > -inf else decider


NOTHING = Rejecting()


@dataclass(frozen=True, slots=True, eq=False)
class Sure:
    """Stops when a rule stops and the log-odds of its answer reach the threshold, or its answer is no gesture.

    Label, score, set, state and name are those of the rule.
    """

    decider: CutoffDecider[Any]
    rejecting: Rejecting
    rule: str

    @property
    def horizon(self) -> int:
        """The number of steps that the rule was made for."""
        return self.decider.horizon

    def decide(self, evidence: Evidence, state: Any = None) -> tuple[Verdict, Any]:
        """The verdict on every lane."""
        verdict, state = self.decider.decide(evidence, state)
        stop = np.array(verdict.stop)
        lanes = np.flatnonzero(stop & ~np.isin(verdict.label, self.rejecting.classes))
        if len(lanes):
            stop[lanes] = self.rejecting.admits(log_odds(evidence.total[lanes], verdict.label[lanes]))
        return Verdict(stop, verdict.label, verdict.score, verdict.sets), state
