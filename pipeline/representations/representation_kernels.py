"""The compiled loops of the representations; their meaning is the function of the same name in tests/naive.py."""

from math import exp
from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

NEVER = -(2**63)
BLOCK = 128  # as in pipeline.kernels


@compiled(nogil=True, boundscheck=False)
def voxel(
    grid: Any, t: Any, x: Any, y: Any, p: Any, width: int, height: int, first_us: int, span_us: int, split: bool
) -> int:
    """Adds events to a flat float32 grid `[bins, y, x]`, or with `split` `[2, bins, y, x]`; returns how many fit.

    Each event is divided between the two bins around `(bins - 1) * (t - first_us) / span_us`, by its distance to them.
    The grid has one plane more, which takes the share 0 that an event in the last bin gives to the next.
    """
    wide, high = np.uint32(width), np.uint32(height)
    plane = np.uint32(wide * high)
    n_bins = grid.shape[0] // (width * height) - 1
    if split:
        n_bins //= 2
    scale = (n_bins - 1) / span_us if span_us > 0 else 0.0
    half = np.uint32(np.uint32(n_bins) * plane) if split else np.uint32(0)
    off = np.float32(1) if split else np.float32(-1)
    top = np.float64(n_bins - 1)
    cells, lefts, rights = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    n, start, inside = np.uint64(t.shape[0]), np.uint64(0), np.uint64(0)
    while start < n:
        size = min(np.uint64(BLOCK), n - start)
        in_block = np.uint32(0)
        for i in range(size):
            column, row, side = np.uint32(x[start + i]), np.uint32(y[start + i]), np.uint32(p[start + i])
            good = (column < wide) & (row < high) & (side < np.uint32(2))
            place = min(np.float64(t[start + i] - first_us) * scale, top)
            low = np.int32(place)
            share = np.float32(place - np.float64(low))
            sign = np.float32(0) if not good else np.float32(1) if side == np.uint32(1) else off
            cell = np.uint32(low) * plane + row * wide + column + side * half
            cells[i] = cell if good else np.uint32(0)
            lefts[i] = sign * (np.float32(1) - share)
            rights[i] = sign * share
            in_block += np.uint32(good)
        for i in range(size):
            grid[cells[i]] += lefts[i]
            grid[cells[i] + plane] += rights[i]
        inside += np.uint64(in_block)
        start += size
    return int(inside)


@compiled(nogil=True, boundscheck=False)
def last_times(last: Any, t: Any, x: Any, y: Any, p: Any, width: int, height: int) -> int:
    """Notes the time of each pixel's last event in flat int64 `[p, y, x]`; returns how many lie on the sensor."""
    wide, high = np.uint32(width), np.uint32(height)
    plane = np.uint64(width * height)
    inside = 0
    for i in range(np.uint64(t.shape[0])):
        column, row, side = np.uint32(x[i]), np.uint32(y[i]), np.uint32(p[i])
        if column < wide and row < high and side < np.uint32(2):
            last[np.uint64(side) * plane + np.uint64(row) * np.uint64(wide) + np.uint64(column)] = t[i]
            inside += 1
    return inside


@compiled(nogil=True, boundscheck=False)
def surface(image: Any, last: Any, now_us: int, tau_us: int, linear: bool) -> None:
    """The ages of the last events at `now_us` as float32: exp(-age / tau), or max(0, 1 - age / tau); 0 for none."""
    for i in range(np.uint64(last.shape[0])):
        if last[i] == NEVER:
            image[i] = 0
        else:
            age = (now_us - last[i]) / tau_us
            image[i] = max(0.0, 1.0 - age) if linear else exp(-age)
