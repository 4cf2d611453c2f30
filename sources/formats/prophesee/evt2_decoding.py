"""The compiled loops that turn words of EVT2 and EVT2.1 into columns; the rules are those of `evt_decoding`.

Numba's cache notices changes only in the file of the function that is called: after a change to the helpers in
`evt_decoding.py` this file has to be touched, too.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled
from spikecut.sources.formats.prophesee.evt_decoding import (
    BAD,
    CONSUMED,
    EVT2_TYPES,
    FULL,
    HIGH,
    KNOWN,
    LEAPS,
    LOW,
    SPECIAL,
    note,
    suspicious,
    take_high,
)

RUN = 32  # words that are taken for events at once
PIXELS = 1024  # events whose pixels are unpacked at once
LEAP = 156  # steps of TIME_HIGH in 10 ms: 64 us each
_PLACES = np.zeros(32, np.int64)  # the place of the only bit of a word, by the upper 5 bits of a product (de Bruijn)
for _place in range(32):
    _PLACES[(0x077CB531 << _place & 0xFFFFFFFF) >> 27] = _place


@compiled(nogil=True)
def outside2(word: Any, sensor: Any) -> Any:
    """Whether the pixel of an EVT2 event lies outside the sensor."""
    return (
        np.int64((word >> np.uint32(11)) & np.uint32(0x7FF)) >= sensor[0]
        or np.int64(word & np.uint32(0x7FF)) >= sensor[1]
    )


@compiled(nogil=True)
def take_run(words: Any, i: Any, known: Any, time: Any, n: Any, t: Any, pixels: Any, k0: Any) -> Any:
    """Times and words of RUN words from word `i` on, as if all were events; returns how many are before another one."""
    highest: Any = np.uint32(0)
    for k in range(np.uint64(RUN)):
        word = words[i + k]
        t[n + k] = time | np.int64((word >> np.uint32(22)) & np.uint32(63))
        pixels[k0 + k] = word
        highest = max(highest, word)
    m = np.uint64(RUN)
    if highest >= known:
        m = np.uint64(0)
        while words[i + m] < known:
            m += np.uint64(1)
    return m


@compiled(nogil=True)
def unpack(pixels: Any, begin: Any, end: Any, x: Any, y: Any, p: Any) -> None:
    """Pixels and polarities of events `begin` to `end` from their words."""
    for k in range(end - begin):
        word = pixels[k]
        x[begin + k] = (word >> np.uint32(11)) & np.uint32(0x7FF)
        y[begin + k] = word & np.uint32(0x7FF)
        p[begin + k] = word >> np.uint32(28)


@compiled(nogil=True)
def decode_evt2(
    data: Any, words: Any, final: Any, shift: Any, size: Any, state: Any, t: Any, x: Any, y: Any, p: Any
) -> int:
    """Columns from a block of EVT2; returns how many events, `state` says how many bytes."""
    layout = (28, 0, 28, LEAP)
    n_words, limit, one = np.uint64(words.shape[0]), np.uint64(t.shape[0] - RUN), np.uint64(1)
    i = n = np.uint64(0)
    time = state[HIGH] << 6
    known = np.uint32(0x20000000) if state[KNOWN] else np.uint32(0)
    at = np.int64(-1)
    pixels, begin = np.empty(PIXELS + RUN, np.uint32), n  # the words of the events from `begin` on
    while i < n_words and n < limit:
        if n - begin >= np.uint64(PIXELS):
            unpack(pixels, begin, n, x, y, p)
            begin = n
        if not shift and i + np.uint64(RUN) <= n_words:
            m = take_run(words, i, known, time, n, t, pixels, n - begin)
            i += m
            n += m
            if m == np.uint64(RUN):
                continue
        word = np.uint32(words[i])
        if word < known and not (shift and outside2(word, size)):  # after added or lost bytes each pixel is looked at
            t[n] = time | np.int64((word >> np.uint32(22)) & np.uint32(63))
            pixels[n - begin] = word
            n += one
            i += one
            continue
        kind = word >> np.uint32(28)
        if kind == 8:
            value = np.int64(word & np.uint32(0xFFFFFFF))
            if take_high(words, np.int64(i), value, final, layout, state) == 0:
                break
            time = state[HIGH] << 6
            known = np.uint32(0x20000000) if state[KNOWN] else np.uint32(0)
        elif kind < 2 and not known:
            note(state, BAD if state[HIGH] < 0 else LEAPS, 1, 4, 4 * np.int64(i))
        elif kind > 1 and (EVT2_TYPES >> kind) & 1:
            note(state, SPECIAL, kind != 15, 4, 4 * np.int64(i))
        else:
            at = 4 * np.int64(i)
            skipped = suspicious(data, at, (4, 3, EVT2_TYPES), (final, shift), size, state)
            if skipped >= 0 and skipped != 4:
                at += skipped
                break
            at = np.int64(-1)
            if skipped < 0:
                t[n] = time | np.int64((word >> np.uint32(22)) & np.uint32(63))
                pixels[n - begin] = word
                n += one
        i += one
    unpack(pixels, begin, n, x, y, p)
    state[CONSUMED] = 4 * np.int64(i) if at < 0 else at
    state[FULL] = n >= limit
    return int(n)


@compiled(nogil=True)
def decode_evt21(
    data: Any, words: Any, final: Any, shift: Any, size: Any, state: Any, t: Any, x: Any, y: Any, p: Any
) -> int:
    """Columns from a block of EVT2.1; returns how many events, `state` says how many bytes.

    The half with type, time and pixel is the upper one in words of GenX320, the lower one (`state[LOW]`) in those of
    IMX636; the other one is a mask of 32 pixels.
    """
    swapped = state[LOW] != 0
    up, down = (np.uint64(0), np.uint64(32)) if swapped else (np.uint64(32), np.uint64(0))
    layout = (28 if swapped else 60, 0 if swapped else 32, 28, LEAP)
    n_words, limit, one = np.uint64(words.shape[0]), np.uint64(t.shape[0] - 32), np.uint64(1)
    i = n = np.uint64(0)
    at = np.int64(-1)
    while i < n_words and n <= limit:
        word = np.uint32(words[i] >> up)
        kind = word >> np.uint32(28)
        mask = np.uint32(words[i] >> down)
        if not (EVT2_TYPES >> kind) & 1 or (shift and kind < 2 and (mask == 0 or outside2(word, size))):
            at = 8 * np.int64(i)
            skipped = suspicious(data, at, (8, 3 if swapped else 7, EVT2_TYPES), (final, shift), size, state)
            if skipped >= 0 and skipped != 8:
                at += skipped
                break
            at = np.int64(-1)
            if skipped > 0:
                i += one
                continue
        if kind < 2:
            number: Any = 0
            time = state[HIGH] << 6 | np.int64((word >> np.uint32(22)) & np.uint32(63))
            left = np.int64((word >> np.uint32(11)) & np.uint32(0x7FF))
            if state[KNOWN]:
                row = word & np.uint32(0x7FF)
                while mask:
                    lowest = mask & (~mask + np.uint32(1)) & np.uint32(0xFFFFFFFF)
                    t[n] = time
                    x[n] = left + _PLACES[(lowest * np.uint32(0x077CB531) & np.uint32(0xFFFFFFFF)) >> np.uint32(27)]
                    y[n] = row
                    p[n] = kind
                    n += one
                    mask &= np.uint32(mask - np.uint32(1))
            else:
                for k in range(32):
                    number += (mask >> np.uint32(k)) & np.uint32(1)
                note(state, BAD if state[HIGH] < 0 else LEAPS, number, 8, 8 * np.int64(i))
        elif kind == 8:
            value = np.int64(word & np.uint32(0xFFFFFFF))
            if take_high(words, np.int64(i), value, final, layout, state) == 0:
                break
        else:
            note(state, SPECIAL, kind != 15, 8, 8 * np.int64(i))
        i += one
    state[CONSUMED] = 8 * np.int64(i) if at < 0 else at
    state[FULL] = n > limit
    return int(n)
