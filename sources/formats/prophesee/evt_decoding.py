"""The compiled loop that turns words of EVT3 into columns, and what those of EVT2 and EVT2.1 share with it.

Times come in two parts: a TIME_HIGH word, and bits in (or before) each event. A TIME_HIGH more than about 10 ms from
the one before is a suspect: it is compared with the next ones, up to `AHEAD_BYTES` further on, and dropped if they
continue the time before it; events that depended on it are dropped as `leap`. Words of unknown types are `unreadable`;
where bytes were added or lost, decoding goes on from the first byte where the types make sense.

Loops and helpers stand in one file because Numba's cache notices changes only in the file of the function that is
called.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

AHEAD_BYTES = 1 << 15  # how far the next TIME_HIGH words are looked for
VOTES = 8
ALIGNED = 32  # words by which an alignment is judged

# Where a kernel keeps its place between blocks: an int64 each.
STATE = 24
CONSUMED, FULL, OFFSET, OUTSIDE_AT, KNOWN, HIGH, LOW, ROW, BASE, POLARITY = range(10)
BAD, BAD_BYTES, BAD_AT, SPECIAL, SPECIAL_BYTES, SPECIAL_AT, LEAPS, LEAP_BYTES, LEAP_AT = range(10, 19)
CLOCK, RAW, DISORDER = 19, 20, 21  # of DAT; DISORDER: records of any time may follow each other, they will be sorted
CHECKED = 22  # set by a kernel: all its events are on the sensor, each 0 to 10 ms after the one before
BLIND, SURE = 0, 1  # KNOWN: whether the time of the next event is known; HIGH is -1 before the first
MISSING = -1

EVT2_TYPES = 0xC503  # bits of the types 0, 1, 8, A, E and F
EVT3_TYPES = 0xC5FD  # 0, 2 to 8, A, E and F
DRAFTS = 1024  # events that are unpacked at once
_COMMON = np.uint64(0x45)  # the types 0 (row), 2 (event) and 6 (TIME_LOW), which go to the lanes 0, 1 and 3 of a draft
_LANE = np.uint64(0xFFFF)
_OTHER_LANES = np.array([~(0xFFFF << 16 * lane) & 0xFFFFFFFFFFFFFFFF for lane in range(4)], np.uint64)
RUN = 64  # words of which none is of another type are taken at once
EVT3_LEAP = 3  # steps of TIME_HIGH in 10 ms: 4096 us each


@compiled(nogil=True)
def note(state: Any, which: Any, events: Any, n_bytes: Any, at: Any) -> None:
    """Adds to the counter `which` what begins at byte `at` of the block."""
    if state[which + 2] < 0:
        state[which + 2] = state[OFFSET] + at
    state[which] += events
    state[which + 1] += n_bytes


@compiled(nogil=True)
def unwrapped(value: Any, high: Any, bits: Any) -> Any:
    """The full count of TIME_HIGH for its lower `bits`: a fall by half of their range or more is a wrap."""
    step = value - (high & ((1 << bits) - 1))
    if step <= -(1 << (bits - 1)):
        step += 1 << bits
    return high + step


@compiled(nogil=True)
def believed(words: Any, i: Any, layout: Any, high: Any, suspect: Any) -> bool:
    """Whether the TIME_HIGH words after word `i` continue from `suspect` rather than from `high` (-1 if unknown).

    `layout` is where a word has its type and its value, the value's bits, and the leap.
    """
    type_shift, value_shift, bits, leap = layout
    mask = (1 << bits) - 1
    n, against, before = 0, 0, np.int64(-1)
    end = min(words.shape[0], i + 1 + AHEAD_BYTES // words.itemsize)
    for j in range(i + 1, end):
        word = np.int64(words[j])
        if (word >> type_shift) & 15 != 8:
            continue
        value = (word >> value_shift) & mask
        if high >= 0:
            against += abs(unwrapped(value, high, bits) - high) < abs(unwrapped(value, suspect, bits) - suspect)
            n += 1
            if n == VOTES:
                break
        elif before < 0:
            before = value
        else:  # the first of all: the next two agree on a time before it, which no wrap explains
            back = suspect - before
            return not (abs(value - before) <= leap and leap < back < mask - leap)
    return against * 2 <= n


@compiled(nogil=True)
def next_high(words: Any, i: Any, layout: Any) -> Any:
    """The value of the first TIME_HIGH after word `i`, or -1 if there is none near."""
    type_shift, value_shift, bits, _ = layout
    for j in range(i + 1, min(words.shape[0], i + 1 + AHEAD_BYTES // words.itemsize)):
        word = np.int64(words[j])
        if (word >> type_shift) & 15 == 8:
            return (word >> value_shift) & ((1 << bits) - 1)
    return np.int64(-1)


@compiled(nogil=True)
def makes_sense(data: Any, at: Any, layout: Any, wide: Any, high: Any) -> bool:
    """Whether the word at byte `at` is of a known type and, if it has a whole address, on the sensor."""
    size, type_byte, types = layout
    kind = data[at + type_byte] >> 4
    if not (types >> kind) & 1 or size == 2 or kind > 1:
        return bool((types >> kind) & 1)
    first = at + type_byte - 3
    head = np.int64(data[first]) | np.int64(data[first + 1]) << 8 | np.int64(data[first + 2]) << 16
    mask = at + 4 - (type_byte - 3)
    empty = size == 8 and not (data[mask] or data[mask + 1] or data[mask + 2] or data[mask + 3])
    return not empty and (head >> 11) & 0x7FF < wide and head & 0x7FF < high


@compiled(nogil=True)
def misaligned(data: Any, at: Any, layout: Any, wide: Any, high: Any) -> int:
    """How many bytes after `at` words begin to make sense, if they do not from there on; else 0."""
    size = layout[0]
    best, fewest = 0, ALIGNED
    for skip in range(size):
        bad = n = 0
        for place in range(at + skip, min(data.shape[0] - size + 1, at + skip + ALIGNED * size), size):
            bad += not makes_sense(data, place, layout, wide, high)
            n += 1
        if skip == 0 and (n < 8 or bad * 8 <= n):
            return 0
        if skip > 0 and n >= 8 and bad * 8 <= n and bad < fewest:
            best, fewest = skip, bad
    return best


@compiled(nogil=True)
def take_high(words: Any, i: Any, value: Any, final: Any, layout: Any, state: Any) -> int:
    """Accepts or drops a TIME_HIGH: 0 if more words are needed, 1 if it is dropped, 2 if it is taken."""
    high, bits, leap = state[HIGH], layout[2], layout[3]
    full = unwrapped(value, high, bits) if high >= 0 else value
    if high < 0 or abs(full - high) > leap:
        if not final and (words.shape[0] - i - 1) * words.itemsize < AHEAD_BYTES:
            return 0
        if not believed(words, i, layout, high, full):
            note(state, BAD, 1, words.itemsize, i * words.itemsize)
            following = next_high(words, i, layout)
            if high < 0 or following < 0 or unwrapped(following, high, bits) != high:
                state[KNOWN] = BLIND
            return 1
    state[HIGH], state[KNOWN] = full, SURE
    return 2


@compiled(nogil=True)
def suspicious(data: Any, at: Any, layout: Any, flags: Any, sensor: Any, state: Any) -> int:
    """How many bytes to skip at byte `at`, where no word makes sense: 0 if more of the file is needed, -1 for none.

    `layout` is the size of a word, the byte with its type, and the types that exist. A word of an unknown type is
    skipped, and what stands before a better alignment; both are counted.
    """
    size, type_byte, types = layout
    final, shift = flags
    if shift and not final and data.shape[0] - at < (ALIGNED + 1) * size:
        return 0
    skipped = misaligned(data, at, layout, sensor[0], sensor[1]) if shift else 0
    if skipped == 0 and (types >> (data[at + type_byte] >> 4)) & 1:
        return -1
    note(state, BAD, 1, skipped or size, at)
    return skipped or size


@compiled(nogil=True)
def take_common(word: Any, lanes: Any, k: Any, drafts: Any) -> Any:
    """Puts a row, a TIME_LOW or an event into its lane; all four are the draft of an event, which stays for an event.

    Returns the lanes and the number of drafts.
    """
    kind = word >> np.uint64(13)
    lanes = (lanes & _OTHER_LANES[kind]) | word << (kind << np.uint64(4))
    drafts[k] = lanes
    return lanes, k + np.uint64(kind == np.uint64(1))


@compiled(nogil=True)
def take_run(words: Any, i: Any, end: Any, lanes: Any, k: Any, drafts: Any) -> Any:
    """Takes rows, TIME_LOWs and events from word `i` up to another word or `end`, without a branch for their kind.

    Returns the next word, the lanes, and the number of drafts.
    """
    while i + np.uint64(RUN) <= end:
        other = np.uint16(0)
        for j in range(np.uint64(RUN)):
            word = words[i + j]
            other |= np.uint16(word & np.uint16(0x9000)) | np.uint16((word & np.uint16(0x6000)) == np.uint16(0x4000))
        if other:
            break
        for j in range(np.uint64(RUN)):
            lanes, k = take_common(np.uint64(words[i + j]), lanes, k, drafts)
        i += np.uint64(RUN)
    while i < end and (_COMMON >> np.uint64(words[i] >> np.uint16(12))) & np.uint64(1):
        lanes, k = take_common(np.uint64(words[i]), lanes, k, drafts)
        i += np.uint64(1)
    return i, lanes, k


@compiled(nogil=True)
def unpack(drafts: Any, begin: Any, end: Any, high: Any, t: Any, x: Any, y: Any, p: Any) -> None:
    """The columns of events `begin` to `end` from their drafts."""
    one = np.uint64(1)
    for k in range(end - begin):
        draft = drafts[k]
        pixel, of_vector = (draft >> np.uint64(16)) & _LANE, (draft >> np.uint64(47)) & one
        t[begin + k] = high + np.int64((draft >> np.uint64(48)) & np.uint64(0xFFF))
        x[begin + k] = pixel & (np.uint64(0x7FF) | of_vector * _LANE)
        y[begin + k] = draft & np.uint64(0x7FF)
        p[begin + k] = (pixel >> np.uint64(11)) & one & ~of_vector | (draft >> np.uint64(32)) & one


@compiled(nogil=True)
def decode_evt3(
    data: Any, words: Any, final: Any, shift: Any, size: Any, state: Any, t: Any, x: Any, y: Any, p: Any
) -> int:
    """Columns from a block of EVT3; returns how many events, `state` says how many bytes."""
    layout = (12, 0, 12, EVT3_LEAP)
    n_words, limit, one = np.uint64(words.shape[0]), np.uint64(t.shape[0] - 12), np.uint64(1)
    i = n = begin = np.uint64(0)
    drafts, room = np.empty(DRAFTS + 12, np.uint64), np.uint64(DRAFTS)  # of the events from `begin` on
    base, polarity, has_row = state[BASE], state[POLARITY], state[ROW] >= 0
    lanes = np.uint64(state[LOW]) << np.uint64(48) | np.uint64(max(np.int64(0), state[ROW]))
    high = state[HIGH] << 12
    at = np.int64(-1)
    while i < n_words and n <= limit:
        if n - begin >= room:
            unpack(drafts, begin, n, high, t, x, y, p)
            begin = n
        if state[KNOWN] and has_row:
            end = min(n_words, i + min(room - (n - begin), limit + one - n))
            i, lanes, k = take_run(words, i, end, lanes, n - begin, drafts)
            n = begin + k
            if i == end:
                continue
        word = np.uint32(words[i])
        kind = word >> np.uint32(12)
        if kind == 4 or kind == 5:
            width = 12 if kind == 4 else 8
            mask = word & np.uint32((1 << width) - 1)
            if not state[KNOWN] or not has_row or base < 0:
                number: Any = 0
                for j in range(width):
                    number += (mask >> np.uint32(j)) & np.uint32(1)
                note(state, BAD if state[HIGH] < 0 or not has_row or base < 0 else LEAPS, number, 2, 2 * np.int64(i))
            else:
                lane = np.uint64(0x8000 | polarity) << np.uint64(32) | np.uint64(base) << np.uint64(16)
                draft = lanes & ~(np.uint64(0xFFFFFFFF) << np.uint64(16)) | lane
                for j in range(np.uint64(width)):
                    drafts[n - begin] = draft + (j << np.uint64(16))
                    n += np.uint64((mask >> np.uint32(j)) & np.uint32(1))
            base = min(base + width, np.int64(60_000)) if base >= 0 else base
        elif kind == 3:
            base, polarity = np.int64(word & np.uint32(0x7FF)), np.int64((word >> np.uint32(11)) & np.uint32(1))
        elif kind == 8:
            value, before = np.int64(word & np.uint32(0xFFF)), state[HIGH]
            if value != before & 0xFFF or before < 0 or not state[KNOWN]:
                taken = take_high(words, np.int64(i), value, final, layout, state)
                if taken == 0:
                    break
                if taken == 2 and state[HIGH] != before:
                    lanes &= ~(_LANE << np.uint64(48))  # the TIME_LOW of the new time comes next
                unpack(drafts, begin, n, high, t, x, y, p)
                high, begin = state[HIGH] << 12, n
        elif kind == 0:
            lanes, has_row = lanes & ~_LANE | np.uint64(word), True
        elif kind == 6:
            lanes = lanes & ~(_LANE << np.uint64(48)) | np.uint64(word) << np.uint64(48)
        elif kind == 2:
            note(state, BAD if state[HIGH] < 0 or not has_row else LEAPS, 1, 2, 2 * np.int64(i))
        elif (EVT3_TYPES >> kind) & 1:
            note(state, SPECIAL, kind == 10 or kind == 14, 2, 2 * np.int64(i))
        else:
            at = 2 * np.int64(i)
            skipped = suspicious(data, at, (2, 1, EVT3_TYPES), (final, shift), size, state)
            if skipped != 2:
                at += skipped
                break
            at = np.int64(-1)
        i += one
    unpack(drafts, begin, n, high, t, x, y, p)
    state[ROW] = np.int64(lanes & np.uint64(0x7FF)) if has_row else MISSING
    state[LOW] = np.int64((lanes >> np.uint64(48)) & np.uint64(0xFFF))
    state[BASE], state[POLARITY] = base, polarity
    state[CONSUMED] = 2 * np.int64(i) if at < 0 else at
    state[FULL] = n > limit
    return int(n)
