"""Merges squares of pixels; a last incomplete square is a pixel, too."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize


@dataclass(frozen=True, slots=True)
class Downsample:
    """`factor` x `factor` pixels become one; every event stays an event."""

    factor: int

    def __post_init__(self) -> None:
        if not 1 <= self.factor < 65_536:
            raise ConfigError(f"downsample by {self.factor}; expected a whole number from 1 to 65535")

    def output(self, sensor: SensorSize) -> SensorSize:
        if self.factor > min(sensor.width, sensor.height):
            raise ConfigError(f"downsample by {self.factor} on a {sensor} sensor")
        return SensorSize(-(-sensor.width // self.factor), -(-sensor.height // self.factor))

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        for batch in batches:
            by = batch.x.dtype.type(self.factor)
            outside = (batch.x >= batch.sensor.width) | (batch.y >= batch.sensor.height)
            x, y = batch.x // by, batch.y // by
            if outside.any():  # stays outside
                x[outside] = y[outside] = 65_535
            yield replace(batch, x=x, y=y, sensor=self.output(batch.sensor))
