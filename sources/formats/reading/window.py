"""A stretch of a recording. What lies before it is not read where the format allows.

Both count the time of playing: from the first event on, segments of the clock one after the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.base import Recording


@runtime_checkable
class Seekable(Protocol):
    """A recording that can be read from a time on without the events before it."""

    def from_time(self, time_us: int) -> Iterator[EventBatch] | None:
        """The batches from the event at `time_us` (own clock) or somewhat before; None if that place cannot be known.

        Formats whose clock was reset, or whose times are in disorder, return None: then all is read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """The part of `recording` that plays in `start_us <= time < start_us + duration_us`; without duration, to the end.

    What was lost is counted from the first batch that reaches into the window.
    """

    recording: Recording
    start_us: int = 0
    duration_us: int | None = None

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
        stop_us = None if self.duration_us is None else self.start_us + self.duration_us
        segment, origin_us, played_us, end_us = None, 0, 0, 0
        for batch in self._from_start():
            if segment is None:
                segment, origin_us = batch.segment, self._origin_us(batch)
            elif batch.segment != segment:
                played_us += end_us - origin_us
                segment, origin_us = batch.segment, batch.start_us
            end_us = batch.end_us
            shift_us = origin_us - played_us
            if stop_us is not None and batch.start_us >= shift_us + stop_us:
                return
            if batch.end_us > shift_us + self.start_us:
                last_us = batch.end_us if stop_us is None else min(batch.end_us, shift_us + stop_us)
                part = batch.between(max(batch.start_us, shift_us + self.start_us), last_us)
                yield part

    def _from_start(self) -> Iterator[EventBatch]:
        if self.start_us and isinstance(self.recording, Seekable):
            first = next((batch.start_us for batch in self.recording if len(batch)), None)
            batches = None if first is None else self.recording.from_time(first + self.start_us)
            if batches is not None:
                return batches
        return iter(self.recording)

    def _origin_us(self, batch: EventBatch) -> int:
        """The time of the first event, which a recording that was read from a later place does not show."""
        if not self.start_us or not isinstance(self.recording, Seekable):
            return batch.start_us
        return next((first.start_us for first in self.recording if len(first)), batch.start_us)
