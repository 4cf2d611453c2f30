"""Iterators around the loop of one recording: where its items end, and what is counted of them."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from spikecut.models.card import ModelCard
from spikecut.pipeline.events import NOTHING_LOST, DropCounts, Frame
from spikecut.pipeline.recognition import Onset, recognise
from spikecut.pipeline.results import Decision, Item, Rejection, Step, StopReason
from spikecut.pipeline.runner import watch
from spikecut.sources.live.pacing import Clock, Lag
from spikecut.sources.live.playing import Bin
from spikecut.tools.frame_streams import on_stderr
from spikecut.tools.session.opening import OpenNetwork


@dataclass(slots=True)
class Tally:
    """Counts over the frames that pass: bins and events used, events lost, sensor time.

    `playing` counts the jumps and rounds before the last frame (`Bin.playing`), `begun_us` is where that one began.
    """

    n_bins: int = 0
    n_events: int = 0
    sensor_us: int = 0
    start_us: int | None = None
    end_us: int = 0
    lost: DropCounts = NOTHING_LOST
    playing: int = 0
    begun_us: int = 0

    def over(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames, each counted before it is handed on."""
        for frame in frames:
            if self.start_us is None:
                self.start_us = self.begun_us = frame.start_us
            self.end_us = frame.end_us
            self.n_bins += 1
            self.n_events += frame.n_events
            self.sensor_us += frame.end_us - frame.start_us
            self.lost += frame.lost
            yield frame

    def over_bins(self, bins: Iterable[Bin], clock: Clock, lag: Lag) -> Iterator[Frame]:
        """The frames of bins; `lag` gets how long after its due time each had been dealt with."""
        for one in bins:
            if one.playing != self.playing:
                self.playing, self.begun_us = one.playing, one.frame.start_us
            yield from self.over((one.frame,))
            if one.due_s is not None:
                lag.add((clock.now_s() - one.due_s) * 1000)

    def since_start(self, time_us: int) -> int:
        """A time of the recording's clock, counted from the first frame."""
        return time_us - (self.start_us or 0)


@dataclass(slots=True)
class Stopwatch:
    """The time that an iterator takes for its items, without the time of the loop's body."""

    seconds: float = 0.0

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items."""
        iterator = iter(items)
        while True:
            started = time.perf_counter()
            item = next(iterator, None)
            self.seconds += time.perf_counter() - started
            if item is None:
                return
            yield item


def observed(frames: Iterable[Frame], network: OpenNetwork) -> Iterator[Item]:
    """Networks whose card has an onset recognise continuously; the others decide window after window.

    Either way answers that the network's `rejecting` refuses are none.
    """
    card, rejecting = network.card, network.rejecting
    if card.onset:
        onset = replace(Onset(**card.onset), revise_us=network.revise_us)
        yield from recognise(
            frames, network.stepper, network.decider, horizon=card.horizon, onset=onset, rejecting=rejecting
        )
        return
    for item in watch(frames, network.stepper, rejecting.over(network.decider), horizon=card.horizon):
        yield Rejection(item) if isinstance(item, Decision) and rejecting.refuses(item) else item


def until_answered(items: Iterable[Item], *, and_its_rest: bool) -> Iterator[Item]:
    """The items up to the first decision; with `and_its_rest` also the bins that pass before the next step."""
    decided = False
    for item in items:
        if decided and isinstance(item, Step):
            return
        yield item
        decided = decided or isinstance(item, Decision)
        if decided and not and_its_rest:
            return


def without_short_end(items: Iterable[Item], card: ModelCard, say: Callable[[str], None] = on_stderr) -> Iterator[Item]:
    """The items without a last decision of less than half a window, unless it is the only one; `say` is called then."""
    decided = False
    for item in items:
        if isinstance(item, Decision):
            if decided and too_short(item, card):
                say(f"the last {item.steps} steps are too few for another answer")
                return
            decided = True
        yield item


def too_short(decision: Decision, card: ModelCard) -> bool:
    """Whether the recording ended before half of a window had passed."""
    return decision.reason is StopReason.end_of_stream and 2 * decision.steps < card.horizon
