"""Continuous streams: when to start the network, and when to be ready again.

Around the loop of `runner.run`, not inside it: activity starts the network, its decider stops it, and a moment
of quiet arms it again. All of it looks back only, and remembers a few numbers.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import exp
from typing import Generic, TypeVar

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.representations.frame_sources import frames_of
from spikecut.pipeline.results import Decision, Evidence, Item, Rejection, Rest, Step, StopReason, Verdict
from spikecut.pipeline.rules.rejection import NOTHING, Rejecting
from spikecut.pipeline.runner import Frames, remaining, run

S = TypeVar("S")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Onset:
    """When something happens before the camera: the event rate leaves its floor, and comes back.

    The rate is smoothed over `smooth_us`; the floor is the least rate lately, forgotten over `forget_us`,
    so a noisy camera has a higher one. Movement begins when the rate exceeds `rise` times the floor plus
    `margin_hz` in `confirm_bins` bins in a row, and ends when it stays below `fall` times the floor plus
    `margin_hz` for `quiet_us`. If it goes on, the network looks again `again_us` after each answer, and
    `after_no_us` after finding that it is no gesture: one may follow. For `revise_us` after an answer the
    network is stepped on, within its window, and may revise it.
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
    revise_us: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.fall <= self.rise or self.margin_hz < 0 or self.confirm_bins < 1:
            raise ConfigError(
                f"an onset with rise {self.rise}, fall {self.fall}, margin_hz {self.margin_hz}, "
                f"confirm_bins {self.confirm_bins}; expected 1 <= fall <= rise, no negative margin, at least 1 bin"
            )
        if min(self.smooth_us, self.forget_us, self.quiet_us, self.again_us) < 1:
            raise ConfigError("the times of an onset must be at least 1 us")
        if min(self.after_no_us, self.revise_us) < 0:
            raise ConfigError("after_no_us and revise_us must be 0 us or more")


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
    frames: Frames,
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
    Where answers may be revised, another answer of the same look is a decision that `revises` the first.
    `frames` are whatever `run` takes. A card that has an onset has the fields of `onset`: `Onset(**card.onset)`.

    Raises:
        ConfigError: of a recording, as `frames_of`.

    >>> import spikecut
    >>> network, card = spikecut.load_network("nmnist")
    >>> seven, rule = spikecut.DrawnDigit(7, seed=1), spikecut.confidence(0.9, card.horizon)
    >>> items = recognise(seven, network, rule, horizon=card.horizon, onset=Onset(again_us=200_000))
    >>> [card.classes[item.label] for item in items if isinstance(item, Decision)]
    ['7']
    """
    decider = rejecting.over(decider)
    stream = _followed(frames_of(frames, model), onset)
    waiting: deque[Frame] = deque()
    published = _Published(rejecting)
    for frame, activity in stream:
        waiting.append(frame)
        if activity.above < onset.confirm_bins:
            if len(waiting) >= onset.confirm_bins:
                yield Rest(waiting.popleft())
            continue
        movement = _Movement(waiting, stream, onset)
        published.begin()
        while not movement.over:
            answer: Decision | None = None
            now_us = 0
            for item in _looked(movement.bins(), model, decider, horizon, onset.revise_us):
                if isinstance(item, Step):
                    now_us = item.frame.end_us
                    yield item
                    continue
                shown = published.revision(item) if answer else published.answer(item)
                if shown is not None:
                    yield shown
                answer = answer or item
                if published.is_final:
                    break
            if answer is None:
                break
            rest_us = onset.after_no_us if published.was_rejected else onset.again_us
            for passing in movement.bins(rest_us - (now_us - answer.time_us)):
                yield Rest(passing)
        waiting = deque(movement.left)
    yield from map(Rest, waiting)


class _Published:
    """What of the answers is published: numbers them, and keeps the last of a movement."""

    def __init__(self, rejecting: Rejecting) -> None:
        self.was_rejected = False
        self.is_final = False  # the last answer was not published, so it cannot be revised
        self._rejecting = rejecting
        self._n = self._first = 0
        self._last: int | None = None

    def begin(self) -> None:
        """A new movement."""
        self._last, self.was_rejected = None, False

    def answer(self, decision: Decision) -> Decision | Rejection | None:
        """The first answer of a look: new, no gesture, or the last one again."""
        was_rejected, self.was_rejected = self.was_rejected, self._rejecting.refuses(decision)
        self.is_final = self.was_rejected or decision.label == self._last
        if self.was_rejected:
            return None if was_rejected else Rejection(decision)
        if self.is_final:
            return None
        decision = self._numbered(decision)
        self._first = decision.id
        return decision

    def revision(self, decision: Decision) -> Decision | None:
        """A later answer of the same look, if it is another one and a gesture."""
        if decision.label == self._last or self._rejecting.refuses(decision):
            return None
        return replace(self._numbered(decision), revises=self._first)

    def _numbered(self, decision: Decision) -> Decision:
        self._n, self._last = self._n + 1, decision.label
        return replace(decision, id=self._n)


def _looked(
    frames: Iterator[Frame], model: SteppedModel[S], decider: CutoffDecider[D], horizon: int, revise_us: int
) -> Iterator[Step | Decision]:
    """The items of `run`, without an end before the decider was sure.

    With `revise_us` the network is stepped on for so long, and every step at which the decider would stop is a
    decision, as is the end of the window.
    """
    if not revise_us:
        items = run(frames, model, decider, horizon=horizon)
        yield from (one for one in items if isinstance(one, Step) or one.reason is not StopReason.end_of_stream)
        return
    lasting = _Lasting(decider)
    until_us: int | None = None
    start_us = n_events = 0
    for item in run(frames, model, lasting, horizon=horizon):
        if isinstance(item, Decision):
            if item.reason is StopReason.horizon:
                yield item
            return
        frame, steps = item.frame, item.index + 1
        start_us, n_events = (frame.start_us, 0) if steps == 1 else (start_us, n_events)
        n_events += frame.n_events
        yield item
        if lasting.would_stop:
            label, reason = lasting.label, StopReason.cutoff
            yield Decision(
                label, steps, reason, item.score, start_us, frame.end_us, n_events, item.total, lasting.classes
            )
            until_us = frame.end_us + revise_us if until_us is None else until_us
        if until_us is not None and frame.end_us >= until_us:
            return


class _Lasting(Generic[D]):
    """A rule that never stops, and keeps what the rule within said last."""

    def __init__(self, decider: CutoffDecider[D]) -> None:
        self.rule, self.horizon = decider.rule, decider.horizon
        self.would_stop, self.label = False, 0
        self.classes: tuple[int, ...] | None = None
        self._decider = decider

    def decide(self, evidence: Evidence, state: D | None) -> tuple[Verdict, D | None]:
        """The verdict of the rule within, without its stop."""
        verdict, state = self._decider.decide(evidence, state)
        self.would_stop, self.label = bool(verdict.stop[0]), int(verdict.label[0])
        self.classes = remaining(verdict, 0)
        return replace(verdict, stop=np.zeros_like(verdict.stop)), state


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
