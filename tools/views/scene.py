"""The state of a view as a value: `Scene.after` returns the state one item later.

The activity of a pixel fades exponentially in the recording's time and rises by every event. Its white is
the 99th percentile of the lit pixels, not their maximum, which a hot pixel would set; it falls slowly,
so that a scene that goes quiet grows dark instead of noisy.
"""

from dataclasses import dataclass, replace
from math import ceil, exp, isfinite

import numpy as np
from jaxtyping import Float32, Num
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame
from spikecut.pipeline.evidence.probability import softmax as softmax_of_logits
from spikecut.pipeline.metrics.session_score import Outcome
from spikecut.pipeline.results import Decision, Item, Rejection, Rest
from spikecut.sources.opencv import opencv
from spikecut.tools.views.spikes import NO_SPIKES, Firing

_LIT = 0.05  # an activity below this is dark
_WHITE_FALLS = 3.0  # times slower than the activity


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One recording up to now. `truth` is the right label, where it is known.

    `activity[p, y, x]` holds the fading events, one value for `shrink` x `shrink` pixels of the sensor.
    `scores` are the decider's, one a step. `seen_us` is how much of the window has passed. `rejected` says that what
    moved was no gesture; it stays while the network looks again. `verdict` is that on the decision, where a session is
    labelled, `past` those on all answers so far. `began_us` and `now_us` are the recording's first and present moment.
    `n_operations` are the synaptic operations of the `n_counted` steps so far whose engine counted them, `firing` the
    spikes of each layer in this window.
    """

    title: str = ""
    truth: int | None = None
    activity: Float32[ndarray, "2 H W"] | None = None
    white: float = 1.0
    shrink: int = 1
    start_us: int | None = None
    seen_us: int = 0
    n_events: int = 0
    n_lost: int = 0
    scores: tuple[float, ...] = ()
    total: Float32[ndarray, " K"] | None = None
    decision: Decision | None = None
    resting: bool = False
    rejected: bool = False
    verdict: Outcome | None = None
    past: tuple[Outcome, ...] = ()
    began_us: int | None = None
    now_us: int = 0
    n_operations: int = 0
    n_counted: int = 0
    n_uncounted: int = 0
    firing: Firing = NO_SPIKES

    def after(self, item: Item, *, tau_us: int, room_wh: tuple[int, int]) -> "Scene":
        """The scene one item later.

        A step with index 0 begins anew, under the same title and truth, on the same fading events. Rest that comes
        without a decision says that the network stopped without a new answer: its bar stays where it was.
        Sensors larger than `room_wh` are shrunk by a whole factor.
        """
        if isinstance(item, Rest):
            later = self._with_frame(item.frame, tau_us, room_wh)
            return later if self.decision or not self.scores else replace(later, resting=True, seen_us=self.seen_us)
        if isinstance(item, Rejection):
            return replace(self, total=item.total, rejected=True)
        if isinstance(item, Decision):
            start_us = item.start_us if self.start_us is None else self.start_us
            seen_us = max(self.seen_us, item.time_us - start_us)
            return replace(self, start_us=start_us, seen_us=seen_us, total=item.total, decision=item, rejected=False)
        goes_on = self.rejected and not self.resting
        fresh = replace(
            Scene(self.title, self.truth, self.activity, self.white, self.shrink, rejected=goes_on),
            past=self.past,
            began_us=self.began_us,
            n_operations=self.n_operations,
            n_counted=self.n_counted,
            n_uncounted=self.n_uncounted,
            firing=self.firing,
        )
        before = fresh if item.index == 0 else self
        return replace(
            before._with_frame(item.frame, tau_us, room_wh),
            scores=(*before.scores, item.score),
            total=item.total,
            n_operations=self.n_operations + (item.operations or 0),
            n_counted=self.n_counted + (item.operations is not None),
            n_uncounted=self.n_uncounted + (item.operations is None),
            firing=self.firing.after(item),
        )

    def expecting(self, truth: int | None) -> "Scene":
        """The same scene with another right label, or none."""
        return replace(self, truth=truth)

    def judged(self, outcome: Outcome, truth: int | None) -> "Scene":
        """The same scene with the verdict on its next decision, and the right label, if one is labelled."""
        return replace(self, truth=truth, verdict=outcome, past=(*self.past, outcome))

    def _with_frame(self, frame: Frame, tau_us: int, room_wh: tuple[int, int]) -> "Scene":
        channels, height, width = frame.pixels.shape
        if channels != 2:
            raise ConfigError(f"a frame of {channels} channels; overlays draw events: 2 channels, OFF and ON")
        shrink = max(1, ceil(width / room_wh[0]), ceil(height / room_wh[1]))
        start_us = frame.start_us if self.start_us is None else self.start_us
        activity = faded(self.activity, frame.pixels, (frame.end_us - frame.start_us) / tau_us, shrink)
        falling = self.white * exp(-(frame.end_us - frame.start_us) / (_WHITE_FALLS * tau_us))
        return replace(
            self,
            activity=activity,
            white=max(1.0, falling, white_level(activity)),
            shrink=shrink,
            start_us=start_us,
            seen_us=max(self.seen_us, frame.end_us - start_us),
            n_events=self.n_events + frame.n_events,
            n_lost=self.n_lost + frame.lost.damage.total,
            began_us=frame.start_us if self.began_us is None else min(self.began_us, frame.start_us),
            now_us=frame.end_us,
        )


def faded(
    activity: Float32[ndarray, "2 h w"] | None, pixels: Num[ndarray, "2 H W"], elapsed: float, shrink: int
) -> Float32[ndarray, "2 h w"]:
    """The activity after `elapsed` times tau, with the new events on top; `shrink` by `shrink` pixels become one.

    >>> one = np.ones((2, 1, 1), np.float32)
    >>> float(faded(one, np.zeros((2, 1, 1), np.uint8), elapsed=np.log(2), shrink=1)[0, 0, 0])
    0.5
    """
    fresh = pixels.astype(np.float32)
    if pixels.dtype.kind != "u":
        np.abs(fresh, out=fresh)  # a voxel grid counts OFF events below zero
    if shrink > 1:
        fresh = _shrunk(fresh, shrink)
    if activity is None or activity.shape != fresh.shape:
        return fresh
    return np.asarray(activity * np.float32(exp(-elapsed)) + fresh)


def _shrunk(counts: Float32[ndarray, "2 H W"], shrink: int) -> Float32[ndarray, "2 h w"]:
    """Sums over squares of `shrink` x `shrink` pixels, stretched a little where they do not fit evenly."""
    cv2 = opencv()
    _, height, width = counts.shape
    size_wh = ceil(width / shrink), ceil(height / shrink)
    area = np.float32(width * height / (size_wh[0] * size_wh[1]))
    small = [cv2.resize(plane, size_wh, interpolation=cv2.INTER_AREA) for plane in counts]
    return np.stack(small) * area


def white_level(activity: Float32[ndarray, "2 H W"]) -> float:
    """The activity that is drawn in full colour: the 99th percentile of the lit pixels, 0 if none is lit."""
    lit = activity[activity > _LIT]
    if not lit.size:
        return 0.0
    at = (lit.size - 1) * 99 // 100
    return float(np.partition(lit, at)[at])


def softmax(total: Float32[ndarray, " K"]) -> Float32[ndarray, " K"]:
    """Summed outputs as probabilities; all equal where one is not a number."""
    if not all(isfinite(value) for value in total):
        return np.full(len(total), 1 / len(total), np.float32)
    return np.asarray(softmax_of_logits(total), np.float32)
