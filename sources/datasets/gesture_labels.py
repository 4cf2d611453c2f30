"""The label files of DVS128 Gesture (Amir et al., CVPR 2017): which gesture when, in the recording's own clock.

`userNN_lighting_labels.csv` has a row a gesture: class 1 to 11, first and last µs. In code classes count from 0.
One genuine file (user22_led) lets a gesture end after the next one began; such an end is clipped, and said.
"""

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from spikecut.pipeline.errors import CorruptRecording, MissingLabels
from spikecut.pipeline.files.limits import small_text

GESTURES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter clockwise",
    "left arm clockwise",
    "left arm counter clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)
COLUMNS = ["class", "startTime_usec", "endTime_usec"]


@dataclass(frozen=True, slots=True)
class GestureSpan:
    """One gesture of a session: its class from 0 to 10, and `start_us <= t < end_us`."""

    label: int
    start_us: int
    end_us: int

    @property
    def name(self) -> str:
        return GESTURES[self.label]


@dataclass(frozen=True, slots=True)
class SessionLabels:
    """All gestures of a session in the order of their time, and what had to be mended."""

    spans: tuple[GestureSpan, ...]
    notes: tuple[str, ...]


def labels_beside(recording: Path) -> Path:
    """Where the label file of a session lies, if it has one: `NAME_labels.csv` beside `NAME.aedat`."""
    return recording.with_name(f"{recording.stem}_labels.csv")


def read_labels(path: Path) -> SessionLabels:
    """Reads one label file.

    Raises:
        MissingLabels: if the file cannot be read.
        CorruptRecording: naming the row, if a column is missing, a class is none of 1 to 11, or a gesture
            ends before it begins.
        LimitExceeded: if the file is larger than any list of gestures.
    """
    try:
        rows = list(csv.reader(small_text(path).splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MissingLabels(path, f"cannot read the labels: {error}") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    if header != COLUMNS:
        raise CorruptRecording(path, f"row 1: {','.join(header) or 'nothing'}; expected {','.join(COLUMNS)}")
    spans = [_span(path, number, row) for number, row in enumerate(rows[1:], start=2) if any(row)]
    spans.sort(key=lambda span: span.start_us)
    notes = []
    for at, (this, following) in enumerate(pairwise(list(spans))):
        if this.end_us > following.start_us:
            notes.append(
                f"{path.name}: {this.name} ends at {this.end_us} us, after {following.name} began at "
                f"{following.start_us} us; its end is taken as that"
            )
            spans[at] = GestureSpan(this.label, this.start_us, following.start_us)
    return SessionLabels(tuple(spans), tuple(notes))


def _span(path: Path, number: int, row: list[str]) -> GestureSpan:
    try:
        label, start_us, end_us = (int(cell) for cell in row)
    except ValueError:
        raise CorruptRecording(path, f"row {number}: {','.join(row)}; expected three whole numbers") from None
    if not 1 <= label <= len(GESTURES):
        raise CorruptRecording(path, f"row {number}: class {label}; expected 1 to {len(GESTURES)}")
    if end_us < start_us:  # one of no length is a label without events
        raise CorruptRecording(path, f"row {number}: it ends at {end_us} us and begins at {start_us} us")
    return GestureSpan(label - 1, start_us, end_us)
