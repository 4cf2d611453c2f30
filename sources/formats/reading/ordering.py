"""Puts decoded events in order: the one place where a recording's clock is judged.

- Events up to 10 ms behind the newest are sorted in.
- An event more than 10 ms ahead is dropped (`leap`) if most of the 32 events after it are nearer to the time before it
  than to its own, or the next two are more than 10 ms behind it; else the scene was silent. A first event is dropped if
  the next two are more than 10 ms and at most a second behind it.
- After a step back of more than 10 ms, events are `late` if the clock returns to where it was. If it does not, it was
  reset, and a new segment begins: after more than a second back with the 32nd event (the second, if the recording ends
  before), after less once 20 ms have passed on the new clock.
- Segments of at most 10 ms before the first longer one are left over from another clock and dropped (`stale`). Cameras
  deliver such events from buffers that were not emptied when their clock was set. Segments that the file itself marks
  are never stale.

The result does not depend on how the events were cut into chunks. Events in order are not copied.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.reading.chunks import Chunk, apart, empty_columns, joined, nothing
from spikecut.sources.formats.reading.clock_kernels import (
    CLOCK,
    FRESH,
    KEEP,
    LATE,
    LATEST_US,
    LEAP,
    NEWEST,
    REORDER_US,
    RESET,
    RESET_US,
    judge,
    scan,
)
from spikecut.sources.formats.reading.wanted_order import sorted_if_wanted

__all__ = ["REORDER_US", "RESET_US", "Chunk", "empty_columns", "in_order", "nothing"]

WAITING_LIMIT = 1 << 24  # a megapixel camera makes 10 million events in 10 ms at its physical limit
WHOLE_LIMIT = 1 << 18  # larger parts are cut where they become certain
STALE_SEGMENTS, STALE_EVENTS = 8, 65_536
_NO_EVENT = "it is damaged from its first event on, or holds something else than its header or name says"


def in_order(chunks: Iterable[Chunk], sensor: SensorSize, path: Path, hint: str = _NO_EVENT) -> Iterator[EventBatch]:
    """Ordered batches that tile time; events outside the sensor are dropped and counted.

    The 10 ms before the newest event are kept waiting until it is certain that nothing earlier follows.
    A recording without events yields an empty batch if something was lost, else nothing; `hint` is what to do then.

    Raises:
        CorruptRecording: if a stretch could not be decoded and no event came through at all.
        LimitExceeded: if more events wait than any camera makes in 10 ms.
    """
    order = _Order(sensor, path, hint)
    for chunk in sorted_if_wanted(chunks):
        yield from order.take(chunk)
    yield from order.finish()


class _Order:
    """The segment that is open: what waits in it, what was lost, and what may be stale before it."""

    def __init__(self, sensor: SensorSize, path: Path, hint: str = _NO_EVENT) -> None:
        self.sensor, self.path, self.hint = sensor, path, hint
        self.clock = np.zeros(CLOCK, np.int64)
        self.clock[FRESH] = 1
        self.marked = False  # the file marks the open segment
        self.unjudged = nothing()
        self.waiting: list[Chunk] = []  # parts in order, each wholly before the next
        self.short: list[list[Chunk]] = []  # segments that are stale if a longer one follows
        self.lost = NOTHING_LOST
        self.newest_us = 0
        self.segment = 0
        self.start_us: int | None = None  # the end of the segment's last batch; None before the first

    def take(self, chunk: Chunk) -> Iterator[EventBatch]:
        self.lost += chunk.lost
        if chunk.new_segment:
            yield from self.judged(final=True)
            yield from self.close(marked=True)
            self.clock[FRESH] = 1
        if not len(chunk):
            return
        width, height = self.sensor.width, self.sensor.height
        outside, jumps = (False, 0) if chunk.checked else scan(chunk.t, chunk.x, chunk.y, width, height)
        if outside or jumps:
            chunk = self.possible(chunk)
            if not len(chunk):
                return
        elif not len(self.unjudged) and self.follows(chunk):
            if self.clock[FRESH]:
                yield from self.close(marked=False)
            self.clock[:] = chunk.t[-1], 0
            self.put_last(chunk)
            yield from self.certain()
            return
        self.unjudged = joined([self.unjudged, chunk]) if len(self.unjudged) else chunk
        yield from self.judged(final=False)

    def finish(self) -> Iterator[EventBatch]:
        """What waits at the end of the stream."""
        yield from self.judged(final=True)
        if self.waiting:
            yield from self.keep_short()
            yield from self.flush()
        elif self.lost:
            if damage := self.lost.losses.get(DropCause.unreadable):
                message = "not one event could be decoded"
                raise CorruptRecording(self.path, message, offset=damage.at_byte, hint=self.hint)
            yield self.batch(nothing(), self.start_us or 0)

    def follows(self, chunk: Chunk) -> bool:
        """Whether the first of events without jumps follows what waits by 0 to 10 ms, or begins a segment."""
        if self.clock[FRESH]:
            return len(chunk) > 2
        return 0 <= int(chunk.t[0]) - int(self.clock[NEWEST]) <= REORDER_US

    def possible(self, chunk: Chunk) -> Chunk:
        """The events on the sensor and at possible times; the others are counted."""
        beyond = (chunk.t > LATEST_US) | (chunk.t < -LATEST_US)
        outside = ((chunk.x >= self.sensor.width) | (chunk.y >= self.sensor.height)) & ~beyond
        if not beyond.any() and not outside.any():
            return chunk
        self.lost += DropCounts.of(DropCause.unreadable, int(beyond.sum()))
        self.lost += DropCounts.of(DropCause.outside_sensor, int(outside.sum()), at_byte=chunk.outside_at)
        return chunk.taken(~(beyond | outside))

    def judged(self, *, final: bool) -> Iterator[EventBatch]:
        """Judges what can be judged, and yields what is certain after it."""
        chunk = self.unjudged
        if not len(chunk):
            return
        verdicts = np.empty(len(chunk), np.uint8)
        n = judge(chunk.t, self.clock, final, verdicts)
        self.unjudged, verdicts = chunk.taken(slice(n, None)), verdicts[:n]
        self.lost += DropCounts.of(DropCause.late, int((verdicts == LATE).sum()))
        self.lost += DropCounts.of(DropCause.leap, int((verdicts == LEAP).sum()))
        resets = np.flatnonzero(verdicts == RESET).tolist()
        for begin, end in pairwise(sorted({0, *resets, n})):
            if begin in resets:
                yield from self.close(marked=False)
            kept = (verdicts[begin:end] == KEEP) | (verdicts[begin:end] == RESET)
            part = chunk.taken(slice(begin, end))
            part = part if kept.all() else part.taken(kept)
            if len(part):
                self.append(part)
                yield from self.certain()

    def put_last(self, part: Chunk) -> None:
        """Puts events in order behind those that wait."""
        self.waiting.append(part)
        self.newest_us = int(part.t[-1])

    def append(self, part: Chunk) -> None:
        """Puts events behind or among those that wait."""
        first_us, n = int(part.t.min()), len(self.waiting)
        while n and self.waiting[n - 1].t[-1] > first_us:
            n -= 1
        among, self.waiting = self.waiting[n:], self.waiting[:n]
        if among:  # what stays in front is not sorted again: many chunks of one time would cost their square
            front = int(np.searchsorted(among[0].t, first_us, side="right"))
            if front:
                self.waiting.append(among[0].taken(slice(0, front)))
            part = joined([among[0].taken(slice(front, None)), *among[1:], part])
        if (part.t[1:] < part.t[:-1]).any():
            part = part.taken(np.argsort(part.t, kind="stable"))
        self.put_last(part)

    def certain(self) -> Iterator[EventBatch]:
        """The parts that nothing can come before any more.

        The first part of a segment, and one of too many events, is cut at the last event that is certain; later parts
        wait until they are certain as a whole, so that batches are as large as chunks.
        """
        until_us, parts = self.newest_us - REORDER_US, list[Chunk]()
        while self.waiting and self.waiting[0].t[0] < until_us:
            part = self.waiting[0]
            if part.t[-1] >= until_us:
                if self.start_us is not None and len(part) <= WHOLE_LIMIT:
                    until_us = int(part.t[0]) + (bool(parts) and parts[-1].t[-1] == part.t[0])
                n = int(np.searchsorted(part.t, until_us))
                if n == 0:
                    break
                self.waiting[0] = part.taken(slice(n, None))
                part = part.taken(slice(0, n))
            else:
                self.waiting.pop(0)
            parts.append(part)
        if parts and self.short:
            n = sum(len(part) for parts in self.short for part in parts)
            self.lost += DropCounts.of(DropCause.stale, n)
            self.short = []
        yield from self.batches(parts)
        if sum(map(len, self.waiting)) > WAITING_LIMIT:
            raise LimitExceeded(
                self.path,
                f"more than {WAITING_LIMIT:,} events within {REORDER_US // 1000} ms at {self.newest_us} us",
                hint="no camera makes so many; is this a recording of events?",
            )

    def close(self, *, marked: bool) -> Iterator[EventBatch]:
        """Ends the open segment. One of 10 ms at most that only the clock ends waits: it may be stale."""
        if self.waiting:
            first = self.segment == 0 and self.start_us is None
            n = sum(len(part) for parts in [*self.short, self.waiting] for part in parts)
            if first and not marked and not self.marked and len(self.short) < STALE_SEGMENTS and n <= STALE_EVENTS:
                self.short.append(self.waiting)
                self.waiting = []
            else:
                yield from self.keep_short()
                yield from self.flush()
                self.segment += 1
        elif self.start_us is not None:
            self.segment += 1
        self.start_us, self.marked = None, marked

    def keep_short(self) -> Iterator[EventBatch]:
        """Segments that are not stale after all."""
        waiting, start_us = self.waiting, self.start_us
        for parts in self.short:
            self.waiting, self.start_us = parts, None
            yield from self.flush()
            self.segment += 1
        self.short, self.waiting, self.start_us = [], waiting, start_us

    def flush(self) -> Iterator[EventBatch]:
        """All that waits."""
        yield from self.batches(self.waiting)
        self.waiting = []

    def batches(self, parts: list[Chunk]) -> Iterator[EventBatch]:
        for part in apart(parts):
            yield self.batch(part, int(part.t[-1]) + 1)

    def batch(self, part: Chunk, end_us: int) -> EventBatch:
        start_us = self.start_us
        if start_us is None:
            start_us = int(part.t[0]) if len(part) else end_us
        self.start_us, lost, self.lost = end_us, self.lost, NOTHING_LOST
        return EventBatch(part.t, part.x, part.y, part.p, start_us, end_us, self.sensor, self.segment, lost)
