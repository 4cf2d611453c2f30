"""The label file of a recording on its way to a converted one: shifted, and cut where the recording was cut."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch
from spikecut.sources.datasets.gesture_labels import (
    GestureSpan,
    Movement,
    SessionLabels,
    labels_beside,
    read_labels,
    text_of,
)

Span = TypeVar("Span", GestureSpan, Movement)


@dataclass(slots=True)
class LabelCopies:
    """The labels of `source`, and where those of each target are written (nothing, if there are none to write).

    `changes` says whether times are changed or parts left out; then the file must be one that can be read. `is_cut`
    says that targets hold parts of the recording.
    """

    source: Path
    targets: tuple[Path, ...] = ()
    labels: SessionLabels | None = None
    is_cut: bool = False
    _stretches: dict[int, dict[int, list[int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Path, targets: list[Path], *, changes: bool, is_cut: bool) -> "LabelCopies":
        """The labels beside `source` for these targets.

        Raises:
            ConfigError: if a target would get the label file of the source with other times.
            CorruptRecording, MissingLabels: if labels that must be changed cannot be read.
        """
        path = labels_beside(source)
        if not path.is_file():
            return cls(path)
        copies = [labels_beside(target) for target in targets]
        if any(copy.exists() and copy.samefile(path) for copy in copies):
            if changes:
                raise ConfigError(
                    f"{path} would belong to {source.name} and to a recording with other times",
                    hint="choose another name for the target",
                )
            return cls(path)
        return cls(path, tuple(copies), read_labels(path) if changes else None, is_cut)

    def watch(self, part: int, batch: EventBatch) -> None:
        """Notes the stretch of a segment that a part holds."""
        stretch = self._stretches.setdefault(part, {}).setdefault(batch.segment, [batch.start_us, batch.end_us])
        stretch[1] = max(stretch[1], batch.end_us)

    def write(self, part: int, path: Path, shift_us: int) -> None:
        """Writes the labels of a part to `path`."""
        if self.labels is None:
            shutil.copyfile(self.source, path)
            return
        spans = self._there(part, self.labels.spans, shift_us)
        path.write_text(text_of(spans, self._there(part, self.labels.movements, shift_us)), encoding="utf-8")

    def _there(self, part: int, spans: Iterable[Span], shift_us: int) -> list[Span]:
        """What of the spans a part holds, by its clock."""
        if self.is_cut:
            spans = [kept for span in spans if (kept := self._within(part, span)) is not None]
        return [replace(span, start_us=span.start_us + shift_us, end_us=span.end_us + shift_us) for span in spans]

    def _within(self, part: int, span: Span) -> Span | None:
        """The longest piece of a span in a segment of a part; None if none of it is there."""
        pieces = [
            (max(span.start_us, start_us), min(span.end_us, end_us))
            for start_us, end_us in self._stretches.get(part, {}).values()
        ]
        start_us, end_us = max(pieces, key=lambda piece: piece[1] - piece[0], default=(0, 0))
        return replace(span, start_us=start_us, end_us=end_us) if start_us < end_us else None
