"""Finds the place of a time in a file of records whose times increase, by reading a few of them."""

from collections.abc import Callable
from itertools import pairwise

from spikecut.sources.formats.reading.ordering import REORDER_US

_PROBES = 65


def place_before(time_us: int, n: int, time_at: Callable[[int], int | None]) -> int | None:
    """The number of a record such that all events at `time_us` or later follow it; None if that is not certain.

    `time_at(i)` is the time around record i, of `n`, or None where it cannot be known. Records may be in disorder by
    the 10 ms that `ordering` allows. Times that fall by more between evenly spread probes mean that the clock was
    reset: then the place cannot be known.

    >>> place_before(500_000, 1_000, lambda i: i * 1_000)
    489
    """
    if n < 1:
        return None
    places = sorted({i * (n - 1) // (_PROBES - 1) for i in range(_PROBES)})
    probes = [(place, time) for place in places if (time := time_at(place)) is not None]
    if not probes or any(after < before - REORDER_US for (_, before), (_, after) in pairwise(probes)):
        return None
    wanted_us = time_us - REORDER_US
    low = max((place for place, time in probes if time < wanted_us), default=0)
    high = min((place for place, time in probes if time >= wanted_us and place > low), default=n)
    while high - low > 1:
        middle = (low + high) // 2
        time = time_at(middle)
        if time is None:
            break
        if time < wanted_us:
            low = middle
        else:
            high = middle
    return low
