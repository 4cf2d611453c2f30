"""The compiled loops of AEDAT 3.1: packets of one camera to columns, damage passed over in the same loop.

A loop of its own searches for the next packet behind damage, so that a file made of almost-packets costs no more
time than one of packets.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

HEADER_BYTES, EVENT_BYTES, TIME_OFFSET = 28, 8, 4
POLARITY = 1
TYPES = 32  # the format defines 13 event types, programs add a few of their own
LARGEST_EVENT, LARGEST_PACKET = 1 << 25, 1 << 28
MOST_OVERFLOWS = 1 << 24  # of 31 bits of us: a thousand years

# Where the loop keeps its place between blocks: an int64 each.
STATE = 16
(
    MODE,
    CONSUMED,
    REMAINING,
    OVERFLOW,
    SPARE,
    BAD_FROM,
    OVER_AT,
    BAD,
    BAD_BYTES,
    BAD_AT,
    INVALID,
    INVALID_AT,
    FOREIGN,
    FOREIGN_AT,
    CUT,
    CUT_AT,
) = range(STATE)
AT_HEADER, IN_EVENTS, IN_OTHERS, BEHIND, SEARCHING = 0, 1, 2, 3, 4
NOWHERE = -1


@compiled(nogil=True)
def number_at(data: Any, at: Any) -> Any:
    """Four bytes, little-endian."""
    low = np.int64(data[at]) | np.int64(data[at + 1]) << 8
    return low | np.int64(data[at + 2]) << 16 | np.int64(data[at + 3]) << 24


@compiled(nogil=True)
def is_packet(data: Any, at: Any) -> Any:
    """Whether 28 bytes can be the header of a packet."""
    kind = np.int64(data[at]) | np.int64(data[at + 1]) << 8
    size, offset, overflow = number_at(data, at + 4), number_at(data, at + 8), number_at(data, at + 12)
    capacity, number, valid = number_at(data, at + 16), number_at(data, at + 20), number_at(data, at + 24)
    if kind >= TYPES or size < 1 or size > LARGEST_EVENT or offset >= size:
        return False
    if valid > number or number > capacity or capacity * size > LARGEST_PACKET:
        return False
    return kind != POLARITY or (size == EVENT_BYTES and offset == TIME_OFFSET and overflow < MOST_OVERFLOWS)


@compiled(nogil=True)
def next_polarity(data: Any, at: int, remaining: Any, source: int) -> Any:
    """The first byte from `at` on where a packet of polarity events begins that fits into the file, or the end.

    `remaining` are the bytes of the file from the first of `data` on; `source` is a camera, or negative for any.
    """
    size, one = data.shape[0], np.uint64(1)
    for place in range(np.uint64(at), np.uint64(max(at, size - HEADER_BYTES + 1))):
        if data[place] != POLARITY or data[place + one]:
            continue
        if data[place + np.uint64(4)] != EVENT_BYTES or data[place + np.uint64(8)] != TIME_OFFSET:
            continue
        begin = np.int64(place)
        if is_packet(data, begin):
            camera = np.int64(data[begin + 2]) | np.int64(data[begin + 3]) << 8
            ends = begin + HEADER_BYTES + number_at(data, begin + 20) * EVENT_BYTES
            if ends <= remaining and (source < 0 or camera == source):
                return begin
    return np.int64(size)


@compiled(nogil=True)
def decode_packets(
    data: Any,
    base: int,
    end: int,
    camera: int,
    others: Any,
    trusting: bool,
    state: Any,
    t: Any,
    x: Any,
    y: Any,
    p: Any,
) -> int:
    """Columns from a block of a file of `end` bytes that begins at byte `base`; returns how many events.

    `state` says how many bytes were used. Packets of `others` are passed over, those of any further source counted.
    A packet that claims more than there is, is one only if no other follows: then `trusting` reads it.
    """
    size, room = data.shape[0], t.shape[0]
    final = base + size >= end
    at, n, mode = 0, np.uint64(0), state[MODE]
    while True:
        if mode == IN_EVENTS:
            count = min(state[REMAINING] // EVENT_BYTES, (size - at) // EVENT_BYTES, room - np.int64(n))
            begin = n
            n = decode_events(data, at, count, state[OVERFLOW], t, x, y, p, n)
            if np.int64(n - begin) < count:
                note_invalid(data, base, at, count, state)
            at += count * EVENT_BYTES
            state[REMAINING] -= count * EVENT_BYTES
            if state[REMAINING]:
                if np.int64(n) < room and final and size - at < EVENT_BYTES:
                    state[CUT] += state[REMAINING] // EVENT_BYTES
                    state[CUT_AT] = base + at
                    at, mode = size, AT_HEADER
                break
            mode = BEHIND
        elif mode == IN_OTHERS:
            step = min(state[REMAINING], size - at)
            at += step
            state[REMAINING] -= step
            if state[REMAINING]:
                break
            mode = BEHIND
        elif mode == BEHIND:  # some programs write the unused places, too
            if state[SPARE]:
                if size - at < HEADER_BYTES and not final:
                    break
                if size - at < HEADER_BYTES or not is_packet(data, at):
                    state[REMAINING], state[SPARE] = min(state[SPARE], end - base - at), 0
                    mode = IN_OTHERS
                    continue
            mode = AT_HEADER
        elif mode == AT_HEADER:
            if size - at < HEADER_BYTES:
                if final and at < size:
                    state[CUT] += 1
                    state[CUT_AT] = base + at
                    at = size
                break
            if np.int64(n) == room:
                break
            if is_packet(data, at):
                events, bytes_each = number_at(data, at + 20), number_at(data, at + 4)
                body = events * bytes_each
                if trusting or base + at + HEADER_BYTES + body <= end:
                    kind = np.int64(data[at]) | np.int64(data[at + 1]) << 8
                    source = np.int64(data[at + 2]) | np.int64(data[at + 3]) << 8
                    state[REMAINING] = body
                    state[OVERFLOW] = number_at(data, at + 12)
                    state[SPARE] = (number_at(data, at + 16) - events) * bytes_each
                    mode = IN_EVENTS if kind == POLARITY and source == camera else IN_OTHERS
                    if kind == POLARITY and source != camera:
                        note_foreign(source, others, events, base + at, state)
                    if mode == IN_OTHERS and base + at + HEADER_BYTES + body > end:
                        state[REMAINING] = end - base - at - HEADER_BYTES
                        state[CUT] += events - state[REMAINING] // bytes_each
                        state[CUT_AT] = base + at + HEADER_BYTES
                    at += HEADER_BYTES
                    continue
                state[OVER_AT] = base + at
            state[BAD_FROM], mode = base + at, SEARCHING
            at += 1
        else:
            place = next_polarity(data, at, end - base, -1)
            if state[OVER_AT] == NOWHERE:
                over = next_polarity(data, at, np.int64(1) << 62, -1)
                if over < place:
                    state[OVER_AT] = base + over
            if place < size:
                note_bad(base + place, state)
                at, mode = place, AT_HEADER
                continue
            if not final:
                at = max(at, size - HEADER_BYTES + 1)
                break
            at = size
            break
    state[MODE], state[CONSUMED] = mode, at
    return int(n)


@compiled(nogil=True)
def decode_events(data: Any, at: int, count: int, overflow: int, t: Any, x: Any, y: Any, p: Any, n: Any) -> Any:
    """Columns from `n` on; returns where the next event goes. Those that the camera marked invalid are left out."""
    high = np.int64(overflow) << 31
    place = np.uint64(at)
    for _ in range(count):
        word = np.uint32(data[place]) | np.uint32(data[place + np.uint64(1)]) << np.uint32(8)
        word |= np.uint32(data[place + np.uint64(2)]) << np.uint32(16)
        word |= np.uint32(data[place + np.uint64(3)]) << np.uint32(24)
        time = np.uint32(data[place + np.uint64(4)]) | np.uint32(data[place + np.uint64(5)]) << np.uint32(8)
        time |= np.uint32(data[place + np.uint64(6)]) << np.uint32(16)
        time |= np.uint32(data[place + np.uint64(7)]) << np.uint32(24)
        t[n] = np.int64(time & np.uint32(0x7FFFFFFF)) + high
        x[n] = word >> np.uint32(17)
        y[n] = word >> np.uint32(2) & np.uint32(0x7FFF)
        p[n] = word >> np.uint32(1) & np.uint32(1)
        n += np.uint64(word & np.uint32(1))
        place += np.uint64(EVENT_BYTES)
    return n


@compiled(nogil=True)
def note_invalid(data: Any, base: int, at: int, count: int, state: Any) -> None:
    """Counts the invalid events among `count`."""
    for number in range(count):
        if not data[at + number * EVENT_BYTES] & 1:
            if state[INVALID] == 0:
                state[INVALID_AT] = base + at + number * EVENT_BYTES
            state[INVALID] += 1


@compiled(nogil=True)
def note_foreign(source: Any, others: Any, events: int, place: int, state: Any) -> None:
    """Counts the events of a source that the file does not name."""
    for number in range(others.shape[0]):
        if others[number] == source:
            return
    if state[FOREIGN] == 0:
        state[FOREIGN_AT] = place
    state[FOREIGN] += events


@compiled(nogil=True)
def note_bad(place: int, state: Any) -> None:
    """Ends a stretch that could not be decoded at a byte: one packet, or less, of so many events as fit into it."""
    n_bytes = place - state[BAD_FROM]
    if n_bytes > 0:
        state[BAD] += max(1, (n_bytes - HEADER_BYTES) // EVENT_BYTES)
        state[BAD_BYTES] += n_bytes
        if state[BAD_AT] == NOWHERE:
            state[BAD_AT] = state[BAD_FROM]
    state[BAD_FROM], state[OVER_AT] = NOWHERE, NOWHERE
