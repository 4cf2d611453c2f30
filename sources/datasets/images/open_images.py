"""Sets of labelled pictures, whatever they lie in: CIFAR's archives, Tiny-ImageNet, class folders, zip archives."""

import zipfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath

from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import EmptyRecording, MissingLabels, UnknownFormat, UnreadableSource
from spikecut.sources.datasets.images.cifar import CIFAR10, CIFAR100, cifar_files, is_tar, open_cifar
from spikecut.sources.datasets.images.image_files import SUFFIXES, colours, files_in, picture_bytes
from spikecut.sources.datasets.images.image_folders import CLASSES, open_folders
from spikecut.sources.datasets.images.image_sets import PictureSet
from spikecut.sources.formats import recording_suffixes

KNOWN = "cifar-10-python.tar.gz, cifar-100-python.tar.gz, tiny-imagenet-200, and folders or zips of <class>/<picture>"


def open_pictures(path: Path) -> PictureSet:
    """The labelled pictures of a folder or an archive, and their parts.

    An archive that has not changed is read once in a process.

    Raises:
        UnreadableSource: if there is no such thing.
        UnknownFormat: if it is no set of pictures that is known here.
        EmptyRecording, CorruptRecording, MissingLabels: as the reader of its layout says.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise UnreadableSource(path, f"cannot read: {error.strerror}", hint=f"expected {KNOWN}") from error
    if path.is_dir():
        return _opened(path)
    return _unchanged(path, about.st_mtime_ns, about.st_size)


open_set = open_pictures


def recognise(path: Path) -> bool:
    """Whether this is a set of images; see `holds_pictures`."""
    return holds_pictures(path)


def holds_pictures(path: Path) -> bool:
    """Whether a file is an archive, or a folder looks like a set of pictures and holds no recordings of events."""
    if path.is_file():
        return _is_archive(path)
    if not path.is_dir():
        return False
    files = [PurePosixPath(file) for file in files_in(path)]
    suffixes, names = {file.suffix.lower() for file in files}, {file.name for file in files}
    pickled = any(len(names.intersection(layout.files)) > 1 for layout in (CIFAR10, CIFAR100))
    return not suffixes.intersection(recording_suffixes()) and (pickled or bool(suffixes.intersection(SUFFIXES)))


def one_picture(path: Path) -> tuple[UInt8[ndarray, "3 H W"], str]:
    """One picture, and the name of its class: that of its folder, or what its archive or Tiny-ImageNet says.

    A picture in an archive is the archive's path with its own behind it: `cifar-10-python.tar.gz/test_batch/00017`.

    Raises:
        UnreadableSource: if there is no such picture.
    """
    if path.is_file():
        return colours(picture_bytes(path), path), _class_in_tiny_imagenet(path.resolve()) or path.parent.name
    for above in path.parents:
        if _is_archive(above) if above.is_file() else above.is_dir() and cifar_files(above) is not None:
            for picture in open_pictures(above).pictures:
                if picture.path == path:
                    return picture.pixels(), picture.class_name
            break
    raise UnreadableSource(path, "no such picture")


def _class_in_tiny_imagenet(file: Path) -> str | None:
    """What an unpacked copy says of its `train/<wnid>/images/…` or `val/images/…`."""
    for above in file.parents[2:4]:
        if (above / CLASSES).is_file():
            with suppress(EmptyRecording, MissingLabels):
                return next((one.class_name for one in open_pictures(above).pictures if one.path == file), None)
    return None


@lru_cache(maxsize=1)
def _unchanged(path: Path, modified_ns: int, size: int) -> PictureSet:
    return _opened(path)


def _opened(path: Path) -> PictureSet:
    if (files := cifar_files(path)) is not None:
        return open_cifar(files)
    if path.is_file() and not zipfile.is_zipfile(path):
        raise UnknownFormat(path, f"no set of pictures; expected {KNOWN}")
    return open_folders(path)


def _is_archive(path: Path) -> bool:
    return path.suffix != ".npz" and (zipfile.is_zipfile(path) or is_tar(path))
