"""The compiled loops that turn columns into words of EVT2, EVT2.1 and EVT3.

TIME_HIGH and (EVT3) TIME_LOW are written when they change, and again after 256 words, so that damage to one is noticed
and costs little. A long silence takes TIME_HIGH words in steps, the last value before a wrap and 0 after it among
them, from which all readers count the wraps.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

HIGH, LOW, ROW, SINCE = range(4)  # what the words so far have set, and how many there are since the last TIME_HIGH
REPEAT = 256
EVT3_STEP, EVT2_STEP = 240, 1 << 24
_TIME_HIGH3, _TIME_LOW3, _ROW3, _PIXEL3, _BASE3, _VECTOR3 = 0x8000, 0x6000, 0x0000, 0x2000, 0x3000, 0x4000
_TIME_HIGH2 = np.uint32(0x80000000)


@compiled(nogil=True)
def encode_evt3(t: Any, x: Any, y: Any, p: Any, width: Any, state: Any, words: Any) -> Any:
    """Writes the words of events to `words`, and returns how many. Three or more in 12 pixels of a row are a vector."""
    n: Any = 0
    i: Any = 0
    while i < t.shape[0]:
        high, low = t[i] >> 12, t[i] & 0xFFF
        repeat = state[SINCE] >= REPEAT
        if high != state[HIGH] or repeat:
            at = high if high == state[HIGH] else state[HIGH]
            if state[HIGH] < 0:
                at = min(high, np.int64(0) if high > 0xFFF else high)
                words[n] = _TIME_HIGH3 | at
                n += 1
            while at < high:
                at += min(np.int64(EVT3_STEP), high - at, max(np.int64(1), 0xFFF - (at & 0xFFF)))
                words[n] = _TIME_HIGH3 | (at & 0xFFF)
                n += 1
            if repeat and high == state[HIGH]:
                words[n] = _TIME_HIGH3 | (high & 0xFFF)
                n += 1
            state[HIGH], state[LOW], state[SINCE] = high, -1, 0
        begin = n
        if low != state[LOW]:
            words[n] = _TIME_LOW3 | low
            n += 1
            state[LOW] = low
        if y[i] != state[ROW]:
            words[n] = _ROW3 | y[i]
            n += 1
            state[ROW] = y[i]
        base: Any = max(0, min(np.int64(x[i]), width - 12))
        mask, j = np.int64(1) << (np.int64(x[i]) - base), i + 1
        while (
            j < t.shape[0] and t[j] == t[i] and y[j] == y[i] and p[j] == p[i] and x[j] > x[j - 1] and x[j] < base + 12
        ):
            mask |= np.int64(1) << (np.int64(x[j]) - base)
            j += 1
        if j - i >= 3 and width >= 12:
            words[n], words[n + 1] = _BASE3 | np.int64(p[i]) << 11 | base, _VECTOR3 | mask
            n += 2
            i = j
        else:
            words[n] = _PIXEL3 | np.int64(p[i]) << 11 | np.int64(x[i])
            n += 1
            i += 1
        state[SINCE] += n - begin
    return n


@compiled(nogil=True)
def encode_evt2(t: Any, x: Any, y: Any, p: Any, width: Any, state: Any, words: Any) -> Any:
    """Writes the words of events to `words`, and returns how many."""
    n = 0
    for i in range(t.shape[0]):
        high = t[i] >> 6
        if high != state[HIGH] or state[SINCE] >= REPEAT:
            at = state[HIGH]
            if at < 0:
                at = min(high, np.int64(0) if high > 0xFFFFFFF else high)
                words[n] = _TIME_HIGH2 | np.uint32(at)
                n += 1
            while at < high:
                at += min(np.int64(EVT2_STEP), high - at, max(np.int64(1), 0xFFFFFFF - (at & 0xFFFFFFF)))
                words[n] = _TIME_HIGH2 | np.uint32(at & 0xFFFFFFF)
                n += 1
            if high == state[HIGH]:
                words[n] = _TIME_HIGH2 | np.uint32(high & 0xFFFFFFF)
                n += 1
            state[HIGH], state[SINCE] = high, 0
        words[n] = np.uint32(np.int64(p[i]) << 28 | (t[i] & 63) << 22 | np.int64(x[i]) << 11 | np.int64(y[i]))
        n += 1
        state[SINCE] += 1
    return n


@compiled(nogil=True)
def encode_evt21(t: Any, x: Any, y: Any, p: Any, width: Any, state: Any, words: Any) -> Any:
    """Writes the words of events to `words`, the half with the type first, as the IMX636 does; returns how many."""
    n: Any = 0
    i: Any = 0
    while i < t.shape[0]:
        high = t[i] >> 6
        if high != state[HIGH] or state[SINCE] >= REPEAT:
            at = state[HIGH]
            if at < 0:
                at = min(high, np.int64(0) if high > 0xFFFFFFF else high)
                words[n] = np.uint64(_TIME_HIGH2 | np.uint32(at))
                n += 1
            while at < high:
                at += min(np.int64(EVT2_STEP), high - at, max(np.int64(1), 0xFFFFFFF - (at & 0xFFFFFFF)))
                words[n] = np.uint64(_TIME_HIGH2 | np.uint32(at & 0xFFFFFFF))
                n += 1
            if high == state[HIGH]:
                words[n] = np.uint64(_TIME_HIGH2 | np.uint32(high & 0xFFFFFFF))
                n += 1
            state[HIGH], state[SINCE] = high, 0
        base, j = x[i] & 0x7E0, i + 1
        mask: Any = np.uint64(1) << np.uint64(x[i] & 31)
        while (
            j < t.shape[0]
            and t[j] == t[i]
            and y[j] == y[i]
            and p[j] == p[i]
            and x[j] > x[j - 1]
            and x[j] & 0x7E0 == base
        ):
            mask |= np.uint64(1) << np.uint64(x[j] & 31)
            j += 1
        head = np.int64(p[i]) << 28 | (t[i] & 63) << 22 | np.int64(base) << 11 | np.int64(y[i])
        words[n] = np.uint64(head) | mask << np.uint64(32)
        n += 1
        state[SINCE] += 1
        i = j
    return n
