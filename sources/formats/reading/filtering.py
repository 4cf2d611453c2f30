"""A recording behind filters of events."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.filters.base import Filter, Filtered
from spikecut.sources.formats.base import Recording


@dataclass(frozen=True, slots=True)
class FilteredRecording:
    """The filtered events of a recording, on the sensor that the filters make of its own.

    Raises:
        ConfigError: if a filter does not fit the sensor.
    """

    recording: Recording
    filters: tuple[Filter, ...]

    def __post_init__(self) -> None:
        try:
            _ = self.sensor
        except ConfigError as error:
            raise ConfigError(f"{self.path}: {error}", hint=error.hint) from error

    @property
    def path(self) -> Path:
        return self.recording.path

    @property
    def format(self) -> str:
        return self.recording.format

    @property
    def sensor(self) -> SensorSize:
        return Filtered(self.recording, self.filters).sensor

    def __iter__(self) -> Iterator[EventBatch]:
        return iter(Filtered(self.recording, self.filters))
