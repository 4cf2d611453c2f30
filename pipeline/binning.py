"""Events in, one image per time bin out, on time and each event once.

The grid starts at the first moment of the stream and is anchored there, so the same events give the
same frames however the stream was cut into batches. A silent scene still closes its bins; but after
`max_silence_bins` of silence the stream counts as interrupted, and the next event starts a new grid:
a jump in time, however far, costs no more than that.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, Frame, SensorSize
from spikecut.pipeline.files.arguments import finite, kind_of, one_of, whole
from spikecut.pipeline.kernels import SPILLS, count_bin

CounterType = Literal["uint8", "uint16", "float32"]
LAST_US = 2**63 - 1
LIMITS = {"uint8": 255, "uint16": 65_535, "float32": 2**24}  # above 2**24 a float32 cannot count by one


@dataclass(frozen=True, slots=True)
class CountBinner:
    """Counts the events of every `step_us` microseconds into `pixels[p, y, x]`.

    Counters stop at the largest number they hold; `binary` makes them stop at 1. `crop` keeps the
    pixels `(x, y, width, height)` of the sensor, then `downsample` merges squares of that side (a last
    incomplete square included). Events outside the crop are dropped and counted.

    >>> binner = CountBinner(SensorSize(4, 2), step_us=10)
    >>> fields = [("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "<u1")]
    >>> events = np.array([(0, 3, 0, 1), (4, 3, 0, 1), (25, 0, 1, 0)], fields)
    >>> frames = list(binner.bins([EventBatch.from_structured(events, binner.sensor)]))
    >>> [(f.start_us, f.n_events, int(f.pixels.max())) for f in frames]
    [(0, 2, 2), (10, 0, 0), (20, 1, 1)]
    """

    sensor: SensorSize
    step_us: int
    counter: CounterType = "uint8"
    binary: bool = False
    crop: tuple[int, int, int, int] | None = None
    downsample: int = 1
    max_silence_bins: int = 1_000

    def __post_init__(self) -> None:
        kind_of("sensor", self.sensor, SensorSize, "a SensorSize", "such as SensorSize(128, 128)")
        kind_of("step_us", self.step_us, (int, float, np.integer), "a number of microseconds")
        if finite("step_us", self.step_us) < 1:
            raise ConfigError(f"a bin of {self.step_us} us; it must last at least 1 us")
        one_of("counter", self.counter, LIMITS)
        kind_of("binary", self.binary, (bool, np.bool_), "True or False")
        whole("downsample", self.downsample)
        whole("max_silence_bins", self.max_silence_bins)
        if self.crop is not None:
            kind_of("crop", self.crop, (tuple, list), "(x, y, width, height)")
            if len(self.crop) != 4:
                raise ConfigError(f"crop: found {len(self.crop)} values; expected four: (x, y, width, height)")
            for at, value in enumerate(self.crop):
                whole(f"crop[{at}]", value)
        if not 1 <= self.downsample <= min(self.sensor.width, self.sensor.height):
            raise ConfigError(f"downsample by {self.downsample} on a {self.sensor} sensor")
        if self.max_silence_bins < 1:
            raise ConfigError(f"max_silence_bins is {self.max_silence_bins}; it must be at least 1")
        x, y, width, height = self.window
        if (
            min(x, y) < 0
            or min(width, height) < 1
            or x + width > self.sensor.width
            or (y + height > self.sensor.height)
        ):
            raise ConfigError(f"crop {self.crop} does not lie on a {self.sensor} sensor")

    @property
    def window(self) -> tuple[int, int, int, int]:
        """The crop in force: `(x, y, width, height)` in sensor pixels."""
        return self.crop or (0, 0, self.sensor.width, self.sensor.height)

    @property
    def frame_size(self) -> SensorSize:
        """Width and height of the frames."""
        _, _, width, height = self.window
        return SensorSize(-(-width // self.downsample), -(-height // self.downsample))

    def bins(self, batches: Iterable[EventBatch]) -> Iterator[Frame]:
        """The frames of a stream, each as soon as its time has passed; the last one may be cut short.

        Raises:
            EventError: if a batch comes from another sensor, or leaves a gap to the batch before it.
        """
        return frames_on(_CountGrid(self), self.sensor, batches)


def is_events(source: Any) -> bool:
    """Whether it is one array of events: structured, a dict of columns, a data frame."""
    if isinstance(source, np.ndarray):
        return source.dtype.names is not None
    return isinstance(source, Mapping) or (hasattr(source, "columns") and hasattr(source, "__getitem__"))


def as_batch(events: Any, sensor: SensorSize | None, start_us: int | None = None) -> EventBatch:
    """A batch as it is, or an array of events as a batch.

    Raises:
        EventError: if it is neither, or an array of an unknown sensor.
    """
    if isinstance(events, EventBatch):
        return events
    if not is_events(events):
        raise EventError(
            f"a {type(events).__name__} in the place of a batch of events",
            hint="EventBatch.from_structured makes batches of arrays, open_recording opens paths",
        )
    if sensor is None:
        raise EventError("an array of events without its sensor", hint="EventBatch.from_structured(array, sensor)")
    if start_us is None:
        return EventBatch.from_structured(events, sensor)
    return EventBatch.from_structured(events, sensor, start_us=start_us)


def checked_batches(batches: Iterable[Any], sensor: SensorSize | None) -> Iterator[EventBatch]:
    """Batches one by one; arrays among them are chunks of one array, and the next begins where one ends.

    Raises:
        EventError: as `as_batch`.
    """
    if isinstance(batches, EventBatch) or is_events(batches):
        batches = [batches]
    if isinstance(batches, str | bytes) or not hasattr(batches, "__iter__"):
        raise EventError(
            f"a {type(batches).__name__} in the place of batches of events", hint="open_recording(path) gives batches"
        )
    end_us: int | None = None
    for one in batches:
        batch = as_batch(one, sensor, end_us)
        end_us = batch.end_us
        yield batch


class Grid(Protocol):
    """Where one frame ends and the next begins, and what is counted into the open one."""

    source_segment: int | None

    def take(self, batch: EventBatch) -> Iterator[Frame]: ...

    def finish(self) -> Iterator[Frame]: ...


def frames_on(grid: Grid, sensor: SensorSize, batches: Iterable[EventBatch]) -> Iterator[Frame]:
    """The frames of a stream on a grid.

    Raises:
        EventError: if a batch comes from another sensor, or leaves a gap to the batch before it.
    """
    expected: int | None = None
    for batch in checked_batches(batches, sensor):
        if batch.sensor != sensor:
            raise EventError(f"events of a {batch.sensor} sensor in a binner for {sensor}")
        if expected is not None and batch.segment == grid.source_segment and batch.start_us != expected:
            raise EventError(f"a batch starts at {batch.start_us} us where {expected} us was due")
        expected = batch.end_us
        yield from grid.take(batch)
    yield from grid.finish()


class TimeGrid:
    """Bins of `step_us`: the one that is open, and where the next begins. Subclasses say what is counted."""

    def __init__(self, step_us: int, max_silence_bins: int) -> None:
        self.step_us = step_us
        self.silence_us = step_us * max_silence_bins
        self.source_segment: int | None = None
        self.segment = -1
        self.index = 0
        self.lost: DropCounts = NOTHING_LOST
        self.start: int | None = None  # None: no bin is open
        self.last_event = 0
        self.n_events = 0

    def count(self, batch: EventBatch, first: int, edge_us: int) -> int:
        """Counts the events from place `first` up to a time; returns the place of the next one."""
        raise NotImplementedError

    def pixels(self, start_us: int, end_us: int) -> Any:
        """The image of the bin that ends; the next one begins without events."""
        raise NotImplementedError

    def restart(self) -> None:
        """Forgets what was before; called where the grid starts anew."""

    def open(self, start_us: int) -> None:
        self.start = self.last_event = start_us
        self.segment += 1
        self.restart()

    def close(self) -> Frame:
        assert self.start is not None
        end_us = self.start + self.step_us
        pixels = self.pixels(self.start, end_us)
        frame = Frame(self.index, self.segment, self.start, end_us, pixels, self.n_events, self.lost)
        self.start, self.index = end_us, self.index + 1
        self.n_events, self.lost = 0, NOTHING_LOST
        return frame

    def take(self, batch: EventBatch) -> Iterator[Frame]:
        if batch.segment != self.source_segment:
            if self.start is not None and (self.n_events or self.lost):
                yield self.close()
            self.source_segment = batch.segment
            self.open(batch.start_us)
        self.lost += batch.lost
        step_us, silence_us = self.step_us, self.silence_us
        t, n, at, end_us = batch.t, len(batch), 0, batch.end_us
        while True:
            if self.start is None:  # interrupted: the next event starts a new grid
                if at == n:
                    return
                self.open(int(t[at]))
                assert self.start is not None
            edge = self.start + step_us
            if at < n:
                at = self.count(batch, at, edge)
            if end_us < edge:
                return
            yield self.close()
            if self.start - self.last_event >= silence_us:
                self.start = None

    def finish(self) -> Iterator[Frame]:
        """The bin that the end of the stream cut short, if anything is in it."""
        if self.n_events or self.lost:
            if self.start is None:
                self.open(self.last_event)
            yield self.close()


class _CountGrid(TimeGrid):
    """Counters of the open bin, allocated when its first event comes."""

    def __init__(self, binner: CountBinner) -> None:
        super().__init__(binner.step_us, binner.max_silence_bins)
        size = binner.frame_size
        self.shape = (2, size.height, size.width)
        self.dtype = np.dtype(binner.counter)
        self.n_cells = 2 * size.width * size.height
        self.limit = 1 if binner.binary else LIMITS[binner.counter]
        self.geometry = (*binner.window, binner.downsample)
        self.outside = DropCause.outside_crop if binner.crop else DropCause.outside_sensor
        self.counts: Any = None

    def count(self, batch: EventBatch, first: int, edge_us: int) -> int:
        if self.counts is None:
            self.counts = np.zeros(self.n_cells + SPILLS, self.dtype)
        if edge_us > LAST_US:
            edge_us = LAST_US
        last, inside, last_event = count_bin(
            self.counts, self.limit, batch.t, batch.x, batch.y, batch.p, first, edge_us, *self.geometry
        )
        if last > first:
            self.n_events += inside
            self.last_event = last_event
            if inside < last - first:
                self.lost += DropCounts.of(self.outside, last - first - inside)
        return last

    def pixels(self, start_us: int, end_us: int) -> Any:
        counts = np.zeros(self.n_cells, self.dtype) if self.counts is None else self.counts[: self.n_cells]
        self.counts = None
        return counts.reshape(self.shape)
