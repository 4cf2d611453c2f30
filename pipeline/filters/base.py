"""The protocol of a filter, the stream behind several of them, and the two kinds of loops."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from spikecut.pipeline.drop_counts import DropCause, DropCounts
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.protocols import EventSource

S = TypeVar("S")


@runtime_checkable
class Filter(Protocol):
    """Batches in, batches out: the same events however the batches were cut."""

    def output(self, sensor: SensorSize) -> SensorSize:
        """The sensor of the filtered events.

        Raises:
            ConfigError: if the filter does not fit the sensor.
        """
        ...

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        """The batches with the events that are left; what was dropped is added to their `lost`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """A source behind filters: every pass over it reads the source anew and filters it."""

    source: EventSource
    filters: tuple[Filter, ...]

    @property
    def sensor(self) -> SensorSize:
        sensor = self.source.sensor
        for one in self.filters:
            sensor = one.output(sensor)
        return sensor

    def __iter__(self) -> Iterator[EventBatch]:
        if not self.filters:
            return iter(self.source)
        *before, last = self.filters
        return last.apply(Filtered(self.source, tuple(before)))


def selected(
    batches: Iterable[EventBatch],
    cause: DropCause,
    start: Callable[[SensorSize], S],
    select: Callable[[S, EventBatch], Bool[ndarray, " N"]],
) -> Iterator[EventBatch]:
    """The events that a filter with memory selects; its memory starts anew with every segment."""
    state: S | None = None
    segment: int | None = None
    for batch in batches:
        if state is None or batch.segment != segment:
            state, segment = start(batch.sensor), batch.segment
        yield kept(batch, select(state, batch), cause)


def kept(batch: EventBatch, mask: Bool[ndarray, " N"], cause: DropCause) -> EventBatch:
    """The events of a mask; the others are counted as lost by a cause."""
    n_dropped = len(batch) - int(np.count_nonzero(mask))
    if not n_dropped:
        return batch
    return replace(batch.take(mask), lost=batch.lost + DropCounts.of(cause, n_dropped))
