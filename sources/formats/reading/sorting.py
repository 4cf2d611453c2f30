"""A recording in the order of time, whatever the order in its file: events in disorder are sorted instead of dropped.

Two passes: sorted runs of at most `RUN_EVENTS` go to a temporary folder, 13 bytes an event, and are merged. So memory
holds one run, whatever the length of the recording. Events of one time stay in the order of the file.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.base import Recording
from spikecut.sources.formats.reading.ordering import Chunk, nothing
from spikecut.sources.formats.reading.wanted_order import SORTER

RUN_EVENTS = 1 << 22
_ROW = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
_SAMPLE, _BLOCK = 1 << 14, 1 << 19  # merged blocks hold about so many events


@dataclass(frozen=True, slots=True)
class Sorted:
    """The events of `recording` sorted by time; temporary files go to `folder`.

    A clock that runs back is disorder here, too; only where the file itself marks a reset a new segment begins.
    """

    recording: Recording
    folder: Path
    run_events: int = RUN_EVENTS

    @property
    def path(self) -> Path:
        return self.recording.path

    @property
    def format(self) -> str:
        return self.recording.format

    @property
    def sensor(self) -> SensorSize:
        return self.recording.sensor

    def __iter__(self) -> Iterator[EventBatch]:
        with tempfile.TemporaryDirectory(prefix=".spikecut-sort-", dir=self.folder) as folder:
            runs = _Runs(Path(folder), self.run_events)
            batches = iter(self.recording)
            token = SORTER.set(runs.sort)
            try:
                first = next(batches, None)
            finally:
                SORTER.reset(token)
            if first is not None:
                yield first
                yield from batches


@dataclass(slots=True)
class _Runs:
    """The runs of the present segment, and the events that are in none yet."""

    folder: Path
    run_events: int
    waiting: list[Chunk] = field(default_factory=list)
    n_waiting: int = 0
    files: list[Path] = field(default_factory=list)

    def sort(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The events of all chunks by time, with what was lost before them."""
        marked = False
        for chunk in chunks:
            if chunk.new_segment and (self.waiting or self.files):
                yield from self._merged(marked)
                marked = True
            if chunk.lost or chunk.outside_at is not None:
                yield replace(nothing(chunk.lost), outside_at=chunk.outside_at)
            self.waiting.append(chunk)
            self.n_waiting += len(chunk.t)
            if self.n_waiting >= self.run_events:
                self._write_run()
        yield from self._merged(marked)

    def _write_run(self) -> None:
        rows = np.empty(self.n_waiting, _ROW)
        for name in "txyp":
            rows[name] = np.concatenate([getattr(chunk, name) for chunk in self.waiting])
        path = self.folder / f"{len(self.files)}"
        rows[np.argsort(rows["t"], kind="stable")].tofile(path)
        self.files.append(path)
        self.waiting, self.n_waiting = [], 0

    def _merged(self, marked: bool) -> Iterator[Chunk]:
        if self.n_waiting:
            self._write_run()
        runs = [np.memmap(path, _ROW, "r") for path in self.files]
        if runs:
            times = np.sort(np.concatenate([run["t"][::_SAMPLE] for run in runs]))
            bounds = [*np.unique(times[:: _BLOCK // _SAMPLE]).tolist()[1:], None]
            at = [0] * len(runs)
            for bound in bounds:
                ends = [len(run) if bound is None else int(np.searchsorted(run["t"], bound)) for run in runs]
                rows = np.concatenate([run[begin:end] for run, begin, end in zip(runs, at, ends, strict=True)])
                rows = rows[np.argsort(rows["t"], kind="stable")]
                at = ends
                t, x, y, p = (np.ascontiguousarray(rows[name]) for name in "txyp")
                yield Chunk(t, x, y, p, new_segment=marked)
                marked = False
        del runs
        for path in self.files:
            path.unlink()
        self.waiting, self.n_waiting, self.files = [], 0, []
