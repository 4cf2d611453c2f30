"""The few flatbuffer tables of AEDAT4, read with every offset checked, and written.

A buffer begins with its own length (u32), the place of its root table (u32) and four letters that name its type. A
table begins with the distance back to its list of fields (flatbuffers.dev, "internals"). The schemas are those of
dv-processing (IOHeader, EventPacket, FileDataTable).
"""

import struct

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

PREFIX = 4
EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1"), ("unused", "V3")])
ENTRY = np.dtype(
    [
        ("back", "<i4"),
        ("stream", "<i4"),
        ("size", "<i4"),
        ("at", "<i8"),
        ("n", "<i8"),
        ("first_us", "<i8"),
        ("last_us", "<i8"),
        ("pad", "<i4"),
    ]
)
"""One packet in the table at the end of a file: `at` is the byte behind its header, `last_us` its last event."""
_EMPTY = 40  # bytes of a packet that needs no vector
_EVENTS_HEAD = struct.pack("<I4sHHHHiI", 16, b"EVTS", 0, 6, 8, 4, 6, 4)
_TABLE_HEAD = struct.pack("<I4s6xHHHiI", 20, b"FTAB", 6, 8, 4, 6, 4)
_HEADER_HEAD = struct.pack("<I4s6xHHHHHi", 24, b"IOHE", 10, 20, 4, 12, 8, 10)
_ENTRY_FIELDS = struct.pack("<HHHHHHH2x", 14, 44, 12, 4, 20, 28, 36)
TABLE_AT_FIELD = PREFIX + 36  # where `header` keeps the place of the table


def root_of(data: bytes, identifier: bytes) -> int | None:
    """The place of the root table in a buffer of this type, or None if it is of another type or damaged."""
    if len(data) < 12 or data[8:12] != identifier:
        return None
    root = PREFIX + int.from_bytes(data[4:8], "little")
    return root if root + 4 <= len(data) else None


def field_at(data: bytes, table: int, number: int, size: int) -> int | None:
    """The place of a field of `size` bytes, or None if the table lacks it or points outside the buffer."""
    if table + 4 > len(data):
        return None
    fields = table - int(struct.unpack_from("<i", data, table)[0])
    if fields < PREFIX or fields + 4 > len(data):
        return None
    entry = fields + 4 + 2 * number
    if entry + 2 > min(fields + int(struct.unpack_from("<H", data, fields)[0]), len(data)):
        return None
    offset = int(struct.unpack_from("<H", data, entry)[0])
    return table + offset if offset and table + offset + size <= len(data) else None


def vector_at(data: bytes, table: int, number: int) -> tuple[int, int] | None:
    """Where the items of a vector begin and how many the buffer declares; they may reach beyond its end."""
    place = field_at(data, table, number, 4)
    if place is None:
        return None
    vector = place + int.from_bytes(data[place : place + 4], "little")
    if vector + 4 > len(data):
        return None
    return vector + 4, int.from_bytes(data[vector : vector + 4], "little")


def events_in(data: bytes) -> tuple[int, int] | None:
    """Where the events of a packet begin and how many it declares; None if it is no packet of events or damaged."""
    if data[PREFIX : PREFIX + len(_EVENTS_HEAD)] == _EVENTS_HEAD:  # as nearly all are laid out
        begin = PREFIX + len(_EVENTS_HEAD) + 4
        return (begin, int.from_bytes(data[begin - 4 : begin], "little")) if begin <= len(data) else None
    root = root_of(data, b"EVTS")
    if root is None:
        return None
    vector = vector_at(data, root, 0)
    return (len(data), 0) if vector is None and len(data) <= _EMPTY else vector


def event_packet(events: Shaped[ndarray, " N"]) -> bytes:
    """The packet of some `EVENT` records."""
    body = _EVENTS_HEAD + struct.pack("<I", len(events)) + events.tobytes()
    return struct.pack("<I", len(body)) + body


def header(compression: int, text: bytes) -> bytes:
    """The header of a file whose streams `text` describes, with no place of a table yet."""
    padding = b"\0" * (8 - (len(text) + PREFIX) % 8)
    body = _HEADER_HEAD + struct.pack("<iIqI", compression, 12, -1, len(text)) + text + padding
    return struct.pack("<I", len(body)) + body


def data_table(entries: Shaped[ndarray, " K"]) -> bytes:
    """The table of all packets, from `ENTRY` records."""
    n = len(entries)
    offsets_at = len(_TABLE_HEAD) + 4  # counted, as all offsets, from behind the length of the buffer
    fields_at = offsets_at + 4 * n
    tables_at = -(-(fields_at + len(_ENTRY_FIELDS)) // 8) * 8
    places = tables_at + ENTRY.itemsize * np.arange(n)
    entries = entries.copy()
    entries["back"] = places - fields_at
    offsets = (places - offsets_at - 4 * np.arange(n)).astype("<u4")
    padding = b"\0" * (tables_at - fields_at - len(_ENTRY_FIELDS))
    body = _TABLE_HEAD + struct.pack("<I", n) + offsets.tobytes() + _ENTRY_FIELDS + padding + entries.tobytes()
    return struct.pack("<I", len(body)) + body


def table_entries(data: bytes) -> dict[int, int] | None:
    """How many events each packet holds, by the byte of its header, from the table of a file; None if damaged."""
    root = root_of(data, b"FTAB")
    vector = None if root is None else vector_at(data, root, 0)
    if vector is None or vector[0] + 4 * vector[1] > len(data):
        return None
    counts = {}
    for place in range(vector[0], vector[0] + 4 * vector[1], 4):
        entry = place + int.from_bytes(data[place : place + 4], "little")
        at, number = field_at(data, entry, 0, 8), field_at(data, entry, 2, 8)
        if at is None:
            return None
        n = 0 if number is None else int(struct.unpack_from("<q", data, number)[0])
        counts[int(struct.unpack_from("<q", data, at)[0]) - 8] = min(max(0, n), 1 << 32)
    return counts
