"""The loops behind the representations: slices of a stream by time or by number of events, and what fills them."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from spikecut.pipeline.binning import LAST_US, TimeGrid, frames_on
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, Frame, SensorSize
from spikecut.pipeline.files.arguments import kind_of, whole


class Accumulator(Protocol):
    """What is made of the events of a slice."""

    def add(self, batch: EventBatch, first: int, last: int) -> None:
        """Takes the events at places `first` to `last`."""
        ...

    def pixels(self, start_us: int, end_us: int) -> tuple[Any, int]:
        """The image of the slice that ends, an array of its own, and how many of its events lie on the sensor."""
        ...

    def restart(self) -> None:
        """Forgets everything: the clock was reset, or the stream interrupted."""
        ...


def check_slices(sensor: Any, step_us: Any, n_events: Any, max_silence_bins: Any) -> None:
    """Refuses slices by both time and number, by neither, or of nothing, and values of other types."""
    kind_of("sensor", sensor, SensorSize, "a SensorSize", "such as SensorSize(128, 128)")
    whole("step_us", step_us, optional=True)
    whole("n_events", n_events, optional=True)
    whole("max_silence_bins", max_silence_bins, least=1)
    if (step_us is None) == (n_events is None):
        raise ConfigError(f"step_us={step_us} and n_events={n_events}; expected one of them")
    if min(step_us or 1, n_events or 1) < 1 or 0 in (step_us, n_events):
        raise ConfigError(f"slices of {step_us or n_events}; expected at least 1")


def sliced(
    accumulator: Accumulator,
    sensor: SensorSize,
    slices: tuple[int | None, int | None],
    max_silence_bins: int,
    batches: Iterable[EventBatch],
) -> Iterator[Frame]:
    """The frames of a stream in slices of (`step_us`, None) or of (None, `n_events`); errors as `CountBinner.bins`."""
    step_us, n_events = slices
    if step_us is not None:
        return frames_on(_ByTime(accumulator, step_us, max_silence_bins), sensor, batches)
    assert n_events is not None
    return frames_on(_ByNumber(accumulator, n_events), sensor, batches)


class _ByTime(TimeGrid):
    """Slices on the grid of `CountBinner`."""

    def __init__(self, accumulator: Accumulator, step_us: int, max_silence_bins: int) -> None:
        super().__init__(step_us, max_silence_bins)
        self.accumulator = accumulator

    def count(self, batch: EventBatch, first: int, edge_us: int) -> int:
        last = len(batch) if batch.end_us < edge_us else int(np.searchsorted(batch.t, min(edge_us, LAST_US)))
        if last > first:
            self.accumulator.add(batch, first, last)
            self.n_events += last - first
            self.last_event = int(batch.t[last - 1])
        return last

    def pixels(self, start_us: int, end_us: int) -> Any:
        image, inside = self.accumulator.pixels(start_us, end_us)
        self.lost += DropCounts.of(DropCause.outside_sensor, self.n_events - inside)
        self.n_events = inside
        return image

    def restart(self) -> None:
        self.accumulator.restart()


class _ByNumber:
    """Slices of so many events, those outside the sensor included.

    A slice ends behind the µs of its last event, where the next begins; events of that same µs may follow in the next.
    """

    def __init__(self, accumulator: Accumulator, n_events: int) -> None:
        self.accumulator, self.size = accumulator, n_events
        self.source_segment: int | None = None
        self.segment, self.index = -1, 0
        self.start = self.end = 0
        self.n_read = 0
        self.lost = NOTHING_LOST

    def take(self, batch: EventBatch) -> Iterator[Frame]:
        if batch.segment != self.source_segment:
            yield from self.finish()
            self.source_segment, self.start = batch.segment, batch.start_us
            self.segment += 1
            self.accumulator.restart()
        self.lost += batch.lost
        at, n = 0, len(batch)
        while at < n:
            last = min(n, at + self.size - self.n_read)
            self.accumulator.add(batch, at, last)
            self.n_read += last - at
            self.end, at = int(batch.t[last - 1]) + 1, last
            if self.n_read == self.size:
                yield self._close(self.end)
        self.end = batch.end_us

    def finish(self) -> Iterator[Frame]:
        """The slice that the end of the stream, or of its segment, cut short."""
        if self.n_read or self.lost:
            yield self._close(self.end)

    def _close(self, end_us: int) -> Frame:
        pixels, inside = self.accumulator.pixels(self.start, end_us)
        lost = self.lost + DropCounts.of(DropCause.outside_sensor, self.n_read - inside)
        frame = Frame(self.index, self.segment, self.start, end_us, pixels, inside, lost)
        self.start, self.index = end_us, self.index + 1
        self.n_read, self.lost = 0, NOTHING_LOST
        return frame
