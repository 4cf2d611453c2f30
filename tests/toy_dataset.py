"""A data set from outside, as docs/extending.md has it: recordings in one folder, their labels in `labels.csv`."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.events import Frame
from spikecut.sources.datasets.base import Example, FrameSpec, numbers_among
from spikecut.sources.datasets.frames import recording_frames
from spikecut.sources.datasets.parts import Part


@dataclass(frozen=True)
class LabelledFile:
    """A recording: what is opened once, and holds one example."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        yield recording_frames(self.path, view)


@dataclass(frozen=True)
class LabelledFiles:
    """A row of `labels.csv` is an example: file, class, part."""

    path: Path
    rows: tuple[tuple[str, str, Part], ...]
    notes: tuple[str, ...] = ()
    origin: str = "a folder with labels.csv"

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({name for _, name, _ in self.rows}))

    def examples(self, part: Part) -> list[Example]:
        return [
            Example(file, self.classes.index(name), own, LabelledFile(self.path / file), str(self.path / file), file)
            for file, name, own in self.rows
            if part in ("all", own)
        ]

    def numbered(self, classes: Sequence[str], reader: str) -> tuple[int, ...]:
        return numbers_among(self.path, self.classes, classes, "class", "a network for these classes")

    def notes_on(self, part: Part, view: FrameSpec) -> tuple[str, ...]:
        return self.notes

    def provenance(self, licence: str, attribution: str) -> dict[str, str]:
        return {"data": self.origin, "data_licence": licence, "attribution": attribution}


def recognise(path: Path) -> bool:
    return (path / "labels.csv").is_file()


def open_set(path: Path) -> LabelledFiles:
    parts: dict[str, Part] = {"train": "train", "calibration": "calibration", "test": "test"}
    with (path / "labels.csv").open(newline="") as file:
        rows = tuple((name, label, parts[part]) for name, label, part in csv.reader(file))
    return LabelledFiles(path, rows)
