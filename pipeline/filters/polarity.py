"""Keeps the events of one polarity."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import DropCause, EventBatch, SensorSize
from spikecut.pipeline.filters.base import kept


@dataclass(frozen=True, slots=True)
class Polarity:
    """`on` keeps events of growing brightness, `off` those of falling brightness."""

    keep: Literal["on", "off"]

    def __post_init__(self) -> None:
        if self.keep not in ("on", "off"):
            raise ConfigError(f"polarity {self.keep!r}; expected on or off")

    def output(self, sensor: SensorSize) -> SensorSize:
        return sensor

    def apply(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        for batch in batches:
            yield kept(batch, batch.p == (self.keep == "on"), DropCause.polarity)
