"""From a frame to the list of its values that are not 0, pixel by pixel, with the channels of a pixel together.

A list is `first (P + 1,)`, where each pixel's entries begin, and the `channel` and `value` of every entry. Zeros are
skipped a word of eight bytes at a time. `places` is room for as many whole numbers as there are words or values.
"""

import math
from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

LOGARITHMS = 1024  # of whole numbers from 0 on, in a table
_Array = np.ndarray[Any, Any]
_NONE = np.float32(0)


@compiled(nogil=True)
def enter_pixels(
    frame: _Array,
    words: _Array,
    channels: int,
    floats: _Array,
    logs: int,
    centred: int,
    places: _Array,
    first: _Array,
    channel: _Array,
    value: _Array,
) -> None:
    """Every pixel on its own. `frame` is `(C * P,)`, `words` the same memory, or empty where planes fill no words.

    `logs` is where `floats` has the table of logarithms, -1 for none; `centred` where it has means, then 1 / spreads.
    """
    pixels = frame.shape[0] // channels
    stride = words.shape[0] // channels
    per = pixels // stride if stride else pixels
    blocks = _planes_with_events(words, channels, stride, places) if stride and centred < 0 else pixels // per
    n = done = 0
    for at in range(blocks):
        begin = np.int64(places[at]) * per if stride and centred < 0 else at * per
        while done < begin:
            done += 1
            first[done] = n
        for pixel in range(begin, begin + per):
            for c in range(channels):
                x = np.float32(frame[c * pixels + pixel])
                if centred >= 0:
                    x = (x - floats[centred + c]) * floats[centred + channels + c]
                if x != _NONE:
                    channel[n] = c
                    value[n] = _logarithm(x, floats, logs) if logs >= 0 else x
                    n += 1
            first[pixel + 1] = n
        done = begin + per
    while done < pixels:
        done += 1
        first[done] = n


@compiled(nogil=True)
def enter_squares(
    frame: _Array,
    words: _Array,
    shape: tuple[int, int, int],
    side: int,
    floats: _Array,
    logs: int,
    sums: _Array,
    places: _Array,
    first: _Array,
    channel: _Array,
    value: _Array,
) -> None:
    """The sums over squares of `side` pixels. `sums` is room for as many numbers as there are squares and channels."""
    channels, height, width = shape
    tall, wide = height // side, width // side
    squares = np.uint64(tall * wide)
    for i in range(squares * np.uint64(channels)):
        sums[i] = _NONE
    pixels = _pixels_with_events(frame, words, places)
    for at in range(pixels):
        i = places[at]
        _add_pixel(np.uint32(i), np.float32(frame[i]), (channels, height, width), side, sums)
    filled, n = np.uint64(0), np.uint64(channels)
    for one in range(squares * n):
        places[filled] = one
        filled += np.uint64(sums[one] != _NONE)
    done = np.uint64(0)
    for entry in range(filled):
        place = np.uint64(places[entry])
        square = place // n
        while done < square:
            done += np.uint64(1)
            first[done] = entry
        channel[entry] = place - square * n
        value[entry] = _logarithm(sums[place], floats, logs) if logs >= 0 else sums[place]
    while done < squares:
        done += np.uint64(1)
        first[done] = filled


@compiled(nogil=True)
def _planes_with_events(words: _Array, channels: int, stride: int, places: _Array) -> int:
    """The places of the words that are not 0 in one of the planes, and how many."""
    n, per = np.uint64(0), np.uint64(stride)
    for at in range(per):
        bits = words[at]
        for c in range(np.uint64(1), np.uint64(channels)):
            bits |= words[c * per + at]
        places[n] = at
        n += np.uint64(bits != np.uint64(0))
    return int(n)


@compiled(nogil=True)
def _pixels_with_events(frame: _Array, words: _Array, places: _Array) -> int:
    """The places of the values that are not 0, and how many; without a branch, since none could be foreseen."""
    n, size = np.uint64(0), np.uint64(frame.shape[0])
    if not words.shape[0]:
        for i in range(size):
            places[n] = i
            n += np.uint64(frame[i] != 0)
        return int(n)
    per, later = np.uint64(frame.shape[0] // words.shape[0]), places[words.shape[0] :]
    for at in range(_planes_with_events(words, 1, words.shape[0], places)):
        begin = np.uint64(places[at]) * per
        for i in range(begin, begin + per):
            later[n] = i
            n += np.uint64(frame[i] != 0)
    for at in range(n):
        places[at] = later[at]
    return int(n)


@compiled(nogil=True)
def _add_pixel(at: np.uint32, x: np.float32, shape: tuple[int, int, int], side: int, sums: _Array) -> None:
    height, width, by, channels = np.uint32(shape[1]), np.uint32(shape[2]), np.uint32(side), np.uint32(shape[0])
    line = at // width
    c = line // height
    row, column = (line - c * height) // by, (at - line * width) // by
    wide = width // by
    if row < height // by and column < wide:
        sums[np.uint64((row * wide + column) * channels + c)] += x


@compiled(nogil=True)
def _logarithm(x: np.float32, floats: _Array, logs: int) -> np.float32:
    whole = int(x)
    if 0 <= whole < LOGARITHMS and np.float32(whole) == x:
        return np.float32(floats[logs + whole])
    return np.float32(math.log1p(x))
