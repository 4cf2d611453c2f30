"""Pixels that fire without a cause, far more often than those around them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from spikecut.pipeline.binning import checked_batches
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import DropCause, EventBatch, SensorSize
from spikecut.pipeline.files.arguments import finite
from spikecut.pipeline.filters import filter_kernels as kernels
from spikecut.pipeline.filters.base import kept

Pixel = tuple[int, int]


@dataclass(frozen=True, slots=True)
class HotPixels:
    """Drops the events of some pixels (x, y): of those given, or of those that `find_hot_pixels` finds.

    Without `pixels` the stream is read twice, so it has to be a recording, a list or another source that can be.
    """

    pixels: tuple[Pixel, ...] | None = None

    def output(self, sensor: SensorSize) -> SensorSize:
        for x, y in self.pixels or ():
            if not (0 <= x < sensor.width and 0 <= y < sensor.height):
                raise ConfigError(f"hot pixel ({x}, {y}) does not lie on a {sensor} sensor")
        return sensor

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        if self.pixels is None and isinstance(batches, Iterator):
            raise ConfigError(
                "hot pixels are found in a first pass, and this stream can be read only once",
                hint="give a recording, or the pixels: HotPixels(find_hot_pixels(recording))",
            )
        return self._apply(batches)

    def _apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        pixels = find_hot_pixels(batches) if self.pixels is None else self.pixels
        hot = np.zeros((0, 0), np.bool_)
        for batch in batches:
            if hot.shape != (batch.sensor.height, batch.sensor.width):
                self.output(batch.sensor)
                hot = np.zeros((batch.sensor.height, batch.sensor.width), np.bool_)
                for x, y in pixels:
                    hot[y, x] = True
            mask = np.empty(len(batch), np.bool_)
            kernels.is_listed(hot, batch.x, batch.y, mask)
            yield kept(batch, mask, DropCause.hot_pixel)


def find_hot_pixels(batches: Iterable[EventBatch], *, times: float = 10.0, least_hz: float = 10.0) -> tuple[Pixel, ...]:
    """The pixels (x, y) that fire more than `times` as often as the median of their neighbours, and than `least_hz`.

    The neighbours are the up to 8 pixels around it that lie on the sensor. Counts and times are those of the whole
    stream; a stream shorter than a second counts as one second.

    Raises:
        EventError: if the sensor changes within the stream.

    >>> from spikecut import events_from_arrays
    >>> n = 200  # one pixel fires 200 times in 2 s, all others never
    >>> find_hot_pixels([events_from_arrays(np.arange(n) * 10_000, [5] * n, [3] * n, [1] * n, sensor=(8, 8))])
    ((5, 3),)
    """
    times, least_hz = finite("times", times), finite("least_hz", least_hz)
    counts: Int64[ndarray, "H W"] | None = None
    duration_us = 0
    for batch in checked_batches(batches, None):
        size = (batch.sensor.height, batch.sensor.width)
        if counts is None:
            counts = np.zeros(size, np.int64)
        if counts.shape != size:
            raise EventError(f"a {batch.sensor} sensor after one of {counts.shape[1]}x{counts.shape[0]}")
        inside = (batch.x < size[1]) & (batch.y < size[0])
        places = batch.y[inside].astype(np.int64) * size[1] + batch.x[inside]
        counts += np.bincount(places, minlength=counts.size).reshape(size)
        duration_us += batch.end_us - batch.start_us
    if counts is None:
        return ()
    usual = _median_of_neighbours(counts)
    hot = (counts > times * usual) & (counts > least_hz * max(duration_us / 1e6, 1.0))
    return tuple((int(x), int(y)) for y, x in np.argwhere(hot))


def _median_of_neighbours(counts: Int64[ndarray, "H W"]) -> ndarray:
    height, width = counts.shape
    bordered = np.full((height + 2, width + 2), np.nan)
    bordered[1:-1, 1:-1] = counts
    around = [
        bordered[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if dx or dy
    ]
    stack = np.sort(np.stack(around), axis=0)  # not a number, beyond the edge, comes last
    n = np.count_nonzero(~np.isnan(stack), axis=0)
    low, high = np.maximum((n - 1) // 2, 0), n // 2
    high = np.minimum(high, np.maximum(n - 1, 0))
    middle = (np.take_along_axis(stack, low[None], 0)[0] + np.take_along_axis(stack, high[None], 0)[0]) / 2
    return np.where(n > 0, middle, 0.0)
