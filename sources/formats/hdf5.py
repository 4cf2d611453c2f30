"""HDF5: the project's own recordings, and those in the layouts of DSEC, rpg, Prophesee, v2e and Tonic.

In our own, `/events/{t, x, y, p}` are four columns of equal length: int64 µs, uint16, uint16, uint8, in chunks of
16,384 with scale-offset and fletcher32, which every HDF5 reads without plugins (gzip and shuffle in older files).
Attributes of `/events`: format, version, width, height, t_unit. `/events/segments` holds the first event of every
segment after the first, if there are any, `/events/chunk_first_us` the time of the first event of every chunk. The
other layouts: `hdf5_files/layouts.py`.

The HDF5 library does not see a file that is read: on damage it may never return (docs/adr). The structure is parsed
here, within bounds; only hard links are followed, and no data in other files. A damaged chunk costs its own rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import SourceError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.hdf5_files.filters import ChunkDamage
from spikecut.sources.formats.hdf5_files.layouts import FORMAT, VERSION, Events, find_events
from spikecut.sources.formats.hdf5_files.structure import open_structure
from spikecut.sources.formats.incoming import ZERO_TAIL_BYTES
from spikecut.sources.formats.reading.event_fields import event_chunk, microseconds
from spikecut.sources.formats.reading.known_sensors import LARGEST, inferred
from spikecut.sources.formats.reading.ordering import Chunk, in_order, nothing
from spikecut.sources.formats.reading.seeking import place_before
from spikecut.sources.formats.reading.zero_tail import trailing

__all__ = ["CHUNK_ROWS", "COLUMNS", "FORMAT", "VERSION", "Hdf5Recording", "open_hdf5"]

CHUNK_ROWS, BLOCK_ROWS = 16_384, 65_536
_ROW_BYTES = 13  # of t, x, y and p
COLUMNS = {"t": np.int64, "x": np.uint16, "y": np.uint16, "p": np.uint8}


@dataclass(frozen=True, slots=True)
class Hdf5Recording:
    """Events in an HDF5 file; made by `open_recording`."""

    path: Path
    sensor: SensorSize
    batch_events: int
    format: str
    options: ReadOptions = DEFAULTS

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self._chunks(), self.sensor, self.path)

    def from_time(self, time_us: int) -> Iterator[EventBatch] | None:
        """The batches from the chunk before a time on; None where the clock was reset (`window.Seekable`)."""
        with _Opened(self.path, self.options) as events:
            row = _row_before(events, time_us)
        return None if row is None else in_order(self._chunks(row), self.sensor, self.path)

    def _chunks(self, first_row: int = 0) -> Iterator[Chunk]:
        opened = _Opened(self.path, self.options)
        with opened as events:
            if events.damaged_at is not None:
                yield nothing(DropCounts.of(DropCause.unreadable, 0, 16, events.damaged_at))
            end = _rows_with_data(events, first_row)
            for first, last in pairwise([first_row, *(row for row in events.segments if row < end), end]):
                marked = first > 0 and bool(events.segments)
                for chunk in _blocks(events, first, last):
                    for at in range(0, max(1, len(chunk.t)), self.batch_events):
                        lost = chunk.lost if at == 0 else NOTHING_LOST
                        part = chunk.taken(slice(at, at + self.batch_events))
                        yield replace(part, lost=lost, new_segment=marked)
                        marked = False
            if end < events.rows:
                at_byte = events.columns["t"].dataset.byte_of(end)
                yield nothing(trailing((events.rows - end) * _ROW_BYTES, at_byte))
            if n_behind := opened.source.size - opened.source.end:
                yield nothing(DropCounts.of(DropCause.trailing, 0, n_behind, opened.source.end))


def open_hdf5(path: Path, options: ReadOptions = DEFAULTS) -> Hdf5Recording:
    """A recording all of whose parts were checked; events are read only where the sensor is inferred from them.

    Raises:
        UnknownFormat: an HDF5 file without events in a known layout.
        UnsupportedVersion: another version of ours, or a compression that takes a plugin.
        CorruptRecording: the file is cut off or damaged, or refers to other files.
        InUse: another process holds it open for writing.
        LimitExceeded: it declares more than it can hold.
        ConfigError: the file names no unit of its times, and none was given.
    Warns (`SpikecutWarning`) where the sensor is inferred.
    """
    with _Opened(path, options) as events:
        sensor = events.sensor or options.sensor
        name = events.layout if events.unit == "us" else f"{events.layout} (t in {events.unit})"
    if sensor is None:
        entire = Hdf5Recording(path, LARGEST, BLOCK_ROWS, name, options)
        sensor = inferred(path, entire._chunks(), f"the HDF5 file ({events.layout})")
    return Hdf5Recording(path, sensor, options.batch_events, name, options)


class _Opened:
    """The events of a file while it is open."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.path, self.options = path, options

    def __enter__(self) -> Events:
        self.source, root = open_structure(self.path)
        try:
            return find_events(self.source, root, self.options)
        except BaseException:
            self.source.file.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.source.file.close()


def _blocks(events: Events, first: int, last: int) -> Iterator[Chunk]:
    """The rows in blocks that end where stored chunks end; damage to one costs no other."""
    size = max(dataset.chunk_rows or BLOCK_ROWS for dataset in events.datasets)
    size *= max(1, BLOCK_ROWS // size)
    begin = first
    while begin < last:
        end = min(last, (begin // size + 1) * size)
        try:
            yield _decoded(events, begin, end)
        except ChunkDamage:
            edges = {edge for dataset in events.datasets for edge in dataset.edges(begin, end)}
            for low, high in pairwise(sorted({begin, end} | edges)):
                yield _salvaged(events, low, high)
        begin = end


def _rows_with_data(events: Events, first: int) -> int:
    """The number of rows without a tail in which t, x, y and p are all zero, which no event was written to.

    A tail is one of at least `ZERO_TAIL_BYTES`; it is read backwards in blocks. What cannot be read ends it.
    """
    end = events.rows
    size = max(dataset.chunk_rows or BLOCK_ROWS for dataset in events.datasets)
    begin = max(first, end - 1)
    while end > first:
        try:
            rows = {id(dataset): dataset.read(begin, end) for dataset in events.datasets}
        except (ChunkDamage, SourceError):  # the reading of the events will say so
            break
        used = np.zeros(end - begin, bool)
        for column in events.columns.values():
            used |= column.of(rows[id(column.dataset)]).astype(bool)
        if used.any():
            end = begin + int(np.flatnonzero(used)[-1]) + 1
            break
        end, begin = begin, max(first, (begin - 1) // size * size)
    return end if (events.rows - end) * _ROW_BYTES >= ZERO_TAIL_BYTES else events.rows


def _salvaged(events: Events, begin: int, end: int) -> Chunk:
    """Rows of one stored chunk of each column, or their loss."""
    at_byte = None
    try:
        for dataset in events.datasets:
            at_byte = dataset.byte_of(begin)
            dataset.read(begin, end)
        return _decoded(events, begin, end)
    except ChunkDamage:
        return nothing(DropCounts.of(DropCause.unreadable, end - begin, at_byte=at_byte))


def _decoded(events: Events, begin: int, end: int) -> Chunk:
    rows = {id(dataset): dataset.read(begin, end) for dataset in events.datasets}
    columns = {name: column.of(rows[id(column.dataset)]) for name, column in events.columns.items()}
    return event_chunk(columns, events.unit, events.offset_us, events.columns["t"].dataset.byte_of(begin))


def _row_before(events: Events, time_us: int) -> int | None:
    """A row such that all events at `time_us` or later follow it; None if that is not certain."""
    if events.segments:
        return None
    t = events.columns["t"]
    if events.first_us is not None and len(events.first_us) and (np.diff(events.first_us) >= 0).all():
        number = max(0, int(np.searchsorted(events.first_us, time_us)) - 2)
        row = number * (t.dataset.chunk_rows or CHUNK_ROWS)
        if _time_at(events, row) == events.first_us[number]:
            return row
    size = t.dataset.chunk_rows or CHUNK_ROWS
    place = place_before(time_us, -(-events.rows // size), lambda number: _time_at(events, number * size))
    return None if place is None else place * size


def _time_at(events: Events, row: int) -> int | None:
    column = events.columns["t"]
    try:
        times, good = microseconds(column.of(column.dataset.read(row, row + 1)), events.unit, events.offset_us)
    except ChunkDamage:
        return None
    return int(times[0]) if np.all(good) else None
