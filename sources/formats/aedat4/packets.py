"""The packets of one stream of an AEDAT4 file, in the order of the file; damaged ones are passed over and counted."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts
from spikecut.sources.formats.aedat4.compression import LARGEST, Unpacked, unpacked
from spikecut.sources.formats.aedat4.decoding import HEADER_BYTES, is_header, next_header
from spikecut.sources.formats.aedat4.flatbuffers import EVENT, events_in, root_of, table_entries
from spikecut.sources.formats.reading.files import open_binary, read_bytes

_BLOCK, _WINDOW = 1 << 18, 1 << 22
_ATTEMPTS = 8
_LOOK = 64  # bytes of a packet in which the type of its buffer shows, compressed or not
_MARK = b"EVTS"
_PATIENCE = 64  # damaged places one after the other
_CHECKED = 28  # bytes from which it shows whether a packet begins there


@dataclass(frozen=True, slots=True)
class Packet:
    """Events of one packet: `n` records from byte `first` of `data` on; `at` is the packet's place in the file.

    Or none, and what was lost instead.
    """

    data: bytes
    first: int
    n: int
    at: int
    lost: DropCounts = NOTHING_LOST


def lost_at(at: int, lost: DropCounts) -> Packet:
    """No events, but a loss."""
    return Packet(b"", 0, 0, at, lost)


@dataclass(slots=True)
class PacketFile:
    """An open file of packets: `camera` is the stream that is read, `table_at` the byte of the table if it is known."""

    path: Path
    file: BinaryIO
    camera: int
    event_streams: frozenset[int]
    streams: frozenset[int]
    table_at: int | None
    end: int = 0
    n_attempts: int = 0  # at a table, or at a packet of which it is not known what follows it
    failures: int = 0  # damaged places since the last packet that was sound
    damaged_from: int = 0
    block: bytes = b""
    block_at: int = 0
    counts: dict[int, int] | None = field(default=None)

    def __post_init__(self) -> None:
        self.end = os.fstat(self.file.fileno()).st_size

    def read(self, at: int, n: int) -> bytes:
        """Bytes of the file, by way of a block of it that is kept."""
        if n > _BLOCK:
            self.file.seek(at)
            return read_bytes(self.file, self.path, n)
        if not self.block_at <= at <= at + n <= self.block_at + len(self.block):
            self.file.seek(at)
            self.block, self.block_at = read_bytes(self.file, self.path, _BLOCK), at
        return self.block[at - self.block_at : at - self.block_at + n]

    def header_at(self, at: int) -> tuple[int, int] | None:
        """Stream and size of the packet that begins at a byte; None if none does. It may claim more than there is."""
        data = self.read(at, _CHECKED)
        if not is_header(np.frombuffer(data, np.uint8), 0, 1 << 62):
            return None
        return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:HEADER_BYTES], "little")

    def next_after(self, at: int) -> int:
        """The next byte at which a packet begins, or the end of the file."""
        at += 1
        lenient = self.n_attempts < _ATTEMPTS
        window = _BLOCK // 4 if lenient else _WINDOW
        while at < self.end:
            data = np.frombuffer(self.read(at, window + 64), np.uint8)
            stop = min(window, len(data))
            place = int(next_header(data, 0, stop, self.end - at, lenient))
            if place < stop:
                return at + place
            at, window = at + max(1, stop), min(_WINDOW, 4 * window)
        return self.end

    def past(self, at: int, following: int) -> int:
        """Where to go on after damage at a byte: where damage follows damage, by a sixteenth of the damaged stretch."""
        self.failures += 1
        self.damaged_from = at if self.failures == 1 else self.damaged_from
        step = (at - self.damaged_from) // 16 if self.failures > _PATIENCE else 0
        return following if following >= min(self.end, at + step) else self.next_after(at + step - 1)

    def table(self, at: int) -> Unpacked | None:
        """The table of the file if it begins at a byte, or what there is of it; else None."""
        if at + 8 > self.end or (at != self.table_at and self.n_attempts > _ATTEMPTS):
            return None
        self.n_attempts += at != self.table_at
        begun = unpacked(self.read(at, min(self.end - at, LARGEST)))
        return begun if begun is not None and root_of(begun.data, b"FTAB") is not None else None

    def count_of(self, at: int) -> int:
        """How many events the packet at a byte holds by the table of the file; 1 if that is not known."""
        if self.counts is None:
            table = None if self.table_at is None else self.table(self.table_at)
            self.counts = (None if table is None else table_entries(table.data)) or {}
        return max(1, self.counts.get(at, 1))


def packets(source: PacketFile, begin: int) -> Iterator[Packet]:
    """The packets of the camera from a byte on.

    Raises:
        UnreadableSource: if the file cannot be read.
    """
    at = begin
    while at < source.end:
        header = source.header_at(at)
        if header is None:
            if (table := source.table(at)) is not None:
                yield lost_at(at, _behind(source, at, table))
                return
            following = source.past(at, source.next_after(at))
            yield lost_at(at, _passed_over(source, at, following))
            at = following
            continue
        stream, size = header
        after = at + HEADER_BYTES + size
        if after > source.end and (following := source.next_after(at)) < source.end:
            following = source.past(at, following)
            yield lost_at(at, _lost(source, at, following))
            at = following
        elif stream == source.camera:
            packet, at = _read(source, at, size)
            yield packet
        else:
            if after <= source.end and _is_stray(source, at, stream):
                yield lost_at(at, _lost(source, at, after))
            at = after


def _read(source: PacketFile, at: int, size: int) -> tuple[Packet, int]:
    """The packet at a byte, and where the next begins."""
    packed = source.read(at + HEADER_BYTES, min(size, source.end - at - HEADER_BYTES))
    after = at + HEADER_BYTES + size
    content = unpacked(packed)
    vector = None if content is None else events_in(content.data)
    if after > source.end:
        return _cut_off(source, at, content), source.end
    if content is None or vector is None or not _fits(content, vector):
        known = after == source.end or source.header_at(after) is not None or source.table(after) is not None
        source.n_attempts += not known
        following = source.past(at, after if known else source.next_after(at))
        return lost_at(at, _lost(source, at, following)), following
    source.failures = 0
    return Packet(content.data, vector[0], vector[1], at), after


def _fits(content: Unpacked, vector: tuple[int, int]) -> bool:
    """Whether the buffer is whole and as long as it says, and holds all events that it declares."""
    declared = 4 + int.from_bytes(content.data[:4], "little")
    whole = content.whole and not content.unused and declared == len(content.data)
    return whole and vector[0] + vector[1] * EVENT.itemsize <= len(content.data)


def _cut_off(source: PacketFile, at: int, content: Unpacked | None) -> Packet:
    """What there is of the last packet of a file that ends inside it."""
    n_bytes = source.end - at
    vector = None if content is None else events_in(content.data)
    if content is None or vector is None:
        return lost_at(at, DropCounts.of(DropCause.cut_off, source.count_of(at), n_bytes, at))
    n = min(vector[1], (len(content.data) - vector[0]) // EVENT.itemsize)
    missing = min(vector[1], LARGEST // EVENT.itemsize) - n
    return Packet(content.data, vector[0], n, at, DropCounts.of(DropCause.cut_off, missing, n_bytes, at))


def _is_stray(source: PacketFile, at: int, stream: int) -> bool:
    """Whether a packet of another stream holds events all the same: then the number of its stream is damaged."""
    return stream not in source.event_streams and _MARK in source.read(at + HEADER_BYTES, _LOOK)


def _lost(source: PacketFile, at: int, following: int) -> DropCounts:
    return DropCounts.of(DropCause.unreadable, source.count_of(at), following - at, at)


def _passed_over(source: PacketFile, at: int, following: int) -> DropCounts:
    """Bytes between packets; where the table should be but is cut off, no event is lost with them."""
    n_bytes = following - at
    if following == source.end and (at == source.table_at or n_bytes < _CHECKED):
        return DropCounts.of(DropCause.cut_off, int(at != source.table_at), n_bytes, at)
    if n_bytes <= EVENT.itemsize:
        return DropCounts.of(DropCause.unreadable, 0, n_bytes, at)
    return _lost(source, at, following)


def _behind(source: PacketFile, at: int, table: Unpacked) -> DropCounts:
    """What is missing of the table at the end of a file, or the bytes behind it."""
    if not table.whole:
        return DropCounts.of(DropCause.cut_off, 0, source.end - at, at)
    return DropCounts.of(DropCause.trailing, 0, table.unused, source.end - table.unused)


def open_packets(path: Path) -> BinaryIO:
    """The file, opened for `PacketFile`."""
    return open_binary(path)
