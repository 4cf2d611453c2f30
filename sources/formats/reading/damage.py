"""A recording that must be whole: the first damage ends the reading with an error."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.errors import CorruptRecording
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.base import Recording


@dataclass(frozen=True, slots=True)
class Undamaged:
    """The batches of `recording` up to the first that lost an event to damage.

    Raises:
        CorruptRecording: while iterating, at the first damage.
    """

    recording: Recording

    @property
    def path(self) -> Path:
        return self.recording.path

    @property
    def format(self) -> str:
        return self.recording.format

    @property
    def sensor(self) -> SensorSize:
        return self.recording.sensor

    def __iter__(self) -> Iterator[EventBatch]:
        for batch in self.recording:
            if damage := batch.lost.damage:
                causes = "; ".join(f"{loss.events:,} lost: {cause.sentence}" for cause, loss in damage.losses.items())
                first = min((loss.at_byte for loss in damage.losses.values() if loss.at_byte is not None), default=None)
                raise CorruptRecording(
                    self.path, causes, offset=first, hint="--on-damage salvage counts the damage and reads the rest"
                )
            yield batch
