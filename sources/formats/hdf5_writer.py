"""Writing the project's own HDF5; what stands in it, `hdf5.py` says.

The file is written from its beginning to its end by plain writes, and its first 48 bytes last. The HDF5 library takes
no part: on a full disk it may end the process, and it swallows Ctrl-C.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.hdf5 import BLOCK_ROWS, CHUNK_ROWS, COLUMNS, FORMAT, VERSION
from spikecut.sources.formats.hdf5_files.building import (
    SUPERBLOCK_BYTES,
    Part,
    column,
    group,
    header_offset,
    packed,
    superblock,
)


def write_hdf5(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes events, segments and all, batch by batch; returns how many."""
    segment, boundaries = None, list[int]()
    with path.open("wb") as file:
        file.write(bytes(SUPERBLOCK_BYTES))
        events = _Events(file)
        for batch in batches:
            if not len(batch):
                continue
            if segment not in (None, batch.segment):
                boundaries.append(events.rows)
            segment = batch.segment
            events.add(batch)
        links = events.finish()
        if boundaries:
            links["segments"] = _small(file, np.array(boundaries, "<i8"))
        attributes: dict[str, int | str] = {"format": FORMAT, "version": VERSION, "t_unit": "us"}
        attributes |= {"width": sensor.width, "height": sensor.height}
        events_at = _append(file, group(links, attributes))
        root = _append(file, group({"events": events_at}, {}))
        end = file.tell()
        file.seek(0)
        file.write(superblock(root, end))
    return events.rows


class _Events:
    """Columns that grow: whole blocks of chunks go to the file, what does not fill one waits."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.rows = 0
        self.parts: dict[str, list[Part]] = {name: [] for name in COLUMNS}
        self.first_us: list[int] = []
        self.waiting = {name: np.empty(BLOCK_ROWS, np.dtype(kind).newbyteorder("<")) for name, kind in COLUMNS.items()}

    def add(self, batch: EventBatch) -> None:
        at = 0
        while at < len(batch):
            filled = self.rows % BLOCK_ROWS
            n = min(BLOCK_ROWS - filled, len(batch) - at)
            for name, values in self.waiting.items():
                values[filled : filled + n] = getattr(batch, name)[at : at + n]
            self.rows += n
            at += n
            if filled + n == BLOCK_ROWS:
                self._flush(BLOCK_ROWS, CHUNK_ROWS)

    def finish(self) -> dict[str, int]:
        """Writes the last chunks and the index of each column; returns the addresses of the columns by name."""
        chunk_rows = min(self.rows, CHUNK_ROWS)
        if filled := self.rows % BLOCK_ROWS:
            n = -(-filled // chunk_rows) * chunk_rows
            for values in self.waiting.values():
                values[filled:n] = values[filled - 1]
            self._flush(n, chunk_rows)
        links = {}
        for name, values in self.waiting.items():
            at = self.file.tell()
            _append(self.file, column(values.dtype, self.rows, chunk_rows, self.parts[name], at))
            links[name] = at + header_offset(values.dtype, chunk_rows, len(self.parts[name]))
        if self.rows:
            links["chunk_first_us"] = _small(self.file, np.array(self.first_us, "<i8"))
        return links

    def _flush(self, n: int, chunk_rows: int) -> None:
        """Writes the first `n` rows that wait: the chunks of each column one after the other."""
        self.first_us += self.waiting["t"][:n:chunk_rows].tolist()
        for name, values in self.waiting.items():
            for at in range(0, n, chunk_rows):
                data = packed(values[at : at + chunk_rows])
                self.parts[name].append((_append(self.file, data), len(data)))


def _small(file: BinaryIO, values: Any) -> int:
    """Writes a dataset of one chunk; returns its address."""
    data = packed(values)
    part = _append(file, data), len(data)
    return _append(file, column(values.dtype, len(values), len(values), [part], file.tell()))


def _append(file: BinaryIO, data: bytes) -> int:
    at = file.tell()
    file.write(data)
    return at
