"""The data of a stream: batches of events, and the frames they are counted into.

Time is int64 microseconds of the recording's clock, intervals are half open, x runs right and y runs
down from the top left pixel. Arrays inside these values are not written to once made.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Int64, Num, Shaped, UInt8, UInt16
from numpy import ndarray

from spikecut.pipeline.arrays.columns import column_of, raw_columns
from spikecut.pipeline.arrays.layouts import structured
from spikecut.pipeline.arrays.values import TimeUnit, check_order, check_pixels, inside_of, polarity_of, times_us
from spikecut.pipeline.drop_counts import NOTHING_LOST, DropCause, DropCounts, Loss
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.files.arguments import kind_of, one_of, whole
from spikecut.pipeline.files.strict import unexpected

__all__ = [
    "NOTHING_LOST",
    "DropCause",
    "DropCounts",
    "EventBatch",
    "Frame",
    "Loss",
    "SensorSize",
    "column_of",
    "polarity_of",
]


@dataclass(frozen=True, slots=True)
class SensorSize:
    """How many pixels a sensor has: `width` along x, `height` along y."""

    width: int
    height: int

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            object.__setattr__(self, name, whole(name, getattr(self, name)))
        if not (0 < self.width <= 65_536 and 0 < self.height <= 65_536):
            raise EventError(f"a sensor of {self.width} x {self.height} pixels; both must lie in 1..65536")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @classmethod
    def of(cls, size: Any, name: str = "sensor") -> "SensorSize":
        """A size as it is, or made of a pair (width, height).

        Raises:
            ConfigError: if it is neither; `name` is that of the argument.

        >>> SensorSize.of((34, 34))
        SensorSize(width=34, height=34)
        """
        if isinstance(size, cls):
            return size
        if isinstance(size, tuple | list) and len(size) == 2:
            return cls(whole(f"{name}[0]", size[0]), whole(f"{name}[1]", size[1]))
        raise ConfigError(f"{name}: found {size!r:.60}; expected SensorSize(width, height), or the pair of them")


_COLUMN_DTYPES = tuple(map(np.dtype, (np.int64, np.uint16, np.uint16, np.uint8)))


@dataclass(frozen=True, slots=True, eq=False)
class EventBatch:
    """A stretch of a stream: every event with `start_us <= t < end_us`, oldest first.

    An empty batch still says that time passed. `segment` is one more after every reset of the clock;
    within a segment time never runs backwards, and batches tile it. `lost` is what was dropped since
    the batch before.

    Construction checks shapes, dtypes and the two ends of `t`; order in between is checked by
    `from_structured`, the door for arrays of unknown origin.
    """

    t: Int64[ndarray, " N"]
    x: UInt16[ndarray, " N"]
    y: UInt16[ndarray, " N"]
    p: UInt8[ndarray, " N"]
    start_us: int
    end_us: int
    sensor: SensorSize
    segment: int = 0
    lost: DropCounts = NOTHING_LOST

    def __post_init__(self) -> None:
        n = getattr(self.t, "size", 0)
        for name, column, dtype in zip("txyp", (self.t, self.x, self.y, self.p), _COLUMN_DTYPES, strict=True):
            if not isinstance(column, ndarray):
                raise unexpected(name, column, f"an array of {dtype}, or EventBatch.from_structured(columns)")
            if column.dtype != dtype or column.shape != (n,):
                raise EventError(
                    f"column {name} is {column.dtype} of shape {column.shape}; expected {dtype} of shape ({n},)"
                )
        for name, value in (("start_us", self.start_us), ("end_us", self.end_us), ("segment", self.segment)):
            if type(value) is not int:
                object.__setattr__(self, name, whole(name, value))
        kind_of("sensor", self.sensor, SensorSize, "a SensorSize", "such as SensorSize(128, 128)")
        kind_of("lost", self.lost, DropCounts, "DropCounts")
        if self.end_us < self.start_us:
            raise EventError(f"the batch ends at {self.end_us} us, before its start at {self.start_us} us")
        if n and not self.start_us <= self.t[0] <= self.t[-1] < self.end_us:
            raise EventError(
                f"events from {self.t[0]} to {self.t[-1]} us in a batch of {self.start_us} <= t < {self.end_us}"
            )

    def __len__(self) -> int:
        return len(self.t)

    @classmethod
    def from_structured(
        cls,
        events: Any,
        sensor: SensorSize | tuple[int, int],
        *,
        segment: int = 0,
        columns: str | Sequence[str] | None = None,
        time_unit: TimeUnit | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
        outside: Literal["refuse", "drop"] = "refuse",
    ) -> "EventBatch":
        """The one door in for events of other libraries: structured arrays, dicts of columns, data frames.

        Columns are found by name, whatever their order and type: `t` (`timestamp`, `ts`, `time`), `x`, `y`, and `p`
        (`polarity`, `on`) as booleans, {0, 1} or {-1, 1}. A tuple of columns or an (N, 4) array needs their order:
        `columns="txyp"`. Integer times are µs, `timedelta64` says its unit, and floats need a `time_unit`. The batch
        lasts from the first event to the last, or from `start_us` to `end_us`, so that chunks of one array tile.
        Events outside the sensor are an error, or, with `outside="drop"`, counted in `lost`. The caller's array is
        not changed.

        Raises:
            EventError: a column is missing, masked or there twice, a time is not finite or has no unit, time runs
                backwards, a pixel lies outside the sensor or between two, or a polarity is none of those.
            ConfigError: another argument is of the wrong type, or `outside` another word.

        >>> fields = [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")]
        >>> events = np.array([(3, 1, 10, True), (0, 2, 12, False)], fields)
        >>> batch = EventBatch.from_structured(events, SensorSize(4, 4))
        >>> batch.t.tolist(), batch.p.tolist(), batch.end_us
        ([10, 12], [1, 0], 13)
        """
        sensor, segment = SensorSize.of(sensor), whole("segment", segment)
        one_of("outside", outside, ("refuse", "drop"))
        raw = raw_columns(events, columns)
        check_pixels(x=raw["x"], y=raw["y"])
        t, p = times_us(raw["t"], time_unit), polarity_of(raw["p"])
        inside = inside_of(raw["x"], raw["y"], sensor.width, sensor.height)
        lost = NOTHING_LOST
        if not inside.all():
            at, n_outside = int(np.argmin(inside)), int(len(inside) - np.count_nonzero(inside))
            if outside == "refuse":
                raise EventError(
                    f"event {at}: pixel ({raw['x'][at]}, {raw['y'][at]}) on a {sensor} sensor",
                    hint='give the array\'s own sensor, or count such events as lost: outside="drop"',
                )
            lost, t, p = DropCounts.of(DropCause.outside_sensor, n_outside), t[inside], p[inside]
            raw = {name: column[inside] for name, column in raw.items()}
        check_order(t)
        x, y = raw["x"].astype(np.uint16), raw["y"].astype(np.uint16)
        start_us = (int(t[0]) if len(t) else 0) if start_us is None else whole("start_us", start_us)
        end_us = (int(t[-1]) + 1 if len(t) else start_us) if end_us is None else whole("end_us", end_us)
        return cls(t, x, y, p, start_us, end_us, sensor, segment, lost)

    @classmethod
    def empty(cls, sensor: SensorSize) -> "EventBatch":
        """No events, of no time."""
        t, x, y, p = (np.zeros(0, dtype) for dtype in _COLUMN_DTYPES)
        return cls(t, x, y, p, 0, 0, sensor)

    def take(self, which: Int64[ndarray, " M"] | Bool[ndarray, " N"]) -> "EventBatch":
        """Some of the events, by a mask or by their places in increasing order; the rest stays as it is.

        Events that are left out are not counted in `lost`; the caller, who knows the cause, adds them there.
        """
        kind_of("which", which, ndarray, "an array: a mask, or places")
        if which.dtype == np.bool_:  # the places are looked for once, not once a column
            which = np.flatnonzero(which)
        if which.dtype.kind not in "iu" or (which.size and not -len(self) <= which.min() <= which.max() < len(self)):
            raise EventError(f"which: {which.dtype} of shape {which.shape}; expected places among {len(self)} events")
        return replace(self, t=self.t[which], x=self.x[which], y=self.y[which], p=self.p[which])

    def between(self, start_us: int, end_us: int) -> "EventBatch":
        """The part of this batch with `start_us <= t < end_us`, which begins and ends there or with the batch.

        Parts that tile the batch `concatenate` to it again: `lost` goes to the one that holds the batch's start.
        Columns are copied, so a short part does not keep a long batch in memory.

        Raises:
            EventError: if it would end before it starts.

        >>> fields = [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")]
        >>> events = np.array([(10, 3, 1, True), (12, 0, 2, False), (19, 0, 0, True)], fields)
        >>> part = EventBatch.from_structured(events, SensorSize(4, 4)).between(11, 15)
        >>> part.t.tolist(), part.start_us, part.end_us
        ([12], 11, 15)
        """
        start_us, end_us = whole("start_us", start_us), whole("end_us", end_us)
        if end_us < start_us:
            raise EventError(f"the part would end at {end_us} us, before its start at {start_us} us")
        own = slice(*np.searchsorted(self.t, (start_us, end_us)).tolist())
        begins, ends = (min(max(time_us, self.start_us), self.end_us) for time_us in (start_us, end_us))
        return replace(
            self,
            t=self.t[own].copy(),
            x=self.x[own].copy(),
            y=self.y[own].copy(),
            p=self.p[own].copy(),
            start_us=begins,
            end_us=ends,
            lost=self.lost if start_us <= self.start_us < end_us else NOTHING_LOST,
        )

    @classmethod
    def concatenate(cls, batches: Iterable["EventBatch"]) -> "EventBatch":
        """One batch of several that follow one another without a gap; what was lost adds up.

        Raises:
            EventError: if there is none, if the sensor or the segment changes, or if a batch does not start where the
                one before it ends.
        """
        parts = list(batches)
        if not parts:
            raise EventError("no batch to concatenate")
        for before, after in pairwise(parts):
            if (before.sensor, before.segment) != (after.sensor, after.segment):
                raise EventError(
                    f"segment {after.segment} of a {after.sensor} sensor after segment {before.segment} of a "
                    f"{before.sensor} sensor",
                    hint="batches of one segment and one sensor can be concatenated",
                )
            if before.end_us != after.start_us:
                raise EventError(f"a batch starts at {after.start_us} us where {before.end_us} us was due")
        return replace(
            parts[0],
            t=np.concatenate([part.t for part in parts]),
            x=np.concatenate([part.x for part in parts]),
            y=np.concatenate([part.y for part in parts]),
            p=np.concatenate([part.p for part in parts]),
            end_us=parts[-1].end_us,
            lost=sum((part.lost for part in parts), NOTHING_LOST),
        )

    def to_structured(self, like: str = "tonic") -> Shaped[ndarray, " N"]:
        """The one door out: an array in a library's order and types, Tonic's (`x<i2, y<i2, t<i8, p?`) unless named.

        Raises:
            ConfigError: if the library is none of `pipeline.arrays.layouts.LAYOUTS`.
            EventError: if a value does not fit its field.
        """
        return structured({"t": self.t, "x": self.x, "y": self.y, "p": self.p}, like)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The events of one time bin as an image: `pixels[p, y, x]` for `start_us <= t < end_us`.

    Or one look at a picture that stands still: `pixels[c, y, x]`, red, green and blue, of no events.

    `n_events` were counted into the pixels (all of them, also where a narrow counter is full);
    `lost` holds those dropped since the frame before. `segment` is one more after every restart of
    the time grid: a network has to start from rest there.
    """

    index: int
    segment: int
    start_us: int
    end_us: int
    pixels: Num[ndarray, "C H W"]
    n_events: int
    lost: DropCounts = NOTHING_LOST
