"""Counterparts of N-MNIST, N-Caltech101 and CIFAR10-DVS, made from pictures and written in the genuine layouts.

For those who cannot have the genuine sets. The pictures come from class folders, or from a zip archive of them; each
goes before the simulated camera of its set (`screen`). A recording is a function of the set, its name and the seed
alone, so a set can be made in any order, by several processes, and finished later.
"""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, EmptyRecording, UnreadableSource
from spikecut.pipeline.events import EventBatch
from spikecut.sources.aedat2 import write_aedat2
from spikecut.sources.atis import write_atis
from spikecut.sources.opencv import opencv
from spikecut.sources.screen import CIFAR10_DVS, NCALTECH101, NMNIST, Show, shown

_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".pgm"}


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A set to imitate. `name` makes a recording's file from its class and its number (as in the picture's own name
    where `own_numbers`, counted from `first` otherwise); at most `most` a class; class `without` is left out."""

    title: str
    show: Show
    folder: str
    name: str
    first: int = 0
    own_numbers: bool = False
    most: int | None = None
    without: str = ""


COUNTERPARTS = {
    "nmnist": Counterpart("N-MNIST", NMNIST, "Train", "{number:05d}.bin", first=1),
    "ncaltech101": Counterpart(
        "N-Caltech101", NCALTECH101, "Caltech101", "image_{number:04d}.bin", own_numbers=True, without="Faces"
    ),
    "cifar10dvs": Counterpart("CIFAR10-DVS", CIFAR10_DVS, "CIFAR10DVS", "cifar10_{label}_{number}.aedat", most=1000),
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, in a folder or in an archive, and the recording that it becomes (below the set's folder)."""

    images: Path
    entry: str
    recording: PurePosixPath

    def pixels(self) -> UInt8[ndarray, "h w"]:
        """Grey values (luma of sRGB).

        Raises:
            UnreadableSource: if it is no picture.
        """
        cv2 = opencv()
        place = self.images / self.entry
        if self.images.is_dir():
            raw = place.read_bytes()
        else:
            try:
                raw = _archive(self.images, os.getpid()).read(self.entry)
            except zipfile.BadZipFile as error:
                raise UnreadableSource(place, f"damaged in its archive: {error}") from error
        grey: Any = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_GRAYSCALE) if raw else None
        if grey is None:
            raise UnreadableSource(place, f"not a picture that OpenCV reads ({len(raw)} bytes)")
        return np.asarray(grey, np.uint8)


def pictures_of(images: Path, counterpart: Counterpart) -> list[Picture]:
    """The pictures that a set is made of, in the order of their paths.

    Raises:
        UnreadableSource: if there is no such folder, or the file is no zip archive.
        EmptyRecording: if no picture lies in a class folder.
        ConfigError: if two pictures would become one recording.
    """
    counts: dict[str, int] = {}
    found: dict[PurePosixPath, Picture] = {}
    for entry in _entries(images):
        path = PurePosixPath(entry)
        label = path.parent.name
        if path.suffix.lower() not in _PICTURES or not label or label == counterpart.without:
            continue
        counts[label] = counts.get(label, 0) + 1
        if counterpart.most is not None and counts[label] > counterpart.most:
            continue
        digits = "".join(filter(str.isdigit, path.stem))
        if counterpart.own_numbers and not digits:
            raise ConfigError(f"{images}: {entry} has no number in its name; {counterpart.title} keeps it")
        number = int(digits) if counterpart.own_numbers else counterpart.first + counts[label] - 1
        recording = PurePosixPath(label, counterpart.name.format(label=label, number=number))
        if recording in found:
            raise ConfigError(f"{images}: {found[recording].entry} and {entry} would both become {recording}")
        found[recording] = Picture(images, entry, recording)
    if not found:
        raise EmptyRecording(images, "no pictures in class folders", hint="expected <class>/<picture>.png or .jpg")
    return list(found.values())


def _entries(images: Path) -> list[str]:
    if images.is_dir():
        return sorted(path.relative_to(images).as_posix() for path in images.rglob("*") if path.is_file())
    try:
        return sorted(info.filename for info in _archive(images, os.getpid()).infolist() if not info.is_dir())
    except OSError as error:
        raise UnreadableSource(
            images, f"cannot read: {error.strerror}", hint="a folder or a .zip of pictures"
        ) from error
    except zipfile.BadZipFile as error:
        raise UnreadableSource(images, "not a zip archive", hint="give a folder or a .zip of pictures") from error


@cache
def _archive(path: Path, process: int) -> zipfile.ZipFile:
    """Kept open, by each process for itself: a list of 60,000 files takes longer to read than a picture to simulate."""
    return zipfile.ZipFile(path)


def events_of(picture: Picture, counterpart: Counterpart, seed: int) -> Iterator[EventBatch]:
    """What the simulated camera sees of a picture."""
    name = f"{counterpart.title}/{picture.recording}/{seed}"
    rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()[:16]))
    return shown(picture.pixels(), counterpart.show, rng)


def write_recording(folder: Path, picture: Picture, counterpart: Counterpart, seed: int) -> int:
    """Writes the recording of a picture below the set's folder, whole or not at all; returns how many events."""
    target = folder / picture.recording
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    write = write_aedat2 if target.suffix == ".aedat" else write_atis
    n = write(partial, events_of(picture, counterpart, seed))
    partial.replace(target)
    return n
