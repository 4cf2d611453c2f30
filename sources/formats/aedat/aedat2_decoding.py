"""The compiled loops of AEDAT 2.0: records of a DVS128 or a DAVIS to columns, records told from garbage.

One record cannot be distinguished from garbage, a sequence can. A record whose time leaps by more than 10 ms from the
one before, or that no camera could have written, is a suspect. Suspects, and only they, are compared with the records
that follow: sound files are read at full speed.

All of it stands in one file because Numba's cache notices changes only in the file of the function that is called.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled
from spikecut.sources.formats.reading.decoding import (
    AHEAD,
    BAD,
    BAD_AT,
    BAD_BYTES,
    BELIEVE,
    CLOCK,
    CONSUMED,
    DISORDER,
    DROP,
    EVENT,
    IMPOSSIBLE,
    LEAP_US,
    OFFSET,
    OUTSIDE,
    OUTSIDE_AT,
    RAW,
    SIGNAL,
    SIGNAL_AT,
    SIGNALS,
    STARTED,
    WRAP_PAUSE_US,
)
from spikecut.sources.formats.reading.ordering import RESET_US

BYTES = 8
DVS128, DAVIS = 0, 1
INERTIAL = 0x80000C00
SAMPLE = 4  # a word of a frame or of an inertial sample: sound, and no event
_CIRCLE = 1 << 32


@compiled(nogil=True)
def big_endian(data: Any, at: Any) -> Any:
    """Four bytes as an unsigned number."""
    one = np.uint64(1)
    number = np.uint32(data[at]) << np.uint32(24) | np.uint32(data[at + one]) << np.uint32(16)
    number |= np.uint32(data[at + one + one]) << np.uint32(8) | np.uint32(data[at + one + one + one])
    return np.int64(number)


@compiled(nogil=True)
def decode_dvs128(
    data: Any,
    final: bool,
    shift: bool,
    width: int,
    height: int,
    state: Any,
    t: Any,
    x: Any,
    y: Any,
    p: Any,
) -> int:
    """Columns from a block of records; returns how many events, `state` says how many bytes."""
    size = data.shape[0]
    at, n = 0, np.uint64(0)
    clock, before, started = state[CLOCK], state[RAW], state[STARTED]
    while at + BYTES <= size:
        address, raw = big_endian(data, np.uint64(at)), big_endian(data, np.uint64(at + 4))
        step = raw - before
        if started and address < 0x8000 and 0 <= step <= LEAP_US:
            clock += step
            before = raw
        else:
            step = step_from(raw, before, clock >= _CIRCLE) if started else np.int64(0)
            if (address & 0x7FFF0000) or step > LEAP_US or step < -LEAP_US:
                if not final and size - at < (AHEAD + 2) * BYTES:
                    break
                verdict = weigh(data, at, DVS128, width, height, started * (1 - state[DISORDER]), before, shift)
                if verdict != BELIEVE:
                    skipped = BYTES if verdict == DROP else verdict
                    note_bad(state, at, skipped)
                    at += skipped
                    continue
            if address & 0x80008000:
                note_signal(state, at)
                at += BYTES
                continue
            time = clock + step if started else raw
            if not started or not -RESET_US <= step < -LEAP_US:  # a late one moves no clock
                clock, before, started = time, raw, 1
            t[n] = time
            x[n] = 127 - (address >> 1 & 127)
            y[n] = 127 - (address >> 8 & 127)
            p[n] = 1 - (address & 1)
            n += np.uint64(1)
            at += BYTES
            continue
        t[n] = clock
        x[n] = 127 - (address >> 1 & 127)
        y[n] = 127 - (address >> 8 & 127)
        p[n] = 1 - (address & 1)
        n += np.uint64(1)
        at += BYTES
    state[CLOCK], state[RAW], state[STARTED], state[CONSUMED] = clock, before, started, at
    return int(n)


@compiled(nogil=True)
def decode_davis(
    data: Any,
    final: bool,
    shift: bool,
    width: int,
    height: int,
    state: Any,
    t: Any,
    x: Any,
    y: Any,
    p: Any,
) -> int:
    """Columns from a block of records; returns how many events, `state` says how many bytes.

    Words of frames and inertial samples (bit 31) are passed over; their times tell that the clock goes on.
    """
    size = data.shape[0]
    at, n = 0, np.uint64(0)
    clock, before, started = state[CLOCK], state[RAW], state[STARTED]
    while at + BYTES <= size:
        address, raw = big_endian(data, np.uint64(at)), big_endian(data, np.uint64(at + 4))
        step = step_from(raw, before, clock >= _CIRCLE) if started else np.int64(0)
        if address & 0x80000000:
            if started and 0 <= step <= LEAP_US:
                clock, before = clock + step, raw
            at += BYTES
            continue
        if step > LEAP_US or step < -LEAP_US:
            if not final and size - at < (AHEAD + 2) * BYTES:
                break
            verdict = weigh(data, at, DAVIS, width, height, started * (1 - state[DISORDER]), before, shift)
            if verdict != BELIEVE:
                skipped = BYTES if verdict == DROP else verdict
                note_bad(state, at, skipped)
                at += skipped
                continue
        if address & 0x400:
            note_signal(state, at)
            at += BYTES
            continue
        time = clock + step if started else raw
        if not started or not -RESET_US <= step < -LEAP_US:  # a late one moves no clock
            clock, before, started = time, raw, 1
        column, row = address >> 12 & 0x3FF, address >> 22 & 0x1FF
        if column >= width or row >= height:
            if state[OUTSIDE_AT] < 0:
                state[OUTSIDE_AT] = state[OFFSET] + at
            column, row = -width, -height  # stays outside when it is counted from the other end
        t[n] = time
        x[n] = width - 1 - column
        y[n] = height - 1 - row
        p[n] = address >> 11 & 1
        n += np.uint64(1)
        at += BYTES
    state[CLOCK], state[RAW], state[STARTED], state[CONSUMED] = clock, before, started, at
    return int(n)


@compiled(nogil=True)
def note_signal(state: Any, at: int) -> None:
    """Counts a trigger or another signal of the camera."""
    if state[SIGNALS] == 0:
        state[SIGNAL_AT] = state[OFFSET] + at
    state[SIGNALS] += 1


@compiled(nogil=True)
def note_bad(state: Any, at: int, n_bytes: int) -> None:
    """Adds a stretch that could not be decoded; less than a record counts as one event."""
    state[BAD] += 1
    state[BAD_BYTES] += n_bytes
    if state[BAD_AT] < 0:
        state[BAD_AT] = state[OFFSET] + at


@compiled(nogil=True)
def peek(data: Any, at: int, layout: int, width: int, height: int) -> Any:
    """What the record at `at` is, and its time as it stands in the file.

    Bits 0-9 of an event of a DAVIS are zero, and the pixels of its frames lie on the sensor: other words count as
    outside when records are surveyed.
    """
    address, raw = big_endian(data, np.uint64(at)), big_endian(data, np.uint64(at + 4))
    if layout == DVS128:
        if address & 0x7FFF0000:
            return IMPOSSIBLE, raw
        return (SIGNAL if address & 0x80008000 else EVENT), raw
    inside = (address >> 12 & 0x3FF) < width and (address >> 22 & 0x1FF) < height
    if address & 0x80000000:
        return (SAMPLE if inside or address & INERTIAL == INERTIAL else OUTSIDE), raw
    if address & 0x400:
        return SIGNAL, raw
    return (EVENT if inside and not address & 0x3FF else OUTSIDE), raw


@compiled(nogil=True)
def apart(later: Any, earlier: Any) -> Any:
    """From one time to another; 32 bits are a circle: a quarter back, the rest ahead."""
    return ((later - earlier + (1 << 30)) & 0xFFFFFFFF) - (1 << 30)


@compiled(nogil=True)
def survey(data: Any, at: int, layout: int, width: int, height: int) -> Any:
    """What the next AHEAD records look like if they begin at `at`.

    Returns how many there are, how many no sensor writes (or seldom: triggers), how many step back in
    time by a leap, and the typical (median) step, in µs.
    """
    steps = np.zeros(AHEAD, np.int64)
    n, bad, back, n_steps, before = 0, 0, 0, 0, np.int64(-1)
    while n < AHEAD and at + BYTES <= data.shape[0]:
        kind, raw = peek(data, at, layout, width, height)
        bad += kind in (OUTSIDE, IMPOSSIBLE, SIGNAL)
        if kind in (EVENT, OUTSIDE, SAMPLE):
            if before >= 0:
                step = apart(raw, before)
                back += step < -LEAP_US
                steps[n_steps] = abs(step)
                n_steps += 1
            before = raw
        n += 1
        at += BYTES
    typical = np.sort(steps[:n_steps])[n_steps // 2] if n_steps else np.int64(0)
    return n, bad, back, typical


@compiled(nogil=True)
def weigh(data: Any, at: int, layout: int, width: int, height: int, started: int, last: int, shift: bool) -> int:
    """What to do with the suspect at `at`; `last` is the time before it, in the file's own count.

    - a number of bytes to skip, if from there on the records make sense and from here they do not: most from here are
      impossible, or time runs eight times as smoothly from there (of all offsets the smoothest);
    - DROP, if it is impossible, if the records after it are garbage or time jumps about in them, or if most of them
      are nearer to the time before it than to its own, which is then a slip;
    - BELIEVE else. A step back of a second at most is believed too: ordering.py judges it.
    """
    n, bad, back, typical = survey(data, at, layout, width, height)
    if shift:
        best, smoothest, sound = 0, np.int64(0), False
        for skip in range(1, BYTES):
            m, m_bad, m_back, m_typical = survey(data, at + skip, layout, width, height)
            if m >= 8 and m_bad * 2 <= m and (best == 0 or m_typical < smoothest):
                best, smoothest = skip, m_typical
                sound = m_bad * 8 <= m and m_back * 8 <= m
        if best and (bad * 2 > n or smoothest * 8 < typical):
            return best if sound else DROP  # not sound yet: more garbage lies before the place to go on
    kind, raw = peek(data, at, layout, width, height)
    if kind == IMPOSSIBLE:
        return DROP
    if not started or -RESET_US <= apart(raw, last) < 0:
        return BELIEVE
    if back * 8 > n:
        return DROP
    against, votes, garbage = 0, 0, 0
    for ahead in range(1, AHEAD + 1):
        place = at + ahead * BYTES
        if place + BYTES > data.shape[0]:
            break
        kind, then = peek(data, place, layout, width, height)
        if kind == IMPOSSIBLE:
            garbage += 1
        elif kind != SIGNAL:
            votes += 1
            against += abs(apart(then, last)) < abs(apart(then, raw))
    return DROP if against * 2 > votes or garbage > votes else BELIEVE


@compiled(nogil=True)
def step_from(raw: Any, before: Any, wrapped: Any) -> Any:
    """How far the clock went from one 32-bit time to the next."""
    step = raw - before
    if step < WRAP_PAUSE_US - _CIRCLE:
        return step + _CIRCLE
    if wrapped and step > _CIRCLE - 1_000_000:  # a late event from before the wrap
        return step - _CIRCLE
    return step
