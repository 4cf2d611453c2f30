"""A refractory period for every pixel."""

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
class Refractory:
    """After an event that passes, its pixel is silent for `period_us`, for both polarities.

    An event passes if the last one that passed was at least `period_us` before. Dropped events silence nothing.
    """

    period_us: int

    def __post_init__(self) -> None:
        if not 1 <= self.period_us < 2**62:
            raise ConfigError(f"a refractory period of {self.period_us} us; expected at least 1 us")

    def output(self, sensor: SensorSize) -> SensorSize:
        return sensor

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        return selected(batches, DropCause.refractory, _at_rest, self._select)

    def _select(self, last: ndarray, batch: EventBatch) -> Bool[ndarray, " N"]:
        mask = np.empty(len(batch), np.bool_)
        size = batch.sensor
        kernels.refractory(last, batch.t, batch.x, batch.y, size.width, size.height, self.period_us, mask)
        return mask


def _at_rest(sensor: SensorSize) -> ndarray:
    return np.full(sensor.width * sensor.height, kernels.NEVER, np.int64)
