"""Keeps a rectangle of pixels; its top left pixel becomes (0, 0)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import DropCause, EventBatch, SensorSize
from spikecut.pipeline.filters.base import kept


@dataclass(frozen=True, slots=True)
class Crop:
    """The pixels `x <= column < x + width`, `y <= row < y + height`; events outside are `outside_crop`."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1:
            raise ConfigError(
                f"a crop of {self.width}x{self.height} at ({self.x}, {self.y}); expected pixels of a sensor"
            )

    def output(self, sensor: SensorSize) -> SensorSize:
        if self.x + self.width > sensor.width or self.y + self.height > sensor.height:
            raise ConfigError(
                f"a crop of {self.width}x{self.height} at ({self.x}, {self.y}) does not lie on a {sensor} sensor"
            )
        return SensorSize(self.width, self.height)

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        for batch in batches:
            sensor = self.output(batch.sensor)
            column, row = batch.x - batch.x.dtype.type(self.x), batch.y - batch.y.dtype.type(self.y)
            part = kept(batch, (column < self.width) & (row < self.height), DropCause.outside_crop)
            x, y = part.x - part.x.dtype.type(self.x), part.y - part.y.dtype.type(self.y)
            yield replace(part, x=x, y=y, sensor=sensor)
