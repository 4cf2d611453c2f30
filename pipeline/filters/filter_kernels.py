"""The compiled loops of the filters with memory. Each is named after its twin in tests/naive.py.

Pixels outside the sensor have no memory: their events are kept, and whoever counts them drops them.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

NEVER = -(2**63)
EVENT = 1_000_000  # what an event costs, in millionths of an event: the unit in which a rate is an integer


@compiled(nogil=True, boundscheck=False)
def refractory(last: Any, t: Any, x: Any, y: Any, width: int, height: int, period_us: int, mask: Any) -> None:
    """Marks the events whose pixel passed none for `period_us`; `last[y * width + x]` is the last one passed."""
    wide, high = np.uint64(width), np.uint64(height)
    for i in range(np.uint64(t.shape[0])):
        column, row = np.uint64(x[i]), np.uint64(y[i])
        if column >= wide or row >= high:
            mask[i] = True
            continue
        pixel = row * wide + column
        before = last[pixel]
        passes = before == NEVER or np.uint64(t[i]) - np.uint64(before) >= np.uint64(period_us)
        mask[i] = passes
        if passes:
            last[pixel] = t[i]


@compiled(nogil=True, boundscheck=False)
def background(last: Any, t: Any, x: Any, y: Any, width: int, height: int, window_us: int, mask: Any) -> None:
    """Marks the events one of whose 8 neighbours fired at most `window_us` ago.

    `last` holds the last event of each pixel with a border of one pixel that never fires, `(height + 2) * (width + 2)`.
    """
    wide, high = np.uint64(width), np.uint64(height)
    one, stride = np.uint64(1), np.uint64(width + 2)
    for i in range(np.uint64(t.shape[0])):
        column, row = np.uint64(x[i]), np.uint64(y[i])
        if column >= wide or row >= high:
            mask[i] = True
            continue
        above = row * stride + column
        pixel, below = above + stride, above + stride + stride
        latest = max(last[above], last[above + one], last[above + one + one])
        latest = max(latest, last[pixel], last[pixel + one + one])
        latest = max(latest, last[below], last[below + one], last[below + one + one])
        mask[i] = latest != NEVER and np.uint64(t[i]) - np.uint64(latest) <= np.uint64(window_us)
        last[pixel + one] = t[i]


@compiled(nogil=True, boundscheck=False)
def rate_limit(state: Any, t: Any, rate: int, burst_us: int, mask: Any) -> None:
    """Marks the events that a token bucket lets through: `state` is its credit and the time of the event before."""
    full = max(rate * burst_us, EVENT)
    credit, before = state[0], state[1]
    for i in range(np.uint64(t.shape[0])):
        since = min(np.uint64(t[i]) - np.uint64(before), np.uint64(burst_us + EVENT))
        credit = min(full, credit + np.int64(since) * rate)
        before = t[i]
        mask[i] = credit >= EVENT
        if credit >= EVENT:
            credit -= EVENT
    state[0], state[1] = credit, before


@compiled(nogil=True, boundscheck=False)
def is_listed(hot: Any, x: Any, y: Any, mask: Any) -> None:
    """Marks the events of pixels that are not `hot[y, x]`."""
    high, wide = np.uint64(hot.shape[0]), np.uint64(hot.shape[1])
    for i in range(np.uint64(x.shape[0])):
        column, row = np.uint64(x[i]), np.uint64(y[i])
        mask[i] = column >= wide or row >= high or not hot[row, column]
