"""Counterparts of N-MNIST, N-Caltech101 and CIFAR10-DVS, made from pictures and written in the genuine layouts.

For those who cannot have the genuine sets. The pictures come from class folders, or from a zip archive of them; each
goes before the simulated camera of its set (`screen`). A recording is a function of the set, its name and the seed
alone, so a set can be made in any order, by several processes, and finished later.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, EmptyRecording
from spikecut.pipeline.events import EventBatch
from spikecut.pipeline.files.atomic_files import new_file
from spikecut.sources.datasets.images.image_files import bytes_of, crc32_of, files_in, grey, unfit
from spikecut.sources.formats.aedat2 import write_aedat2
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.simulation.saccades import CIFAR10_DVS, NCALTECH101, NMNIST, Show, shown


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A set to imitate. `name` makes a recording's file from its class and its number (as in the picture's own name
    where `own_numbers`, counted from `first` otherwise); at most `most` a class; class `without` is left out.

    A set that is `divided` lies in `Train` and `Test`, as its pictures do in folders of these names (or `training` and
    `testing`, in any case; all others train), and its numbers run through all classes of a division, as MNIST's do.
    """

    title: str
    show: Show
    folder: str
    name: str
    first: int = 0
    own_numbers: bool = False
    most: int | None = None
    without: str = ""
    divided: bool = False


COUNTERPARTS = {
    "nmnist": Counterpart("N-MNIST", NMNIST, "", "{number:05d}.bin", first=1, divided=True),
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

    @property
    def place(self) -> Path:
        return self.images / self.entry

    @property
    def root(self) -> PurePosixPath:
        """The folder of its class folder, below the set's: `Train` or `Test` where a set is divided."""
        return self.recording.parent.parent

    def pixels(self) -> UInt8[ndarray, "h w"]:
        """Grey values (luma of sRGB).

        Raises:
            UnreadableSource: if it is no picture.
        """
        return grey(bytes_of(self.images, self.entry), self.place)

    def crc32(self) -> int:
        """CRC-32 of the picture's file, which an archive has written down."""
        return crc32_of(self.images, self.entry)


@dataclass(frozen=True, slots=True)
class Pictures:
    """The used pictures of a folder or archive, in the order of their paths, and how many files are not, by cause."""

    used: tuple[Picture, ...]
    dropped: Mapping[str, int]

    def __str__(self) -> str:
        """Where every file went: `5 files read = 3 used + 2 dropped (1 hidden, 1 in Faces)`."""
        causes = ", ".join(f"{n:,} {cause}" for cause, n in sorted(self.dropped.items()))
        n_dropped = sum(self.dropped.values())
        line = f"{len(self.used) + n_dropped:,} files read = {len(self.used):,} used + {n_dropped:,} dropped"
        return f"{line} ({causes})" if causes else line


def digest_of(pictures: Iterable[Picture]) -> str:
    """The digest of recordings made from pictures: the same for a folder as for an archive of the same pictures.

    The first 12 hexadecimal digits of the SHA-256 of one line a picture: its recording and the CRC-32 of its file.

    Raises:
        UnreadableSource: if a picture cannot be read.
    """
    lines = sorted(f"{picture.recording} {picture.crc32():08x}\n" for picture in pictures)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


def pictures_of(images: Path, counterpart: Counterpart) -> Pictures:
    """The pictures that a set is made of, and what is left out: hidden files, other files, classes and numbers.

    Raises:
        UnreadableSource: if there is no such folder, or the file is no zip archive.
        EmptyRecording: if no picture lies in a class folder.
        ConfigError: if two pictures would become one recording.
    """
    dropped: Counter[str] = Counter()
    paths: list[PurePosixPath] = []
    for path in map(PurePosixPath, files_in(images)):
        if cause := unfit(path) or _left_out(path, counterpart):
            dropped[cause] += 1
        else:
            paths.append(path)
    counts: Counter[PurePosixPath] = Counter()
    used: dict[PurePosixPath, Picture] = {}
    for path, number in zip(paths, _numbers(images, paths, counterpart), strict=True):
        label = path.parent.name
        below = PurePosixPath(_division(path), label) if counterpart.divided else PurePosixPath(label)
        counts[below] += 1
        if counterpart.most is not None and counts[below] > counterpart.most:
            dropped[f"beyond {counterpart.most:,} a class"] += 1
            continue
        recording = below / counterpart.name.format(label=label, number=number)
        if recording in used:
            raise ConfigError(f"{images}: {used[recording].entry} and {path} would both become {recording}")
        used[recording] = Picture(images, str(path), recording)
    pictures = Pictures(tuple(used.values()), dict(dropped))
    if not used:
        raise EmptyRecording(
            images, f"no pictures in class folders: {pictures}", hint="expected <class>/<picture>.png or .jpg"
        )
    return pictures


def _left_out(path: PurePosixPath, counterpart: Counterpart) -> str:
    return f"in {counterpart.without}" if path.parent.name == counterpart.without else ""


def _division(path: PurePosixPath) -> str:
    return "Test" if path.parent.parent.name.lower() in ("test", "testing") else "Train"


def _numbers(images: Path, paths: list[PurePosixPath], counterpart: Counterpart) -> list[int]:
    """One number a picture, whichever others are left out later.

    In a divided set the pictures of a division keep their numbers where all have one and no two the same.
    """
    if counterpart.own_numbers:
        digits = ["".join(filter(str.isdecimal, path.stem)) for path in paths]
        if "" in digits:
            entry = paths[digits.index("")]
            raise ConfigError(f"{images}: {entry} has no number in its name; {counterpart.title} keeps it")
        return [int(number) for number in digits]
    divided = counterpart.divided
    groups = [_division(path) if divided else path.parent.name for path in paths]
    own: dict[str, list[str]] = {}
    for group, path in zip(groups, paths, strict=True):
        own.setdefault(group, []).append(path.stem)
    keeps = {group for group, stems in own.items() if divided and _all_numbered(stems)}
    counts: Counter[str] = Counter()
    numbers = []
    for group, path in zip(groups, paths, strict=True):
        numbers.append(int(path.stem) if group in keeps else counterpart.first + counts[group])
        counts[group] += 1
    return numbers


def _all_numbered(stems: list[str]) -> bool:
    return all(stem.isdecimal() for stem in stems) and len(set(map(int, stems))) == len(stems)


def events_of(picture: Picture, counterpart: Counterpart, seed: int) -> Iterator[EventBatch]:
    """What the simulated camera sees of a picture."""
    recording = picture.recording
    if counterpart.divided and recording.parts[0] == "Train":  # the camera of what trains knows nothing of a division
        recording = recording.relative_to("Train")
    name = f"{counterpart.title}/{recording}/{seed}"
    rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()[:16]))
    pixels = picture.pixels()
    try:
        yield from shown(pixels, counterpart.show, rng)
    except ConfigError as error:
        raise ConfigError(f"{picture.place}: {error}", hint=error.hint) from error


def write_recording(folder: Path, picture: Picture, counterpart: Counterpart, seed: int) -> int:
    """Writes the recording of a picture below the set's folder, whole or not at all; returns how many events.

    Raises:
        UnreadableSource: if it is no picture.
        ConfigError: if it is larger than the sensor of a set whose pictures were not shrunk.
    """
    target = folder / picture.recording
    write = write_aedat2 if target.suffix == ".aedat" else write_atis
    with new_file(target, overwrite=True) as partial:
        return write(partial, events_of(picture, counterpart, seed))
