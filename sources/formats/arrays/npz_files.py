"""`.npz`: columns t, x, y and p, or one array of events with named fields, in a zip archive.

Columns have any of the usual names, as spikingjelly (`t x y p`) and others store them. The sensor is `width` and
`height`, or `sensor` or `sensor_size` (W, H), in the archive; else given, else inferred
as for `.npy`. A text `time_unit` states the unit. Members are streamed block by block; what they declare is checked
against what they hold before and while they are read.
"""

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import CorruptRecording, UnknownFormat
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.arrays.array_header import Fields, check_column, fields_of, unit_for
from spikecut.sources.formats.arrays.npz_archive import (
    MemberStream,
    bytes_behind,
    header_of,
    members_of,
    open_archive,
    small_array,
)
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.event_fields import event_chunk, event_fields, unit_of
from spikecut.sources.formats.reading.known_sensors import inferred
from spikecut.sources.formats.reading.ordering import Chunk, in_order, nothing

_BLOCK_BYTES = 2**24


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
    with open_archive(path) as archive:
        names = members_of(path, archive)
        unit = _word(path, archive, names, "time_unit")
        members = _events(path, archive, names, options, unit)
        sensor = _sensor(path, archive, names, options.sensor)
    if sensor is None:
        sensor = inferred(path, _chunks(path, members, 65_536), "an array", None)
    return NpzRecording(path, sensor, members, options.batch_events, f"NumPy archive (t in {members.unit})")


def _events(
    path: Path, archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo], options: ReadOptions, unit: str | None
) -> Members:
    columns = event_fields(names)
    if columns is not None:
        headers = {column: header_of(path, archive, names[name]) for column, name in columns.items()}
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
        header = header_of(path, archive, info)
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


def _word(path: Path, archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo], name: str) -> str | None:
    value = small_array(path, archive, names.get(name))
    if value is None or value.size != 1 or value.dtype.kind not in "US":
        return None
    word = value.flat[0]
    text = word.decode("latin-1") if isinstance(word, bytes) else str(word)
    unit = unit_of(text)
    if unit is None:
        raise UnknownFormat(path, f"times in {text!r}; spikecut reads us, ms, s and ns")
    return unit


def _sensor(
    path: Path, archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo], given: SensorSize | None
) -> SensorSize | None:
    """The sensor that the archive states, else the one that is given."""
    values = [small_array(path, archive, names.get(name)) for name in ("width", "height")]
    pair = [value.flat[0] for value in values if value is not None and value.size == 1 and value.dtype.kind in "iu"]
    for name in ("sensor", "sensor_size"):
        if len(pair) == 2 or name not in names:
            continue
        value = small_array(path, archive, names[name])
        if _is_size(value):
            pair = list(value.flat[:2])
        elif given is None:
            kind = "too large or of objects" if value is None else f"of shape {value.shape} and type {value.dtype}"
            raise UnknownFormat(
                path,
                f"{name} is an array {kind}; expected two whole numbers, width and height",
                hint="give the sensor: --sensor WIDTHxHEIGHT",
            )
    if len(pair) != 2:
        return given
    width, height = map(int, pair)
    if not (0 < width <= 65_536 and 0 < height <= 65_536):
        raise CorruptRecording(path, f"a sensor of {width} x {height} pixels")
    return SensorSize(width, height)


def _is_size(value: Any) -> bool:
    """Whether an array is width and height in any shape, or (width, height, channels)."""
    if (
        value is None
        or value.dtype.kind not in "iuf"
        or value.size not in (2, 3)
        or (value.size == 3) > (value.ndim == 1)
    ):
        return False
    return all(float(number).is_integer() for number in value.flat)


def _chunks(path: Path, members: Members, block: int) -> Iterator[Chunk]:
    """The events, and what is missing, left over or damaged in the members."""
    with open_archive(path) as archive, contextlib.ExitStack() as stack:
        streams = {}
        for column, name in members.names.items():
            streams[column] = MemberStream(archive, path, name, stack)
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
        n_behind, at_byte = bytes_behind(archive, path)
        if n_behind:
            yield nothing(DropCounts.of(DropCause.trailing, 0, n_behind, at_byte))


def _columns(members: Members, parts: dict[str, Any], n: int) -> dict[str, Any]:
    if members.fields is None:
        return {column: values[:n, 0] for column, values in parts.items()}
    rows = parts[""][:n]
    return members.fields.columns(rows[:, 0] if rows.dtype.names is not None else rows.T)
