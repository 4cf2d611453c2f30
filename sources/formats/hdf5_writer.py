"""Writing the project's own HDF5; what stands in it, `hdf5.py` says."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.hdf5 import CHUNK_ROWS, COLUMNS, FORMAT, VERSION


def write_hdf5(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes events, segments and all, batch by batch; returns how many."""
    import h5py

    rows, segment, boundaries = 0, None, list[int]()
    with _Sink(path, "w+b") as sink, sink.checked(), h5py.File(sink, "w", libver=("v110", "v110")) as file:
        events = file.create_group("events")
        events.attrs.update({"format": FORMAT, "version": VERSION, "t_unit": "us"})
        events.attrs.update({"width": sensor.width, "height": sensor.height})
        layout = {"maxshape": (None,), "chunks": (CHUNK_ROWS,), "compression": 4}
        layout.update({"shuffle": True, "fletcher32": True})
        columns = {name: events.create_dataset(name, (0,), dtype, **layout) for name, dtype in COLUMNS.items()}
        for batch in batches:
            if not len(batch):
                continue
            if segment not in (None, batch.segment):
                boundaries.append(rows)
            for name, column in columns.items():
                column.resize((rows + len(batch),))
                column[rows:] = getattr(batch, name)
            segment = batch.segment
            rows += len(batch)
            if sink.error is not None:
                break
        if boundaries:
            events["segments"] = np.array(boundaries, np.int64)
    return rows


class _Sink(io.FileIO):
    """A file for HDF5 to write, which hides errors of the disk from it: where it meets one, it may end the process."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        try:
            while left and self.error is None:
                left = left[super().write(left) or 0 :]
        except OSError as error:
            self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = error
            return size or 0

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Raises the error of the disk when HDF5 has closed the file, whatever HDF5 says itself by then."""
        try:
            yield
        except Exception:
            if self.error is None:
                raise
        if self.error is not None:
            raise self.error
