"""Members of zip archives, unpacked within limits: no member makes more bytes than its archive declares.

Python's `zipfile` reads the directory; the members are unpacked here, because it lets those packed with bzip2 or LZMA
grow without bound. Stored, deflated, bzip2 and LZMA (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT).
"""

import bz2
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import UnreadableSource
from spikecut.pipeline.files.limits import limit, too_large

_ENTRY, _LOCAL = 46, 30  # bytes of an entry of the directory, and of the header before a member, without names
_LARGE = 1_000_000_000
_DICTIONARY = 1 << 26
_NAMES = {1: "shrink", 6: "implode", 9: "deflate64", 93: "zstd", 95: "xz", 96: "jpeg", 98: "ppmd"}
_HINT = "unpack it with the program that packed it, and give the folder"


def directory(path: Path) -> zipfile.ZipFile:
    """A zip archive whose directory has been read and is within the limits.

    Raises:
        OSError: if the file cannot be read.
        UnreadableSource: if it is no zip archive, or a damaged one.
        LimitExceeded: if it declares more members than the limit, or far more bytes than it has.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        _check_count(path, file, size)
    try:
        archive = zipfile.ZipFile(path)
    except OSError:
        raise
    except zipfile.BadZipFile as error:
        raise UnreadableSource(path, "not a zip archive", hint="give a folder or a .zip of pictures") from error
    except Exception as error:  # a damaged directory may raise anything
        raise UnreadableSource(path, f"a damaged zip archive: {_reason(error)}", hint="get it anew") from error
    members = archive.infolist()
    if not all(one.filename for one in members):
        raise UnreadableSource(path, "a damaged zip archive: a member without a name", hint="get it anew")
    packed, unpacked = sum(one.compress_size for one in members), sum(one.file_size for one in members)
    if packed > size:
        raise UnreadableSource(path, f"its members fill {packed:,} bytes, the archive has {size:,}", hint="get it anew")
    if unpacked > _LARGE and unpacked > limit("archive-ratio") * size:
        raise too_large(path, "archive-ratio", f"{size:,} bytes unpack to {unpacked:,}, {unpacked // size:,} for one")
    return archive


def unpacked(archive: zipfile.ZipFile, name: str, place: Path) -> bytes:
    """One member, whole; `place` is its name in errors.

    Raises:
        UnreadableSource: if it is not there, damaged, encrypted or packed by another method.
        LimitExceeded: if it declares more bytes than the limit.
    """
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise UnreadableSource(place, "no such file in this archive") from error
    if max(info.file_size, info.compress_size) > limit("picture-bytes"):
        raise too_large(place, "picture-bytes", f"declares {info.file_size:,} bytes, {info.compress_size:,} packed")
    if info.flag_bits & 1:
        raise UnreadableSource(place, "cannot be unpacked: it is encrypted", hint=_HINT)
    if info.compress_type not in _METHODS:
        method = _NAMES.get(info.compress_type, str(info.compress_type))
        raise UnreadableSource(place, f"cannot be unpacked: packed by the compression method {method}", hint=_HINT)
    packed = _packed(archive, info, place)
    try:
        raw = _METHODS[info.compress_type](packed, info.file_size + 1)
    except OSError as error:  # bz2 has no error of its own
        raise UnreadableSource(place, f"damaged in its archive: {error}") from error
    except (zlib.error, lzma.LZMAError, EOFError, ValueError, MemoryError, struct.error) as error:
        raise UnreadableSource(place, f"damaged in its archive: {_reason(error)}") from error
    if len(raw) != info.file_size:
        more = "more than the" if len(raw) > info.file_size else f"{len(raw):,} of the"
        raise UnreadableSource(place, f"damaged in its archive: it has {more} {info.file_size:,} bytes declared")
    if (crc := zlib.crc32(raw)) != info.CRC:
        raise UnreadableSource(place, f"damaged in its archive: its CRC-32 is {crc:08x}, declared {info.CRC:08x}")
    return raw


def _check_count(path: Path, file: Any, size: int) -> None:
    """Refuses a directory so large that reading it costs more than the limit; nothing of it is read."""
    file.seek(max(0, size - 65_557))
    end = file.read(65_557)
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or at + 20 > len(end):
        return
    length = struct.unpack_from("<I", end, at + 12)[0]
    wide = end.rfind(b"PK\x06\x06")
    if length == 0xFFFFFFFF and wide >= 0 and wide + 48 <= len(end):
        length = struct.unpack_from("<Q", end, wide + 40)[0]
    length = min(length, size)
    if length // _ENTRY <= limit("members"):
        return
    file.seek(max(0, size - len(end) + at - length))
    n = 0
    while length > 0 and (block := file.read(min(length, 1 << 24))):
        n, length = n + block.count(b"PK\x01\x02"), length - len(block)
    if n > limit("members"):
        raise too_large(path, "members", f"{n:,} members")


def _packed(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: Path) -> bytes:
    """The bytes of a member as they lie in the archive."""
    with Path(str(archive.filename)).open("rb") as file:  # its own place in the file: several threads may read
        try:
            file.seek(info.header_offset)
            header = file.read(_LOCAL)
        except (OSError, ValueError, OverflowError) as error:
            raise UnreadableSource(place, f"damaged in its archive: {_reason(error)}") from error
        if len(header) < _LOCAL or header[:4] != b"PK\x03\x04":
            raise UnreadableSource(
                place, f"damaged in its archive: no member begins at byte {info.header_offset:,}", hint="get it anew"
            )
        name_bytes, extra_bytes = struct.unpack_from("<HH", header, 26)
        name = file.read(name_bytes)
        if name != _raw_name(info):
            raise UnreadableSource(place, "damaged in its archive: it is called otherwise there than in the directory")
        file.seek(extra_bytes, 1)
        packed = file.read(info.compress_size)
    if len(packed) < info.compress_size:
        raise UnreadableSource(place, f"damaged in its archive: it ends after {len(packed):,} bytes")
    return packed


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace")


def _inflated(packed: bytes, most: int) -> bytes:
    return zlib.decompressobj(-15).decompress(packed, most)


def _bunzipped(packed: bytes, most: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(packed, most)


def _unlzmaed(packed: bytes, most: int) -> bytes:
    """LZMA in a zip archive: two bytes of version, the length of the properties, these, and the stream."""
    (n,) = struct.unpack_from("<H", packed, 2)
    properties = packed[4 : 4 + n]
    if n != 5 or len(properties) < n:
        raise ValueError("no properties of LZMA")
    if (dictionary := int.from_bytes(properties[1:], "little")) > _DICTIONARY:
        raise ValueError(f"asks for a dictionary of {dictionary:,} bytes; at most {_DICTIONARY:,}")
    alone = properties + b"\xff" * 8 + packed[4 + n :]  # the same stream as a file of its own, of unknown length
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(alone, most)


def _stored(packed: bytes, most: int) -> bytes:
    return packed[:most]


_METHODS: dict[int, Callable[[bytes, int], bytes]] = {
    zipfile.ZIP_STORED: _stored,
    zipfile.ZIP_DEFLATED: _inflated,
    zipfile.ZIP_BZIP2: _bunzipped,
    zipfile.ZIP_LZMA: _unlzmaed,
}


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
