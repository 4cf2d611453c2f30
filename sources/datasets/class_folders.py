"""Folders of labelled recordings, `<class>/<recording>`, and how they are divided.

A recording's part is a function of its name alone, so a folder divides the same way on every machine,
and adding recordings moves none of the others. Where a set was published in two folders, `Train` and
`Test` (N-MNIST), what was published to test tests, and nothing else does.

Where a folder holds `calibration` beside `train` and `test`, these three are the parts, and no name decides. So the
pieces of a stream are divided (`spikecut cut`): by time, because two neighbours are as good as one recording, and would
be taken apart by their names.

N-MNIST is `Train/<digit>/00002.bin` and `Test/…`, N-Caltech101 `Caltech101/<class>/image_0001.bin`,
CIFAR10-DVS `<class>/cifar10_<class>_<n>.aedat`. The folder that holds `Train` and `Test`, or `Caltech101`,
opens as well as the one that holds the classes.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from spikecut.pipeline.errors import ConfigError, EmptyRecording, UnreadableSource

Part = Literal["train", "calibration", "test", "all"]
Division = Literal["train", "calibration", "test"]
SUFFIXES = (".aedat", ".bin", ".h5", ".hdf5")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")
_INNER = "Caltech101"
_CIFAR10_DVS = re.compile(r"cifar10_[a-z]+_(\d+)\.\w+")
MADE_BY = ".drawn"  # in the folder of the classes or sessions


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """One file and what it shows: `label` is the number of its class.

    `division` is the folder of that name it lies in; `part` is the same where folders say all three parts.
    """

    path: Path
    label: int
    class_name: str
    division: Division | None = None
    part: Division | None = None

    @property
    def name(self) -> str:
        """`<class>/<file>`: what decides about its part."""
        return f"{self.class_name}/{self.path.name}"

    def digest(self) -> str:
        """The first 16 hexadecimal digits of the file's SHA-256."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]


def list_recordings(folder: Path, classes: Iterable[str] | None = None) -> list[LabelledRecording]:
    """Every recording below `<folder>/<class>/`, classes and recordings in the order of their names.

    If `classes` is given they fix the numbers, and a folder with another name is refused. Of a set that is divided
    by folders the recordings to train come first.

    Raises:
        UnreadableSource: if there is no such folder.
        EmptyRecording: if it has no recordings.
        ConfigError: if a class folder is not among `classes`.
    """
    roots = class_roots(folder)
    three = "calibration" in roots
    found = sorted({path.name for root in roots.values() for path in subfolders(root)})
    names = list(classes) if classes is not None else found
    if strangers := [name for name in found if name not in names]:
        raise ConfigError(
            f"{folder}: folder {strangers[0]!r} is none of the classes {', '.join(names)}",
            hint="give the folder that holds the class folders, or a network for these classes",
        )
    recordings = [
        LabelledRecording(path, names.index(below.name), below.name, division, division if three else None)
        for division, root in roots.items()
        for below in subfolders(root)
        for path in recordings_in(below)
    ]
    if not recordings:
        raise EmptyRecording(folder, "no recordings in its class folders", hint=_what_instead(folder))
    return recordings


def class_roots(folder: Path) -> dict[Division | None, Path]:
    """Where the class folders lie, by division into folders; `None` where there is none.

    `Train` without `Test` or `calibration` is a folder like any other.

    Raises:
        UnreadableSource: if there is no such folder.
    """
    if not folder.is_dir():
        raise UnreadableSource(folder, "no such folder", hint="give a folder of <class>/<recording>")
    if (folder / _INNER).is_dir():
        folder = folder / _INNER
    divided = {below.name.lower(): below for below in subfolders(folder) if subfolders(below)}
    divisions: tuple[Division, ...] = ("train", "calibration", "test")
    if "test" in divided or "calibration" in divided:
        return {division: divided[division] for division in divisions if division in divided}
    return {None: divided.get("train", folder)}


def origin_of(folder: Path) -> str:
    """Who made the recordings of a folder, if a program did (`spikecut simulate` leaves word); else nothing."""
    markers = [root / MADE_BY for root in class_roots(folder).values()]
    return "; ".join(marker.read_text(errors="replace").strip() for marker in markers if marker.is_file())


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name, without hidden ones and those that macOS puts into archives."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__MACOSX")))


def recordings_in(folder: Path) -> list[Path]:
    """The recordings that lie in a folder, by name: files whose suffix says so."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def part_of(recordings: Iterable[LabelledRecording], part: Part) -> list[LabelledRecording]:
    """The recordings of one part: about 60 % train, 20 % calibration, 20 % test.

    The SHA-256 of `<class>/<name>`, read as a fraction of 1, says which: below 0.6, below 0.8, above. Where
    the set was published with a test part, that tests, and what would have been tested here trains. Of CIFAR10-DVS
    the numbers from 900 on test, as in the literature (TET, SEENN), and those from 800 on calibrate. Where folders say
    all three parts, they do.
    """
    return [recording for recording in recordings if part in ("all", _part(recording))]


def fraction_of(name: str) -> float:
    """The SHA-256 of a name, read as a fraction of 1: what divides names the same way on every machine.

    >>> round(fraction_of("ant/image_0001.bin"), 3)
    0.848
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


class Named(Protocol):
    """What a split is told by."""

    @property
    def name(self) -> str: ...


def split_digest(recordings: Iterable[Named]) -> str:
    """Two people whose parts have the same digest have the same split.

    It is the SHA-256 of the names `<class>/<file>`, sorted by code point, each with a line break.

    >>> split_digest([LabelledRecording(Path("ant/image_0001.bin"), 0, "ant")])[:16]
    'c57d0a295f218dd9'
    """
    names = sorted(recording.name for recording in recordings)
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()


def _part(recording: LabelledRecording) -> Part:
    if recording.part is not None:
        return recording.part
    if recording.division == "test":
        return "test"
    if numbered := _CIFAR10_DVS.fullmatch(recording.path.name):
        number = int(numbered[1])
        return "test" if number >= 900 else "calibration" if number >= 800 else "train"
    fraction = fraction_of(recording.name)
    if 0.6 <= fraction < 0.8:
        return "calibration"
    return "train" if fraction < 0.6 or recording.division == "train" else "test"


def _what_instead(folder: Path) -> str:
    """What somebody probably meant who gave a folder without recordings."""
    for below in subfolders(folder):
        if any(recordings_in(inner) for root in class_roots(below).values() for inner in subfolders(root)):
            return f"the class folders lie deeper: give {below}"
    if archives := sorted(p.name for p in folder.iterdir() if p.suffix.lower() in _ARCHIVES):
        return f"{archives[0]} is not unpacked"
    return f"expected files ending in {', '.join(SUFFIXES)}"
