"""Exchanges x and y: mirrors the image along its main diagonal."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from spikecut.pipeline.events import EventBatch, SensorSize


@dataclass(frozen=True, slots=True)
class Transpose:
    """The event at (x, y) comes to (y, x)."""

    def output(self, sensor: SensorSize) -> SensorSize:
        return SensorSize(sensor.height, sensor.width)

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        for batch in batches:
            yield replace(batch, x=batch.y, y=batch.x, sensor=self.output(batch.sensor))
