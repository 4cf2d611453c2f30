"""Times in any unit as whole microseconds, pixels and polarities as they stand in an `EventBatch`.

Integer times are microseconds: Tonic, faery, AEStream, dv-processing, expelliarmus, OpenEB, evutils and spikingjelly
all store them so. `timedelta64` and `datetime64` state their unit. Floats may be seconds or microseconds, so they need
a given unit.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Int64, Shaped, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import EventError

TimeUnit = Literal["s", "ms", "us", "ns"]
UNITS: Mapping[str, Fraction] = {
    "s": Fraction(1_000_000),
    "ms": Fraction(1_000),
    "us": Fraction(1),
    "ns": Fraction(1, 1_000),
}
_LONGEST = 2**63 - 2  # so that the end of the last microsecond is an int64, too


def times_us(t: Shaped[ndarray, " N"], unit: TimeUnit | None = None) -> Int64[ndarray, " N"]:
    """Times as whole microseconds, rounded to the nearest; always an array of its own.

    Raises:
        EventError: at the first that is no finite number or does not fit into 64 bits; if floats come without a unit,
            the unit is unknown or contradicts the type, or the column holds no times.

    >>> times_us(np.array([10_400, 10_600], "m8[ns]")).tolist(), times_us(np.array([0.25, 1.5]), "s").tolist()
    ([10, 11], [250000, 1500000])
    """
    if unit is not None and unit not in list(UNITS):
        raise EventError(f"time_unit={unit!r}; expected one of {', '.join(UNITS)}")
    kind = t.dtype.kind
    if kind in "mM":
        return _of_durations(t, unit)
    if kind in "iu":
        return _scaled(t, UNITS[unit or "us"])
    if kind != "f":
        raise EventError(f"the times are {_type_of(t)}; expected numbers or timedelta64")
    finite = np.isfinite(t)
    if not finite.all():
        at = int(np.argmin(finite))
        raise EventError(f"event {at}: time {t[at]}; expected a finite number")
    if unit is None:
        raise EventError(
            f"the times are {t.dtype} without a unit: they may be seconds or microseconds",
            hint='give it: time_unit="s", "ms", "us" or "ns"',
        )
    per = UNITS[unit]
    wide = t.astype(np.float64) if t.dtype.itemsize < 8 else t
    rounded = np.rint(wide * float(per.numerator) / float(per.denominator))
    return _checked(rounded, t)


def _of_durations(t: Shaped[ndarray, " N"], unit: TimeUnit | None) -> Int64[ndarray, " N"]:
    """`timedelta64` and `datetime64`, which say their unit; a date is the time since 1970."""
    name, multiple = np.datetime_data(t.dtype)
    own = DURATIONS.get(name)
    if own is None:
        raise EventError(
            f"the times are {t.dtype}, which is no number of seconds",
            hint='convert them first, such as t.astype("m8[us]")',
        )
    if unit is not None and UNITS[unit] != own * multiple:
        raise EventError(f"time_unit={unit!r}, but the times are {t.dtype}", hint="leave time_unit out")
    missing = np.isnat(t)
    if missing.any():
        raise EventError(f"event {int(np.argmax(missing))}: time NaT; expected a time")
    return _scaled(t.astype(t.dtype.newbyteorder("=")).view(np.int64), own * multiple)


DURATIONS: Mapping[str, Fraction] = {
    "W": Fraction(604_800_000_000),
    "D": Fraction(86_400_000_000),
    "h": Fraction(3_600_000_000),
    "m": Fraction(60_000_000),
    "s": Fraction(1_000_000),
    "ms": Fraction(1_000),
    "us": Fraction(1),
    "ns": Fraction(1, 10**3),
    "ps": Fraction(1, 10**6),
    "fs": Fraction(1, 10**9),
    "as": Fraction(1, 10**12),
}


def _scaled(t: Shaped[ndarray, " N"], per: Fraction) -> Int64[ndarray, " N"]:
    """Integers of so many microseconds each."""
    if not len(t):
        return np.zeros(0, np.int64)
    limit = _LONGEST // per.numerator
    large = t > limit if t.dtype.kind == "u" else (t > limit) | (t < -limit)
    if large.any():
        at = int(np.argmax(large))
        raise EventError(f"event {at}: time {t[at]} does not fit into 64 bits of microseconds")
    exact = t.astype(np.int64)
    if per.denominator == 1:
        return exact if per == 1 else exact * per.numerator
    whole, rest = exact // per.denominator, exact % per.denominator
    return whole + (rest >= per.denominator - rest)


def _checked(rounded: Shaped[ndarray, " N"], t: Shaped[ndarray, " N"]) -> Int64[ndarray, " N"]:
    large = ~(np.abs(rounded) < 2.0**63)
    if large.any():
        at = int(np.argmax(large))
        raise EventError(f"event {at}: time {t[at]} does not fit into 64 bits of microseconds")
    return np.asarray(rounded.astype(np.int64))


def inside_of(x: Shaped[ndarray, " N"], y: Shaped[ndarray, " N"], width: int, height: int) -> Bool[ndarray, " N"]:
    """Which events lie on a sensor; not a number lies outside.

    Raises:
        EventError: if a column does not hold numbers.
    """
    for name, column in (("x", x), ("y", y)):
        if column.dtype.kind not in "iufb":
            raise EventError(f"column {name} is {_type_of(column)}; expected numbers")
    return np.asarray((x >= 0) & (y >= 0) & (x < width) & (y < height))


def check_pixels(**columns: Shaped[ndarray, " N"]) -> None:
    """Refuses coordinates between two pixels; those that are not finite lie outside the sensor.

    Raises:
        EventError: at the first with a fraction.
    """
    for name, column in columns.items():
        if column.dtype.kind != "f":
            continue
        broken = np.isfinite(column) & (column != np.floor(column))
        if broken.any():
            at = int(np.argmax(broken))
            raise EventError(
                f"event {at}: {name} is {column[at]}; expected a whole pixel, counted from 0",
                hint="if the centre of a pixel is meant, round down first: np.floor",
            )


def check_order(t: Int64[ndarray, " N"]) -> None:
    """Refuses times that run backwards.

    Raises:
        EventError: at the first that is earlier than the one before it.
    """
    if len(t) > 1 and (backwards := np.flatnonzero(t[1:] < t[:-1])).size:
        at = int(backwards[0]) + 1
        raise EventError(
            f"event {at}: time runs back from {t[at - 1]} to {t[at]} us",
            hint="sort the events by t, or cut the array where the clock was reset",
        )


def polarity_of(p: Shaped[ndarray, " N"]) -> UInt8[ndarray, " N"]:
    """Booleans, {0, 1} or {-1, 1} as 0 OFF and 1 ON.

    Raises:
        EventError: at the first that is none of those.
    """
    if p.dtype == np.bool_:
        return p.astype(np.uint8)
    if p.dtype.kind not in "iuf":
        raise EventError(f"the polarities are {_type_of(p)}; expected booleans or numbers")
    wrong = (p != 1) & (p != 0) & (p != -1)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise EventError(f"event {at}: polarity {p[at]}; expected a boolean, 0 and 1, or -1 and 1")
    return (p > 0).astype(np.uint8)


def _type_of(column: Shaped[ndarray, "..."]) -> str:
    if column.dtype.kind == "O" and column.size:
        return f"objects such as {_shortened(column.flat[0])}"
    return f"of type {column.dtype}"


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
