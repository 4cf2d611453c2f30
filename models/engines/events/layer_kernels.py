"""The layers of a step: membranes decay, entries are scattered through kernels into them, cells fire into a new list.

Membranes are float32 with the channels last, in rows of `1 + n_traces` times the channels a pixel: the membranes, then
the convolved traces, for a convolution of leaky traces is the leaky trace of the convolutions. `at` are places in
`state`, `floats` holds kernels and numbers of cells.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

_Array = np.ndarray[Any, Any]
_FAST = {"contract", "nsz"}
_NONE, _TINY = np.float32(0), np.float32(1e-30)  # below it numbers would soon be denormal, which is slow


@compiled(nogil=True, fastmath=_FAST)
def decay(state: _Array, at: int, pixels: int, channels: int, n_traces: int, floats: _Array, rates: int) -> None:
    """`v = decay v + bias` for every number of a row (`floats` from `rates` on: decays, then biases).

    The membranes of the row get its convolved traces at once; what is scattered later reaches both.
    """
    row = channels * (1 + n_traces)
    n, one = np.uint64(channels), np.uint64(at)
    whole, decays, biases = np.uint64(row), np.uint64(rates), np.uint64(rates + row)
    for _ in range(pixels):
        for i in range(whole):
            v = floats[decays + i] * state[one + i] + floats[biases + i]
            state[one + i] = _NONE if abs(v) <= _TINY else v  # what is no number stays so
        trace = one
        for _ in range(n_traces):
            trace += n
            for c in range(n):
                state[one + c] += state[trace + c]
        one += whole


@compiled(nogil=True, fastmath=_FAST)
def add_bias(state: _Array, at: int, pixels: int, channels: int, floats: _Array, bias: int, factor: np.float32) -> None:
    """A bias that is another at every step."""
    for pixel in range(pixels):
        for c in range(channels):
            state[at + pixel * channels + c] += factor * floats[bias + c]


@compiled(nogil=True, fastmath=_FAST)
def scatter(
    state: _Array,
    at: int,
    out: tuple[int, int, int],
    floats: _Array,
    kernel: int,
    window: tuple[int, int, int, int],
    first: _Array,
    channel: _Array,
    value: _Array,
    source: tuple[int, int, int],
    factor: np.float32,
) -> int:
    """Adds every entry of a list, times its kernel, to the rows it reaches; returns how many rows, one for each entry.

    `out` is (height, width, numbers in a row), `source` (height, width, channels), `window` (stride, padding, height
    and width of the kernel). Kernels lie as `program.tapped` puts them: the taps of a row of outputs side by side.
    """
    height, width, row = out
    stride, padding, tall, wide = window
    rows, columns = (tall + stride - 1) // stride, (wide + stride - 1) // stride
    block = rows * columns * row
    reached = 0
    for sy in range(source[0]):
        ty = sy + padding
        phase_y = ty % stride
        taps_y = (tall - phase_y + stride - 1) // stride
        top = ty // stride - taps_y + 1
        y0, y1 = max(top, 0), min(top + taps_y, height)
        if y0 >= y1:
            continue
        for sx in range(source[1]):
            e0, e1 = first[sy * source[1] + sx], first[sy * source[1] + sx + 1]
            if e0 == e1:
                continue
            tx = sx + padding
            phase_x = tx % stride
            taps_x = (wide - phase_x + stride - 1) // stride
            left = tx // stride - taps_x + 1
            x0, x1 = max(left, 0), min(left + taps_x, width)
            if x0 >= x1:
                continue
            n = np.uint64((x1 - x0) * row)
            phase = kernel + (phase_y * stride + phase_x) * source[2] * block
            for y in range(y0, y1):
                v = np.uint64(at + (y * width + x0) * row)
                tap = phase + ((y - top) * columns + x0 - left) * row
                e = e0
                while e + 4 <= e1:
                    w0, w1 = np.uint64(tap + channel[e] * block), np.uint64(tap + channel[e + 1] * block)
                    w2, w3 = np.uint64(tap + channel[e + 2] * block), np.uint64(tap + channel[e + 3] * block)
                    a0, a1, a2, a3 = (
                        factor * value[e],
                        factor * value[e + 1],
                        factor * value[e + 2],
                        factor * value[e + 3],
                    )
                    for i in range(n):
                        state[v + i] += (
                            a0 * floats[w0 + i] + a1 * floats[w1 + i] + a2 * floats[w2 + i] + a3 * floats[w3 + i]
                        )
                    e += 4
                if e + 2 <= e1:
                    w0, w1 = np.uint64(tap + channel[e] * block), np.uint64(tap + channel[e + 1] * block)
                    a0, a1 = factor * value[e], factor * value[e + 1]
                    for i in range(n):
                        state[v + i] += a0 * floats[w0 + i] + a1 * floats[w1 + i]
                    e += 2
                if e < e1:
                    w0, a0 = np.uint64(tap + channel[e] * block), factor * value[e]
                    for i in range(n):
                        state[v + i] += a0 * floats[w0 + i]
            reached += (e1 - e0) * (y1 - y0) * (x1 - x0)
    return reached


@compiled(nogil=True, fastmath=_FAST)
def add_signal(
    state: _Array,
    at: int,
    pixels: int,
    row: int,
    floats: _Array,
    gains: int,
    first: _Array,
    channel: _Array,
    value: _Array,
) -> None:
    """A shortcut: the list itself is the current."""
    for pixel in range(pixels):
        for e in range(first[pixel], first[pixel + 1]):
            state[at + pixel * row + channel[e]] += floats[gains + channel[e]] * value[e]


@compiled(nogil=True, fastmath=_FAST)
def fire(
    state: _Array,
    at: int,
    shape: tuple[int, int, int],
    n_traces: int,
    cells: tuple[np.float32, np.float32, np.float32],
    pool: tuple[int, int, int],
    hits: _Array,
    first: _Array,
    channel: _Array,
    value: _Array,
) -> int:
    """Cells above their threshold put an entry into the list and are reset; windows of pixels are pooled at once.

    Returns how many fired.

    `shape` is (height, width, channels), `cells` (threshold, amplitude, what a spike takes away, negative: all),
    `pool` (side of the windows, 1 for their mean and 0 for their maximum, 1 to keep windows that are not full).
    """
    height, width, channels = shape
    threshold, amplitude, subtract = cells
    side, mean, rest = pool
    row, n = (1 + n_traces) * channels, np.uint64(channels)
    left_out = side > 1 and not rest
    place = entry = n_fired = 0
    for top in range(0, height, side):
        for left in range(0, width, side):
            y1, x1 = min(top + side, height), min(left + side, width)
            for c in range(n):
                hits[c] = 0
            fired = 0
            for y in range(top, y1):
                for x in range(left, x1):
                    v = np.uint64(at + (y * width + x) * row)
                    some = 0
                    for c in range(n):
                        some += state[v + c] > threshold
                    if some:
                        fired += some
                        for c in range(n):
                            u = state[v + c]
                            hits[c] += np.int32(u > threshold)
                            state[v + c] = (_NONE if subtract < _NONE else u - subtract) if u > threshold else u
            n_fired += fired
            if left_out and (y1 - top < side or x1 - left < side):
                continue
            if fired:
                begun = entry
                for c in range(channels):
                    channel[entry] = c
                    entry += int(hits[c] > 0)
                for e in range(begun, entry):
                    value[e] = amplitude
                    if mean:
                        value[e] *= np.float32(hits[channel[e]]) / np.float32((y1 - top) * (x1 - left))
            place += 1
            first[place] = entry
    return n_fired


@compiled(nogil=True, fastmath=_FAST)
def pooled(
    source: tuple[_Array, _Array, _Array],
    shape: tuple[int, int, int],
    pool: tuple[int, int, int],
    sums: _Array,
    first: _Array,
    channel: _Array,
    value: _Array,
    entry: int,
) -> int:
    """A list to the list of its windows' maxima or means. A maximum counts values above 0: cells put out no others."""
    height, width, channels = shape
    side, mean, rest = pool
    place = 0
    for top in range(0, height if rest else height - side + 1, side):
        for left in range(0, width if rest else width - side + 1, side):
            y1, x1 = min(top + side, height), min(left + side, width)
            for c in range(channels):
                sums[c] = _NONE
            for y in range(top, y1):
                for e in range(source[0][y * width + left], source[0][y * width + x1]):
                    c, a = source[1][e], source[2][e]
                    sums[c] = sums[c] + a if mean else max(sums[c], a)
            for c in range(channels):
                if sums[c] != _NONE:
                    channel[entry] = c
                    value[entry] = sums[c] / np.float32((y1 - top) * (x1 - left)) if mean else sums[c]
                    entry += 1
            place += 1
            first[place] = entry
    return entry
