"""The structures of an HDF5 file, as bytes: what a recording needs, in the form of HDF5 1.10 with all its checksums."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spikecut.sources.formats.hdf5_files import scale_offset
from spikecut.sources.formats.hdf5_files.kernels import fletcher32, lookup3
from spikecut.sources.formats.hdf5_files.structure import (
    MSG_ATTRIBUTE,
    MSG_FILTERS,
    MSG_LAYOUT,
    MSG_LINK,
    MSG_LINK_INFO,
    MSG_SPACE,
    MSG_TYPE,
    UNDEFINED,
)
from spikecut.sources.formats.signatures import HDF5

SUPERBLOCK_BYTES = 48
_MSG_FILL, _MSG_GROUP = 0x05, 0x0A
_FLETCHER32 = 3

Part = tuple[int, int]
"""The byte where a stored chunk begins, and its size."""


def superblock(root: int, end: int) -> bytes:
    """The first 48 bytes of a file whose root group is at `root`, and which ends at `end`."""
    return _summed(HDF5 + bytes([3, 8, 8, 0]) + struct.pack("<QQQQ", 0, UNDEFINED, end, root))


def group(links: Mapping[str, int], attributes: Mapping[str, int | str]) -> bytes:
    """The header of a group: addresses by name, and attributes: whole numbers and words of fixed length."""
    messages = [
        (MSG_LINK_INFO, bytes(2) + struct.pack("<QQ", UNDEFINED, UNDEFINED)),
        (_MSG_GROUP, bytes(2)),
        *((MSG_LINK, bytes([1, 0, len(name)]) + name.encode() + struct.pack("<Q", at)) for name, at in links.items()),
        *((MSG_ATTRIBUTE, _attribute(name, value)) for name, value in attributes.items()),
    ]
    return _header(messages)


def column(dtype: np.dtype[Any], n: int, chunk_rows: int, parts: Sequence[Part], at: int) -> bytes:
    """The header of a column of `n` values, with the index of its chunks: to be written at byte `at`."""
    if not n:
        layout = bytes([4, 1]) + struct.pack("<QQ", UNDEFINED, 0)
        return _header([*_column(dtype, n), (MSG_LAYOUT, layout)])
    width = (max(chunk_rows, dtype.itemsize).bit_length() + 7) // 8
    begin = bytes([4, 2, 2 if len(parts) == 1 else 0, 2, width])
    begin += chunk_rows.to_bytes(width, "little") + dtype.itemsize.to_bytes(width, "little")
    filters = (MSG_FILTERS, _filters(dtype, chunk_rows))
    if len(parts) == 1:
        (place, size) = parts[0]
        layout = begin + struct.pack("<BQIQ", 1, size, 0, place)
        return _header([*_column(dtype, n), (MSG_LAYOUT, layout), filters])
    page_bits = max(10, (len(parts) - 1).bit_length())
    size_bytes = 1 + ((chunk_rows * dtype.itemsize).bit_length() - 1 + 8) // 8
    item = 12 + size_bytes
    block_at = at + 28
    index = b"FAHD" + struct.pack("<BBBBQQ", 0, 1, item, page_bits, len(parts), block_at)
    entries = b"".join(
        struct.pack("<Q", place) + size.to_bytes(size_bytes, "little") + bytes(4) for place, size in parts
    )
    block = b"FADB" + struct.pack("<BBQ", 0, 1, at) + entries
    layout = begin + struct.pack("<BBQ", 3, page_bits, at)
    return _summed(index) + _summed(block) + _header([*_column(dtype, n), (MSG_LAYOUT, layout), filters])


def header_offset(dtype: np.dtype[Any], chunk_rows: int, n_parts: int) -> int:
    """How far behind its index the header of a `column` begins."""
    if n_parts < 2:
        return 0
    size_bytes = 1 + ((chunk_rows * dtype.itemsize).bit_length() - 1 + 8) // 8
    return 28 + 14 + n_parts * (12 + size_bytes) + 4


def packed(values: Any) -> bytes:
    """A chunk: differences from its minimum in as few bits as suffice, and a Fletcher checksum behind them."""
    content = scale_offset.packed(values)
    total = int(fletcher32(np.frombuffer(content, np.uint8)))
    return content + total.to_bytes(4, "little")


def _summed(data: bytes) -> bytes:
    return data + int(lookup3(np.frombuffer(data, np.uint8))).to_bytes(4, "little")


def _header(messages: Sequence[tuple[int, bytes]]) -> bytes:
    """An object header of version 2."""
    body = b"".join(struct.pack("<BHB", kind, len(data), 0) + data for kind, data in messages)
    return _summed(b"OHDR" + struct.pack("<BBI", 2, 2, len(body)) + body)


def _column(dtype: np.dtype[Any], n: int) -> list[tuple[int, bytes]]:
    space = struct.pack("<BBBBQ", 2, 1, 0, 1, n)
    fill = bytes([3, 0x0B if n else 0x0A])  # no value of its own; room when it is needed
    return [(MSG_SPACE, space), (MSG_TYPE, _number(dtype)), (_MSG_FILL, fill)]


def _number(dtype: np.dtype[Any]) -> bytes:
    signed = 8 if dtype.kind == "i" else 0
    return struct.pack("<BBHIHH", 0x10, signed, 0, dtype.itemsize, 0, 8 * dtype.itemsize)


def _filters(dtype: np.dtype[Any], chunk_rows: int) -> bytes:
    values = scale_offset.parameters(dtype, chunk_rows)
    packing = struct.pack(f"<HHH{len(values)}I", scale_offset.SCALE_OFFSET, 0, len(values), *values)
    return bytes([2, 2]) + packing + struct.pack("<HHH", _FLETCHER32, 0, 0)


def _attribute(name: str, value: int | str) -> bytes:
    data = value.encode() if isinstance(value, str) else struct.pack("<q", value)
    kind = struct.pack("<BBHI", 0x13, 1, 0, len(data)) if isinstance(value, str) else _number(np.dtype("<i8"))
    space = bytes([2, 0, 0, 0])
    title = name.encode() + b"\0"
    return struct.pack("<BBHHHB", 3, 0, len(title), len(kind), len(space), 0) + title + kind + space + data
