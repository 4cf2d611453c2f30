"""Counts of events in slices by time or by number of events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikecut.pipeline.binning import LIMITS, CounterType
from spikecut.pipeline.events import EventBatch, Frame, SensorSize
from spikecut.pipeline.files.arguments import one_of
from spikecut.pipeline.kernels import SPILLS, count_events
from spikecut.pipeline.representations.slicing import check_slices, sliced


@dataclass(frozen=True, slots=True)
class SliceCounter:
    """The counts of `CountBinner` for slices of `step_us` or of `n_events`: `pixels[p, y, x]`.

    >>> binner = SliceCounter(SensorSize(4, 2), n_events=2)
    >>> fields = [("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "<u1")]
    >>> events = np.array([(0, 3, 0, 1), (4, 3, 0, 1), (25, 0, 1, 0)], fields)
    >>> frames = list(binner.bins([EventBatch.from_structured(events, binner.sensor)]))
    >>> [(f.start_us, f.end_us, f.n_events, int(f.pixels.max())) for f in frames]
    [(0, 5, 2, 2), (5, 26, 1, 1)]
    """

    sensor: SensorSize
    step_us: int | None = None
    n_events: int | None = None
    counter: CounterType = "uint8"
    binary: bool = False
    max_silence_bins: int = 1_000

    def __post_init__(self) -> None:
        check_slices(self.sensor, self.step_us, self.n_events, self.max_silence_bins)
        one_of("counter", self.counter, LIMITS)

    def bins(self, batches: Iterable[EventBatch]) -> Iterator[Frame]:
        """The frames of a stream, each as soon as its slice is complete; errors as `CountBinner.bins`."""
        return sliced(_Counts(self), self.sensor, (self.step_us, self.n_events), self.max_silence_bins, batches)


class _Counts:
    def __init__(self, binner: SliceCounter) -> None:
        self.size, self.dtype = binner.sensor, np.dtype(binner.counter)
        self.limit = self.dtype.type(1 if binner.binary else LIMITS[binner.counter])
        self.restart()

    def restart(self) -> None:
        self.n_inside = 0
        self.counts: Any = np.zeros(2 * self.size.width * self.size.height + SPILLS, self.dtype)

    def add(self, batch: EventBatch, first: int, last: int) -> None:
        x, y, p = batch.x[first:last], batch.y[first:last], batch.p[first:last]
        self.n_inside += count_events(self.counts, self.limit, x, y, p, 0, 0, self.size.width, self.size.height, 1)

    def pixels(self, start_us: int, end_us: int) -> tuple[Any, int]:
        inside, image = self.n_inside, self.counts[:-SPILLS].reshape(2, self.size.height, self.size.width)
        self.restart()
        return image, inside
