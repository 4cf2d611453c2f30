"""Packets of AEDAT4 packed and unpacked: LZ4 and Zstandard frames, or neither, in bounded memory.

What a packet is packed with shows in its first bytes, so a damaged header costs none of them.
"""

from dataclasses import dataclass
from enum import IntEnum

LZ4_MAGIC, ZSTD_MAGIC = b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd"
LARGEST = 1 << 26  # bytes of one packet, unpacked
_TYPES = (b"EVTS", b"FTAB")  # of buffers that are unpacked
_RATIO, _SMALL = 256, 1 << 20  # LZ4 cannot do better than 255; small packets may


class Compression(IntEnum):
    """How packets are packed, with the numbers of the format."""

    none = 0
    lz4 = 1
    lz4_high = 2
    zstd = 3
    zstd_high = 4


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Bytes of a packet, whether they are all, and how many bytes behind the frame were not used."""

    data: bytes
    whole: bool
    unused: int = 0


def limit_of(n_packed: int) -> int:
    """How many bytes a packet of `n_packed` bytes may have, unpacked."""
    return min(LARGEST, max(_SMALL, _RATIO * n_packed))


def unpacked(data: bytes) -> Unpacked | None:
    """What a packet holds, or its beginning if it is cut off; None if it is damaged or larger than its limit.

    A packet of another type than events and the table may be refused, too.
    """
    if data.startswith(LZ4_MAGIC):
        return _from_lz4(data)
    if data.startswith(ZSTD_MAGIC):
        return _from_zstd(data)
    declared = 4 + int.from_bytes(data[:4], "little")
    return Unpacked(data[:declared], len(data) >= declared, max(0, len(data) - declared))


def _from_lz4(data: bytes) -> Unpacked | None:
    import lz4.frame

    context = lz4.frame.create_decompression_context()
    parts: list[bytes] = []
    at, size, limit, whole, room = 0, 0, limit_of(len(data)), False, 4 * len(data) + 1024
    try:
        while not whole and at < len(data):
            rest = data[at:] if at else data
            part, n_used, whole = lz4.frame.decompress_chunk(context, rest, max_length=min(room, limit + 1 - size))
            parts.append(part)
            if not size and len(part) >= 12 and part[8:12] not in _TYPES:
                return None
            at, size, room = at + n_used, size + len(part), 4 * room
            if size > limit:
                return None
            if not part and not n_used:
                break
    except RuntimeError:
        return None
    return Unpacked(parts[0] if len(parts) == 1 else b"".join(parts), whole, len(data) - at)


def _from_zstd(data: bytes) -> Unpacked | None:
    import zstandard

    limit = limit_of(len(data))
    decoder = zstandard.ZstdDecompressor(max_window_size=LARGEST)
    try:
        declared = zstandard.frame_content_size(data)
        if declared > limit:
            return None
        if declared >= 0:
            try:
                return Unpacked(decoder.decompress(data, allow_extra_data=True), True)
            except zstandard.ZstdError:
                pass  # cut off, or damaged: as far as it goes
        stream = decoder.stream_reader(data, read_across_frames=False)
        parts: list[bytes] = []
        size = 0
        while part := stream.read(min(_SMALL, limit + 1 - size)):
            parts.append(part)
            size += len(part)
            if size > limit:
                return None
    except zstandard.ZstdError:
        return None
    return Unpacked(b"".join(parts), declared < 0)


def pack(data: bytes, compression: Compression) -> bytes:
    """A packet as it stands in a file, with a checksum where it is compressed."""
    if compression is Compression.none:
        return data
    if compression in (Compression.lz4, Compression.lz4_high):
        import lz4.frame

        level = 0 if compression is Compression.lz4 else 9
        packed: bytes = lz4.frame.compress(data, compression_level=level, content_checksum=True, store_size=False)
        return packed
    import zstandard

    level = 3 if compression is Compression.zstd else 12
    return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(data)
