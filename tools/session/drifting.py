"""Drift on the screen and in JSON: once a stream is not like the calibration data, its cutoff promises nothing."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import softmax

from spikecut.pipeline.metrics.drift import CALM, AnswerNumbers, Drift, can_be_watched
from spikecut.pipeline.results import Decision, Item, Step
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.reference import Reference


@dataclass(slots=True)
class DriftWatch:
    """Watches the answers of one stream; without a reference, of older cutoffs or none, it watches nothing."""

    reference: Reference | None
    promises: bool
    state: Drift = field(default_factory=Drift)
    _n_events: int = 0
    _us: int = 0
    _active: float = 0.0
    _n_bins: int = 0

    @classmethod
    def of(cls, fitted: FittedCutoff | None) -> "DriftWatch":
        """The watch for a cutoff."""
        reference = None if fitted is None or not can_be_watched(fitted.reference) else fitted.reference
        return cls(reference, promises=fitted is not None and bool(fitted.promise))

    @property
    def promise(self) -> str | None:
        """`holds` or `suspended`; None where nothing is promised, or nothing says whether it holds."""
        if self.reference is None or not self.promises:
            return None
        return "suspended" if self.state.suspended else "holds"

    def see(self, item: Item) -> str | None:
        """Counts an item; where an answer changes whether the promise holds, a sentence says so."""
        if self.reference is None:
            return None
        if isinstance(item, Step):
            self._count(item)
        if not isinstance(item, Decision) or item.revises is not None or not self._n_bins:
            return None
        confidence = float(softmax(item.total.astype(np.float64)).max())
        numbers = AnswerNumbers(self._n_events / self._us * 1e6, self._active / self._n_bins, confidence)
        before, self.state = self.state, self.state.after(numbers, self.reference)
        about = "the promise" if self.promises else "what the cutoff did there"
        if self.state.alarm is not None:
            return f"the stream is not like the calibration data ({self.state.alarm}): {about} is suspended"
        if before.suspended and not self.state.suspended:
            return f"the last {CALM} answers are like the calibration data again: {about} holds from here on"
        return None

    def as_object(self) -> dict[str, Any] | None:
        """For the summary in JSON."""
        if self.reference is None:
            return None
        return {"answers": self.state.n, "alarms": self.state.n_alarms, "suspended": self.state.suspended}

    def _count(self, step: Step) -> None:
        frame = step.frame
        if step.index == 0:
            self._n_events = self._us = self._n_bins = 0
            self._active = 0.0
        self._n_events += frame.n_events
        self._us += frame.end_us - frame.start_us
        self._active += float(np.count_nonzero(frame.pixels.any(axis=0))) / frame.pixels[0].size
        self._n_bins += 1
