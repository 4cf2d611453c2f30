"""AEDAT 3.1: text header, then packets of one event type each; the raw format of DVS128 Gesture.

A packet begins with 28 little-endian bytes: type u16 (1 is polarity), source u16, bytes an event u32, offset of
the time in an event u32, overflow u32, capacity u32, events u32, valid events u32. A polarity event is a word
(bit 0 valid, bit 1 polarity, bits 2-16 y, bits 17-31 x) and an i32 time in µs; the overflow counts how often the
31 bits of time have run over. x and y count from the top left. (iniVation's published file format, version 3.1.)
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from spikecut.pipeline.errors import ConfigError, CorruptRecording, UnsupportedVersion
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.files import first_bytes, open_binary
from spikecut.sources.formats.reading.ordering import RESET_US, Chunk, in_order, nothing

DVS128 = SensorSize(128, 128)
PACKET = np.dtype(
    {
        "names": ["type", "source", "size", "offset", "overflow", "capacity", "number", "valid"],
        "formats": ["<u2", "<u2", *["<u4"] * 6],
    }
)
_END = b"#!END-HEADER\r\n"
_HEADER_LIMIT = 1 << 20
_POLARITY, _EVENT_BYTES, _TIME_OFFSET = 1, 8, 4
_CAMERAS = {"DVS128": DVS128, "DAVIS240": SensorSize(240, 180), "DAVIS346": SensorSize(346, 260)}
_TYPES = 32  # the format defines 13 event types, programs add a few of their own
_LARGEST_EVENT = 1 << 25
_LARGEST_PACKET = 1 << 28
_SEARCH_BYTES = 1 << 20
_HEADER = "#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 0: {}\r\n#Start-Time: 1970-01-01 00:00:00 (TZ+0000)\r\n"


@dataclass(frozen=True, slots=True)
class Aedat3Recording:
    """The polarity events of one file, a packet at a time; other packets are passed over."""

    path: Path
    begin: int
    sensor: SensorSize
    batch_events: int = 65_536
    format: str = "AEDAT 3.1"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(_chunks(self.path, self.begin, self.batch_events), self.sensor, self.path)


def open_aedat3(path: Path, options: ReadOptions = DEFAULTS) -> Aedat3Recording:
    """The recording in an AEDAT 3.1 file; the sensor in `options` is used where the header names an unknown camera.

    Raises:
        UnsupportedVersion: if it is AEDAT 3.0, or not raw.
        CorruptRecording: if the header has no end.
        ConfigError: if neither header nor `sensor` say how large the camera is.
    """
    head = first_bytes(path, _HEADER_LIMIT)
    version = head[9:16].split(b"\r")[0].decode("latin-1")
    if not version.startswith("3.1"):
        raise UnsupportedVersion(path, f"AEDAT {version}; spikecut reads AEDAT 2.0 and 3.1")
    end = head.find(_END)
    if end < 0:
        raise CorruptRecording(path, "the header has no #!END-HEADER line", offset=len(head))
    text = head[:end].decode("latin-1")
    form = text.split("#Format:")[1].split("\r")[0].strip() if "#Format:" in text else "RAW"
    if form != "RAW":
        raise UnsupportedVersion(path, f"AEDAT 3.1 in the format {form}; spikecut reads RAW")
    named = next((size for camera, size in _CAMERAS.items() if camera in text), None)
    sensor = named or options.sensor
    if sensor is None:
        raise ConfigError(f"{path}: the header names no camera we know", hint="say --sensor WIDTHxHEIGHT")
    return Aedat3Recording(path, end + len(_END), sensor, options.batch_events)


def write_aedat3(
    path: Path, batches: Iterable[EventBatch], sensor: SensorSize = DVS128, *, packet_events: int = 4_096
) -> int:
    """Writes events as AEDAT 3.1, in packets of about `packet_events`, and returns how many events there were.

    Raises:
        ConfigError: if the sensor is that of none of the cameras which the header may name, a time is negative, or a
            clock reset steps back by less than a second, which no reader would notice.
    """
    camera = next((name for name, size in _CAMERAS.items() if size == sensor), None)
    if camera is None:
        known = ", ".join(f"{name} ({size})" for name, size in _CAMERAS.items())
        raise ConfigError(f"{path}: a {sensor} sensor; AEDAT 3.1 is written for {known}", hint="write .h5 instead")
    n = waiting = last = segment = 0
    parts: list[EventBatch] = []
    with path.open("wb") as file:
        file.write(_HEADER.format(camera).encode() + _END)
        for batch in batches:
            if batch.sensor != sensor or (len(batch) and batch.t[0] < 0):
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


def _chunks(path: Path, begin: int, block: int) -> Iterator[Chunk]:
    with open_binary(path) as file:
        end = os.fstat(file.fileno()).st_size
        at = begin
        while at < end:
            header = _header_at(file, at, end)
            size, number, body = (
                (int(header["size"]), int(header["number"]), at + PACKET.itemsize)
                if (header is not None)
                else (1, 0, end)
            )
            following = _next_header(file, at, end) if header is None or body + number * size > end else end
            if header is None or following < end:  # garbage, or a claim to more than there is
                yield nothing(_passed_over(at, following, end))
                at = following
                continue
            whole = min(number, (end - body) // size)
            if header["type"] == _POLARITY:
                for first in range(0, whole, block):
                    n = min(block, whole - first)
                    yield _decoded(file, body + first * _EVENT_BYTES, n, int(header["overflow"]))
            if whole < number:
                left = body + whole * size
                yield nothing(DropCounts.of(DropCause.cut_off, number - whole, end - left, left))
                return
            at = body + number * size
            if header["capacity"] != number and _header_at(file, at, end) is None:
                at = body + int(header["capacity"]) * size  # some programs write the unused places, too


def _decoded(file: BinaryIO, body: int, number: int, overflow: int) -> Chunk:
    file.seek(body)
    words = np.frombuffer(file.read(number * _EVENT_BYTES), "<u4").reshape(-1, 2)
    invalid = (words[:, 0] & 1) == 0
    lost = NOTHING_LOST
    if invalid.any():
        at = body + int(np.argmax(invalid)) * _EVENT_BYTES
        lost = DropCounts.of(DropCause.invalid, int(invalid.sum()), at_byte=at)
        words = words[~invalid]
    data = words[:, 0]
    return Chunk(
        t=(words[:, 1] & 0x7FFFFFFF).astype(np.int64) + (overflow << 31),
        x=(data >> 17).astype(np.uint16),
        y=(data >> 2 & 0x7FFF).astype(np.uint16),
        p=(data >> 1 & 1).astype(np.uint8),
        lost=lost,
    )


def _header_at(file: BinaryIO, at: int, end: int) -> Any:
    """The packet header at a byte, or None if what stands there cannot be one."""
    file.seek(at)
    raw = file.read(PACKET.itemsize)
    if len(raw) < PACKET.itemsize:
        return None
    header = np.frombuffer(raw, PACKET)[0]
    size, capacity, number = int(header["size"]), int(header["capacity"]), int(header["number"])
    sane = (
        int(header["type"]) < _TYPES
        and 0 < size <= _LARGEST_EVENT
        and int(header["valid"]) <= number <= capacity
        and capacity * size <= _LARGEST_PACKET
        and int(header["offset"]) < size
        and (header["type"] != _POLARITY or (size == _EVENT_BYTES and int(header["offset"]) == _TIME_OFFSET))
    )
    if not sane:
        return None
    return header


def _next_header(file: BinaryIO, at: int, end: int) -> int:
    """The next byte from which a polarity packet makes sense, or the end of the file."""
    while at < end:
        file.seek(at + 1)
        window = file.read(min(_SEARCH_BYTES, end - at - 1) + PACKET.itemsize)
        mark = bytes([_POLARITY, 0])
        place = window.find(mark)
        while place >= 0:
            candidate = at + 1 + place
            if _header_at(file, candidate, end) is not None:
                return candidate
            place = window.find(mark, place + 1)
        at += _SEARCH_BYTES
    return end


def _passed_over(at: int, following: int, end: int) -> DropCounts:
    n_bytes = following - at
    if n_bytes < PACKET.itemsize and following == end:
        return DropCounts.of(DropCause.cut_off, 1, n_bytes, at)
    return DropCounts.of(DropCause.unreadable, max(1, n_bytes // _EVENT_BYTES), n_bytes, at)
