"""The compiled loop that turns the records of DAT into columns, and distinguishes records from garbage.

A record is two little-endian words of 4 bytes: the time in µs, and x (bits 0-13), y (14-27), polarity (28). Groups of
records whose times rise by less than 10 ms each, with nothing impossible among them, are converted at full speed. In
other groups each record is judged: a suspect is compared with the records that follow. The 32 bits of time are a
circle; a fall is a wrap only if it lands just behind the wrap (`WRAP_PAUSE_US`).

All of it stands in one file because Numba's cache notices changes only in the file of the function that is called.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled
from spikecut.sources.formats.prophesee.evt_decoding import (
    BAD,
    BAD_AT,
    BAD_BYTES,
    CHECKED,
    CLOCK,
    CONSUMED,
    DISORDER,
    FULL,
    KNOWN,
    OFFSET,
    OUTSIDE_AT,
    RAW,
)
from spikecut.sources.formats.reading.ordering import REORDER_US, RESET_US

RECORD = 8
AHEAD = 32  # records with which a suspect is compared
GROUP = 1024
LEAP_US = REORDER_US
WRAP_PAUSE_US = 600_000_000  # a longer silence across the wrap is taken for a reset of the clock
_CIRCLE = 1 << 32
_LOWER = np.uint64(0xFFFFFFFF)
EVENT, OUTSIDE, IMPOSSIBLE = 0, 1, 2
BELIEVE, DROP = 0, -1


@compiled(nogil=True)
def decode_dat(
    data: Any, words: Any, final: Any, shift: Any, size: Any, state: Any, t: Any, x: Any, y: Any, p: Any
) -> Any:
    """Columns from a block of records; returns how many events, `state` says how many bytes."""
    n_records: Any = np.int64(words.shape[0])
    width, height = size[0], size[1]
    i: Any = np.int64(0)
    n: Any = np.int64(0)
    n_free: Any = np.int64(t.shape[0])
    state[CHECKED] = 1
    clock, before, started, at = state[CLOCK], state[RAW], state[KNOWN], np.int64(-1)
    while i < n_records and n < n_free:
        m: Any = min(GROUP, n_records - i, n_free - n)
        end = n + m
        if started and fill(words[i : i + m], clock - before, clock, size, t[n:end], x[n:end], y[n:end], p[n:end]):
            before = np.int64(words[i + m - 1] & _LOWER)
            clock = t[end - 1]
            i += m
            n += m
            continue
        state[CHECKED] = 0
        for _ in range(m):
            place = i * RECORD
            raw, pixel = np.int64(words[i] & _LOWER), np.int64(words[i] >> np.uint64(32))
            step = step_from(raw, before, clock >= _CIRCLE) if started else np.int64(0)
            if pixel >> 29 or not started or step > LEAP_US or step < -LEAP_US:
                if not final and data.shape[0] - place < (AHEAD + 2) * RECORD:
                    state[FULL] = 0
                    state[CLOCK], state[RAW], state[KNOWN], state[CONSUMED] = clock, before, started, place
                    return n
                verdict = weigh(data, place, width, height, started, before, shift, state[DISORDER])
                if verdict != BELIEVE:
                    skipped = RECORD if verdict == DROP else verdict
                    state[BAD] += 1
                    state[BAD_BYTES] += skipped
                    if state[BAD_AT] < 0:
                        state[BAD_AT] = state[OFFSET] + place
                    if skipped != RECORD:
                        at = place + skipped
                        break
                    i += 1
                    continue
            time = clock + step if started else raw
            if not started or not -RESET_US <= step < -LEAP_US:  # a late one moves no clock
                clock, before, started = time, raw, np.int64(1)
            t[n], x[n], y[n], p[n] = time, pixel & 0x3FFF, (pixel >> 14) & 0x3FFF, (pixel >> 28) & 1
            if (x[n] >= width or y[n] >= height) and state[OUTSIDE_AT] < 0:
                state[OUTSIDE_AT] = state[OFFSET] + place
            n += 1
            i += 1
        if at >= 0:
            break
    state[CLOCK], state[RAW], state[KNOWN] = clock, before, started
    state[CONSUMED] = i * RECORD if at < 0 else at
    state[FULL] = n >= n_free
    return n


@compiled(nogil=True)
def fill(words: Any, shift_us: Any, clock: Any, size: Any, t: Any, x: Any, y: Any, p: Any) -> Any:
    """The columns of as many records as they have room for.

    Returns whether times rise from `clock` on by at most a leap each, and all pixels and polarities are possible.
    """
    width, height, wrong = np.uint32(size[0]), np.uint32(size[1]), np.uint32(0)
    for k in range(np.uint64(t.shape[0])):
        pixel = np.uint32(words[k] >> np.uint64(32))
        column, row = pixel & np.uint32(0x3FFF), (pixel >> np.uint32(14)) & np.uint32(0x3FFF)
        t[k] = shift_us + np.int64(words[k] & _LOWER)
        x[k] = column
        y[k] = row
        p[k] = pixel >> np.uint32(28)
        wrong |= np.uint32(column >= width) | np.uint32(row >= height) | pixel >> np.uint32(29)
    far = np.uint64(np.uint64(t[0] - clock) > np.uint64(LEAP_US))
    for k in range(np.uint64(1), np.uint64(t.shape[0])):
        far |= np.uint64(np.uint64(t[k] - t[k - np.uint64(1)]) > np.uint64(LEAP_US))
    return not wrong and not far


@compiled(nogil=True)
def peek(data: Any, at: Any, width: Any, height: Any) -> Any:
    """What the record at byte `at` is, and its time as it stands in the file."""
    raw, pixel = np.int64(0), np.int64(0)
    for k in range(4):
        raw |= np.int64(data[at + k]) << 8 * k
        pixel |= np.int64(data[at + 4 + k]) << 8 * k
    if pixel >> 29:
        return IMPOSSIBLE, raw
    return (EVENT if pixel & 0x3FFF < width and (pixel >> 14) & 0x3FFF < height else OUTSIDE), raw


@compiled(nogil=True)
def apart(later: Any, earlier: Any) -> Any:
    """From one time to another on the circle: a quarter back, the rest ahead."""
    return ((later - earlier + (1 << 30)) & 0xFFFFFFFF) - (1 << 30)


@compiled(nogil=True)
def step_from(raw: Any, before: Any, wrapped: Any) -> Any:
    """How far the clock went from one 32-bit time to the next."""
    step = raw - before
    if step < WRAP_PAUSE_US - _CIRCLE:
        return step + _CIRCLE
    if wrapped and step > _CIRCLE - 1_000_000:  # a late event from before the wrap
        return step - _CIRCLE
    return step


@compiled(nogil=True)
def survey(data: Any, at: Any, width: Any, height: Any) -> Any:
    """What the next AHEAD records look like if they begin at `at`.

    Returns how many there are, how many no sensor writes, how many step back in time by a leap, and the typical
    (median) step, in µs.
    """
    steps = np.zeros(AHEAD, np.int64)
    n, bad, back, before = 0, 0, 0, np.int64(-1)
    while n < AHEAD and at + RECORD <= data.shape[0]:
        kind, raw = peek(data, at, width, height)
        bad += kind >= OUTSIDE
        if before >= 0:
            step = apart(raw, before)
            back += step < -LEAP_US
            steps[n - 1] = abs(step)
        before = raw
        n += 1
        at += RECORD
    typical = np.sort(steps[: n - 1])[(n - 1) // 2] if n > 1 else np.int64(0)
    return n, bad, back, typical


@compiled(nogil=True)
def weigh(data: Any, at: Any, width: Any, height: Any, started: Any, last: Any, shift: Any, disorder: Any) -> int:
    """What to do with the suspect at `at`; `last` is the time before it, as it stands in the file.

    - a number of bytes to skip, if from there on the records make sense and from here they do not: most from here are
      impossible, or time runs eight times as smoothly from there;
    - DROP, if it is impossible, if time jumps about in the records after it, or if most of them are nearer to the time
      before it than to its own, which is then a slip; of the first record, if it is ahead of most that follow;
    - BELIEVE else. A step back of a second at most is believed, too: ordering.py judges it; with `disorder` any step.
    """
    n, bad, back, typical = survey(data, at, width, height)
    if shift:
        best, smoothest, sound = 0, np.int64(0), False
        for skip in range(1, RECORD):
            m, m_bad, m_back, m_typical = survey(data, at + skip, width, height)
            if m >= 8 and m_bad * 2 <= m and (best == 0 or m_typical < smoothest):
                best, smoothest = skip, m_typical
                sound = m_bad * 8 <= m and m_back * 8 <= m
        if best and (bad * 2 > n or smoothest * 8 < typical):
            return best if sound else DROP  # not sound yet: more garbage lies before the place to go on
    kind, raw = peek(data, at, width, height)
    if kind == IMPOSSIBLE:
        return DROP
    if disorder or (started and -RESET_US <= apart(raw, last) < 0):
        return BELIEVE
    if started and back * 8 > n:
        return DROP
    against, votes, garbage = 0, 0, 0
    for ahead in range(1, AHEAD + 1):
        place = at + ahead * RECORD
        if place + RECORD > data.shape[0]:
            break
        kind, then = peek(data, place, width, height)
        if kind == IMPOSSIBLE:
            garbage += 1
        elif started:
            votes += 1
            against += abs(apart(then, last)) < abs(apart(then, raw))
        else:
            votes += 1
            against += WRAP_PAUSE_US - _CIRCLE <= then - raw < -LEAP_US
    return DROP if against * 2 > votes or garbage > votes else BELIEVE
