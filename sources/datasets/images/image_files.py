"""Files of pictures, in a folder or in a zip archive: which there are, their bytes, and their pixels.

What is damaged is refused as a whole: a JPEG that ends early, and in a zip archive whatever its CRC-32 does not fit.
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
from spikecut.sources.opencv import opencv

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm")
JPEG = (".jpg", ".jpeg")


def files_in(images: Path) -> list[str]:
    """Every file below a folder or in a zip archive, by its path there, in the order of the paths.

    Raises:
        UnreadableSource: if there is no such folder, or the file is no zip archive.
    """
    try:
        if (archive := _archive(images)) is not None:
            return sorted(info.filename for info in archive.infolist() if not info.is_dir())
    except OSError as error:
        raise UnreadableSource(
            images, f"cannot read: {error.strerror}", hint="a folder or a .zip of pictures"
        ) from error
    except zipfile.BadZipFile as error:
        raise UnreadableSource(images, "not a zip archive", hint="give a folder or a .zip of pictures") from error
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
    """
    try:
        archive = _archive(images)
        return (images / entry).read_bytes() if archive is None else archive.read(entry)
    except OSError as error:
        raise UnreadableSource(images / entry, f"cannot read: {error.strerror}") from error
    except KeyError as error:
        raise UnreadableSource(images / entry, "no such file in this archive") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableSource(images / entry, f"damaged in its archive: {error}") from error
    except RuntimeError as error:  # encrypted; or, not implemented, in a method that Python lacks
        hint = "unpack it with the program that packed it, and give the folder"
        raise UnreadableSource(images / entry, f"cannot be unpacked: {error}", hint=hint) from error


def crc32_of(images: Path, entry: str) -> int:
    """CRC-32 of a file, which an archive has written down."""
    archive = _archive(images)
    return zlib.crc32(bytes_of(images, entry)) if archive is None else archive.getinfo(entry).CRC


def grey(raw: bytes, place: Path) -> UInt8[ndarray, "H W"]:
    """Grey values (luma of sRGB) of a picture's file; `place` is its name in an error.

    Raises:
        UnreadableSource: if it is no picture, or not a whole one.
    """
    cv2 = opencv()
    return _decoded(raw, place, cv2.IMREAD_GRAYSCALE)


def colours(raw: bytes, place: Path) -> UInt8[ndarray, "3 H W"]:
    """Red, green and blue (sRGB) of a picture's file; a grey picture has three times the same.

    Raises:
        UnreadableSource: if it is no picture, or not a whole one.
    """
    cv2 = opencv()
    blue_first = _decoded(raw, place, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(blue_first.transpose(2, 0, 1)[::-1])


def _decoded(raw: bytes, place: Path, flag: int) -> UInt8[ndarray, "H W *C"]:
    last_scan = max(raw.rfind(b"\xff\xda"), 0)  # an end before it is a thumbnail's; bytes behind the end do no harm
    if raw.startswith(b"\xff\xd8") and b"\xff\xd9" not in raw[last_scan:]:
        raise UnreadableSource(place, f"a JPEG picture that ends early, after {len(raw)} bytes")
    cv2 = opencv()
    image: Any = cv2.imdecode(np.frombuffer(raw, np.uint8), flag) if raw else None
    if image is None:
        raise UnreadableSource(place, f"not a picture that OpenCV reads ({len(raw)} bytes)")
    return np.asarray(image, np.uint8)


def _archive(path: Path) -> zipfile.ZipFile | None:
    """The zip archive at a path, as it is now; None if a folder is there."""
    about = path.stat()
    return None if stat.S_ISDIR(about.st_mode) else _opened(path, os.getpid(), about.st_mtime_ns, about.st_size)


@cache
def _opened(path: Path, process: int, modified_ns: int, size: int) -> zipfile.ZipFile:
    """Kept open, by each process for itself: a list of 60,000 files takes longer to read than a picture to simulate."""
    return zipfile.ZipFile(path)
