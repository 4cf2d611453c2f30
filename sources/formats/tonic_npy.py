"""Tonic's pre-cut copy of DVS128 Gesture: one gesture a file, a NumPy array of rows x, y, p, t.

Times are milliseconds, whole or not; a file of user12_led called 3.npy shows class 3 of 0 to 10. Columns and unit
are those that Tonic itself reads (tonic/datasets/dvsgesture.py). Nothing is unpickled.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded, UnknownFormat
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats import known_formats
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.files import open_binary, read_bytes
from spikecut.sources.formats.reading.ordering import Chunk, in_order, nothing

DVS128 = SensorSize(128, 128)
_COLUMNS = 4
_ROWS_LIMIT = 2**48  # more than any disk holds
_LATEST_MS = 4e12  # 126 years: what lies beyond is no time
_NOWHERE = 0xFFFF
_HINT = "rows are read as x, y, p, t in ms; those of x, y, t, p in us: --columns xytp --time-unit us"
_EXPECTED = "expected N x 4 numbers: x, y, p, t in ms, as Tonic keeps DVS128 Gesture"


@dataclass(frozen=True, slots=True)
class TonicRecording:
    """The events of one file, times in µs, read in blocks of `batch_events`."""

    path: Path
    batch_events: int = 65_536
    sensor: SensorSize = DVS128
    format: str = "Tonic's DVS128 Gesture (.npy)"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(_chunks(self.path, self.batch_events), self.sensor, self.path, _HINT)


def open_tonic_npy(path: Path, options: ReadOptions = DEFAULTS) -> TonicRecording:
    """The recording in a file of Tonic's copy.

    Raises:
        UnknownFormat: if its header cannot be read, or the array holds anything but N x 4 numbers.
    """
    with open_binary(path) as file:
        _header(file, path)
    return TonicRecording(path, options.batch_events)


@dataclass(frozen=True, slots=True)
class _Header:
    begin: int
    rows: int
    by_column: bool
    dtype: np.dtype[Any]


def _header(file: BinaryIO, path: Path) -> _Header:
    try:
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(file)]
        shape, by_column, dtype = read(file)
    except Exception as error:  # a damaged header is parsed as Python, and fails in any of its ways
        message = f"this is a NumPy array without a whole header; spikecut reads {known_formats()}"
        raise UnknownFormat(path, message) from error
    if len(shape) != 2 or shape[0] < 0 or shape[1] != _COLUMNS or dtype.kind not in "iuf":
        kind = "objects (a pickle)" if dtype.hasobject else f"fields {', '.join(dtype.names)}" if dtype.names else dtype
        raise UnknownFormat(
            path,
            f"this is a NumPy array of shape {shape} and {kind}; {_EXPECTED}",
            hint=None if dtype.hasobject else "an array with fields t, x, y and p is read as it is",
        )
    if shape[0] > _ROWS_LIMIT:
        raise LimitExceeded(path, f"this is a NumPy array that declares {shape[0]:,} rows; its header is damaged")
    return _Header(file.tell(), shape[0], by_column, dtype)


def _chunks(path: Path, block: int) -> Iterator[Chunk]:
    with open_binary(path) as file:
        header = _header(file, path)
        row = _COLUMNS * header.dtype.itemsize
        there = max(0, os.fstat(file.fileno()).st_size - header.begin)
        rows = min(header.rows, there // row)
        if rows < header.rows and header.by_column:
            raise CorruptRecording(path, f"{rows} of {header.rows} rows, stored by column: x, y, p and t are mixed up")
        for at in range(0, rows, block):
            yield _decoded(_block(file, path, header, at, min(block, rows - at)), header, at)
        if rows < header.rows:
            begin = header.begin + rows * row
            lost = DropCounts.of(DropCause.cut_off, header.rows - rows, there - rows * row, begin)
            yield _decoded(np.empty((_COLUMNS, 0)), header, rows, lost)
        elif there > rows * row:
            yield nothing(DropCounts.of(DropCause.trailing, 0, there - rows * row, header.begin + rows * row))


def _block(file: BinaryIO, path: Path, header: _Header, at: int, n: int) -> Any:
    """Rows `at` to `at + n` as four columns of float64."""
    size = header.dtype.itemsize
    if not header.by_column:
        file.seek(header.begin + at * _COLUMNS * size)
        values = _values(file, path, header, n * _COLUMNS).reshape(n, _COLUMNS).T
        return values.astype(np.float64)
    columns = []
    for column in range(_COLUMNS):
        file.seek(header.begin + (column * header.rows + at) * size)
        columns.append(_values(file, path, header, n).astype(np.float64))
    return np.stack(columns)


def _values(file: BinaryIO, path: Path, header: _Header, n: int) -> Any:
    """The next `n` numbers of a file.

    Raises:
        CorruptRecording: if the file has become shorter.
        UnreadableSource: if they cannot be read.
    """
    at, n_bytes = file.tell(), n * header.dtype.itemsize
    data = read_bytes(file, path, n_bytes)
    if len(data) < n_bytes:
        raise CorruptRecording(path, "the file became shorter while it was read", offset=at)
    return np.frombuffer(data, header.dtype)


def _decoded(columns: Any, header: _Header, at: int, lost: DropCounts = NOTHING_LOST) -> Chunk:
    """Rows that are no event are counted as unreadable; pixels outside the sensor are left to `in_order`."""
    x, y, p, t = columns
    good = np.isfinite(columns).all(0) & (np.abs(t) < _LATEST_MS) & ((p == 0) | (p == 1))
    good &= (x == np.floor(x)) & (y == np.floor(y))
    row = _COLUMNS * header.dtype.itemsize
    bad = len(good) - int(good.sum())
    if bad:
        place = None if header.by_column else header.begin + (at + int(np.argmin(good))) * row
        lost += DropCounts.of(DropCause.unreadable, bad, bad * row, place)
    x, y, p, t = columns[:, good]
    inside = (x >= 0) & (x < DVS128.width) & (y >= 0) & (y < DVS128.height)
    return Chunk(
        t=np.rint(t * 1_000).astype(np.int64),
        x=np.where(inside, x, _NOWHERE).astype(np.uint16),
        y=np.where(inside, y, _NOWHERE).astype(np.uint16),
        p=p.astype(np.uint8),
        lost=lost,
    )
