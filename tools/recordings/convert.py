"""From one file format into another, batch by batch."""

import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import ConfigError, EventError, printable
from spikecut.pipeline.events import NOTHING_LOST, DropCounts, EventBatch, SensorSize
from spikecut.pipeline.files.atomic_files import new_file
from spikecut.sources.datasets.gesture_labels import labels_beside
from spikecut.sources.formats import written_formats, written_suffixes
from spikecut.sources.formats.base import Format, ReadOptions, Recording, TextLayout
from spikecut.sources.formats.open import open_with
from spikecut.tools.reading_options import read_options

if TYPE_CHECKING:
    from spikecut.tools.commands.files.convert import Convert


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """The numbers of events of a conversion: `n_read = n_written + lost.total`."""

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
    format: str | None = None,
) -> ConversionReport:
    """Rewrites a recording in another format: the one with this name in `FORMATS`, or the first of the target's suffix.

    `sensor` and `text` give what the source does not state (`open_recording`). The target appears under its name only
    when it is complete. Times stay as they are; a recording that the format cannot hold is refused.

    Raises:
        ConfigError: if no writable format has the name or the suffix, the target exists, or its format cannot hold
            the recording.
        SourceError: if the source cannot be read.
    """
    return convert_with(Path(src), Path(dst), ReadOptions(sensor, text=text), overwrite=overwrite, format=format)


def convert_with(
    src: Path, dst: Path, options: ReadOptions, *, overwrite: bool = False, format: str | None = None
) -> ConversionReport:
    """As `convert`, with all options of reading as one value."""
    target_format = format_to_write(dst, format)
    recording = open_with(src, options)
    tally = _Tally()
    with new_file(dst, overwrite=overwrite, make_folder=False) as part:
        n_written = write_events(part, dst, tally.watch(recording), recording.sensor, target_format)
    return ConversionReport(src, dst, n_written + tally.lost.total, n_written, tally.lost)


def run_convert(options: "Convert") -> int:
    """The command: 0 if every event arrived, 3 if some were lost.

    A label file beside the source is not copied, and a note says so: the command writes one file, and a second one
    beside it might replace a file of the user's. Times are the same in both, so a copy of the labels suffices.
    """
    source, target = options.source, options.target
    report = convert_with(source, target, read_options(options), overwrite=options.overwrite, format=options.format)
    dropped = report.lost.events_by_cause()
    if options.json:
        counts = {"source": str(source), "target": str(target), "n_read": report.n_read, "n_written": report.n_written}
        print(json.dumps({**counts, "dropped": dropped}))
    else:
        print(printable(f"{target}: {report.n_written:,} events"))
    for cause, loss in report.lost.losses.items():
        print(f"left out {loss.events:,}: {cause.sentence}", file=sys.stderr)
    labels, copy = labels_beside(source), labels_beside(target)
    if labels.is_file() and not copy.exists():
        command = shlex.join(["cp", str(labels), str(copy)])
        note = f"the labels stay behind: {labels}; they hold for {target.name}, too: {command}"
        print(printable(note), file=sys.stderr)
    return 3 if report.lost.damage else 0


def format_to_write(target: Path, name: str | None = None) -> Format:
    """The format with this name, or the first that is written with the suffix of a target.

    Raises:
        ConfigError: if there is none, or a format of this name is read only.
    """
    rows = written_formats()
    if name is not None:
        if name not in rows:
            raise ConfigError(f"format {name!r} is not written", hint=f"use {', '.join(rows)}")
        return rows[name]
    suffix = target.suffix.lower()
    row = next((row for row in rows.values() if suffix in row.suffixes), None)
    if row is None:
        known = ", ".join(written_suffixes())
        raise ConfigError(f"{target}: no format that is written has the suffix {suffix!r}", hint=f"use {known}")
    return row


def write_events(part: Path, dst: Path, batches: Iterable[EventBatch], sensor: SensorSize, row: Format) -> int:
    """Writes events to `part`, which errors call `dst`; returns how many."""
    try:
        return row.write(part, batches, sensor)
    except (ConfigError, EventError) as error:  # the writers know the temporary name only
        raise ConfigError(str(error).replace(str(part), str(dst)), hint=error.hint) from error


@dataclass(slots=True)
class _Tally:
    """Adds up the lost events while the batches pass through."""

    lost: DropCounts = field(default=NOTHING_LOST)

    def watch(self, batches: Recording) -> Iterator[EventBatch]:
        for batch in batches:
            self.lost += batch.lost
            yield batch
