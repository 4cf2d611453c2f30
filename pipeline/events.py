"""What flows through the house: batches of events, and the frames they are counted into.

Time is int64 microseconds of the recording's clock, intervals are half open, x runs right and y runs
down from the top left pixel. Arrays inside these values are not written to once made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from jaxtyping import Int64, Num, Shaped, UInt8, UInt16
from numpy import ndarray

from spikecut.pipeline.errors import EventError


@dataclass(frozen=True, slots=True)
class SensorSize:
    """How many pixels a sensor has: `width` along x, `height` along y."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if not (0 < self.width <= 65_536 and 0 < self.height <= 65_536):
            raise EventError(f"a sensor of {self.width} x {self.height} pixels; both must lie in 1..65536")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class DropCause(StrEnum):
    """Why an event was not used. The value is the word in every report; `sentence` explains it."""

    cut_off = "cut_off"
    unreadable = "unreadable"
    outside_sensor = "outside_sensor"
    outside_crop = "outside_crop"
    late = "late"
    invalid = "invalid"
    special = "special"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    DropCause.cut_off: "the file ends inside a record",
    DropCause.unreadable: "a stretch of the file could not be decoded",
    DropCause.outside_sensor: "the pixel lies outside the sensor",
    DropCause.outside_crop: "the pixel lies outside the crop",
    DropCause.late: "its time lies further back than events are put in order again",
    DropCause.invalid: "the camera itself marked the event as invalid",
    DropCause.special: "a trigger or another signal of the camera, not the event of a pixel",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """What one cause took: `events` (an incomplete record counts as one), `bytes` of the file, first place."""

    events: int
    bytes: int = 0
    at_byte: int | None = None

    def __add__(self, other: "Loss") -> "Loss":
        places = [place for place in (self.at_byte, other.at_byte) if place is not None]
        return Loss(self.events + other.events, self.bytes + other.bytes, min(places, default=None))


@dataclass(frozen=True, slots=True)
class DropCounts:
    """Events that were read but not used, by cause. `read = used + total` holds everywhere.

    >>> two = DropCounts.of(DropCause.late, events=2) + DropCounts.of(DropCause.late, events=1)
    >>> two.total, two.events_by_cause()
    (3, {'late': 3})
    """

    losses: Mapping[DropCause, Loss] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, cause: DropCause, events: int, bytes: int = 0, at_byte: int | None = None) -> "DropCounts":
        """A count with one cause; with neither events nor bytes it is empty."""
        return cls(MappingProxyType({cause: Loss(events, bytes, at_byte)})) if events or bytes else NOTHING_LOST

    @property
    def total(self) -> int:
        return sum(loss.events for loss in self.losses.values())

    def __bool__(self) -> bool:
        return bool(self.losses)

    def __add__(self, other: "DropCounts") -> "DropCounts":
        if not self.losses or not other.losses:
            return self if self.losses else other
        merged = dict(self.losses)
        for cause, loss in other.losses.items():
            merged[cause] = merged[cause] + loss if cause in merged else loss
        return DropCounts(MappingProxyType(merged))

    def events_by_cause(self) -> dict[str, int]:
        """Plain words and numbers, for JSON and for people."""
        return {cause.value: loss.events for cause, loss in self.losses.items()}


NOTHING_LOST = DropCounts()

_TONIC = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
_COLUMN_DTYPES = (np.int64, np.uint16, np.uint16, np.uint8)


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
        columns = {"t": self.t, "x": self.x, "y": self.y, "p": self.p}
        for (name, column), dtype in zip(columns.items(), _COLUMN_DTYPES, strict=True):
            if column.dtype != dtype or column.ndim != 1 or len(column) != len(self.t):
                raise EventError(
                    f"column {name} is {column.dtype} of shape {column.shape}; "
                    f"expected {np.dtype(dtype)} of shape ({len(self.t)},)"
                )
        if self.end_us < self.start_us:
            raise EventError(f"the batch ends at {self.end_us} us, before its start at {self.start_us} us")
        if len(self.t) and not self.start_us <= self.t[0] <= self.t[-1] < self.end_us:
            raise EventError(
                f"events from {self.t[0]} to {self.t[-1]} us in a batch of {self.start_us} <= t < {self.end_us}"
            )

    def __len__(self) -> int:
        return len(self.t)

    @classmethod
    def from_structured(cls, events: Shaped[ndarray, " N"], sensor: SensorSize, *, segment: int = 0) -> "EventBatch":
        """The one door in for arrays of Tonic, faery, AEStream, expelliarmus, OpenEB, dv-processing.

        Fields are found by name, whatever their order and type: `t`, `timestamp` or `ts` in µs, `x`, `y`,
        and `p`, `polarity` or `on` as booleans, {0, 1} or {-1, 1}. The caller's array is not changed.

        Raises:
            EventError: a field is missing, time runs backwards, a pixel lies outside the sensor, or a
                polarity is none of those.

        >>> fields = [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")]
        >>> events = np.array([(3, 1, 10, True), (0, 2, 12, False)], fields)
        >>> batch = EventBatch.from_structured(events, SensorSize(4, 4))
        >>> batch.t.tolist(), batch.p.tolist(), batch.end_us
        ([10, 12], [1, 0], 13)
        """
        t = column_of(events, "t", "timestamp", "ts").astype(np.int64)
        x, y = column_of(events, "x"), column_of(events, "y")
        p = column_of(events, "p", "polarity", "on")
        if len(t) > 1 and (backwards := np.flatnonzero(np.diff(t) < 0)).size:
            at = int(backwards[0]) + 1
            raise EventError(
                f"event {at}: time runs back from {t[at - 1]} to {t[at]} us",
                hint="sort the events by t, or cut the array where the clock was reset",
            )
        outside = (x < 0) | (y < 0) | (x >= sensor.width) | (y >= sensor.height)
        if outside.any():
            at = int(np.argmax(outside))
            raise EventError(f"event {at}: pixel ({x[at]}, {y[at]}) on a {sensor} sensor")
        return cls(
            t=t,
            x=x.astype(np.uint16),
            y=y.astype(np.uint16),
            p=polarity_of(p),
            start_us=int(t[0]) if len(t) else 0,
            end_us=int(t[-1]) + 1 if len(t) else 0,
            sensor=sensor,
            segment=segment,
        )

    def to_structured(self) -> Shaped[ndarray, " N"]:
        """The one door out: an array in Tonic's order and types, `x<i2, y<i2, t<i8, p?`."""
        events = np.empty(len(self), _TONIC)
        events["x"], events["y"], events["t"], events["p"] = self.x, self.y, self.t, self.p
        return events


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


def column_of(events: Shaped[ndarray, " N"], *names: str) -> Shaped[ndarray, " N"]:
    """The field of a structured array that bears one of these names.

    Raises:
        EventError: if there is none.
    """
    found = events.dtype.names or ()
    for name in names:
        if name in found:
            return np.asarray(events[name])
    raise EventError(f"no field {' or '.join(names)} among {', '.join(found) or 'none'}")


def polarity_of(p: Shaped[ndarray, " N"]) -> UInt8[ndarray, " N"]:
    """Booleans, {0, 1} or {-1, 1} as 0 OFF and 1 ON.

    Raises:
        EventError: at the first that is none of those.
    """
    if p.dtype == np.bool_:
        return p.astype(np.uint8)
    wrong = (p != 1) & (p != 0) & (p != -1)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise EventError(f"event {at}: polarity {p[at]}; expected a boolean, 0 and 1, or -1 and 1")
    return (p > 0).astype(np.uint8)
