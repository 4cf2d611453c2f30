"""Folders of labelled recordings, `<class>/<recording>`, and how they are divided.

A recording's part is a function of its name alone, so a folder divides the same way on every machine,
and adding recordings moves none of the others.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spikecut.pipeline.errors import ConfigError, EmptyRecording, UnreadableSource

Part = Literal["train", "calibration", "test", "all"]
_SUFFIXES = {".aedat", ".bin", ".h5", ".hdf5"}


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """One file and what it shows; `label` is the number of its class."""

    path: Path
    label: int
    class_name: str

    def digest(self) -> str:
        """The first 16 hexadecimal digits of the file's SHA-256."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]


def list_recordings(folder: Path, classes: Iterable[str] | None = None) -> list[LabelledRecording]:
    """Every recording below `<folder>/<class>/`, classes and recordings in the order of their names.

    If `classes` is given they fix the numbers, and a folder with another name is refused.

    Raises:
        UnreadableSource: if there is no such folder.
        EmptyRecording: if it has no recordings.
        ConfigError: if a class folder is not among `classes`.
    """
    if not folder.is_dir():
        raise UnreadableSource(folder, "no such folder", hint="give a folder of <class>/<recording>")
    found = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    names = list(classes) if classes is not None else found
    if strangers := [name for name in found if name not in names]:
        raise ConfigError(
            f"{folder}: folder {strangers[0]!r} is none of the classes {', '.join(names)}",
            hint="give the folder that holds the class folders, or a network for these classes",
        )
    recordings = [
        LabelledRecording(path, names.index(name), name)
        for name in found
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    ]
    if not recordings:
        known = ", ".join(sorted(_SUFFIXES))
        raise EmptyRecording(folder, "no recordings in its class folders", hint=f"expected files ending in {known}")
    return recordings


def part_of(recordings: Iterable[LabelledRecording], part: Part) -> list[LabelledRecording]:
    """The recordings of one part: about 60 % train, 20 % calibration, 20 % test.

    The SHA-256 of `<class>/<name>`, read as a fraction of 1, says which: below 0.6, below 0.8, above.
    """
    return [recording for recording in recordings if part in ("all", _part(recording))]


def _part(recording: LabelledRecording) -> Part:
    name = f"{recording.class_name}/{recording.path.name}"
    fraction = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return "train" if fraction < 0.6 else "calibration" if fraction < 0.8 else "test"
