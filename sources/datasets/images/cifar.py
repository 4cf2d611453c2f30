"""CIFAR-10 and CIFAR-100 from the files in which they were published: Python pickles, of which no code is run.

https://www.cs.toronto.edu/~kriz/cifar.html: `cifar-10-python.tar.gz` and `cifar-100-python.tar.gz`, packed or unpacked
(Krizhevsky, Learning multiple layers of features from tiny images, 2009).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, CorruptRecording, LimitExceeded, UnreadableSource
from spikecut.sources.datasets.images.image_sets import LabelledPicture, PictureSet
from spikecut.sources.datasets.images.plain_pickle import Array, plain
from spikecut.sources.datasets.images.tar_members import is_tar_archive, tar_members
from spikecut.sources.datasets.parts import Division, part_of_place

SIDE = 32
_MOST_BYTES = 400_000_000  # of all files; CIFAR-10 has 186 MB, CIFAR-100's largest file 155 MB


@dataclass(frozen=True, slots=True)
class Cifar:
    """How a set was published: its files with their MD5, and the keys in them. `md5` is that of the archive."""

    name: str
    folder: str
    md5: str
    meta: tuple[str, str]
    train: tuple[tuple[str, str], ...]
    test: tuple[str, str]
    names_key: bytes
    labels_key: bytes
    n_classes: int

    @property
    def files(self) -> dict[str, str]:
        """The MD5 of every file by its name, those with the pictures to train on first."""
        return dict((*self.train, self.test, self.meta))


CIFAR10 = Cifar(
    name="CIFAR-10",
    folder="cifar-10-batches-py",
    md5="c58f30108f718f92721af3b95e74349a",
    meta=("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
    train=(
        ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
        ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
        ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
        ("data_batch_4", "634d18415352ddfa80567beed471001a"),
        ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    ),
    test=("test_batch", "40351d587109b95175f43aff81a1287e"),
    names_key=b"label_names",
    labels_key=b"labels",
    n_classes=10,
)
CIFAR100 = Cifar(
    name="CIFAR-100",
    folder="cifar-100-python",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    meta=("meta", "7973b15100ade9c7d40fb424638fde48"),
    train=(("train", "16019d7e3df5f24257cddd939b257f8d"),),
    test=("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
    names_key=b"fine_label_names",
    labels_key=b"fine_labels",
    n_classes=100,
)


@dataclass(frozen=True, slots=True, eq=False)
class CifarFiles:
    """What of a published set lies somewhere: its files by name."""

    layout: Cifar
    path: Path
    files: dict[str, bytes]

    @property
    def missing(self) -> list[str]:
        return [name for name in self.layout.files if name not in self.files]

    @property
    def changed(self) -> list[str]:
        """The files that are not those that were published, by their MD5."""
        return [name for name, raw in self.files.items() if _md5(raw) != self.layout.files[name]]


def cifar_files(path: Path) -> CifarFiles | None:
    """The files of CIFAR-10 or CIFAR-100 in a tar archive or a folder (or in the folder below it); None if none is.

    Raises:
        CorruptRecording: if the archive is damaged.
        LimitExceeded: if it unpacks to more than the limit.
        ConfigError: if a folder holds both sets.
    """
    if path.is_dir():
        copies = []
        for layout in (CIFAR10, CIFAR100):
            for folder in (path, path / layout.folder):
                there = [name for name in layout.files if (folder / name).is_file()]
                if len(there) > 1:  # one file called test is none of these sets
                    copies.append(CifarFiles(layout, folder, {name: _read(folder / name) for name in there}))
        if len(copies) > 1:
            raise ConfigError(f"{path}: holds {' and '.join(one.layout.name for one in copies)}; give one of the two")
        return copies[0] if copies else None
    if not (path.is_file() and is_tar(path)):
        return None
    by_name = {PurePosixPath(name).name: raw for name, raw in _unpacked(path)}
    for layout in (CIFAR10, CIFAR100):
        files = {name: by_name[name] for name in layout.files if name in by_name}
        if len(files) > 1:
            return CifarFiles(layout, path, files)
    return None


def open_cifar(copy: CifarFiles) -> PictureSet:
    """The pictures: the test file tests; of those to train on, in the order of the files, the last tenth calibrates.

    Of the whole sets these are the last 5,000 of 50,000. Classes of CIFAR-100 are the hundred fine ones.

    Raises:
        CorruptRecording: if a file is damaged, or says more than a list of pictures.
        UnreadableSource: if the file with the names of the classes is missing.
    """
    layout = copy.layout
    if layout.meta[0] not in copy.files:
        raise UnreadableSource(copy.path, f"{layout.name} without its file {layout.meta[0]}, which names the classes")
    classes, test = class_names(copy), layout.test[0]
    examples = [
        (name, i, pixels, label)
        for name in layout.files
        if name in copy.files and name != layout.meta[0]
        for i, (pixels, label) in enumerate(zip(*pictures_in(copy, name), strict=True))
    ]
    n_train = sum(name != test for name, *_ in examples)

    def picture(at: int, name: str, i: int, pixels: UInt8[ndarray, "3 32 32"], label: int) -> LabelledPicture:
        part: Division = "test" if name == test else part_of_place(at, n_train)
        entry = f"{name}/{i:05d}"
        return LabelledPicture(copy.path, entry, entry, label, classes[label], part, pixels)

    pictures = tuple(picture(at, *one) for at, one in enumerate(examples))
    whole = not copy.missing and not copy.changed
    origin = f"{layout.name}, the genuine files" if whole else f"{layout.name}'s layout, but not its published files"
    notes = [f"missing: {', '.join(copy.missing)}"] if copy.missing else []
    return PictureSet(copy.path, origin, classes, pictures, tuple(notes))


def class_names(copy: CifarFiles) -> tuple[str, ...]:
    """The names of the classes, by number.

    Raises:
        CorruptRecording: if the file that says them does not.
    """
    name, key, n = copy.layout.meta[0], copy.layout.names_key, copy.layout.n_classes
    names = plain(copy.files[name], copy.path / name).get(key)
    if not (isinstance(names, list) and len(names) == n and all(isinstance(one, bytes) for one in names)):
        raise CorruptRecording(copy.path / name, f"expected {n} names under {key.decode()!r}")
    return tuple(one.decode("utf-8", "replace") for one in names)


def pictures_in(copy: CifarFiles, name: str) -> tuple[UInt8[ndarray, "N 3 32 32"], list[int]]:
    """The pictures of one file, and the numbers of their classes.

    Raises:
        CorruptRecording: if it is damaged, or says something else than as many labels as pictures.
    """
    place, key = copy.path / name, copy.layout.labels_key
    table = plain(copy.files[name], place)
    data, labels = table.get(b"data"), table.get(key)
    data = getattr(data, "values", None) if isinstance(data, Array) else None
    if data is None or data.ndim != 2 or data.shape[1] != 3 * SIDE * SIDE:
        shape = "none" if data is None else f"one of shape {data.shape}"
        raise CorruptRecording(place, f"expected an array of N x {3 * SIDE * SIDE} bytes under 'data', found {shape}")
    n, most = len(data), copy.layout.n_classes
    if not (isinstance(labels, list) and len(labels) == n and all(type(k) is int and 0 <= k < most for k in labels)):
        raise CorruptRecording(place, f"expected {n:,} numbers from 0 to {most - 1} under {key.decode()!r}")
    return data.reshape(n, 3, SIDE, SIDE), labels


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive, packed or not."""
    return is_tar_archive(path)


def _unpacked(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files of an archive that bear a published name; one pass, and nothing is written."""
    wanted = {*CIFAR10.files, *CIFAR100.files}
    return tar_members(path, lambda name: PurePosixPath(name).name in wanted, _MOST_BYTES)


def _read(file: Path) -> bytes:
    try:
        if (size := file.stat().st_size) > _MOST_BYTES:
            raise LimitExceeded(file, f"{size:,} bytes; at most {_MOST_BYTES:,} are expected")
        return file.read_bytes()
    except OSError as error:
        raise UnreadableSource(file, f"cannot read: {error.strerror}") from error


def _md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()
