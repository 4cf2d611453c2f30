"""AEDAT 3.1: text header, then packets of one event type each; the raw format of DVS128 Gesture.

A packet begins with 28 little-endian bytes: type u16 (1 is polarity), source u16, bytes an event u32, offset of
the time in an event u32, overflow u32, capacity u32, events u32, valid events u32. A polarity event is a word
(bit 0 valid, bit 1 polarity, bits 2-16 y, bits 17-31 x) and an i32 time in µs; the overflow counts how often the
31 bits of time have run over. x and y count from the top left. (iniVation's published file format, version 3.1.)
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.aedat import aedat3_decoding as decoding
from spikecut.sources.formats.aedat.aedat3_header import Camera, Header, read_header
from spikecut.sources.formats.aedat.cameras import camera_of
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.incoming import Incoming
from spikecut.sources.formats.reading.blocks import decoded_blocks
from spikecut.sources.formats.reading.files import open_binary, read_bytes
from spikecut.sources.formats.reading.known_sensors import LARGEST, inferred
from spikecut.sources.formats.reading.ordering import RESET_US, Chunk, empty_columns, in_order
from spikecut.sources.formats.reading.seeking import place_before

DVS128 = SensorSize(128, 128)
PACKET = np.dtype(
    {
        "names": ["type", "source", "size", "offset", "overflow", "capacity", "number", "valid"],
        "formats": ["<u2", "<u2", *["<u4"] * 6],
    }
)
_POLARITY, _EVENT_BYTES, _TIME_OFFSET = decoding.POLARITY, decoding.EVENT_BYTES, decoding.TIME_OFFSET
_FEWEST_EVENTS = 512  # read at a time
_LOOKED_AT = 256  # packets whose sources are looked at when a file is opened
_UNIT, _REACH = 1 << 16, 1 << 24  # bytes between places whose time is looked up, and how far it may be from them
_LARGEST_SIDE = 1 << 15
_LATEST_US = decoding.MOST_OVERFLOWS << 31
_HEADER = "#!AER-DAT3.1\r\n#Format: RAW\r\n{}#Start-Time: 1970-01-01 00:00:00 (TZ+0000)\r\n#!END-HEADER\r\n"


@dataclass(frozen=True, slots=True)
class Aedat3Recording:
    """The polarity events of one camera, about `batch_events` at a time; other packets are passed over."""

    path: Path
    begin: int
    sensor: SensorSize
    batch_events: int = 65_536
    camera: int = 0
    others: tuple[int, ...] = ()
    format: str = "AEDAT 3.1"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self._chunks(self.begin), self.sensor, self.path, *self._hint())

    def from_time(self, time_us: int) -> Iterator[EventBatch] | None:
        """The batches from the event at `time_us` or somewhat before; None if its place cannot be known."""
        with open_binary(self.path) as file:
            end = os.fstat(file.fileno()).st_size

            def packet_after(unit: int) -> tuple[int, int] | None:
                return _first_packet(file, self.path, (self.begin + unit * _UNIT, end), self.camera)

            def time_after(unit: int) -> int | None:
                packet = packet_after(unit)
                return None if packet is None else packet[1]

            unit = place_before(time_us, -(-(end - self.begin) // _UNIT), time_after)
            packet = None if unit is None else packet_after(unit)
        if packet is None:
            return None
        return in_order(self._chunks(packet[0] if unit else self.begin), self.sensor, self.path)

    def _hint(self) -> tuple[str, ...]:
        return (f"the file has other cameras, too: --camera {self.others[0]}",) if self.others else ()

    def _chunks(self, begin: int) -> Iterator[Chunk]:
        state = np.zeros(decoding.STATE, np.int64)
        state[[decoding.BAD_FROM, decoding.OVER_AT, decoding.BAD_AT]] = decoding.NOWHERE
        others = np.array(self.others, np.int64)
        if isinstance(self.path, Incoming):
            yield from self._coming_chunks(state, others)
            return
        at, trusting = begin, False
        with open_binary(self.path) as file:
            end = os.fstat(file.fileno()).st_size
            while at < end:
                n_bytes = min(decoding.HEADER_BYTES + _EVENT_BYTES * max(self.batch_events, _FEWEST_EVENTS), end - at)
                file.seek(at)
                data = np.frombuffer(read_bytes(file, self.path, n_bytes), np.uint8)
                if len(data) < n_bytes:  # the file has become shorter meanwhile
                    end = at + len(data)
                columns = empty_columns(len(data) // _EVENT_BYTES + 1)
                n = decoding.decode_packets(data, at, end, self.camera, others, trusting, state, *columns)
                at += int(state[decoding.CONSUMED])
                at, trusting = _next_place(state, at, end, trusting)
                t, x, y, p = (column[:n] for column in columns)
                yield Chunk(t, x, y, p, _losses(state, end))

    def _coming_chunks(self, state: Int64[ndarray, " S"], others: Int64[ndarray, " M"]) -> Iterator[Chunk]:
        """The events of bytes that come: a packet may claim as much as `_REACH` more than has come."""

        def decode(data: UInt8[ndarray, " n"], at: int, final: bool) -> tuple[Chunk, int]:
            end = at + len(data) + (0 if final else _REACH)
            columns = empty_columns(len(data) // _EVENT_BYTES + 1)
            n = decoding.decode_packets(data, at, end, self.camera, others, final, state, *columns)
            if final and state[decoding.MODE] == decoding.SEARCHING:
                decoding.note_bad(end, state)
            t, x, y, p = (column[:n] for column in columns)
            return Chunk(t, x, y, p, _losses(state, end)), int(state[decoding.CONSUMED])

        block = decoding.HEADER_BYTES + _EVENT_BYTES * max(self.batch_events, _FEWEST_EVENTS)
        yield from decoded_blocks(self.path, self.begin, block, decode)


def _next_place(state: Int64[ndarray, " S"], at: int, end: int, trusting: bool) -> tuple[int, bool]:
    """Where to read on: behind a packet that is passed over; or, at the end, at one that claims more than there is."""
    if state[decoding.MODE] == decoding.IN_OTHERS:
        step = min(int(state[decoding.REMAINING]), end - at)
        state[decoding.REMAINING] -= step
        if not state[decoding.REMAINING]:
            state[decoding.MODE] = decoding.BEHIND
        return at + step, trusting
    if state[decoding.MODE] == decoding.SEARCHING and at >= end:
        over = int(state[decoding.OVER_AT])
        state[decoding.MODE] = decoding.AT_HEADER
        decoding.note_bad(end if over == decoding.NOWHERE else over, state)
        if over != decoding.NOWHERE:
            return over, True
    return at, trusting


def _losses(state: Int64[ndarray, " S"], end: int) -> DropCounts:
    """What the last block has lost; the counters begin anew."""
    bad, bad_bytes, bad_at, invalid, invalid_at, foreign, foreign_at, cut, cut_at = state[decoding.BAD :].tolist()
    if not (bad or invalid or foreign or cut):
        return NOTHING_LOST
    state[decoding.BAD :] = 0
    state[decoding.BAD_AT] = decoding.NOWHERE
    lost = DropCounts.of(DropCause.unreadable, bad, bad_bytes, bad_at)
    lost += DropCounts.of(DropCause.invalid, invalid, at_byte=invalid_at)
    lost += DropCounts.of(DropCause.unreadable, foreign, foreign * _EVENT_BYTES, foreign_at)
    return lost + DropCounts.of(DropCause.cut_off, cut, end - cut_at if cut else 0, cut_at)


def open_aedat3(path: Path, options: ReadOptions = DEFAULTS) -> Aedat3Recording:
    """The recording in an AEDAT 3.1 file; the sensor in `options` is used where the header names an unknown camera.

    Raises:
        UnsupportedVersion: if it is AEDAT 3.0, or not raw.
        CorruptRecording: if the header has no end.
        ConfigError: if the file has several cameras and `options` choose none of them.
    Warns (`SpikecutWarning`) where the sensor is inferred.
    """
    header = read_header(path)
    cameras = _cameras(path, header)
    camera = _chosen(path, cameras, options.camera)
    sensor = camera.sensor or (header.sensor if len(cameras) < 2 else None) or options.sensor
    others = tuple(one.number for one in cameras if one.number != camera.number)
    if sensor is None:
        entire = Aedat3Recording(path, header.begin, LARGEST, 65_536, camera.number, others)
        sensor = inferred(path, entire._chunks(header.begin), "the header names no camera we know and")
    return Aedat3Recording(path, header.begin, sensor, options.batch_events, camera.number, others)


def _cameras(path: Path, header: Header) -> tuple[Camera, ...]:
    """The cameras that the header names or whose events stand among the first packets."""
    named = {camera.number: camera for camera in header.cameras}
    numbers = _sources(path, header.begin)
    if len(named) == 1 and len(numbers) == 1:
        (camera,) = named.values()
        return (replace(camera, number=min(numbers)),)  # the number in the header is not always right
    if len(named) < 2 and numbers:
        return tuple(named.get(number, Camera(number)) for number in sorted(numbers))
    return tuple(named.get(number, Camera(number)) for number in sorted(numbers | set(named))) or (Camera(0),)


def _chosen(path: Path, cameras: tuple[Camera, ...], number: int | None) -> Camera:
    if number is None and len(cameras) == 1:
        return cameras[0]
    for camera in cameras:
        if camera.number == number:
            return camera
    names = ", ".join(map(str, cameras))
    if number is None:
        raise ConfigError(
            f"{path}: events of {len(cameras)} cameras: {names}; one must be chosen",
            hint=f"choose one by its number: --camera {cameras[0].number}",
        )
    raise ConfigError(f"{path}: no camera {number}; the file has {names}", hint=f"say --camera {cameras[0].number}")


def _sources(path: Path, at: int) -> set[int]:
    """The sources of the polarity packets among the first ones, up to the first damage."""
    sources: set[int] = set()
    with open_binary(path) as file:
        for _ in range(_LOOKED_AT):
            file.seek(at)
            raw = np.frombuffer(read_bytes(file, path, PACKET.itemsize), np.uint8)
            if len(raw) < PACKET.itemsize or not decoding.is_packet(raw, 0):
                break
            header = raw.view(PACKET)[0]
            if header["type"] == _POLARITY and header["number"]:
                sources.add(int(header["source"]))
            at += PACKET.itemsize + int(header["number"]) * int(header["size"])
    return sources


def _first_packet(file: BinaryIO, path: Path, stretch: tuple[int, int], camera: int) -> tuple[int, int] | None:
    """Place and first time of the camera's first packet in a stretch of bytes; None if none begins within 16 MB."""
    at, end = stretch
    stop = min(end, at + _REACH)
    while at < stop:
        file.seek(at)
        data = np.frombuffer(read_bytes(file, path, _UNIT + 64), np.uint8)
        place = decoding.next_polarity(data, 0, end - at, camera)
        if place + PACKET.itemsize + _EVENT_BYTES <= len(data):
            header = data[place : place + PACKET.itemsize].view(PACKET)[0]
            if header["number"]:
                time = data[place + PACKET.itemsize + _TIME_OFFSET :][:4].view("<u4")[0]
                return at + place, (int(header["overflow"]) << 31) + (int(time) & 0x7FFFFFFF)
            at += place + 1
        else:
            at += max(1, min(place, len(data) - 64)) if len(data) > 64 else len(data) + 1
    return None


def header_with(source: str = "#Source 0: DVS128\r\n") -> bytes:
    """The header of a file with the given lines about its camera."""
    return _HEADER.format(source).encode()


def write_aedat3(
    path: Path, batches: Iterable[EventBatch], sensor: SensorSize = DVS128, *, packet_events: int = 4_096
) -> int:
    """Writes events as AEDAT 3.1, in packets of about `packet_events`, and returns how many events there were.

    A sensor that belongs to no camera we know stands in a line of the header that only spikecut understands; other
    programs must be given its size.

    Raises:
        ConfigError: if the sensor does not fit into 15 bits each way or changes, a time is negative, or a clock reset
            steps back by less than a second, which no reader would notice.
    """
    if max(sensor.width, sensor.height) > _LARGEST_SIDE:
        raise ConfigError(f"{path}: a {sensor} sensor; AEDAT 3.1 holds x and y below {_LARGEST_SIDE}")
    camera = camera_of(sensor)
    source = f"#Source 0: {camera}\r\n" if camera else f"#Source 0: unknown\r\n#Sensor 0: {sensor}\r\n"
    n = waiting = last = segment = 0
    parts: list[EventBatch] = []
    with path.open("wb") as file:
        file.write(header_with(source))
        for batch in batches:
            if batch.sensor != sensor or (len(batch) and not 0 <= batch.t[0] <= batch.t[-1] < _LATEST_US):
                raise ConfigError(
                    f"{path}: AEDAT 3.1 of a {sensor} sensor cannot hold a {batch.sensor} sensor or a time before 0",
                    hint="write .h5 instead",
                )
            if not len(batch):
                continue
            if batch.segment != segment and (n or waiting) and last - batch.t[0] <= RESET_US:
                raise ConfigError(
                    f"{path}: AEDAT 3.1 cannot hold a clock reset from {last} to {batch.t[0]} us",
                    hint="write .h5 instead",
                )
            last, segment = int(batch.t[-1]), batch.segment
            parts.append(batch)
            waiting += len(batch)
            if waiting >= packet_events:
                n += _write_packets(file, parts, packet_events)
                parts, waiting = [], 0
        return n + _write_packets(file, parts, packet_events)


def _write_packets(file: BinaryIO, parts: list[EventBatch], packet_events: int) -> int:
    """One or more packets; a packet has one overflow count, so it ends where 31 bits of time run over."""
    if not parts:
        return 0
    t = np.concatenate([batch.t for batch in parts])
    x, y, p = (np.concatenate([getattr(batch, name) for batch in parts]).astype(np.uint32) for name in "xyp")
    words = np.empty((len(t), 2), "<u4")
    words[:, 0] = x << 17 | y << 2 | p << 1 | 1
    words[:, 1] = t & 0x7FFFFFFF
    overflow = t >> 31
    turns = np.flatnonzero(np.diff(overflow)) + 1
    for begin, end in pairwise(sorted({*range(0, len(t), packet_events), *turns.tolist(), len(t)})):
        size = end - begin
        header = (_POLARITY, 0, _EVENT_BYTES, _TIME_OFFSET, int(overflow[begin]), size, size, size)
        file.write(np.array(header, PACKET).tobytes())
        file.write(words[begin:end].tobytes())
    return len(t)
