"""The label file of movements that are no gesture: `NAME_movements.csv` beside `NAME.aedat` and `NAME_labels.csv`.

A row a movement: its name, first and last µs of the recording's clock. So false alarms can be counted by kind.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.errors import CorruptRecording, MissingLabels
from spikecut.pipeline.files.atomic_files import write_text
from spikecut.pipeline.files.limits import small_text
from spikecut.sources.simulation.scenes.acting import Act

COLUMNS = ["movement", "startTime_usec", "endTime_usec"]


@dataclass(frozen=True, slots=True)
class MovementSpan:
    """One movement that is no gesture: its name, and `start_us <= t < end_us`."""

    name: str
    start_us: int
    end_us: int


def movements_beside(recording: Path) -> Path:
    """Where the movements of a recording are listed, if they are."""
    return recording.with_name(f"{recording.stem}_movements.csv")


def write_movements(path: Path, acts: Iterable[Act]) -> None:
    """Writes the file, whole or not at all."""
    rows = [",".join(COLUMNS), *(f"{act.kind},{act.start_us},{act.end_us}" for act in acts)]
    write_text(path, "\n".join(rows) + "\n", overwrite=True)


def read_movements(path: Path) -> tuple[MovementSpan, ...]:
    """The movements in the order of the file.

    Raises:
        MissingLabels: if the file cannot be read.
        CorruptRecording: naming the row, if a column is missing or a movement ends before it begins.
    """
    try:
        rows = list(csv.reader(small_text(path).splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MissingLabels(path, f"cannot read the movements: {error}") from error
    if not rows or rows[0] != COLUMNS:
        raise CorruptRecording(path, f"row 1: {','.join(rows[0]) if rows else 'nothing'}; expected {','.join(COLUMNS)}")
    return tuple(_span(path, number, row) for number, row in enumerate(rows[1:], start=2))


def _span(path: Path, number: int, row: list[str]) -> MovementSpan:
    try:
        name, start_us, end_us = row[0], *map(int, row[1:])
    except (ValueError, IndexError):
        raise CorruptRecording(path, f"row {number}: {','.join(row)}; expected a name and two whole numbers") from None
    if not start_us < end_us:
        raise CorruptRecording(path, f"row {number}: it ends at {end_us} us and begins at {start_us} us")
    return MovementSpan(name, start_us, end_us)
