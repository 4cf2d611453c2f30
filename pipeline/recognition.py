"""Continuous streams: when to start the network, and when to be ready again.

Around the loop of `runner.run`, not inside it: activity starts the network, its decider stops it, and a moment
of quiet arms it again. All of it looks back only, and remembers a few numbers.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import exp
from typing import TypeVar

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.results import Decision, Item, Rejection, Rest, Step, StopReason
from spikecut.pipeline.rules.rejection import NOTHING, Rejecting
from spikecut.pipeline.runner import run

S = TypeVar("S")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Onset:
    """When something happens before the camera: the event rate leaves its floor, and comes back.

    The rate is smoothed over `smooth_us`; the floor is the least rate lately, forgotten over `forget_us`,
    so a noisy camera has a higher one. Movement begins when the rate exceeds `rise` times the floor plus
    `margin_hz` in `confirm_bins` bins in a row, and ends when it stays below `fall` times the floor plus
    `margin_hz` for `quiet_us`. If it goes on, the network looks again `again_us` after each answer, and
    `after_no_us` after finding that it is no gesture: one may follow.
    """

    rise: float = 2.0
    fall: float = 1.5
    margin_hz: float = 5_000.0
    confirm_bins: int = 2
    smooth_us: int = 60_000
    forget_us: int = 20_000_000
    quiet_us: int = 200_000
    again_us: int = 2_000_000
    after_no_us: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.fall <= self.rise or self.margin_hz < 0 or self.confirm_bins < 1:
            raise ConfigError(
                f"an onset with rise {self.rise}, fall {self.fall}, margin_hz {self.margin_hz}, "
                f"confirm_bins {self.confirm_bins}; expected 1 <= fall <= rise, no negative margin, at least 1 bin"
            )
        if min(self.smooth_us, self.forget_us, self.quiet_us, self.again_us) < 1 or self.after_no_us < 0:
            raise ConfigError("the times of an onset must be at least 1 us, and after_no_us 0 or more")


@dataclass(frozen=True, slots=True)
class Activity:
    """The state of the activity detector; `Activity()` is the initial state. `after` gives the next one.

    `rate_hz` is smoothed, `floor_hz` its floor; `above` counts the last bins over the rise, `quiet_us` is
    how long the rate has been below the fall.
    """

    rate_hz: float = 0.0
    floor_hz: float | None = None
    above: int = 0
    quiet_us: int = 0

    def after(self, frame: Frame, onset: Onset) -> "Activity":
        """The state one bin later."""
        length_us = frame.end_us - frame.start_us
        now_hz = frame.n_events / length_us * 1e6
        if self.floor_hz is None:
            return Activity(now_hz, now_hz)
        rate_hz = now_hz + (self.rate_hz - now_hz) * exp(-length_us / onset.smooth_us)
        floor_hz = min(rate_hz, self.floor_hz * exp(length_us / onset.forget_us))
        above = self.above + 1 if rate_hz > onset.rise * floor_hz + onset.margin_hz else 0
        below = rate_hz < onset.fall * floor_hz + onset.margin_hz
        return Activity(rate_hz, floor_hz, above, self.quiet_us + length_us if below else 0)


def recognise(
    frames: Iterable[Frame],
    model: SteppedModel[S],
    decider: CutoffDecider[D],
    *,
    horizon: int,
    onset: Onset,
    rejecting: Rejecting = NOTHING,
) -> Iterator[Item]:
    """Names every movement of an endless stream once, as early as the evidence allows.

    While nothing moves, bins pass as `Rest`. When movement begins the network starts from its own rest,
    with the `confirm_bins` in which the rate rose; so every bin comes out once, as `Step` or as `Rest`, in
    the order of time. After the decision it waits for quiet. A movement that goes on is looked at again,
    and only another answer than the last is a new decision. Movement that ends before the decider was
    sure was none, and the attempt ends without a decision, as it does where the clock was reset. An answer
    that is `rejecting`'s ends it as a `Rejection`, one until the next answer however often the network looks again.
    """
    decider = rejecting.over(decider)
    stream = _followed(frames, onset)
    waiting: deque[Frame] = deque()
    for frame, activity in stream:
        waiting.append(frame)
        if activity.above < onset.confirm_bins:
            if len(waiting) >= onset.confirm_bins:
                yield Rest(waiting.popleft())
            continue
        movement = _Movement(waiting, stream, onset)
        last: int | None = None
        was_rejected = False
        while not movement.over:
            decision: Decision | None = None
            for item in run(movement.bins(), model, decider, horizon=horizon):
                if isinstance(item, Step):
                    yield item
                elif item.reason is not StopReason.end_of_stream:
                    decision = item
            if decision is None:
                break
            is_rejected = rejecting.refuses(decision)
            if is_rejected and not was_rejected:
                yield Rejection(decision)
            elif not is_rejected and decision.label != last:
                yield decision
            was_rejected, last = is_rejected, last if is_rejected else decision.label
            for passing in movement.bins(onset.after_no_us if is_rejected else onset.again_us):
                yield Rest(passing)
        waiting = deque(movement.left)
    yield from map(Rest, waiting)


class _Movement:
    """The bins of one movement, from the bins that gave it away to the moment of quiet after it."""

    def __init__(self, first: deque[Frame], stream: Iterator[tuple[Frame, Activity]], onset: Onset) -> None:
        self.over = False
        self.left: list[Frame] = []  # what was read and belongs to whatever comes next
        self._first, self._stream, self._onset = first, stream, onset
        self._segment = first[-1].segment

    def bins(self, longest_us: int | None = None) -> Iterator[Frame]:
        """The next bins, as long as the movement lasts, and at most so long."""
        passed_us = 0
        while self._first:
            yield self._first.popleft()
        while longest_us is None or passed_us < longest_us:
            frame, activity = next(self._stream, (None, None))
            if frame is None or activity is None or frame.segment != self._segment:
                self.over = True
                self.left = [] if frame is None else [frame]
                return
            self.over = activity.quiet_us >= self._onset.quiet_us
            passed_us += frame.end_us - frame.start_us
            yield frame
            if self.over:
                return


def _followed(frames: Iterable[Frame], onset: Onset) -> Iterator[tuple[Frame, Activity]]:
    """Every bin with the activity state after it; a reset of the clock resets the state."""
    activity, segment = Activity(), None
    for frame in frames:
        if frame.segment != segment:
            activity, segment = Activity(), frame.segment
        activity = activity.after(frame, onset)
        yield frame, activity
