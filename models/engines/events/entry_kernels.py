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
_PAIRS, _FOURS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_PAIR, _HALF = np.uint64(0xFFFF), np.uint64(0xFFFFFFFF)


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
                    value[n] = x
                    n += 1
            first[pixel + 1] = n
        done = begin + per
    while done < pixels:
        done += 1
        first[done] = n
    if logs >= 0:
        _take_logarithms(value, int(n), floats, logs)


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
    if frame.itemsize == 1 and words.shape[0] and width % 8 == 0 and 8 % side == 0:
        _add_words(words, _planes_with_events(words, 1, words.shape[0], places), places, shape, side, sums)
    else:
        _add_pixels(frame, _pixels_with_events(frame, words, places), places, shape, side, sums)
    n, at = np.uint64(0), np.uint64(0)
    for square in range(squares):
        for c in range(channels):
            channel[n], value[n] = c, sums[at]
            n += np.uint64(sums[at] != _NONE)  # without a branch, since none could be foreseen
            at += np.uint64(1)
        first[square + np.uint64(1)] = n
    if logs >= 0:
        _take_logarithms(value, int(n), floats, logs)


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
def _add_words(words: _Array, n: int, places: _Array, shape: tuple[int, int, int], side: int, sums: _Array) -> None:
    """Adds words of eight bytes, each of one line, to their squares of 2, 4 or 8 pixels, a square in one addition.

    The byte of the first pixel is the lowest of the word, as little-endian machines have it.
    """
    height, width, by, channels = np.uint32(shape[1]), np.uint32(shape[2]), np.uint32(side), np.uint32(shape[0])
    tall, wide, whole, bits_of = height // by, width // by, np.uint32(8) // by, np.uint64(8 * side)
    mask = _PAIR if side == 2 else _HALF
    for i in range(n):
        bits, begin = words[places[i]], np.uint32(8 * places[i])
        line = begin // width
        c = line // height
        row, column = (line - c * height) // by, (begin - line * width) // by
        if row >= tall:
            continue
        bits = (bits & _PAIRS) + ((bits >> np.uint64(8)) & _PAIRS)
        if side > 2:
            bits = (bits & _FOURS) + ((bits >> np.uint64(16)) & _FOURS)
        if side > 4:
            bits = (bits & _HALF) + (bits >> np.uint64(32))
        at = np.uint64((row * wide + column) * channels + c)
        for _ in range(min(whole, wide - column)):
            sums[at] += np.float32(np.int64(bits & mask))
            at += np.uint64(channels)
            bits >>= bits_of


@compiled(nogil=True)
def _add_pixels(frame: _Array, n: int, places: _Array, shape: tuple[int, int, int], side: int, sums: _Array) -> None:
    """Adds pixels to their squares, one after the other."""
    height, width, by, channels = np.uint32(shape[1]), np.uint32(shape[2]), np.uint32(side), np.uint32(shape[0])
    tall, wide = height // by, width // by
    for i in range(n):
        at = np.uint32(places[i])
        line = at // width
        c = line // height
        row, column = (line - c * height) // by, (at - line * width) // by
        if row < tall and column < wide:
            sums[np.uint64((row * wide + column) * channels + c)] += np.float32(frame[at])


@compiled(nogil=True)
def _take_logarithms(value: _Array, n: int, floats: _Array, logs: int) -> None:
    """`ln(1 + n)` of each value, whole numbers from the table."""
    for entry in range(n):
        x = value[entry]
        whole = int(x)
        if 0 <= whole < LOGARITHMS and np.float32(whole) == x:
            value[entry] = floats[logs + whole]
        else:
            value[entry] = np.float32(math.log1p(x))
