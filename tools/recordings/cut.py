"""`spikecut cut`: class folders from recordings, whole or in pieces, for training and everything after it."""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import track

from spikecut.pipeline.errors import ConfigError, CorruptRecording, EmptyRecording, printable
from spikecut.pipeline.events import NOTHING_LOST, DropCounts
from spikecut.pipeline.files.arguments import is_folder_name
from spikecut.pipeline.files.atomic_files import new_folder
from spikecut.sources.datasets.class_folders import MADE_BY, class_roots, origin_of, subfolders
from spikecut.sources.datasets.gesture_labels import (
    LABELS,
    GestureSpan,
    Movement,
    labels_beside,
    read_labels,
)
from spikecut.sources.datasets.parts import PARTS, Part
from spikecut.sources.datasets.time_split import Piece, Stretch, events_of, longest_stretch, planned
from spikecut.sources.formats import recording_suffixes
from spikecut.sources.formats.base import DEFAULTS, ReadOptions, Recording
from spikecut.sources.formats.open import open_with
from spikecut.tools.checks.faults import some
from spikecut.tools.reading_options import read_options
from spikecut.tools.recordings.convert import format_to_write, write_events

if TYPE_CHECKING:
    from spikecut.tools.commands.files.cut import Cut

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stream:
    """One recording, what it shows, and how it is cut; `classes` are those of its pieces, where labels name them."""

    class_name: str
    recording: Recording
    stretch: Stretch
    pieces: Sequence[Piece]
    classes: Mapping[int, str] = field(default_factory=dict)

    def file_of(self, piece: Piece, suffix: str) -> Path:
        """The path of a piece below the new folder; pieces are numbered in the order of time."""
        name = self.recording.path.stem
        if piece.number in self.classes:
            return Path(self.classes[piece.number]) / f"{name}_{piece.number:03d}{suffix}"
        if piece.part == "all":
            return Path(self.class_name) / f"{name}{suffix}"
        return Path(str(piece.part)) / self.class_name / f"{name}_{piece.number:03d}{suffix}"


@dataclass(slots=True)
class CutReport:
    """The numbers of events: `n_read = n_written + n_between + n_outside + n_elsewhere + lost.total`.

    `n_between` are in pieces between two parts, `n_outside` before the first piece or after the last, `n_elsewhere`
    before or after a reset of the clock. `n_files` are the recordings written, by part; `n_silent` pieces without
    events were not written.
    """

    n_files: Counter[Part] = field(default_factory=Counter)
    n_silent: int = 0
    n_written: int = 0
    n_between: int = 0
    n_outside: int = 0
    n_elsewhere: int = 0
    lost: DropCounts = NOTHING_LOST


def open_streams(
    folder: Path, *, piece_us: int | None, skip_us: int, options: ReadOptions = DEFAULTS, labels: bool = False
) -> tuple[list[Stream], list[str]]:
    """The recordings of a folder or of its class folders, each read once for its duration; and names of other files.

    In a folder without class folders a recording's class is its name up to the first `_`. With a text layout,
    .txt and .csv are recordings too. With `labels` the label file of a recording says what its pieces are.

    Raises:
        UnreadableSource: if there is no such folder.
        MissingLabels, CorruptRecording: with `labels`, if a recording has no label file, or one that cannot be read.
        EmptyRecording: if it holds no recordings, or one of them no events.
        ConfigError: if the folder is divided into parts, two recordings would have one name, or one is too short.
        SourceError: if a recording cannot be read.
    """
    suffixes = recording_suffixes(text=options.text is not None)
    recordings, others = _recordings(folder, suffixes)
    if not recordings:
        note = "" if options.text else "; text is read once --columns says what it is"
        raise EmptyRecording(folder, "no recordings", hint=f"expected files ending in {', '.join(suffixes)}{note}")
    named = (("" if labels else class_name, path.stem) for class_name, path in recordings)  # labels name the folders
    (class_name, stem), n = Counter(named).most_common(1)[0]
    if n > 1:
        of = f" of {class_name!r}" if class_name else ""
        raise ConfigError(f"{folder}: {n} recordings{of} are called {stem!r}", hint="rename one of them")
    streams = []
    for class_name, path in _progress(recordings, "reading"):
        recording = open_with(path, options)
        stretch = longest_stretch(recording)
        if labels:
            streams.append(_labelled(recording, stretch))
            continue
        streams.append(Stream(class_name, recording, stretch, planned(recording, stretch, piece_us, skip_us)))
    return streams, others


def _labelled(recording: Recording, stretch: Stretch) -> Stream:
    """A recording in the pieces that its labels name: gestures, and movements by their own names."""
    session = read_labels(labels_beside(recording.path))
    for note in session.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    both: list[GestureSpan | Movement] = [*session.spans, *session.movements]
    spans = sorted(both, key=lambda span: span.start_us)
    if not spans:
        raise EmptyRecording(labels_beside(recording.path), "no labels", hint="spikecut label makes them")
    if foreign := [span.name for span in spans if not is_folder_name(span.name)]:
        raise CorruptRecording(
            labels_beside(recording.path), f"the class {foreign[0]!r}; expected a name that a folder can have"
        )
    pieces = [Piece(number, span.start_us, span.end_us, "all") for number, span in enumerate(spans, start=1)]
    names = {number: span.name for number, span in enumerate(spans, start=1)}
    return Stream("", recording, stretch, pieces, names)


def cut_streams(streams: Sequence[Stream], folder: Path, suffix: str, origin: str = "") -> CutReport:
    """Writes every piece into a new folder, which appears when it is complete; no more in memory than a batch.

    `origin` names the program that made the recordings, if one did; it is written to the marker that `origin_of` reads.

    Raises:
        ConfigError: if the folder holds something already, or the format cannot hold a recording.
        SourceError: if a recording cannot be read.
    """
    report, row = CutReport(), format_to_write(Path(f"a{suffix}"))
    with new_folder(folder) as new:
        for stream in _progress(streams, "cutting"):
            n_inside = n_files = 0
            for piece, group in groupby(events_of(stream.recording, stream.stretch, stream.pieces), lambda it: it[0]):
                batches = (batch for _, batch in group)
                if piece.part is None:
                    n = sum(map(len, batches))
                    report.n_between += n
                else:
                    target = stream.file_of(piece, suffix)
                    (new / target).parent.mkdir(parents=True, exist_ok=True)
                    n = write_events(new / target, folder / target, batches, stream.recording.sensor, row)
                    report.n_files[piece.part] += 1
                    report.n_written += n
                    n_files += 1
                n_inside += n
            report.n_silent += sum(piece.part is not None for piece in stream.pieces) - n_files
            report.n_outside += stream.stretch.n_events - n_inside
            report.n_elsewhere += stream.stretch.n_elsewhere
            report.lost += stream.stretch.lost
        for root in class_roots(new).values() if origin else ():
            (root / MADE_BY).write_text(f"{origin}, cut\n")
    return report


def run_cut(options: "Cut") -> int:
    """The command: 0 if every event was read, 3 if some were lost.

    Raises:
        ConfigError: if a duration is out of range; and as `open_streams` and `cut_streams`.
    """
    source, target = options.streams, options.folder
    piece_us = None if options.piece is None else _microseconds("--piece", options.piece, at_least=1)
    skip_us = _microseconds("--skip", options.skip, at_least=0)
    if options.labels and (piece_us is not None or skip_us):
        raise ConfigError(
            "--labels with --piece or --skip: labels say where pieces begin and end", hint="leave one out"
        )
    reading = read_options(options)
    streams, others = open_streams(source, piece_us=piece_us, skip_us=skip_us, options=reading, labels=options.labels)
    if options.labels:
        others = [name for name in others if not name.endswith(LABELS)]
    origin = origin_of(source)
    report = cut_streams(streams, target, f".{options.format}", origin)
    _print(target, streams, report, piece_us, origin)
    if others:
        print(printable(f"no recordings, and so not used: {some(others)}"), file=sys.stderr)
    for cause, loss in report.lost.losses.items():
        print(f"left out {loss.events:,}: {cause.sentence}", file=sys.stderr)
    return 3 if report.lost.damage else 0


def _print(out: Path, streams: Sequence[Stream], report: CutReport, piece_us: int | None, origin: str) -> None:
    """Prints the written files on stdout, and the files left out on stderr."""
    named = any(stream.classes for stream in streams)
    classes = sorted(
        {name for stream in streams for name in (stream.classes.values() if named else [stream.class_name])}
    )
    n, what = report.n_files.total(), "whole recordings" if piece_us is None else f"pieces of {piece_us / 1e6:g} s"
    what = "labelled pieces" if named else what
    print(printable(f"{out}: {n:,} {what} of {len(classes)} classes: {some(classes)}"))
    kind = f"simulated recordings ({origin})" if origin else "recordings as they are"
    print(
        printable(
            f"  from {len(streams):,} {kind}: {report.n_written:,} events, none added or changed; times begin at 0"
        )
    )
    if piece_us is None:
        print("  divided by their names (spikecut data check)")
        if named:
            print("  pieces of one recording may be in several parts; a test of other people needs a folder of its own")
    else:
        shares = ", ".join(f"{part} {report.n_files[part]:,}" for part in PARTS if part != "all")
        print(f"  divided by time within each recording: {shares}")
        print("  pieces of one recording are alike: a test on them tells little about other things of the same class")
    outside = "outside of the labelled stretches" if named else "before the first piece or after the last whole one"
    for n_events, why in (
        (report.n_between, "in pieces left out between two parts"),
        (report.n_outside, outside),
        (report.n_elsewhere, "before or after a reset of the clock"),
    ):
        if n_events:
            print(f"not used: {n_events:,} events {why}", file=sys.stderr)
    if report.n_silent:
        print(f"not written: {report.n_silent:,} pieces without an event", file=sys.stderr)


def _recordings(folder: Path, suffixes: tuple[str, ...]) -> tuple[list[tuple[str, Path]], list[str]]:
    """Every recording with its class, and the names of the files that are skipped."""
    roots = class_roots(folder)
    if len(roots) > 1:
        raise ConfigError(
            f"{folder}: is divided already, into {', '.join(path.name for path in roots.values())}",
            hint="give one of these folders",
        )
    (root,) = roots.values()
    above = [path for path in sorted(root.iterdir()) if not path.name.startswith(".")]
    within = [path for below in subfolders(root) for path in sorted(below.iterdir()) if not path.name.startswith(".")]

    def fits(path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in suffixes

    if any(map(fits, above)):
        recordings = [(path.stem.partition("_")[0] or path.stem, path) for path in above if fits(path)]
        passed_over = [path for path in above if not fits(path)]
    else:
        recordings = [(path.parent.name, path) for path in within if fits(path)]
        passed_over = [path for path in above if path.is_file()] + [path for path in within if not fits(path)]
    return recordings, [str(path.relative_to(root)) for path in passed_over]


def _microseconds(flag: str, seconds: float, *, at_least: int) -> int:
    length_us = round(seconds * 1e6) if math.isfinite(seconds) else -1
    if length_us < at_least:
        raise ConfigError(f"{flag} {seconds:g}", hint="a number of seconds, such as 0.5")
    return length_us


def _progress(items: Sequence[T], what: str) -> Iterable[T]:
    return track(items, what, len(items), console=Console(stderr=True), transient=True)
