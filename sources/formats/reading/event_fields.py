"""What libraries call the four fields of an event, and times in any unit as microseconds."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from spikecut.pipeline.arrays.columns import NAMES
from spikecut.pipeline.arrays.values import DURATIONS
from spikecut.pipeline.events import DropCause, DropCounts
from spikecut.sources.formats.reading.ordering import Chunk

UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6, "ns": 1e-3}
LATEST_US = 2**62
_ALIASES = {
    "microseconds": "us", "microsecond": "us", "usec": "us", "µs": "us", "milliseconds": "ms", "millisecond": "ms",
    "msec": "ms", "seconds": "s", "second": "s", "sec": "s", "nanoseconds": "ns", "nanosecond": "ns", "nsec": "ns",
}  # fmt: skip


def event_fields(names: Iterable[str]) -> dict[str, str] | None:
    """Which of the names stands for t, x, y and p; None if one of them is missing.

    >>> event_fields(["x", "y", "timestamp", "polarity"])
    {'t': 'timestamp', 'x': 'x', 'y': 'y', 'p': 'polarity'}
    """
    there = set(names)
    fields = {field: next((name for name in known if name in there), None) for field, known in NAMES.items()}
    return {field: name for field, name in fields.items() if name is not None} if None not in fields.values() else None


def unit_of(word: str) -> str | None:
    """A unit of time by one of its usual names, or None.

    >>> unit_of("Seconds")
    's'
    """
    word = word.strip().lower()
    word = _ALIASES.get(word, word)
    return word if word in UNITS else None


def microseconds(t: Any, unit: str, offset_us: int = 0) -> tuple[Any, Any]:
    """Times of any kind as int64 µs plus an offset, and which of them are times at all (True: all).

    Those that are not finite, or lie 146,000 years away, are none; they become 0. `timedelta64` says its own unit.

    >>> microseconds(np.array([0.5, np.nan, 2.0]), "ms")[0].tolist()
    [500, 0, 2000]
    """
    if not len(t):
        return np.zeros(0, np.int64), True
    if t.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.asarray(t, np.float64) * UNITS[unit] + offset_us
        good = np.abs(scaled) < LATEST_US  # false for NaN
        return np.rint(np.where(good, scaled, 0)).astype(np.int64), good
    if t.dtype.kind == "m":
        return _of_durations(t, offset_us)
    if t.dtype.itemsize < 4:
        t = t.astype(np.int64)
    if unit == "ns":
        t, factor = t // 1_000, 1
    else:
        factor = int(UNITS[unit])
    info = np.iinfo(t.dtype)
    low = max(-((LATEST_US + offset_us) // factor), info.min)
    high = min((LATEST_US - offset_us) // factor, info.max)
    if low > high:
        return np.zeros(len(t), np.int64), np.zeros(len(t), bool)
    if int(t.min()) >= low and int(t.max()) <= high:
        if t.dtype == np.int64 and factor == 1 and offset_us == 0:
            return t, True
        return t.astype(np.int64) * factor + offset_us, True
    good = (t >= low) & (t <= high)
    return np.where(good, np.where(good, t, t.dtype.type(0)).astype(np.int64) * factor + offset_us, 0), good


def _of_durations(t: Any, offset_us: int) -> tuple[Any, Any]:
    """`timedelta64` as µs, rounded to the nearest; NaT is no time."""
    unit, multiple = np.datetime_data(t.dtype)
    per = DURATIONS[unit] * multiple
    ticks, limit = t.astype(np.int64), (LATEST_US - abs(offset_us)) // per.numerator
    good = ~np.isnat(t) & (ticks <= limit) & (ticks >= -limit)
    scaled = np.where(good, ticks, 0) * per.numerator
    whole, rest = scaled // per.denominator, scaled % per.denominator
    return np.where(good, whole + (rest >= per.denominator - rest) + offset_us, 0), good


def event_chunk(columns: dict[str, Any], unit: str, offset_us: int = 0, at_byte: int | None = None) -> Chunk:
    """The columns t, x, y and p of any numbers as a chunk; what cannot be an event is counted as unreadable.

    That is a time that is none (`microseconds`), a polarity other than 0, 1 and -1, and a pixel between two. Pixels
    that do not fit into 16 bits become 65,535, which lies outside every sensor but the largest. `at_byte` is where the
    rows begin.
    """
    t, good = microseconds(columns["t"], unit, offset_us)
    p = columns["p"]
    if p.dtype == np.bool_ or p.dtype != np.uint8 or (len(p) and p.max() > 1):
        if p.dtype != np.bool_:
            good = good & ((p == 0) | (p == 1) | (p == -1))
        p = (p > 0).astype(np.uint8)
    pixels = {}
    for name in "xy":
        values = columns[name]
        if values.dtype.kind == "f":
            good = good & (values == np.floor(values))
            values = np.where(np.abs(values) <= 65_535, values, 65_535).astype(np.int64)
        elif values.dtype.itemsize == 8 and values.dtype.kind == "u":
            values = np.minimum(values, 65_535).astype(np.int64)
        if values.dtype.kind == "i" or values.dtype.itemsize > 2:
            values = values.astype(np.int64, copy=False)
            values = np.where((values < 0) | (values > 65_535), 65_535, values)
        pixels[name] = values.astype(np.uint16, copy=False)
    chunk = Chunk(t, pixels["x"], pixels["y"], p)
    if good is True or good.all():
        return chunk
    lost = DropCounts.of(DropCause.unreadable, int((~good).sum()), at_byte=at_byte)
    kept = chunk.taken(good)
    return Chunk(kept.t, kept.x, kept.y, kept.p, lost)
