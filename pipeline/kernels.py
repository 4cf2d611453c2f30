"""The compiled loops. Each takes arrays and fills an array; its meaning is its twin in tests/naive.py.

Compiled once and cached on disk. Loop variables are unsigned: a signed index would be tested for
wrap-around at every access, which costs a third of the speed.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

BLOCK = 64  # events whose indices are computed in one vectorised sweep before they are scattered
SPILLS = 16  # counters for events outside: one alone would be written at every event, each write waiting for the last


@compiled(nogil=True, boundscheck=False)
def first_at(t: Any, first: int, edge: int) -> Any:
    """The first place from `first` on whose time is `edge` or later, in times that never run backwards."""
    one, n = np.uint64(1), np.uint64(t.shape[0])
    low = high = np.uint64(first)
    step = np.uint64(1024)
    while high < n and t[high] < edge:
        low = high + one
        high += step
        step += step
    high = min(high, n)
    while low < high:
        middle = (low + high) >> one
        if t[middle] < edge:
            low = middle + one
        else:
            high = middle
    return low


@compiled(nogil=True, boundscheck=False)
def count_bin(
    counts: Any, limit: int, t: Any, x: Any, y: Any, p: Any, first: int, edge: int,
    x0: int, y0: int, width: int, height: int, factor: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Counts the events from place `first` up to time `edge` as `count_events`.

    Returns the next place, how many fell inside, and the time of the last one (`edge` where there was none).
    """
    last = first_at(t, first, edge)
    most = counts.dtype.type(limit)
    inside = _count(counts, most, x, y, p, np.uint64(first), last, x0, y0, width, height, factor)
    return int(last), inside, t[last - np.uint64(1)] if last > np.uint64(first) else edge


@compiled(nogil=True, boundscheck=False)
def count_events(
    counts: Any, limit: Any, x: Any, y: Any, p: Any, x0: int, y0: int, width: int, height: int, factor: int
) -> int:
    """Adds events to an image of counters that stop at `limit`; returns how many fell inside.

    `counts` is flat, `2 * ceil(height / factor) * ceil(width / factor)` counters in the order
    `[p, y, x]` and more, a power of two, that take the events outside the crop `x0 <= x < x0 + width`,
    `y0 <= y < y0 + height` or with a polarity above 1. A limit of 1 makes a binary image.
    """
    return _count(counts, limit, x, y, p, np.uint64(0), np.uint64(x.shape[0]), x0, y0, width, height, factor)


@compiled(nogil=True, boundscheck=False)
def _count(
    counts: Any, limit: Any, x: Any, y: Any, p: Any, start: Any, end: Any,
    x0: int, y0: int, width: int, height: int, factor: int,
) -> int:  # fmt: skip
    """The events at places `start` to `end`: indices of a block at a time, then the counters they name."""
    columns = np.uint32((width + factor - 1) // factor)
    plane = np.uint32(columns * np.uint32((height + factor - 1) // factor))
    spill = np.uint32(np.uint32(2) * plane)
    turns = np.uint32(counts.shape[0] - 1) - spill
    left, top = np.uint32(x0), np.uint32(y0)
    wide, high = np.uint32(width), np.uint32(height)
    by = np.uint64((1 << 32) // factor + 1)  # v // factor == v * by >> 32 for all v and factor below 2**16
    shift = np.uint64(32)
    places = np.empty(BLOCK, np.uint32)
    inside = np.uint64(0)
    while start < end:
        size = min(np.uint64(BLOCK), end - start)
        in_block = np.uint32(0)
        if factor == 1:
            for i in range(size):
                column = np.uint32(x[start + i]) - left  # wraps to a huge number left of the crop
                row = np.uint32(y[start + i]) - top
                side = np.uint32(p[start + i])
                good = (column < wide) & (row < high) & (side < np.uint32(2))
                places[i] = side * plane + row * columns + column if good else spill + (np.uint32(i) & turns)
                in_block += np.uint32(good)
        else:
            for i in range(size):
                column = np.uint32(x[start + i]) - left
                row = np.uint32(y[start + i]) - top
                side = np.uint32(p[start + i])
                good = (column < wide) & (row < high) & (side < np.uint32(2))
                row = np.uint32(np.uint64(row) * by >> shift)
                column = np.uint32(np.uint64(column) * by >> shift)
                places[i] = side * plane + row * columns + column if good else spill + (np.uint32(i) & turns)
                in_block += np.uint32(good)
        for i in range(size):
            count = counts[places[i]]
            counts[places[i]] = count + (count < limit)
        inside += np.uint64(in_block)
        start += size
    return int(inside)
