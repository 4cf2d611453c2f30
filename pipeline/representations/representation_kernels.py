"""The compiled loops of the representations; their meaning is the function of the same name in tests/naive.py."""

from math import exp
from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

NEVER = -(2**63)


@compiled(nogil=True, boundscheck=False)
def voxel(
    grid: Any, t: Any, x: Any, y: Any, p: Any, width: int, height: int, first_us: int, span_us: int, split: bool
) -> int:
    """Adds events to a flat float32 grid `[bins, y, x]`, or with `split` `[2, bins, y, x]`; returns how many fit.

    Each event is divided between the two bins around `(bins - 1) * (t - first_us) / span_us`, by its distance to them.
    """
    wide, high = np.uint32(width), np.uint32(height)
    plane = np.uint64(width * height)
    n_bins = grid.shape[0] // (width * height)
    if split:
        n_bins //= 2
    scale = (n_bins - 1) / span_us if span_us > 0 else 0.0
    half = np.uint64(n_bins) * plane if split else np.uint64(0)
    top = np.int64(n_bins - 1)
    inside = 0
    for i in range(np.uint64(t.shape[0])):
        column, row, side = np.uint32(x[i]), np.uint32(y[i]), np.uint32(p[i])
        if column < wide and row < high and side < np.uint32(2):
            place = (t[i] - first_us) * scale
            low = np.int64(place)
            right = np.float32(place - low)
            left = np.float32(1) - right
            if not split:  # the sign by arithmetic: polarities cannot be predicted, so a branch would be slow
                sign = np.float32(np.int32(side) * 2 - 1)
                left, right = left * sign, right * sign
            cell = (
                np.uint64(low) * plane + np.uint64(row) * np.uint64(wide) + np.uint64(column) + np.uint64(side) * half
            )
            grid[cell] += left
            if low < top:
                grid[cell + plane] += right
            inside += 1
    return inside


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
