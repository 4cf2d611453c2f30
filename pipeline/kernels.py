"""The compiled loops. Each takes arrays and fills an array; its meaning is its twin in tests/naive.py.

Compiled once and cached on disk. Loop variables are unsigned: a signed index would be tested for
wrap-around at every access, which costs a third of the speed.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

BLOCK = 512  # events whose indices are computed in one vectorised sweep before they are scattered


@compiled(nogil=True, boundscheck=False)
def count_events(
    counts: Any, limit: Any, x: Any, y: Any, p: Any, x0: int, y0: int, width: int, height: int, factor: int
) -> int:
    """Adds events to an image of counters that stop at `limit`; returns how many fell inside.

    `counts` is flat, `2 * ceil(height / factor) * ceil(width / factor)` counters in the order
    `[p, y, x]` and one more that takes every event outside the crop `x0 <= x < x0 + width`,
    `y0 <= y < y0 + height` or with a polarity above 1. A limit of 1 makes a binary image.
    """
    n = np.uint64(x.shape[0])
    spill = np.uint32(counts.shape[0] - 1)
    columns = np.uint32((width + factor - 1) // factor)
    plane = np.uint32(columns * np.uint32((height + factor - 1) // factor))
    left, top = np.uint32(x0), np.uint32(y0)
    wide, high = np.uint32(width), np.uint32(height)
    by = np.uint64((1 << 32) // factor + 1)  # v // factor == v * by >> 32 for all v and factor below 2**16
    shift = np.uint64(32)
    places = np.empty(BLOCK, np.uint32)
    inside = np.uint64(0)
    start = np.uint64(0)
    while start < n:
        size = min(np.uint64(BLOCK), n - start)
        if factor == 1:
            for i in range(size):
                column = np.uint32(x[start + i]) - left  # wraps to a huge number left of the crop
                row = np.uint32(y[start + i]) - top
                side = np.uint32(p[start + i])
                good = (column < wide) & (row < high) & (side < np.uint32(2))
                places[i] = side * plane + row * columns + column if good else spill
                inside += np.uint64(good)
        else:
            for i in range(size):
                column = np.uint32(x[start + i]) - left
                row = np.uint32(y[start + i]) - top
                side = np.uint32(p[start + i])
                good = (column < wide) & (row < high) & (side < np.uint32(2))
                row = np.uint32(np.uint64(row) * by >> shift)
                column = np.uint32(np.uint64(column) * by >> shift)
                places[i] = side * plane + row * columns + column if good else spill
                inside += np.uint64(good)
        for i in range(size):
            count = counts[places[i]]
            counts[places[i]] = count + (count < limit)
        start += size
    return int(inside)
