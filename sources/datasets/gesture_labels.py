"""The label files of DVS128 Gesture (Amir et al., CVPR 2017): which gesture when, in the recording's own clock.

`userNN_lighting_labels.csv` has a row a gesture: class 1 to 11, first and last µs. In code classes count from 0.
A fourth column `movement` is ours: where it is, rows of class 0 are movement that is no gesture, and it names its kind.
One genuine file (user22_led) lets a gesture end after the next one began; such an end is clipped, and said.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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
LABELS = "_labels.csv"  # behind the name of a recording
COLUMNS = ["class", "startTime_usec", "endTime_usec"]
MOVEMENT = "movement"


@dataclass(frozen=True, slots=True)
class GestureSpan:
    """One gesture of a session: its class from 0 on, and `start_us <= t < end_us`.

    `own` is its name where the class of that number is not the one of DVS128 Gesture (`numbered`).
    """

    label: int
    start_us: int
    end_us: int
    own: str = ""

    @property
    def name(self) -> str:
        return self.own or GESTURES[self.label]


@dataclass(frozen=True, slots=True)
class Movement:
    """Movement that is no gesture: its kind, such as "walks by", and `start_us <= t < end_us`."""

    kind: str
    start_us: int
    end_us: int

    @property
    def name(self) -> str:
        return self.kind


@dataclass(frozen=True, slots=True)
class SessionLabels:
    """All gestures of a session in the order of their time, what had to be mended, and movements that are none."""

    spans: tuple[GestureSpan, ...]
    notes: tuple[str, ...]
    movements: tuple[Movement, ...] = ()

    def numbered(self, classes: Sequence[str], rejects: Sequence[str] = ()) -> "SessionLabels":
        """The labels as the classes of a network: what is named like one has its number, all else is movement.

        A movement that is named like one of `rejects`, the classes that stand for no gesture, stays a movement.

        >>> labels = SessionLabels((GestureSpan(0, 0, 9),), (), (Movement("salute", 20, 29), Movement("sits", 30, 39)))
        >>> [(one.name, one.label) for one in labels.numbered([*GESTURES, "salute"]).spans]
        [('hand clapping', 0), ('salute', 11)]
        """
        numbers = {name: number for number, name in enumerate(classes)}
        spans: list[GestureSpan] = []
        movements: list[Movement] = []
        everything: list[GestureSpan | Movement] = [*self.spans, *self.movements]
        for one in sorted(everything, key=lambda each: each.start_us):
            label = numbers.get(one.name)
            if label is not None and (isinstance(one, GestureSpan) or one.name not in rejects):
                own = "" if one.name in GESTURES[label : label + 1] else one.name
                spans.append(GestureSpan(label, one.start_us, one.end_us, own))
            else:
                movements.append(Movement(one.name, one.start_us, one.end_us))
        return SessionLabels(tuple(spans), self.notes, tuple(movements))


def labels_beside(recording: Path) -> Path:
    """Where the label file of a session lies, if it has one: `NAME_labels.csv` beside `NAME.aedat`."""
    return recording.with_name(f"{recording.stem}{LABELS}")


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
    if header not in (COLUMNS, [*COLUMNS, MOVEMENT]):
        raise CorruptRecording(path, f"row 1: {','.join(header) or 'nothing'}; expected {','.join(COLUMNS)}")
    numbered = ((number, row) for number, row in enumerate(rows[1:], start=2) if any(row))
    labels = sorted((_label(path, *row, len(header)) for row in numbered), key=lambda one: one.start_us)
    notes = []
    for at, (this, following) in enumerate(pairwise(list(labels))):
        if this.end_us > following.start_us:
            notes.append(
                f"{path.name}: {this.name} ends at {this.end_us} us, after {following.name} began at "
                f"{following.start_us} us; its end is taken as that"
            )
            labels[at] = replace(this, end_us=following.start_us)
    return SessionLabels(
        tuple(one for one in labels if isinstance(one, GestureSpan)),
        tuple(notes),
        tuple(one for one in labels if isinstance(one, Movement)),
    )


def text_of(spans: Iterable[GestureSpan], movements: Iterable[Movement] = ()) -> str:
    """The text of a label file; only where there are movements has it a column for them."""
    rows = [(span.start_us, span.label + 1, span.end_us, "") for span in spans]
    others = [(one.start_us, 0, one.end_us, one.kind) for one in movements]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, MOVEMENT] if others else COLUMNS)
    for start_us, label, end_us, kind in sorted([*rows, *others]):
        writer.writerow([label, start_us, end_us, *([kind] if others else [])])
    return text.getvalue()


def _label(path: Path, number: int, row: list[str], n_columns: int) -> GestureSpan | Movement:
    try:
        label, start_us, end_us = (int(cell) for cell in row[:3])
        (kind,) = [cell.strip() for cell in row[3:n_columns]] if n_columns > 3 else [""]
        if len(row) > n_columns:
            raise ValueError
    except ValueError:
        name = ", and a name" if n_columns > 3 else ""
        raise CorruptRecording(path, f"row {number}: {','.join(row)}; expected three whole numbers{name}") from None
    if not (1 <= label <= len(GESTURES) or (label == 0 and kind)):
        least = ", or 0 with the name of a movement" if n_columns > 3 else ""
        raise CorruptRecording(path, f"row {number}: class {label}; expected 1 to {len(GESTURES)}{least}")
    if end_us < start_us:  # one of no length is a label without events
        raise CorruptRecording(path, f"row {number}: it ends at {end_us} us and begins at {start_us} us")
    return GestureSpan(label - 1, start_us, end_us) if label else Movement(kind, start_us, end_us)
