"""Puts decoded events in order: the one place where a recording's clock is judged.

Events up to 10 ms behind the newest are sorted in. Those further behind are dropped as `late`, unless
time fell by more than a second: then the clock was reset, and a new segment begins. The result does not
depend on how the events were cut into chunks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8, UInt16
from numpy import ndarray

from spikecut.pipeline.compiled import compiled
from spikecut.pipeline.errors import CorruptRecording, LimitExceeded
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize

REORDER_US = 10_000
RESET_US = 1_000_000
WAITING_LIMIT = 1 << 24  # a megapixel camera makes 10 million events in 10 ms at its physical limit
_KEEP, _LATE, _RESET = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Decoded columns in the order of the file, and what was lost before them.

    `outside_at` is the byte of the first event outside the sensor, where the reader knows it.
    `new_segment` says that the file itself marks a reset of the clock before the first of them.
    """

    t: Int64[ndarray, " N"]
    x: UInt16[ndarray, " N"]
    y: UInt16[ndarray, " N"]
    p: UInt8[ndarray, " N"]
    lost: DropCounts = NOTHING_LOST
    outside_at: int | None = None
    new_segment: bool = False

    def taken(self, which: Any) -> "Chunk":
        return Chunk(self.t[which], self.x[which], self.y[which], self.p[which])


def in_order(chunks: Iterable[Chunk], sensor: SensorSize, path: Path) -> Iterator[EventBatch]:
    """Ordered batches that tile time; events outside the sensor are dropped and counted.

    The 10 ms before the newest event are kept waiting until it is certain that nothing earlier follows.
    A recording without events yields an empty batch if something was lost, else nothing.

    Raises:
        CorruptRecording: if a stretch could not be decoded and no event came through at all.
        LimitExceeded: if more events wait than any camera makes in 10 ms.
    """
    waiting, opened = nothing(), False
    segment, start_us, newest, fresh = 0, 0, 0, True
    lost = NOTHING_LOST

    def batch(part: Chunk, end_us: int) -> EventBatch:
        start = start_us if opened or not len(part.t) else int(part.t[0])
        return EventBatch(part.t, part.x, part.y, part.p, start, end_us, sensor, segment, lost)

    for chunk in chunks:
        lost += chunk.lost
        fresh |= chunk.new_segment
        chunk, n_outside = _on_sensor(chunk, sensor)
        lost += DropCounts.of(DropCause.outside_sensor, n_outside, at_byte=chunk.outside_at)
        verdicts = np.empty(len(chunk.t), np.uint8)
        newest = judge(chunk.t, newest, fresh, verdicts)
        fresh &= not len(chunk.t)
        lost += DropCounts.of(DropCause.late, int((verdicts == _LATE).sum()))
        resets = np.flatnonzero(verdicts == _RESET).tolist()
        for begin, end in pairwise(sorted({0, *resets, len(chunk.t)})):
            if begin in resets:
                if len(waiting.t):
                    yield batch(waiting, int(waiting.t[-1]) + 1)
                    lost = NOTHING_LOST
                    segment += 1
                waiting, opened = nothing(), False
            part = chunk.taken(slice(begin, end))
            if (late := verdicts[begin:end] == _LATE).any():
                part = part.taken(~late)
            if not len(part.t):
                continue
            waiting = _merged(waiting, part)
            certain = int(waiting.t[-1]) - REORDER_US
            n = int(np.searchsorted(waiting.t, certain))
            if n:
                yield batch(waiting.taken(slice(0, n)), certain)
                start_us, opened, lost = certain, True, NOTHING_LOST
                waiting = waiting.taken(slice(n, None))
            if len(waiting.t) > WAITING_LIMIT:
                raise LimitExceeded(
                    path,
                    f"more than {WAITING_LIMIT:,} events within {REORDER_US // 1000} ms at {newest} us",
                    hint="no camera makes so many; is this a recording of events?",
                )
    if len(waiting.t):
        yield batch(waiting, int(waiting.t[-1]) + 1)
    elif lost:
        if damage := lost.losses.get(DropCause.unreadable):
            raise CorruptRecording(path, "not one event could be decoded", offset=damage.at_byte)
        yield batch(waiting, start_us)


@compiled(nogil=True)
def judge(t: Any, newest: int, fresh: bool, verdicts: Any) -> int:
    """Keep, drop as late, or start over: one verdict an event; returns the newest time after them."""
    for i in range(t.shape[0]):
        if fresh:
            newest = t[i]
            fresh = False
            verdicts[i] = _RESET
        elif t[i] >= newest:
            newest = t[i]
            verdicts[i] = _KEEP
        elif t[i] < newest - RESET_US:
            newest = t[i]
            verdicts[i] = _RESET
        elif t[i] < newest - REORDER_US:
            verdicts[i] = _LATE
        else:
            verdicts[i] = _KEEP
    return newest


def _on_sensor(chunk: Chunk, sensor: SensorSize) -> tuple[Chunk, int]:
    """The events on a sensor, and how many lie outside."""
    outside = (chunk.x >= sensor.width) | (chunk.y >= sensor.height)
    if not outside.any():
        return chunk, 0
    return replace(chunk.taken(~outside), outside_at=chunk.outside_at), int(outside.sum())


def _merged(waiting: Chunk, part: Chunk) -> Chunk:
    if len(waiting.t):
        part = Chunk(
            np.concatenate([waiting.t, part.t]),
            np.concatenate([waiting.x, part.x]),
            np.concatenate([waiting.y, part.y]),
            np.concatenate([waiting.p, part.p]),
        )
    if (part.t[1:] < part.t[:-1]).any():
        return part.taken(np.argsort(part.t, kind="stable"))
    return part


def nothing(lost: DropCounts = NOTHING_LOST) -> Chunk:
    """No events, at most a loss."""
    return Chunk(*empty_columns(0), lost)


def empty_columns(
    n: int,
) -> tuple[Int64[ndarray, " n"], UInt16[ndarray, " n"], UInt16[ndarray, " n"], UInt8[ndarray, " n"]]:
    """Room for `n` events: t, x, y and p, to be filled."""
    return np.empty(n, np.int64), np.empty(n, np.uint16), np.empty(n, np.uint16), np.empty(n, np.uint8)
