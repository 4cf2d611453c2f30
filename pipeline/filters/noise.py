"""Background activity: events that nothing around them explains."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import DropCause, EventBatch, SensorSize
from spikecut.pipeline.filters import filter_kernels as kernels
from spikecut.pipeline.filters.base import selected


@dataclass(frozen=True, slots=True)
class Noise:
    """Keeps an event if one of its pixel's 8 neighbours fired before it, at most `window_us` ago.

    The pixel itself does not count, either polarity does, and so do events that were dropped (Delbruck, "Frame-free
    dynamic digital vision", 2008). Of events of the same time those earlier in the stream are before the others.
    """

    window_us: int

    def __post_init__(self) -> None:
        if not 1 <= self.window_us < 2**62:
            raise ConfigError(f"a noise window of {self.window_us} us; expected at least 1 us")

    def output(self, sensor: SensorSize) -> SensorSize:
        return sensor

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        return selected(batches, DropCause.noise, _at_rest, self._select)

    def _select(self, last: ndarray, batch: EventBatch) -> Bool[ndarray, " N"]:
        mask = np.empty(len(batch), np.bool_)
        size = batch.sensor
        kernels.background(last, batch.t, batch.x, batch.y, size.width, size.height, self.window_us, mask)
        return mask


def _at_rest(sensor: SensorSize) -> ndarray:
    return np.full((sensor.width + 2) * (sensor.height + 2), kernels.NEVER, np.int64)
