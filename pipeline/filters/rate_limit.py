"""A limit to the number of events a second."""

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
class RateLimit:
    """A token bucket: `events_per_s` events pass in the long run, and as many at once as come in `burst_us`.

    The bucket is full at the beginning, grows by the time of the events, and each event that passes takes one.
    """

    events_per_s: int
    burst_us: int = 10_000

    def __post_init__(self) -> None:
        if not (1 <= self.events_per_s <= 10**12 and 1 <= self.burst_us <= 10**6):
            raise ConfigError(
                f"a rate limit of {self.events_per_s} events a second in bursts of {self.burst_us} us; "
                "expected 1 to 10^12 events, and 1 us to 1 s"
            )

    def output(self, sensor: SensorSize) -> SensorSize:
        return sensor

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        return selected(batches, DropCause.rate_limit, self._full, self._select)

    def _full(self, sensor: SensorSize) -> ndarray:
        return np.array([max(self.events_per_s * self.burst_us, kernels.EVENT), kernels.NEVER], np.int64)

    def _select(self, state: ndarray, batch: EventBatch) -> Bool[ndarray, " N"]:
        mask = np.empty(len(batch), np.bool_)
        kernels.rate_limit(state, batch.t, self.events_per_s, self.burst_us, mask)
        return mask
