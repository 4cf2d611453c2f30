"""Puts numbered datagrams in order, and counts by cause what did not arrive in time, twice, or from elsewhere.

A datagram that is missing is waited for until the stream is 20 ms or 32 datagrams ahead of it; then it is lost. The
first datagram decides about the sender and the sensor. Another sender is believed once the first was silent for 2 s.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from spikecut.pipeline.drop_counts import NOTHING_LOST, DropCause, DropCounts
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.live.datagrams.own import Datagram

AHEAD_US, AHEAD_DATAGRAMS = 20_000, 32
SILENT_S = 2.0
_GAP_MOST = 1 << 20  # more are no gap, but another's numbers
_REMEMBERED = 1 << 12


@dataclass(slots=True)
class Counts:
    """Datagrams: `received = used + late + repeated + foreign + malformed`; `lost` ones were never received."""

    received: int = 0
    used: int = 0
    lost: int = 0
    late: int = 0
    repeated: int = 0
    reordered: int = 0
    foreign: int = 0
    malformed: int = 0

    def as_object(self) -> dict[str, int]:
        """The numbers by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(slots=True)
class Assembly:
    """The place in the stream of one sender. `is_over` after its last datagram."""

    sensor: SensorSize
    counts: Counts
    is_over: bool = False
    lost: DropCounts = NOTHING_LOST
    _stream: int | None = None
    _next: int = 0
    _n_events: int = 0
    _came_s: float = 0.0
    _segment: int = -1
    _sender_segment: int | None = None
    _until_us: int = 0
    _held: dict[int, Datagram] = field(default_factory=dict)
    _missed: "OrderedDict[int, None]" = field(default_factory=OrderedDict)
    _tail: list[Datagram] = field(default_factory=list)  # with events at `until_us`, not handed on yet

    def take(self, one: Datagram, now_s: float) -> Iterator[EventBatch]:
        """The batches that are in order after a datagram has come."""
        if self._stream is None or (one.stream != self._stream and now_s - self._came_s >= SILENT_S):
            yield from self._in_order(final=True)
            yield from self._flush()
            self._stream, self._next, self._n_events = one.stream, one.sequence, one.n_before
            self._sender_segment = None
            self._missed.clear()
        if one.stream != self._stream or one.sensor != self.sensor:
            self._drop("foreign", DropCause.foreign, len(one))
            return
        self._came_s = now_s
        if one.sequence in self._missed:
            del self._missed[one.sequence]
            self.counts.lost -= 1
            self._drop("late", DropCause.lost, 0)  # its events were counted when it was given up
        elif one.sequence < self._next or one.sequence in self._held:
            self._drop("repeated", DropCause.repeated, len(one))
            yield from self._in_order(final=one.is_last)  # the end is repeated: nothing follows
        elif one.sequence - self._next > _GAP_MOST:
            self._drop("malformed", DropCause.unreadable, 1)
        else:
            self.counts.reordered += bool(self._held) and one.sequence < max(self._held)
            self._held[one.sequence] = one
            yield from self._in_order(final=False)

    def waited(self, now_s: float) -> Iterator[EventBatch]:
        """Nothing has come; after 2 s of that, what is missing does not come any more."""
        if self._held and now_s - self._came_s >= SILENT_S:
            yield from self._in_order(final=True)

    def malformed(self, n_bytes: int) -> None:
        """Counts bytes that are no datagram of this layout as one event."""
        self.counts.malformed += 1
        self.lost += DropCounts.of(DropCause.unreadable, 1, n_bytes)

    def finish(self) -> Iterator[EventBatch]:
        """What waits for datagrams that do not come any more, and what was lost behind the last event."""
        yield from self._in_order(final=True)
        yield from self._flush()
        if self.lost:
            lost, self.lost = self.lost, NOTHING_LOST
            empty, at_us = EventBatch.empty(self.sensor), self._until_us
            segment = max(0, self._segment)
            yield EventBatch(empty.t, empty.x, empty.y, empty.p, at_us, at_us, self.sensor, segment, lost)

    def _in_order(self, *, final: bool) -> Iterator[EventBatch]:
        while self._held:
            if self._next not in self._held:
                is_late = max(one.until_us for one in self._held.values()) - self._until_us > AHEAD_US
                if not (final or is_late or len(self._held) >= AHEAD_DATAGRAMS):
                    return
                self._give_up(min(self._held))
            yield from self._handed_on(self._held.pop(self._next))

    def _give_up(self, sequence: int) -> None:
        """Counts the datagrams before one as lost."""
        self.counts.lost += sequence - self._next
        for missing in range(max(self._next, sequence - _REMEMBERED), sequence):
            self._missed[missing] = None
            if len(self._missed) > _REMEMBERED:
                self._missed.popitem(last=False)
        self._next = sequence

    def _handed_on(self, one: Datagram) -> Iterator[EventBatch]:
        """The batch up to the end of a datagram that is next."""
        self._next = one.sequence + 1
        n_missing = one.n_before - self._n_events
        is_new = one.segment != self._sender_segment
        if not 0 <= n_missing < 1 << 48 or (not is_new and one.from_us < self._until_us):
            self._drop("malformed", DropCause.unreadable, max(1, len(one)))
            return
        self.lost += DropCounts.of(DropCause.lost, n_missing)
        self._n_events = one.n_before + len(one)
        self.counts.used += 1
        if is_new:
            yield from self._flush()
            self._segment, self._sender_segment = self._segment + 1, one.segment
            self._until_us = one.from_us
        self._tail.append(one)
        yield self._batch(one.until_us)
        if one.is_last:
            yield from self._flush()
            self.is_over = True

    def _batch(self, until_us: int) -> EventBatch:
        t, x, y, p = (np.concatenate([getattr(one, name) for one in self._tail]) for name in "txyp")
        n = int(np.searchsorted(t, until_us))
        last = self._tail[-1]
        rest = Datagram(
            last.stream,
            last.segment,
            last.sequence,
            0,
            last.sensor,
            until_us,
            until_us,
            False,
            t[n:],
            x[n:],
            y[n:],
            p[n:],
        )
        self._tail = [rest] if len(rest) else []
        lost, self.lost, start_us, self._until_us = self.lost, NOTHING_LOST, self._until_us, until_us
        return EventBatch(t[:n], x[:n], y[:n], p[:n], start_us, until_us, self.sensor, self._segment, lost)

    def _flush(self) -> Iterator[EventBatch]:
        """Events at the very end of what was sent."""
        if self._tail:
            yield self._batch(self._until_us + 1)

    def _drop(self, count: str, cause: DropCause, n_events: int) -> None:
        setattr(self.counts, count, getattr(self.counts, count) + 1)
        self.lost += DropCounts.of(cause, n_events)
