"""Decoded events on their way from a decoder to `ordering`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8, UInt16
from numpy import ndarray

from spikecut.pipeline.events import NOTHING_LOST, DropCounts


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Decoded columns in the order of the file, and what was lost before them.

    `outside_at` is the byte of the first event outside the sensor, where the reader knows it.
    `new_segment` says that the file itself marks a reset of the clock before the first of them. `checked` says that the
    decoder has found all of them on the sensor, each 0 to 10 ms after the one before.
    """

    t: Int64[ndarray, " N"]
    x: UInt16[ndarray, " N"]
    y: UInt16[ndarray, " N"]
    p: UInt8[ndarray, " N"]
    lost: DropCounts = NOTHING_LOST
    outside_at: int | None = None
    new_segment: bool = False
    checked: bool = False

    def __len__(self) -> int:
        return len(self.t)

    def taken(self, which: Any) -> "Chunk":
        return Chunk(self.t[which], self.x[which], self.y[which], self.p[which])


def nothing(lost: DropCounts = NOTHING_LOST) -> Chunk:
    """No events, at most a loss."""
    return Chunk(*empty_columns(0), lost)


def empty_columns(
    n: int,
) -> tuple[Int64[ndarray, " n"], UInt16[ndarray, " n"], UInt16[ndarray, " n"], UInt8[ndarray, " n"]]:
    """Room for `n` events: t, x, y and p, to be filled."""
    return np.empty(n, np.int64), np.empty(n, np.uint16), np.empty(n, np.uint16), np.empty(n, np.uint8)


def apart(parts: list[Chunk]) -> Iterator[Chunk]:
    """The same events, in order, in parts of which no two share a time."""
    shared, before = list[Chunk](), nothing()  # events of one time; or a part that may share its last
    for part in parts:
        if len(before) and before.t[-1] == part.t[0]:
            begin = int(np.searchsorted(before.t, part.t[0]))
            if begin:
                yield before.taken(slice(0, begin))
            shared = [before.taken(slice(begin, None))]
        elif len(before):
            yield before
        before = part
        if shared:
            end = int(np.searchsorted(part.t, shared[0].t[0], side="right"))
            shared.append(part.taken(slice(0, end)))
            before = part.taken(slice(end, None))
            if len(before):
                yield joined(shared)
                shared = []
    if shared:
        yield joined(shared)
    elif len(before):
        yield before


def joined(parts: list[Chunk]) -> Chunk:
    """The events of several parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    t, x, y, p = (np.concatenate([getattr(part, column) for part in parts]) for column in "txyp")
    return Chunk(t, x, y, p)
