"""Drift on the screen and in JSON: once a stream is not like the calibration data, its cutoff promises nothing."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import softmax

from spikecut.pipeline.metrics.drift import LAST_BINS, WINDOW, AnswerNumbers, Drift, stated_rate
from spikecut.pipeline.results import Decision, Item, Step
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.reference import Extremes

MOST_FALSE = 0.25  # of all people like those of the calibration data, who may raise the alarm


@dataclass(slots=True)
class DriftWatch:
    """Watches the answers of one stream; without statistics of answers, as in older cutoffs, it watches nothing.

    Of a `foreign` stream nothing is promised from the beginning: it does not say that it is simulated, as all
    recordings were that the cutoff was fitted on.
    """

    extremes: Extremes | None
    promises: bool
    foreign: bool = False
    state: Drift = field(default_factory=Drift)
    _bins: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=LAST_BINS))

    @classmethod
    def of(cls, fitted: FittedCutoff | None, *, simulated: bool, learned: bool = False) -> "DriftWatch":
        """The watch for a cutoff on a stream that says it is `simulated`, or does not.

        A cutoff that does not say what it was fitted on is taken as its network, which `learned` from simulated
        recordings or not. Answers in another number than are compared today are not watched, nor where so few people
        were seen that more than a quarter of all like them would raise the alarm.
        """
        extremes = None if fitted is None or fitted.reference is None else fitted.reference.answers
        if extremes is not None and (extremes.window != WINDOW or stated_rate(extremes.n) > MOST_FALSE):
            extremes = None
        promises = fitted is not None and fitted.is_promised
        fitted_on = None if fitted is None else learned if fitted.simulated is None else fitted.simulated
        return cls(extremes, promises, foreign=bool(fitted_on) and not simulated)

    @property
    def promise(self) -> str | None:
        """`holds` or `suspended`; None where nothing is promised, or nothing says whether it holds."""
        if self.foreign and self.promises:
            return "suspended"
        if self.extremes is None or not self.promises:
            return None
        return "suspended" if self.state.suspended else "holds"

    def at_first(self, model: str) -> str | None:
        """What to say at the beginning of a stream of which nothing is promised."""
        if not (self.foreign and self.promises):
            return None
        return (
            "note: the promise of this cutoff was fitted on simulated recordings, and this one may be genuine: it is "
            f"suspended until `spikecut calibrate FOLDER --model {model}` has fitted it on yours"
        )

    def see(self, item: Item) -> str | None:
        """Counts an item; where an answer changes whether the promise holds, a sentence says so."""
        if self.extremes is None:
            return None
        if isinstance(item, Step):
            self._count(item)
        if not isinstance(item, Decision) or item.revises is not None or not self._bins:
            return None
        rate_hz, active = np.mean(self._bins, axis=0).tolist()
        confidence = float(softmax(item.total.astype(np.float64)).max())
        before, self.state = self.state, self.state.after(AnswerNumbers(rate_hz, active, confidence), self.extremes)
        about = "the promise" if self.promises else "what the cutoff did there"
        if self.state.suspended and not before.suspended:
            return (
                f"the stream is not like the calibration data (the last {WINDOW} answers: {self.state.beyond} of "
                f"{self.extremes.n} people; at most {stated_rate(self.extremes.n):.0%} like them would be): "
                f"{about} is suspended"
            )
        if before.suspended and not self.state.suspended:
            then = "" if self.foreign else f": {about} holds from here on"
            return f"the last {WINDOW} answers are like the calibration data again{then}"
        return None

    def as_object(self) -> dict[str, Any] | None:
        """For the summary in JSON."""
        if self.extremes is None:
            return None
        return {"answers": self.state.n, "alarms": self.state.n_alarms, "suspended": self.state.suspended}

    def _count(self, step: Step) -> None:
        frame = step.frame
        if step.index == 0:
            self._bins.clear()
        rate_hz = frame.n_events / (frame.end_us - frame.start_us) * 1e6
        self._bins.append((rate_hz, float(np.count_nonzero(frame.pixels.any(axis=0))) / frame.pixels[0].size))
