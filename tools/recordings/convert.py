"""From one file format into another, batch by batch."""

import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spikecut.pipeline.atomic_files import new_file
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.datasets.gesture_labels import labels_beside
from spikecut.sources.formats.base import Recording, TextLayout
from spikecut.tools.recordings.info import parse_sensor

if TYPE_CHECKING:
    from spikecut.tools.commands.convert import Convert

SUFFIXES = (".h5", ".hdf5", ".bin", ".aedat")


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What became of the events: `n_read = n_written + lost.total`."""

    source: Path
    target: Path
    n_read: int
    n_written: int
    lost: DropCounts


def convert(
    src: str | Path,
    dst: str | Path,
    overwrite: bool = False,
    sensor: SensorSize | None = None,
    text: TextLayout | None = None,
) -> ConversionReport:
    """Rewrites a recording in the format of the target's suffix: .h5, .hdf5, .bin, .aedat.

    `sensor` and `text` say what the source does not (`open_recording`). The target appears under its name only when
    it is complete. Times stay as they are; what the format cannot hold is refused, not bent.

    Raises:
        ConfigError: if the suffix is unknown, the target exists, or its format cannot hold the recording.
        SourceError: if the source cannot be read.
    """
    src, dst = Path(src), Path(dst)
    if dst.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{dst}: no format has the suffix {dst.suffix!r}", hint=f"use {', '.join(SUFFIXES)}")
    recording = open_recording(src, sensor=sensor, text=text)
    tally = _Tally()
    with new_file(dst, overwrite=overwrite, make_folder=False) as part:
        n_written = write_events(part, dst, tally.watch(recording), recording.sensor)
    return ConversionReport(src, dst, n_written + tally.lost.total, n_written, tally.lost)


def run_convert(options: "Convert") -> int:
    """The command: 0 if every event arrived, 3 if some were lost.

    A label file beside the source is not copied, and a note says so: only one file was asked for, and only the user
    knows whether another may be written beside it. Times are the same in both, so a copy of the labels suffices.
    """
    source, target = options.source, options.target
    text = text_layout(options.columns, options.time_unit)
    report = convert(source, target, options.overwrite, parse_sensor(options.sensor), text)
    dropped = report.lost.events_by_cause()
    if options.json:
        counts = {"source": str(source), "target": str(target), "n_read": report.n_read, "n_written": report.n_written}
        print(json.dumps({**counts, "dropped": dropped}))
    else:
        print(f"{target}: {report.n_written:,} events")
    for cause, loss in report.lost.losses.items():
        print(f"left out {loss.events:,}: {cause.sentence}", file=sys.stderr)
    labels, copy = labels_beside(source), labels_beside(target)
    if labels.is_file() and not copy.exists():
        command = shlex.join(["cp", str(labels), str(copy)])
        print(f"the labels stay behind: {labels}; they hold for {target.name}, too: {command}", file=sys.stderr)
    return 3 if any(cause is not DropCause.special for cause in report.lost.losses) else 0


def text_layout(columns: str | None, time_unit: Literal["us", "s"]) -> TextLayout | None:
    """How to read text files, as the options say; None without `--columns`."""
    return None if columns is None else TextLayout(columns, time_unit)


def write_events(part: Path, dst: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes events to `part` in the format of the suffix of `dst`, which errors name; returns how many."""
    try:
        if dst.suffix.lower() == ".bin":
            from spikecut.sources.formats.atis import write_atis

            return write_atis(part, batches)
        if dst.suffix.lower() == ".aedat":
            from spikecut.sources.formats.aedat2 import write_aedat2

            return write_aedat2(part, batches)
        from spikecut.sources.formats.hdf5 import write_hdf5

        return write_hdf5(part, batches, sensor)
    except (ConfigError, EventError) as error:  # the writers know the temporary name only
        raise ConfigError(str(error).replace(str(part), str(dst)), hint=error.hint) from error


@dataclass(slots=True)
class _Tally:
    """Adds up what was lost on the way while the batches pass through."""

    lost: DropCounts = field(default=NOTHING_LOST)

    def watch(self, batches: Recording) -> Iterator[EventBatch]:
        for batch in batches:
            self.lost += batch.lost
            yield batch
