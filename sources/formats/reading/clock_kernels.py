"""The compiled loops that judge the times of a recording; the rules stand in `ordering`.

Each verdict looks at the events that follow, so a loop may stop before the end of what it is given: it is then called
again with the rest and what comes after it.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

REORDER_US = 10_000
RESET_US = 1_000_000
SETTLED_US = 20_000
AHEAD = 32  # events that vote on a leap, and that make a clock believed
FAR_AHEAD = 65_536  # where the search for the end of a step back ends
LATEST_US = 1 << 62  # so that differences fit into 64 bits

KEEP, LATE, RESET, LEAP = 0, 1, 2, 3

# What is known of the clock between two calls: an int64 each.
CLOCK = 2
NEWEST, FRESH = range(CLOCK)


@compiled(nogil=True, boundscheck=False)
def scan(t: Any, x: Any, y: Any, width: int, height: int) -> Any:
    """Whether a pixel lies outside the sensor, and how many steps are not 0 to 10 ms."""
    right, bottom = np.uint16(0), np.uint16(0)
    for i in range(x.shape[0]):
        right = max(right, x[i])
    for i in range(y.shape[0]):
        bottom = max(bottom, y[i])
    jumps: Any = 0
    for i in range(1, t.shape[0]):
        jumps += np.uint64(t[i] - t[i - 1]) > np.uint64(REORDER_US)
    return np.int64(right) >= width or np.int64(bottom) >= height, jumps


@compiled(nogil=True)
def judge(t: Any, clock: Any, final: bool, verdicts: Any) -> int:
    """One verdict an event, as far as what follows is known; returns for how many. `final`: nothing follows `t`."""
    n, i = t.shape[0], 0
    while i < n:
        step = t[i] - clock[NEWEST]
        if clock[FRESH]:
            if n - i <= 2 and not final:
                return i
            if next_two_are_behind(t, i, RESET_US):
                verdicts[i] = LEAP
                i += 1
                continue
            clock[NEWEST], clock[FRESH] = t[i], 0
            verdicts[i] = RESET
            i += 1
        elif -REORDER_US <= step <= REORDER_US:
            clock[NEWEST] = max(clock[NEWEST], t[i])
            verdicts[i] = KEEP
            i += 1
        elif step > 0:
            if n - i <= AHEAD and not final:
                return i
            verdicts[i] = judge_leap(t, i, clock[NEWEST])
            if verdicts[i] != LEAP:
                clock[NEWEST] = t[i]
            i += 1
        else:
            believed, end = judge_fall(t, i, clock[NEWEST], final)
            if end < 0:
                return i
            for late in range(i, end):
                verdicts[late] = LATE
            i = end
            if believed:
                verdicts[i] = RESET
                clock[NEWEST] = t[i]
                i += 1
    return int(n)


@compiled(nogil=True)
def judge_leap(t: Any, i: int, before: Any) -> Any:
    """An event more than 10 ms ahead: LEAP if the next two, or most of the next 32, belong to the time before it."""
    own, against, votes = t[i], 0, 0
    for j in range(i + 1, min(i + 1 + AHEAD, t.shape[0])):
        against += abs(t[j] - before) < abs(t[j] - own)
        votes += 1
    return LEAP if against * 2 > votes or next_two_are_behind(t, i, own - before + REORDER_US) else KEEP


@compiled(nogil=True)
def next_two_are_behind(t: Any, i: int, most_us: Any) -> Any:
    """Whether the next two events are both more than 10 ms earlier, and at most `most_us`."""
    if i + 2 >= t.shape[0]:
        return False
    first, second = t[i] - t[i + 1], t[i] - t[i + 2]
    return REORDER_US < first <= most_us and REORDER_US < second <= most_us


@compiled(nogil=True)
def judge_fall(t: Any, i: int, newest: int, final: bool) -> Any:
    """A step back of more than 10 ms: whether a new clock is believed, and the first event that is not late.

    The second is -1 if that cannot be known before more events are there.
    """
    n, at, count, went = t.shape[0], t[i], 1, 0
    far_back = newest - t[i] > RESET_US
    for j in range(i + 1, min(n, i + FAR_AHEAD)):
        if t[j] >= newest - REORDER_US:
            return False, j
        if at - REORDER_US <= t[j] <= at + REORDER_US:
            went += max(0, t[j] - at)
            at = max(at, t[j])
        else:
            at = t[j]
        count += 1
        if count >= AHEAD and (far_back or went >= SETTLED_US):
            return True, i
    if n - i >= FAR_AHEAD:
        return True, i
    if not final:
        return False, -1
    for j in range(i, n - 1):  # one event alone does not make a clock
        if newest - t[j] > RESET_US:
            return True, j
    return False, n
