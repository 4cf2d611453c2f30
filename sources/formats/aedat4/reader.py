"""Reading AEDAT4: the events of one camera, from packets of any size, compressed or not.

An event is a time in µs since 1970 (i64), x and y (i16) from the top left, and whether it is ON. Packets of other
streams (frames, inertial samples, triggers) are passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Int64, UInt8, UInt16
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, EmptyRecording
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.aedat4.compression import unpacked
from spikecut.sources.formats.aedat4.decoding import HEADER_BYTES, split
from spikecut.sources.formats.aedat4.flatbuffers import EVENT, events_in
from spikecut.sources.formats.aedat4.header import Header, Stream, read_header
from spikecut.sources.formats.aedat4.packets import PacketFile, open_packets, packets
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.known_sensors import LARGEST, inferred
from spikecut.sources.formats.reading.ordering import Chunk, empty_columns, in_order
from spikecut.sources.formats.reading.seeking import place_before

_LOOKED_AT = 64  # packets in which events are looked for where the header names no stream of them
_UNIT = 1 << 16  # bytes of the file between two places of which the time is looked up
_REACH = 1 << 24
Columns = tuple[Int64[ndarray, " N"], UInt16[ndarray, " N"], UInt16[ndarray, " N"], UInt8[ndarray, " N"]]


@dataclass(frozen=True, slots=True)
class Aedat4Recording:
    """The events of one camera in a file, about `batch_events` at a time."""

    path: Path
    sensor: SensorSize
    camera: int
    header: Header
    batch_events: int = 65_536
    format: str = "AEDAT4"

    def __iter__(self) -> Iterator[EventBatch]:
        others = [stream.number for stream in self.header.cameras if stream.number != self.camera]
        hint = (f"the file has other cameras, too: --camera {others[0]}",) if others else ()
        return in_order(self._chunks(self.header.begin, self.header.lost), self.sensor, self.path, *hint)

    def from_time(self, time_us: int) -> Iterator[EventBatch] | None:
        """The batches from the event at `time_us` or somewhat before; None if its place cannot be known."""
        with open_packets(self.path) as file:
            source = self._source(file)
            n = max(1, -(-(source.end - self.header.begin) // _UNIT))
            unit = place_before(time_us, n, lambda i: _time_after(source, self.header.begin + i * _UNIT))
            if unit is None:
                return None
            begin = self.header.begin
            if unit:
                begin = source.next_after(begin + unit * _UNIT - 1)
        return in_order(self._chunks(begin, NOTHING_LOST), self.sensor, self.path)

    def _source(self, file: BinaryIO) -> PacketFile:
        streams = self.header.streams
        cameras = frozenset(stream.number for stream in self.header.cameras)
        every = frozenset(stream.number for stream in streams)
        return PacketFile(self.path, file, self.camera, cameras, every, self.header.table_at)

    def _chunks(self, begin: int, lost: DropCounts) -> Iterator[Chunk]:
        columns, n = empty_columns(self.batch_events), 0
        with open_packets(self.path) as file:
            for packet in packets(self._source(file), begin):
                lost += packet.lost
                if n + packet.n > len(columns[0]):
                    yield _filled(columns, n, lost)
                    columns, n, lost = empty_columns(max(self.batch_events, packet.n)), 0, NOTHING_LOST
                if packet.n:  # split while it is in the cache of the processor
                    words = np.frombuffer(packet.data, "<i8", 2 * packet.n, packet.first)
                    t, x, y, p = columns
                    sound = split(words, t[n:], x[n:], y[n:], p[n:])
                    n += sound
                    if sound < packet.n:
                        n_bad = packet.n - sound
                        lost += DropCounts.of(DropCause.unreadable, n_bad, n_bad * EVENT.itemsize, packet.at)
        if n or lost:
            yield _filled(columns, n, lost)


def open_aedat4(path: Path, options: ReadOptions = DEFAULTS) -> Aedat4Recording:
    """The recording in an AEDAT4 file; the sensor in `options` is used where the header does not say its size.

    Raises:
        UnsupportedVersion, CorruptRecording: as `read_header`.
        EmptyRecording: if the file has no stream of events.
        ConfigError: if it has several and `options` choose none of them.
    Warns (`SpikecutWarning`) where the sensor is inferred.
    """
    header = read_header(path)
    stream = _chosen(path, header, options.camera)
    sensor = stream.sensor or options.sensor
    if sensor is None:
        entire = Aedat4Recording(path, LARGEST, stream.number, header)
        sensor = inferred(path, entire._chunks(header.begin, NOTHING_LOST), "the header")
    return Aedat4Recording(path, sensor, stream.number, header, options.batch_events)


def _chosen(path: Path, header: Header, camera: int | None) -> Stream:
    """The stream of events that is read."""
    cameras = header.cameras or _undeclared(path, header)
    if not cameras:
        others = ", ".join(f"{one.number} ({one.identifier})" for one in header.streams) or "none"
        raise EmptyRecording(path, f"no stream of events (EVTS) among the streams of the file: {others}")
    if camera is None and len(cameras) == 1:
        return cameras[0]
    for stream in cameras:
        if stream.number == camera:
            return stream
    names = ", ".join(map(str, cameras))
    if camera is None:
        raise ConfigError(
            f"{path}: events of {len(cameras)} cameras: {names}; one must be chosen",
            hint=f"choose one by its number: --camera {cameras[0].number}",
        )
    raise ConfigError(f"{path}: no camera {camera}; the file has {names}", hint=f"say --camera {cameras[0].number}")


def _undeclared(path: Path, header: Header) -> tuple[Stream, ...]:
    """The stream of the first packet that holds events, where the header names no stream of events."""
    with open_packets(path) as file:
        source = PacketFile(path, file, -1, frozenset(), frozenset(), header.table_at)
        at = header.begin
        for _ in range(_LOOKED_AT):
            packet = source.header_at(at)
            if packet is None or at + HEADER_BYTES + packet[1] > source.end:
                at = source.next_after(at)
                continue
            content = unpacked(source.read(at + HEADER_BYTES, packet[1]))
            if content is not None and events_in(content.data) is not None:
                known = next((one.sensor for one in header.streams if one.number == packet[0]), None)
                return (Stream(packet[0], "EVTS", "", known),)
            at += HEADER_BYTES + packet[1]
    return ()


def _filled(columns: Columns, n: int, lost: DropCounts) -> Chunk:
    """The first `n` events of some columns."""
    t, x, y, p = (column[:n] for column in columns)
    return Chunk(t, x, y, p, lost)


def _time_after(source: PacketFile, at: int) -> int | None:
    """The time of the first event of the camera behind a byte; None where none follows within 16 MB."""
    stop = min(source.end, at + _REACH)
    at = source.next_after(at - 1)
    while at < stop:
        header = source.header_at(at)
        if header is None or at + HEADER_BYTES + header[1] > source.end:
            return None
        if header[0] == source.camera:
            content = unpacked(source.read(at + HEADER_BYTES, header[1]))
            vector = None if content is None else events_in(content.data)
            if (
                content is not None
                and vector is not None
                and vector[1]
                and vector[0] + EVENT.itemsize <= len(content.data)
            ):
                return int.from_bytes(content.data[vector[0] : vector[0] + 8], "little", signed=True)
        at += HEADER_BYTES + header[1]
    return None
