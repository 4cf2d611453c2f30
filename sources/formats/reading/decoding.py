"""The compiled loop that turns records of ATIS into columns, and distinguishes records from garbage.

One record cannot be distinguished from garbage, a sequence can. A record whose time leaps by more than
10 ms from the one before, or that no camera could have written, is a suspect. Suspects, and only they,
are compared with the records that follow: sound files are read at full speed.

All of it stands in one file because Numba's cache notices changes only in the file of the function that
is called: a loop that calls another file's would go on with the old one.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled
from spikecut.sources.formats.reading.ordering import REORDER_US, RESET_US

ATIS_BYTES = 5
AHEAD = 32  # records with which a suspect is compared
LEAP_US = REORDER_US
MARK_ROW, MARK_US = 240, 1 << 13  # in ATIS files this row is no event: it moves the clock on
EVENT, SIGNAL, OUTSIDE, IMPOSSIBLE = 0, 1, 2, 3  # what a record can be; a signal is sound but no event
BELIEVE, DROP = 0, -1

# Where a kernel keeps its place between blocks: an int64 each. DISORDER is 1 where records of any time may follow each
# other, as they will be sorted: then a leap of time is no reason for doubt.
STATE = 13
CONSUMED, STARTED, CLOCK, RAW, PENDING, SIGNALS, SIGNAL_AT, BAD, BAD_BYTES, BAD_AT, OUTSIDE_AT, OFFSET, DISORDER = (
    range(STATE)
)
WRAP_PAUSE_US = 600_000_000  # a longer silence across the wrap is taken for a reset of the clock


@compiled(nogil=True)
def decode_atis(
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

    Marks count only between two believed events: one read out of garbage would shift all that follows.
    `pending` is how many wait for the second of them; after a record that was not believed it is -1.
    """
    size = data.shape[0]
    at, n = 0, np.uint64(0)
    clock, marked, pending, started = state[CLOCK], state[RAW], state[PENDING], state[STARTED]
    while at + ATIS_BYTES <= size:
        row = data[at + 1]
        if row == MARK_ROW:
            if pending < 0:
                note_bad(state, at, ATIS_BYTES)
            else:
                pending += 1
            at += ATIS_BYTES
            continue
        high = data[at + 2]
        passed = marked + MARK_US * max(pending, 0)
        time = passed + (np.int64(high & 0x7F) << 16 | np.int64(data[at + 3]) << 8 | np.int64(data[at + 4]))
        if started and (time - clock > LEAP_US or clock - time > LEAP_US):
            if not final and size - at < (AHEAD + 2) * ATIS_BYTES:
                break
            verdict = weigh(data, at, width, height, 1 - state[DISORDER], clock - passed, shift)
            if verdict != BELIEVE:
                skipped = ATIS_BYTES if verdict == DROP else verdict
                for mark in range(pending):
                    note_bad(state, at - (pending - mark) * ATIS_BYTES, ATIS_BYTES)
                note_bad(state, at, skipped)
                at, pending = at + skipped, -1
                continue
        if not (clock - RESET_US <= time < clock - LEAP_US) or not started:  # a late one moves no clock
            clock, started, marked, pending = time, 1, passed, 0
        if (data[at] >= width or row >= height) and state[OUTSIDE_AT] < 0:
            state[OUTSIDE_AT] = state[OFFSET] + at
        t[n] = time
        x[n] = data[at]
        y[n] = row
        p[n] = high >> 7
        n += np.uint64(1)
        at += ATIS_BYTES
    state[CLOCK], state[RAW], state[PENDING], state[STARTED], state[CONSUMED] = (
        clock,
        marked,
        pending,
        started,
        at,
    )
    return int(n)


@compiled(nogil=True)
def note_bad(state: Any, at: int, n_bytes: int) -> None:
    """Adds a stretch that could not be decoded; less than a record counts as one event."""
    state[BAD] += 1
    state[BAD_BYTES] += n_bytes
    if state[BAD_AT] < 0:
        state[BAD_AT] = state[OFFSET] + at


@compiled(nogil=True)
def peek(data: Any, at: int, width: int, height: int) -> Any:
    """What the record at `at` is, and its time as it stands in the file."""
    raw = np.int64(data[at + 2] & 0x7F) << 16 | np.int64(data[at + 3]) << 8 | np.int64(data[at + 4])
    if data[at + 1] == MARK_ROW:
        return SIGNAL, raw
    return (EVENT if data[at] < width and data[at + 1] < height else OUTSIDE), raw


@compiled(nogil=True)
def survey(data: Any, at: int, width: int, height: int) -> Any:
    """What the next AHEAD records look like if they begin at `at`.

    Returns how many there are, how many lie outside the sensor, how many step back in time by a leap, and the
    typical (median) step, in µs.
    """
    steps = np.zeros(AHEAD, np.int64)
    n, bad, back, n_steps, before, marked = 0, 0, 0, 0, np.int64(-1), np.int64(0)
    while n < AHEAD and at + ATIS_BYTES <= data.shape[0]:
        kind, raw = peek(data, at, width, height)
        if kind == SIGNAL:
            marked += MARK_US
        else:
            bad += kind == OUTSIDE
            if before >= 0:
                step = raw + marked - before
                back += step < -LEAP_US
                steps[n_steps] = abs(step)
                n_steps += 1
            before = raw + marked
        n += 1
        at += ATIS_BYTES
    typical = np.sort(steps[:n_steps])[n_steps // 2] if n_steps else np.int64(0)
    return n, bad, back, typical


@compiled(nogil=True)
def weigh(data: Any, at: int, width: int, height: int, judged: int, last: int, shift: bool) -> int:
    """What to do with the suspect at `at`; `last` is the time before it, in the file's own count.

    - a number of bytes to skip, if from there on the records make sense and from here they do not:
      most from here lie outside, or time runs eight times as smoothly from there (of all offsets
      the smoothest: read one byte late, time in an ATIS file runs smoothly, too, but 256 times as fast);
    - DROP, if time jumps about in the records after it, or if most of them are nearer to the time before it
      than to its own, which is then a slip;
    - BELIEVE else, or if leaps are not `judged`. A step back of a second at most is believed too: ordering.py
      judges it.
    """
    n, bad, back, typical = survey(data, at, width, height)
    if shift:
        best, smoothest, sound = 0, np.int64(0), False
        for skip in range(1, ATIS_BYTES):
            m, m_bad, m_back, m_typical = survey(data, at + skip, width, height)
            if m >= 8 and m_bad * 2 <= m and (best == 0 or m_typical < smoothest):
                best, smoothest = skip, m_typical
                sound = m_bad * 8 <= m and m_back * 8 <= m
        if best and (bad * 2 > n or smoothest * 8 < typical):
            return best if sound else DROP  # not sound yet: more garbage lies before the place to go on
    _, raw = peek(data, at, width, height)
    if not judged or -RESET_US <= raw - last < 0:
        return BELIEVE
    if back * 8 > n:
        return DROP
    against, votes, marked = 0, 0, np.int64(0)
    for ahead in range(1, AHEAD + 1):
        place = at + ahead * ATIS_BYTES
        if place + ATIS_BYTES > data.shape[0]:
            break
        kind, then = peek(data, place, width, height)
        if kind == SIGNAL:
            marked += MARK_US
        else:
            votes += 1
            then += marked
            against += abs(then - last) < abs(then - raw)
    return DROP if against * 2 > votes else BELIEVE
