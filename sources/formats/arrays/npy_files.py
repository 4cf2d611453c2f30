"""`.npy`: one array of events with named fields, or N x 4; Tonic's DVS128 Gesture by its own rule (`tonic_npy`).

Fields have any of the usual names, types and order. An array N x 4 without `--columns` is taken for Tonic's copy. The
sensor is given, or inferred as for text: the smallest known one that holds 99.9 % of the pixels. What stands behind the
array is counted as `trailing`, rows that are not there as `cut_off`.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from spikecut.pipeline.errors import ConfigError, CorruptRecording
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.arrays.array_header import ArrayHeader, Fields, fields_of, read_header
from spikecut.sources.formats.base import DEFAULTS, ReadOptions, Recording
from spikecut.sources.formats.reading.event_fields import event_chunk
from spikecut.sources.formats.reading.files import open_binary, unreadable
from spikecut.sources.formats.reading.known_sensors import assumed, inferred
from spikecut.sources.formats.reading.ordering import Chunk, in_order, nothing
from spikecut.sources.formats.reading.seeking import place_before
from spikecut.sources.formats.tonic_npy import DVS128, open_tonic_npy

TONIC = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
OTHER_ORDER = "--columns gives another order of the columns, such as txyp; --time-unit another unit: us, ms, s or ns"
NOT_EVENTS = "p is 0, 1 or -1, x and y are whole numbers, t is finite: are these fields those of events?"
_HEADER_BYTES = 256
_BLOCK_BYTES = 2**24


@dataclass(frozen=True, slots=True)
class NpyRecording:
    """The events of one array, read in blocks of `batch_events`."""

    path: Path
    sensor: SensorSize
    header: ArrayHeader
    fields: Fields
    batch_events: int
    format: str

    def __iter__(self) -> Iterator[EventBatch]:
        return self._in_order(array_chunks(self.path, self.header, self.fields, self.batch_events))

    def from_time(self, time_us: int) -> Iterator[EventBatch] | None:
        """The batches from the event at a time or somewhat before; None where the clock was reset."""
        with open_binary(self.path) as file:
            rows, _ = _rows(file, self.path, self.header)

            def time_at(row: int) -> int | None:
                chunk = _block(file, self.path, self.header, self.fields, row, row + 1)
                return int(chunk.t[0]) if len(chunk.t) else None

            place = place_before(time_us, rows, time_at)
        if place is None:
            return None
        chunks = array_chunks(self.path, self.header, self.fields, self.batch_events, place)
        return self._in_order(chunks)

    def _in_order(self, chunks: Iterator[Chunk]) -> Iterator[EventBatch]:
        hint = OTHER_ORDER if self.header.dtype.names is None else NOT_EVENTS
        return in_order(chunks, self.sensor, self.path, hint)


def open_npy(path: Path, options: ReadOptions = DEFAULTS) -> Recording:
    """The recording in an array of events.

    Raises:
        UnknownFormat: if its header cannot be read, or the array holds no events.
        ConfigError: if the order of its columns or the unit of its times has to be given.
    """
    with open_binary(path) as file:
        header = read_header(file, path)
    if header.dtype.names is None and (options.text is None or options.text.columns is None):
        if options.sensor is None:
            kind, reason = "an array N x 4", "read as Tonic's copy of DVS128 Gesture"
            assumed(path, DVS128, kind, reason, "--columns xypt --sensor WIDTHxHEIGHT sets another")
        return open_tonic_npy(path, options)
    fields = fields_of(path, header, options)
    sensor = options.sensor or inferred(path, array_chunks(path, header, fields, 65_536), "an array", None)
    kind = "NumPy array" if header.dtype.names is None else "NumPy structured array"
    columns = ", ".join(header.dtype.names or (options.text.columns or "" if options.text else ""))
    format = f"{kind} ({columns}, t in {fields.unit})"
    return NpyRecording(path, sensor, header, fields, options.batch_events, format)


def array_chunks(path: Path, header: ArrayHeader, fields: Fields, block: int, first: int = 0) -> Iterator[Chunk]:
    """The events of an array from a row on, and what is missing or left over at its end."""
    block = max(1, min(block, _BLOCK_BYTES // header.row_bytes))
    with open_binary(path) as file:
        rows, there = _rows(file, path, header)
        for at in range(first, rows, block):
            yield _block(file, path, header, fields, at, min(rows, at + block))
        end = header.begin + rows * header.row_bytes
        if rows < header.rows:
            n_bytes = there - rows * header.row_bytes
            yield nothing(DropCounts.of(DropCause.cut_off, header.rows - rows, n_bytes, end))
        elif there > rows * header.row_bytes:
            yield nothing(DropCounts.of(DropCause.trailing, 0, there - rows * header.row_bytes, end))


def _rows(file: BinaryIO, path: Path, header: ArrayHeader) -> tuple[int, int]:
    """How many whole rows the file holds, and how many bytes behind its header."""
    there = max(0, os.fstat(file.fileno()).st_size - header.begin)
    rows = min(header.rows, there // header.row_bytes)
    if rows < header.rows and header.by_column:
        raise CorruptRecording(path, f"{rows} of {header.rows} rows, stored by column: x, y, p and t are mixed up")
    return rows, there


def _block(file: BinaryIO, path: Path, header: ArrayHeader, fields: Fields, at: int, end: int) -> Chunk:
    place = None if header.by_column else header.begin + at * header.row_bytes
    if header.by_column:
        size = header.dtype.itemsize
        rows: Any = [
            _values(file, path, header, header.begin + (column * header.rows + at) * size, end - at)
            for column in range(header.width)
        ]
    else:
        rows = _values(file, path, header, header.begin + at * header.row_bytes, (end - at) * header.width)
        rows = rows if header.dtype.names is not None else rows.reshape(end - at, header.width).T
    return event_chunk(fields.columns(rows), fields.unit, at_byte=place)


def _values(file: BinaryIO, path: Path, header: ArrayHeader, at: int, n: int) -> Any:
    size = header.dtype.itemsize
    try:
        data = os.pread(file.fileno(), n * size, at)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) < n * size:
        raise CorruptRecording(path, "the file became shorter while it was read", offset=at)
    values = np.frombuffer(data, np.uint8 if header.dtype.kind == "b" else header.dtype)
    return with_whole_booleans(values) if header.dtype.names is not None else values


def with_whole_booleans(rows: Any) -> Any:
    """Fields of booleans as bytes: a damaged one may be neither 0 nor 1."""
    names = rows.dtype.names
    formats = [np.dtype(np.uint8) if rows.dtype[name].kind == "b" else rows.dtype[name] for name in names]
    offsets = [rows.dtype.fields[name][1] for name in names]
    return rows.view(
        np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": rows.dtype.itemsize})
    )


def write_npy(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes a structured array in Tonic's order and types, `x <i2, y <i2, t <i8, p ?`; returns how many events.

    Raises:
        ConfigError: if the sensor has more pixels in a row than int16 counts.
    """
    if max(sensor.width, sensor.height) > 2**15:
        raise ConfigError(f"{path}: a {sensor} sensor; .npy holds x and y below 32,768", hint="write .h5 instead")
    n = 0
    with path.open("wb") as file:
        file.write(array_head(TONIC, 0))
        for batch in batches:
            file.write(batch.to_structured().astype(TONIC, copy=False).tobytes())
            n += len(batch)
        file.seek(0)
        file.write(array_head(TONIC, n))
    return n


def array_head(dtype: np.dtype[Any], n: int) -> bytes:
    """The header of an array of `n` values, 256 bytes whatever their number."""
    about = {"descr": dtype.descr if dtype.names else dtype.str, "fortran_order": False, "shape": (n,)}
    text = repr(about).encode().ljust(_HEADER_BYTES - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
