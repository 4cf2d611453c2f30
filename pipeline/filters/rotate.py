"""Turns the image by right angles."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize


@dataclass(frozen=True, slots=True)
class Rotate:
    """Clockwise by 90, 180 or 270 `degrees`: by 90 the top left pixel becomes the top right one."""

    degrees: int

    def __post_init__(self) -> None:
        if self.degrees not in (90, 180, 270):
            raise ConfigError(f"rotate by {self.degrees} degrees; expected 90, 180 or 270")

    def output(self, sensor: SensorSize) -> SensorSize:
        return sensor if self.degrees == 180 else SensorSize(sensor.height, sensor.width)

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        for batch in batches:
            x, y, word = batch.x, batch.y, batch.x.dtype.type
            right, bottom = word(batch.sensor.width - 1), word(batch.sensor.height - 1)
            if self.degrees == 90:
                x, y = bottom - y, x
            elif self.degrees == 180:
                x, y = right - x, bottom - y
            else:
                x, y = y, right - x
            yield replace(batch, x=x, y=y, sensor=self.output(batch.sensor))
