"""A session of DVS128 Gesture: one person under one light, as published or as Tonic's files of cut gestures."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from spikecut.pipeline.errors import EmptyRecording
from spikecut.pipeline.events import EventBatch, Frame
from spikecut.sources.datasets.base import FrameSpec
from spikecut.sources.datasets.frames import binner_for
from spikecut.sources.datasets.gesture_labels import GESTURES, GestureSpan, SessionLabels, labels_beside, read_labels
from spikecut.sources.datasets.parts import Part
from spikecut.sources.datasets.segments import cut, whole
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.open import open_with
from spikecut.sources.formats.reading.damage import Undamaged
from spikecut.sources.formats.reading.filtering import FilteredRecording
from spikecut.sources.formats.tonic_npy import open_tonic_npy


@dataclass(frozen=True, slots=True)
class Session:
    """One person under one light. `path` is the recording, or Tonic's folder of cut gestures."""

    path: Path
    user: int
    lighting: str
    part: Part

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def is_cut(self) -> bool:
        """Whether the gestures lie in files of their own, as in Tonic's copy."""
        return self.path.suffix != ".aedat"

    @property
    def labels_path(self) -> Path:
        return labels_beside(self.path)

    def missing(self) -> list[Path]:
        """The files without which the session is of no use, as far as they are not there."""
        needed = [self.path] if self.is_cut else [self.path, self.labels_path]
        return [path for path in needed if not path.exists()]

    def labels(self) -> SessionLabels:
        """The gestures of the session; for Tonic's copy all that is known is their class.

        Raises:
            MissingLabels, CorruptRecording: as `read_labels` says.
        """
        if self.is_cut:
            return SessionLabels(tuple(GestureSpan(label, 0, 0) for label in self._cut_files()), ())
        return read_labels(self.labels_path)

    def clips(self, options: ReadOptions = DEFAULTS) -> Iterator[tuple[GestureSpan, EventBatch]]:
        """Every gesture with its events, in the order of `labels`, in one pass over the recording.

        The stretch of `options` counts from the beginning of each gesture.
        """
        for span, batch in self._clips(replace(options, start_us=0, duration_us=None)):
            start_us = min(batch.start_us + options.start_us, batch.end_us)
            end_us = batch.end_us
            if options.duration_us is not None:
                end_us = min(start_us + options.duration_us, end_us)
            yield span, batch.between(start_us, end_us)

    def _clips(self, options: ReadOptions) -> Iterator[tuple[GestureSpan, EventBatch]]:
        if not self.is_cut:
            yield from cut(open_with(self.path, options), self.labels().spans)
            return
        for label, path in self._cut_files().items():
            recording = FilteredRecording(open_tonic_npy(path), options.filters)
            batch = whole(Undamaged(recording) if options.on_damage == "refuse" else recording)
            yield GestureSpan(label, batch.start_us, batch.end_us), batch

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        """The frames of every gesture, in the order of `labels`, in one pass over the recording.

        Raises:
            EmptyRecording: while the frames of a gesture without events are iterated.
        """
        for span, batch in self.clips(view.read_options):
            frames = binner_for(batch.sensor, view, self.name).bins([batch])
            yield self._with_events(frames, span, len(batch))

    def _with_events(self, frames: Iterator[Frame], span: GestureSpan, n_events: int) -> Iterator[Frame]:
        if not n_events:
            raise EmptyRecording(
                self.path,
                f"no events in {span.name}, {span.start_us} to {span.end_us} us",
                hint="the recording ends too early, its clock was reset, or the labels are of another one",
            )
        yield from frames

    def files(self) -> list[Path]:
        """All that holds events."""
        return list(self._cut_files().values()) if self.is_cut else [self.path]

    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of its files."""
        total = hashlib.sha256()
        for path in self.files():
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        return total.hexdigest()[:16]

    def _cut_files(self) -> dict[int, Path]:
        names = {label: self.path / f"{label}.npy" for label in range(len(GESTURES))}
        return {label: path for label, path in names.items() if path.is_file()}
