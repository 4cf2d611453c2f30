"""The size of a picture from the first bytes of its file, before anything of it is decoded.

PNG (ISO/IEC 15948), JPEG (ITU-T T.81), BMP, Netpbm (P1 to P6), GIF and WebP; a file of any other kind is not decoded.
"""

import re
import struct
from collections.abc import Callable
from pathlib import Path

from spikecut.pipeline.errors import UnreadableSource
from spikecut.pipeline.files.limits import limit, too_large

_NETPBM = re.compile(rb"P[1-6](?:\s+|#[^\n]*\n)+(\d{1,9})(?:\s+|#[^\n]*\n)+(\d{1,9})\s")
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of JPEG that give the size
_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


def check_size(raw: bytes, place: Path) -> None:
    """Refuses what is no picture, and one of more pixels than the limit.

    Raises:
        UnreadableSource: if the first bytes are of no known kind, or give no size.
        LimitExceeded: if it has too many pixels.
    """
    size = size_of(raw)
    if size is None:
        known = "expected PNG, JPEG, BMP, Netpbm, GIF or WebP"
        raise UnreadableSource(place, f"not a picture that OpenCV reads ({len(raw):,} bytes)", hint=known)
    width, height = size
    if width < 1 or height < 1:
        raise UnreadableSource(place, f"not a picture: {width} x {height} pixels")
    if width * height > limit("pixels"):
        raise too_large(place, "pixels", f"{width} x {height} = {width * height:,} pixels")


def size_of(raw: bytes) -> tuple[int, int] | None:
    """Width and height, as declared; None if the file is no picture of a known kind.

    >>> size_of(b"P5 # grey\\n640 480\\n255\\n")
    (640, 480)
    """
    try:
        return next((size(raw) for begins, size in _KINDS if raw.startswith(begins)), None)
    except (struct.error, IndexError):
        return None


def _png(raw: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack_from(">II", raw, 16)
    return (width, height) if raw[12:16] == b"IHDR" else None


def _bmp(raw: bytes) -> tuple[int, int] | None:
    if struct.unpack_from("<I", raw, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", raw, 18)
    else:
        width, height = struct.unpack_from("<ii", raw, 18)
    return width, abs(height)


def _gif(raw: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack_from("<HH", raw, 6)
    return width, height


def _netpbm(raw: bytes) -> tuple[int, int] | None:
    match = _NETPBM.match(raw[:4096])
    return (int(match[1]), int(match[2])) if match else None


def _webp(raw: bytes) -> tuple[int, int] | None:
    if raw[8:12] != b"WEBP":
        return None
    if raw[12:16] == b"VP8X":
        return int.from_bytes(raw[24:27], "little") + 1, int.from_bytes(raw[27:30], "little") + 1
    if raw[12:16] == b"VP8L":
        bits = struct.unpack_from("<I", raw, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", raw, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg(raw: bytes) -> tuple[int, int] | None:
    """The largest size of any frame header: a second one must not be larger than was checked."""
    at, size = 2, None
    while at + 9 <= len(raw):
        if raw[at] != 0xFF:
            at = raw.find(b"\xff", at)
            if at < 0:
                break
            continue
        marker = raw[at + 1]
        if marker == 0xFF or marker == 0 or marker in _BARE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            break
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", raw, at + 5)
            size = (width, height) if size is None or width * height > size[0] * size[1] else size
        at += 2 + struct.unpack_from(">H", raw, at + 2)[0]
    return size


_KINDS: tuple[tuple[bytes, Callable[[bytes], tuple[int, int] | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8", _jpeg),
    (b"BM", _bmp),
    (b"GIF8", _gif),
    (b"RIFF", _webp),
    *((b"P%d" % kind, _netpbm) for kind in range(1, 7)),
)
