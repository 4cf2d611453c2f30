"""`.npz`: columns t, x, y and p, or one array of events with named fields, in a zip archive.

Columns have any of the usual names, as spikingjelly (`t x y p`) and others store them. The sensor is `width` and
`height`, or `sensor` or `sensor_size` (W, H), in the archive; else given, else inferred
as for `.npy`. A text `time_unit` states the unit. Members are streamed block by block; what they declare is checked
against what they hold before and while they are read.
"""

import contextlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded, SpikecutError, UnknownFormat
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.arrays.array_header import (
    ArrayHeader,
    Fields,
    check_column,
    fields_of,
    read_header,
    unit_for,
)
from spikecut.sources.formats.arrays.npy_files import inferred_sensor, with_whole_booleans
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.event_fields import event_chunk, event_fields, unit_of
from spikecut.sources.formats.reading.files import file_size, open_binary, unreadable
from spikecut.sources.formats.reading.ordering import Chunk, in_order, nothing

_MEMBERS_LIMIT = 1_000
_RATIO, _SPARE = 1_100, 2**20
_SMALL_BYTES = 4_096
_BLOCK_BYTES = 2**24
_PIECE_BYTES = 2**16
_END_OF_ARCHIVE, _END_BYTES = b"PK\5\6", 22
_TAIL_BYTES = _END_BYTES + 2**16 - 1  # a comment may follow, of 16 bits of bytes


@dataclass(frozen=True, slots=True)
class NpzRecording:
    """The events of one archive, read in blocks of `batch_events`."""

    path: Path
    sensor: SensorSize
    members: "Members"
    batch_events: int
    format: str

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(_chunks(self.path, self.members, self.batch_events), self.sensor, self.path)


@dataclass(frozen=True, slots=True)
class Members:
    """The names of the members that hold events: one for each column, or one with `fields` for all of them."""

    names: dict[str, str]
    unit: str
    fields: Fields | None = None


def open_npz(path: Path, options: ReadOptions = DEFAULTS) -> NpzRecording:
    """The recording in an archive of arrays.

    Raises:
        UnknownFormat: if it holds no events.
        CorruptRecording: if the archive cannot be read, or its columns differ in length.
        LimitExceeded: if a member declares more than it can hold.
        ConfigError: if the unit of fractional times has to be given.
    """
    with _archive(path) as archive:
        names = _members(path, archive)
        unit = _word(path, archive, names, "time_unit")
        members = _events(path, archive, names, options, unit)
        sensor = _sensor(path, archive, names) or options.sensor
    if sensor is None:
        sensor = inferred_sensor(path, _chunks(path, members, 65_536))
    return NpzRecording(path, sensor, members, options.batch_events, f"NumPy archive (t in {members.unit})")


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """An open archive; whatever the library says against it becomes an error of ours."""
    with open_binary(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except (SpikecutError, GeneratorExit):
            raise
        except Exception as error:  # zipfile fails on damage in many ways
            reason = " ".join(str(error).split())[:100] or type(error).__name__
            raise CorruptRecording(path, f"the archive of arrays is damaged ({reason})") from error


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The arrays by name, none of which declares more than deflate can make of what is stored."""
    infos = archive.infolist()
    if len(infos) > _MEMBERS_LIMIT:
        raise LimitExceeded(path, f"an archive of {len(infos):,} members; at most {_MEMBERS_LIMIT:,} are read")
    size = file_size(path)
    for info in infos:
        if info.file_size > _RATIO * min(info.compress_size, size) + _SPARE:
            raise LimitExceeded(
                path, f"{info.filename} declares {info.file_size:,} bytes, packed in {info.compress_size:,}"
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
            raise UnknownFormat(path, f"{info.filename} is packed in another way than NumPy does")
    return {info.filename.removesuffix(".npy"): info for info in infos if info.filename.endswith(".npy")}


def _events(
    path: Path, archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo], options: ReadOptions, unit: str | None
) -> Members:
    columns = event_fields(names)
    if columns is not None:
        headers = {column: _header(path, archive, names[name]) for column, name in columns.items()}
        rows = {column: header.rows for column, header in headers.items()}
        for column, header in headers.items():
            if header.width != 1:
                shape = f"({header.rows}, {header.width})"
                raise UnknownFormat(path, f"{columns[column]} is an array of shape {shape}; expected a column")
            check_column(path, column, columns[column], header.dtype)
        if len(set(rows.values())) > 1:
            raise CorruptRecording(path, f"the columns differ in length: {rows}")
        if unit is None or headers["t"].dtype.kind == "m":
            unit = unit_for(path, headers["t"].dtype, options)
        return Members({column: names[name].filename for column, name in columns.items()}, unit)
    tables = []
    for name, info in names.items():
        header = _header(path, archive, info)
        if header.dtype.names is not None or (header.width == 4 and options.text is not None):
            tables.append((info, header, fields_of(path, header, options, name)))
    if len(tables) != 1:
        kind = (
            f"{len(tables)} arrays of events"
            if tables
            else f"no events: it has {', '.join(list(names)[:8]) or 'no arrays'}"
        )
        raise UnknownFormat(
            path, f"a NumPy archive with {kind}; expected columns t, x, y and p, or one array of events"
        )
    info, header, fields = tables[0]
    if header.by_column:
        raise UnknownFormat(path, f"{info.filename} is stored by column; save a copy in C order")
    return Members({"": info.filename}, unit or fields.unit, fields)


def _header(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> ArrayHeader:
    with archive.open(info) as stream:
        return read_header(stream, path, info.filename)  # type: ignore[arg-type]


def _small(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo | None) -> Any:
    """The values of a small array of numbers or words; None if it is none."""
    if info is None or info.file_size > _SMALL_BYTES:
        return None
    with archive.open(info) as stream:
        try:
            return np.lib.format.read_array(stream, allow_pickle=False, max_header_size=_SMALL_BYTES)
        except ValueError:
            return None


def _word(path: Path, archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo], name: str) -> str | None:
    value = _small(path, archive, names.get(name))
    if value is None or value.size != 1 or value.dtype.kind not in "US":
        return None
    word = value.flat[0]
    unit = unit_of(word.decode("latin-1") if isinstance(word, bytes) else str(word))
    if unit is None:
        raise UnknownFormat(path, f"times in {word!r}; spikecut reads us, ms, s and ns")
    return unit


def _sensor(path: Path, archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo]) -> SensorSize | None:
    values = [_small(path, archive, names.get(name)) for name in ("width", "height")]
    pair = [
        value.reshape(-1)[0] for value in values if value is not None and value.size == 1 and value.dtype.kind in "iu"
    ]
    for name in ("sensor", "sensor_size"):
        value = _small(path, archive, names.get(name))
        if (
            len(pair) != 2
            and value is not None
            and value.ndim == 1
            and value.size in (2, 3)
            and value.dtype.kind in "iu"
        ):
            pair = list(value[:2])
    if len(pair) != 2:
        return None
    width, height = map(int, pair)
    if not (0 < width <= 65_536 and 0 < height <= 65_536):
        raise CorruptRecording(path, f"a sensor of {width} x {height} pixels")
    return SensorSize(width, height)


def _chunks(path: Path, members: Members, block: int) -> Iterator[Chunk]:
    """The events, and what is missing, left over or damaged in the members."""
    with _archive(path) as archive, contextlib.ExitStack() as stack:
        streams = {}
        for column, name in members.names.items():
            streams[column] = _Stream(archive, path, name, stack)
        rows = min(stream.header.rows for stream in streams.values())
        block = max(1, min(block, *(_BLOCK_BYTES // stream.header.row_bytes for stream in streams.values())))
        at = 0
        while at < rows:
            n = min(block, rows - at)
            parts = {column: stream.rows(n) for column, stream in streams.items()}
            n_whole = min(map(len, parts.values()))
            if n_whole:
                yield event_chunk(_columns(members, parts, n_whole), members.unit)
            at += n_whole
            if n_whole < n:
                damaged = any(stream.damaged for stream in streams.values())
                yield nothing(DropCounts.of(DropCause.unreadable if damaged else DropCause.cut_off, rows - at))
                return
        for stream in streams.values():
            if n_left := stream.rest():
                yield nothing(DropCounts.of(DropCause.trailing, 0, n_left))
            if stream.damaged:  # the checksum of a member
                yield nothing(DropCounts.of(DropCause.unreadable, 0, stream.header.rows * stream.header.row_bytes))
        n_behind, at_byte = _behind(archive, path)
        if n_behind:
            yield nothing(DropCounts.of(DropCause.trailing, 0, n_behind, at_byte))


def _behind(archive: zipfile.ZipFile, path: Path) -> tuple[int, int]:
    """How many bytes follow the end of the archive, and where."""
    file: Any = archive.fp
    size = file_size(path)
    file.seek(max(0, size - _TAIL_BYTES))
    begin, tail = file.tell(), file.read(_TAIL_BYTES)
    end = begin + tail.rfind(_END_OF_ARCHIVE) + _END_BYTES + len(archive.comment)
    return max(0, size - end), end


def _columns(members: Members, parts: dict[str, Any], n: int) -> dict[str, Any]:
    if members.fields is None:
        return {column: values[:n, 0] for column, values in parts.items()}
    rows = parts[""][:n]
    return members.fields.columns(rows[:, 0] if rows.dtype.names is not None else rows.T)


class _Stream:
    """An array while it is unpacked, piece by piece: the same pieces whatever is asked of it."""

    def __init__(self, archive: zipfile.ZipFile, path: Path, name: str, stack: contextlib.ExitStack) -> None:
        info, self.path = archive.getinfo(name), path
        member: Any = stack.enter_context(archive.open(info))
        member._expected_crc = None  # zipfile would keep the last piece back; the sum is verified in `rest`
        self.file = member
        self.expected, self.total = info.CRC, 0
        self.waiting, self.damaged, self.ended = b"", False, False
        head = self._piece()
        self.header = read_header(io.BytesIO(head), path, name)
        self.waiting = head[self.header.begin :]

    def rows(self, n: int) -> Any:
        """The next rows, at most `n`; fewer where the member ends or is damaged."""
        size = self.header.row_bytes
        pieces, there = [self.waiting], len(self.waiting)
        while there < n * size and not self.ended:
            pieces.append(self._piece())
            there += len(pieces[-1])
        data = b"".join(pieces)
        n = min(n, len(data) // size)
        self.waiting = data[n * size :]
        dtype = np.dtype(np.uint8) if self.header.dtype.kind == "b" else self.header.dtype
        values = np.frombuffer(data, dtype, n * self.header.width).reshape(n, self.header.width)
        return with_whole_booleans(values) if dtype.names is not None else values

    def rest(self) -> int:
        """How many bytes stand behind the array; afterwards the sum of the member is verified."""
        n, self.waiting = len(self.waiting), b""
        while not self.ended:
            n += len(self._piece())
        self.damaged |= self.total != self.expected
        return n

    def _piece(self) -> bytes:
        try:
            data: bytes = self.file.read(_PIECE_BYTES)
        except OSError as error:
            raise unreadable(self.path, error) from error
        except Exception:  # zlib and zipfile fail on damage in several ways
            self.damaged, self.ended = True, True
            return b""
        self.ended = not data
        self.total = zlib.crc32(data, self.total)
        return data
