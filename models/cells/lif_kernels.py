"""The kernels of a LIF layer over all steps: membranes and spikes, their gradients, and how alike the steps are.

Arrays are float32 with the channels last, `(T, B, H, W, C)`. The meaning of each is the cell stepped (a test).
"""

from typing import Any

import numba
import numpy as np

from spikecut.models.cells.activity import SMALL
from spikecut.pipeline.compiled import compiled

_Array = np.ndarray[Any, np.dtype[np.float32]]
_FAST = {"contract", "nsz", "arcp", "reassoc"}
_ONE, _NONE = np.float32(1), np.float32(0)
_Shape = tuple[np.float32, ...]


@compiled(parallel=True, fastmath=_FAST)
def forward_kernel(x: _Array, leak: _Array, v: _Array, spikes: _Array, pool: int) -> None:
    """A strip of `pool` rows at a time goes through all steps: its membrane stays in the nearest cache."""
    steps, n, _, width, channels = v.shape
    strips, last = spikes.shape[2], len(x) - 1
    for at in numba.prange(n * strips):
        b, strip = at // strips, at % strips
        rest = np.zeros((pool, width, channels), np.float32)
        for t in range(steps):
            for r in range(pool):
                row, out = x[min(t, last), b, strip * pool + r], v[t, b, strip * pool + r]
                for w in range(width):
                    for c in range(channels):
                        u = rest[r, w, c]
                        u += leak[c] * (row[w, c] - u)
                        out[w, c] = u
                        rest[r, w, c] = _NONE if u > _ONE else u
            merged = spikes[t, b, strip]
            for w in range(merged.shape[0]):
                for c in range(channels):
                    merged[w, c] = _NONE
                for r in range(pool):
                    for q in range(pool):
                        membranes = v[t, b, strip * pool + r, w * pool + q]
                        for c in range(channels):
                            merged[w, c] = _ONE if membranes[c] > _ONE else merged[w, c]


@compiled(fastmath=_FAST)
def _slope(u: np.float32, shape: _Shape) -> np.float32:
    """`Surrogate.slope`; the length of `shape` gives the kind, so each kind is compiled to a kernel of its own."""
    if len(shape) == 1:
        return max(_NONE, shape[0] - abs(u)) / (shape[0] * shape[0])
    if len(shape) == 2:
        return shape[1] / (_ONE + shape[0] * u * u)
    fall = np.exp(shape[1] * abs(u))  # 1 / cosh(x)**2 is 4 e / (1 + e)**2 with e = exp(-2 x)
    return shape[2] * fall / ((_ONE + fall) * (_ONE + fall)) if abs(u) <= shape[0] else _NONE


@compiled(parallel=True, fastmath=_FAST)
def backward_kernel(
    v: _Array,
    leak: _Array,
    given: _Array,
    beside: _Array | None,
    back: _Array,
    sums: Any,
    pool: int,
    shape: _Shape,
    still: bool | None,
) -> None:
    """Back through time. A merged spike's gradient goes to the first that fired of its square, or to the first.

    `beside` is the gradient of the loss on the membranes themselves; None compiles to a kernel without it.
    Where the currents stood `still`, not None, `back` is a single step of zeros that takes the sum over all.
    """
    steps, n, _, width, channels = v.shape
    strips, merged_width, last = given.shape[2], given.shape[3], len(back) - 1
    for part in numba.prange(sums.shape[0]):
        later = np.zeros((pool, width, channels), np.float32)
        routed = np.zeros((pool, width, channels), np.float32)
        taken = np.zeros(channels, np.float32)
        total = np.zeros(channels, np.float32)
        for at in range(n * strips * part // sums.shape[0], n * strips * (part + 1) // sums.shape[0]):
            b, strip = at // strips, at % strips
            later[:] = _NONE
            total[:] = _NONE
            for t in range(steps - 1, -1, -1):
                for w in range(merged_width):
                    gradient = given[t, b, strip, w]
                    for c in range(channels):
                        taken[c] = _NONE
                    for r in range(pool):
                        for q in range(pool):
                            membranes, to = v[t, b, strip * pool + r, w * pool + q], routed[r, w * pool + q]
                            for c in range(channels):
                                mine = _ONE - taken[c] if membranes[c] > _ONE else _NONE
                                to[c] = mine * gradient[c]
                                taken[c] += mine
                    first = routed[0, w * pool]
                    for c in range(channels):
                        first[c] += (_ONE - taken[c]) * gradient[c]
                before = _NONE if t == 0 else _ONE
                for r in range(pool):
                    now, past = v[t, b, strip * pool + r], v[max(t - 1, 0), b, strip * pool + r]
                    out = back[min(t, last), b, strip * pool + r]
                    for w in range(width):
                        for c in range(channels):
                            u = now[w, c]
                            spike = _ONE if u > _ONE else _NONE
                            g = later[r, w, c]
                            slope = _slope(u - _ONE, shape)
                            g = g * (_ONE - spike) + (routed[r, w, c] - g * u) * slope
                            if beside is not None:
                                g += beside[t, b, strip * pool + r, w, c]
                            u_past = past[w, c]
                            u_past = _NONE if u_past > _ONE else before * u_past
                            if still is None:
                                out[w, c] = leak[c] * g
                            else:
                                out[w, c] += leak[c] * g
                            total[c] += g * (u - u_past)
                            later[r, w, c] = (_ONE - leak[c]) * g
            for c in range(channels):
                sums[part, c] += total[c]


@compiled(parallel=True, fastmath=_FAST)
def cosines_kernel(x: _Array, leak: _Array, out: _Array, steps: int, last: int) -> None:
    """`cosines` of the responses to currents `(T, B, pixels, C)`: a response is the membrane clipped to 0 and 1."""
    given, n, pixels, channels = x.shape
    for b in numba.prange(n):
        all_responses = np.zeros((steps, channels), np.float32)
        rest, aim = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
        dots, squares, aims = np.zeros(steps), np.zeros(steps), np.float32(0)
        for pixel in range(pixels):
            rest[:] = 0
            aim[:] = 0
            for t in range(steps):
                row, responses = x[min(t, given - 1), b, pixel], all_responses[t]
                part = np.float32(1 / last) if t >= steps - last else np.float32(0)
                for c in range(channels):
                    u = rest[c]
                    u += leak[c] * (row[c] - u)
                    rest[c] = np.float32(0) if u > np.float32(1) else u
                    responses[c] = min(max(u, np.float32(0)), np.float32(1))
                    aim[c] += part * responses[c]
            for t in range(steps):
                responses = all_responses[t]
                dot, square = np.float32(0), np.float32(0)
                for c in range(channels):
                    dot += responses[c] * aim[c]
                    square += responses[c] * responses[c]
                dots[t] += dot
                squares[t] += square
            square = np.float32(0)
            for c in range(channels):
                square += aim[c] * aim[c]
            aims = np.float32(aims + square)
        total = 0.0
        for t in range(steps):
            total += dots[t] / np.sqrt((squares[t] + SMALL) * (aims + SMALL))
        out[b] = total / steps
