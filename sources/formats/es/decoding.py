"""The compiled loops that turn the bytes of an event stream into columns, and back.

An event is a byte (time since the one before in its upper 7 bits, at most 126 µs, and polarity), x and y as u16. The
byte 0xFF moves the clock on by 127 µs, 0xFE does nothing. Bytes have no mark of their own, so a pixel outside the
sensor is what shows damage: decoding goes on where the next events are on the sensor.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

STATE = 8
CONSUMED, FULL, CLOCK, BAD, BAD_BYTES, BAD_AT, OFFSET, OUTSIDE_AT = range(STATE)
EVENT_BYTES = 5
STEP, MOVE, NOTHING = 127, 0xFF, 0xFE
AHEAD = 16  # events by which a place is judged
AHEAD_BYTES = 1 << 10


@compiled(nogil=True)
def decode_es(data: Any, final: Any, size: Any, state: Any, t: Any, x: Any, y: Any, p: Any) -> Any:
    """Columns from a block; returns how many events, `state` says how many bytes. y is turned to run down."""
    n_bytes, limit = np.uint64(data.shape[0]), np.uint64(t.shape[0])
    wide, high = size[0], size[1]
    i = n = np.uint64(0)
    clock = state[CLOCK]
    while i < n_bytes and n < limit:
        first = np.int64(data[i])
        if first >= NOTHING:
            clock += STEP * (first == MOVE)
            i += np.uint64(1)
            continue
        if i + np.uint64(EVENT_BYTES) > n_bytes:
            break
        column = np.int64(data[i + np.uint64(1)]) | np.int64(data[i + np.uint64(2)]) << 8
        row = np.int64(data[i + np.uint64(3)]) | np.int64(data[i + np.uint64(4)]) << 8
        if column >= wide or row >= high:
            if not final and n_bytes - i < np.uint64(AHEAD_BYTES):
                break
            skipped = next_event(data, np.int64(i), wide, high)
            state[BAD] += 1
            state[BAD_BYTES] += skipped
            if state[BAD_AT] < 0:
                state[BAD_AT] = state[OFFSET] + np.int64(i)
            clock += (first >> 1) * (skipped == EVENT_BYTES)
            i += np.uint64(skipped)
            continue
        clock += first >> 1
        t[n] = clock
        x[n] = column
        y[n] = high - 1 - row
        p[n] = first & 1
        n += np.uint64(1)
        i += np.uint64(EVENT_BYTES)
    state[CLOCK], state[CONSUMED], state[FULL] = clock, np.int64(i), n >= limit
    return int(n)


@compiled(nogil=True)
def next_event(data: Any, at: Any, wide: Any, high: Any) -> Any:
    """How many bytes to skip: to the first place where events make sense; an event where there is none near."""
    for skip in (5, 1, 2, 3, 4, 6, 7, 8, 9):
        place, n, good = at + skip, 0, 0
        while n < AHEAD and place + EVENT_BYTES <= min(data.shape[0], at + AHEAD_BYTES):
            if data[place] >= NOTHING:
                place += 1
                continue
            column = np.int64(data[place + 1]) | np.int64(data[place + 2]) << 8
            row = np.int64(data[place + 3]) | np.int64(data[place + 4]) << 8
            good += column < wide and row < high
            n += 1
            place += EVENT_BYTES
        if n and good == n:
            return min(skip, data.shape[0] - at)
    return min(EVENT_BYTES, data.shape[0] - at)


@compiled(nogil=True)
def n_moves(t: Any, clock: Any) -> Any:
    """How many 0xFF bytes stand before and between the events at `t`."""
    moves = np.int64(0)
    for i in range(t.shape[0]):
        moves += (t[i] - clock) // STEP
        clock = t[i]
    return moves


@compiled(nogil=True)
def encode_es(t: Any, x: Any, y: Any, p: Any, clock: Any, height: Any, data: Any) -> None:
    """Fills `data`, whose size is known (`n_moves`), with the bytes of events; y is turned to run up."""
    at = 0
    for i in range(t.shape[0]):
        moves = (t[i] - clock) // STEP
        data[at : at + moves] = MOVE
        at += moves
        row = height - 1 - y[i]
        data[at] = (t[i] - clock - moves * STEP) << 1 | p[i]
        data[at + 1], data[at + 2], data[at + 3], data[at + 4] = x[i] & 255, x[i] >> 8, row & 255, row >> 8
        at += EVENT_BYTES
        clock = t[i]
