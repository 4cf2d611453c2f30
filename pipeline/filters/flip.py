"""Mirrors the image."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize


@dataclass(frozen=True, slots=True)
class Flip:
    """`x` exchanges left and right, `y` top and bottom."""

    axis: Literal["x", "y"]

    def __post_init__(self) -> None:
        if self.axis not in ("x", "y"):
            raise ConfigError(f"flip {self.axis!r}; expected x (left and right) or y (top and bottom)")

    def output(self, sensor: SensorSize) -> SensorSize:
        return sensor

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        for batch in batches:
            if self.axis == "x":
                yield replace(batch, x=batch.x.dtype.type(batch.sensor.width - 1) - batch.x)
            else:
                yield replace(batch, y=batch.y.dtype.type(batch.sensor.height - 1) - batch.y)
