"""Files of pictures, in a folder or in a zip archive: which there are, their bytes, and their pixels.

What is damaged is refused as a whole: a JPEG that ends early, and in a zip archive whatever its CRC-32 does not fit.
Sizes are limited before anything is decoded (`pipeline/files/limits.py`).
"""

import os
import stat
import zipfile
import zlib
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import UnreadableSource
from spikecut.pipeline.files.limits import limited_bytes
from spikecut.sources.datasets.images.picture_size import check_size
from spikecut.sources.datasets.images.zip_members import directory, unpacked
from spikecut.sources.opencv import opencv

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm")
JPEG = (".jpg", ".jpeg")


def files_in(images: Path) -> list[str]:
    """Every file below a folder or in a zip archive, by its path there, in the order of the paths.

    Raises:
        UnreadableSource: if there is no such folder, or the file is no zip archive, or a damaged one.
        LimitExceeded: if an archive declares more than the limits.
    """
    try:
        if (archive := _archive(images)) is not None:
            return sorted(info.filename for info in archive.infolist() if not info.is_dir())
    except UnreadableSource:
        raise
    except OSError as error:
        raise UnreadableSource(
            images, f"cannot read: {error.strerror}", hint="a folder or a .zip of pictures"
        ) from error
    walked = [Path(root, name).relative_to(images) for root, _, names in os.walk(images) for name in names]
    return sorted(path.as_posix() for path in walked)


def unfit(path: PurePosixPath) -> str:
    """Why a file is not taken for a labelled picture, if so; hidden are dot files and what macOS puts into archives."""
    if any(part.startswith((".", "__MACOSX")) for part in path.parts):
        return "hidden"
    if path.suffix.lower() not in SUFFIXES:
        return "no picture by suffix"
    return "" if path.parent.name else "outside class folders"


def bytes_of(images: Path, entry: str) -> bytes:
    """One file, whole.

    Raises:
        UnreadableSource: if it is not there, damaged in its archive, encrypted, or packed as Python cannot unpack.
        LimitExceeded: if it has more bytes than the limit.
    """
    try:
        archive = _archive(images)
        return picture_bytes(images / entry) if archive is None else unpacked(archive, entry, images / entry)
    except OSError as error:
        raise _unreadable(images / entry, error) from error


def picture_bytes(path: Path) -> bytes:
    """The file of one picture.

    Raises:
        UnreadableSource: if it cannot be read.
        LimitExceeded: if it has more bytes than the limit.
    """
    try:
        return limited_bytes(path, "picture-bytes")
    except OSError as error:
        raise _unreadable(path, error) from error


def crc32_of(images: Path, entry: str) -> int:
    """CRC-32 of a file, which an archive has written down."""
    archive = _archive(images)
    return zlib.crc32(bytes_of(images, entry)) if archive is None else archive.getinfo(entry).CRC


def _unreadable(path: Path, error: OSError) -> UnreadableSource:
    return error if isinstance(error, UnreadableSource) else UnreadableSource(path, f"cannot read: {error.strerror}")


def grey(raw: bytes, place: Path) -> UInt8[ndarray, "H W"]:
    """Grey values (luma of sRGB) of a picture's file; `place` is its name in an error.

    Raises:
        UnreadableSource: if it is no picture, or not a whole one.
        LimitExceeded: if it has more pixels than the limit.
    """
    cv2 = opencv()
    return _decoded(raw, place, cv2.IMREAD_GRAYSCALE)


def colours(raw: bytes, place: Path) -> UInt8[ndarray, "3 H W"]:
    """Red, green and blue (sRGB) of a picture's file; a grey picture has three times the same.

    Raises:
        UnreadableSource: if it is no picture, or not a whole one.
        LimitExceeded: if it has more pixels than the limit.
    """
    cv2 = opencv()
    blue_first = _decoded(raw, place, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(blue_first.transpose(2, 0, 1)[::-1])


def _decoded(raw: bytes, place: Path, flag: int) -> UInt8[ndarray, "H W *C"]:
    last_scan = max(raw.rfind(b"\xff\xda"), 0)  # an end before it is a thumbnail's; bytes behind the end do no harm
    if raw.startswith(b"\xff\xd8") and b"\xff\xd9" not in raw[last_scan:]:
        raise UnreadableSource(place, f"a JPEG picture that ends early, after {len(raw)} bytes")
    check_size(raw, place)
    cv2 = opencv()
    try:
        image: Any = cv2.imdecode(np.frombuffer(raw, np.uint8), flag)
    except (cv2.error, MemoryError) as error:
        raise UnreadableSource(place, f"a damaged picture, by OpenCV ({len(raw):,} bytes)") from error
    if image is None:
        raise UnreadableSource(place, f"not a picture that OpenCV reads ({len(raw):,} bytes)")
    return np.asarray(image, np.uint8)


def _archive(path: Path) -> zipfile.ZipFile | None:
    """The zip archive at a path, as it is now; None if a folder is there."""
    about = path.stat()
    return None if stat.S_ISDIR(about.st_mode) else _opened(path, os.getpid(), about.st_mtime_ns, about.st_size)


@cache
def _opened(path: Path, process: int, modified_ns: int, size: int) -> zipfile.ZipFile:
    """Kept open, by each process for itself: a list of 60,000 files takes longer to read than a picture to simulate."""
    return directory(path)
