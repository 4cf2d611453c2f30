"""Checks class folders of recordings: N-MNIST, N-Caltech101 and CIFAR10-DVS for missing ones; any others, too.

A simulated counterpart has no missing recordings: its recordings are counted, beside the published numbers.
"""

import contextlib
import hashlib
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.drop_counts import OnDamage
from spikecut.pipeline.errors import SpikecutError, SpikecutWarning
from spikecut.pipeline.events import NOTHING_LOST
from spikecut.sources.datasets.catalog import PublishedSet, imitated, recognise
from spikecut.sources.datasets.class_folders import (
    MADE_BY,
    LabelledRecording,
    class_roots,
    list_recordings,
    origin_of,
    part_of,
    recordings_in,
    subfolders,
)
from spikecut.sources.datasets.digests import split_digest
from spikecut.sources.datasets.parts import PARTS, Division, Part
from spikecut.sources.formats.base import ReadOptions
from spikecut.sources.formats.open import open_with
from spikecut.tools.checks.faults import Fault, losses, some, unreadable, watched
from spikecut.tools.checks.name_check import check_names
from spikecut.tools.checks.page import FEW, REDRAW, Page

_USELESS = ("unreadable", "other sensor", "no events")


@dataclass(frozen=True, slots=True)
class SetCheck:
    """The result of a check of class folders.

    `published` is the set that this is a copy of, or a simulated counterpart of. `drawn` is the text of the marker
    `MADE_BY`, empty for real recordings. `divisions` are those that a copy of this shape should hold. `n_events` is
    None if the events were not read.
    """

    folder: Path
    drawn: str
    published: PublishedSet | None
    divisions: tuple[Division | None, ...]
    recordings: tuple[LabelledRecording, ...]
    usable: tuple[LabelledRecording, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    n_events: int | None = None

    @property
    def n_published(self) -> dict[str, int]:
        """The published number of recordings of each class in these divisions; empty for an unknown set."""
        counts: Counter[str] = Counter()
        for division in self.divisions:
            counts.update(self.published.counts[division] if self.published else {})
        return dict(counts)

    @property
    def expected(self) -> dict[str, int]:
        """The expected number of recordings of each class; for simulated or unknown sets the number present."""
        if self.drawn or self.published is None:
            return dict(Counter(recording.class_name for recording in self.recordings))
        return self.n_published

    @property
    def n_expected(self) -> int:
        return sum(self.expected.values())

    def counted(self) -> dict[str, dict[str, int]]:
        """Recordings of all classes, then of each class: by part, as far as they can be used."""
        classes = sorted({*self.expected, *(recording.class_name for recording in self.recordings)})
        by_part = {part: Counter(r.class_name for r in part_of(self.usable, part)) for part in PARTS}
        table: dict[str, dict[str, int]] = {"recordings": {part: by_part[part].total() for part in PARTS}}
        return table | {name: {part: by_part[part][name] for part in PARTS} for name in classes}

    def splits(self) -> dict[Part, tuple[int, str]]:
        """The number of recordings of each part, and the digest of their names."""
        parts = {part: part_of(self.recordings, part) for part in PARTS if part != "all"}
        return {part: (len(members), split_digest(members)) for part, members in parts.items()}

    @property
    def verdict(self) -> str:
        if self.drawn or self.published is None:
            return self._on_what_is_there()
        n = self.n_expected
        whole = set(self.divisions) == set(self.published.counts)
        name = self.published.name if whole else f"{self.published.name} to {self.divisions[0]}"
        there = {place for r in self.usable if (place := self.published.place_of(r, self.divisions[0])) is not None}
        if len(there) < n:
            return f"incomplete: {len(there):,} of the {n:,} recordings of {name} can be used"
        if self.faults:
            return f"not whole, though all {n:,} recordings of {name} can be used"
        return f"complete: {name} as published, {n:,} recordings of {len(self.expected)} classes"

    def _on_what_is_there(self) -> str:
        """The verdict on simulated and unknown sets, which have no published recordings to miss."""
        n, what = self.n_expected, "simulated recordings" if self.drawn else "recordings"
        if self.faults:
            return f"not whole: {len(self.usable):,} of {n:,} {what} can be used"
        counts = f"{n:,} {what} of {len(self.expected)} classes"
        if not self.drawn:
            return f"sound, not a set that is known here: {counts}"
        real = f"; {self.published.name} has {sum(self.n_published.values()):,}" if self.published else ""
        return f"sound: {counts}{real}"

    def page(self) -> Page:
        """The report of the check."""
        counted, expected, real = self.counted(), self.expected, self.n_published
        known = self.published is not None
        if known:
            counted["recordings"]["published"] = sum(real.values())
        rows = {"recordings": counted.pop("recordings")}
        for name, counts in counted.items():
            if known:
                counts["published"] = real.get(name, 0)
            if len(counted) <= FEW or not known or counts["all"] != expected.get(name, 0):
                rows[f"  {name}"] = counts
        entries = {"set": self.published.name if self.published else "none that is known here"}
        if self.drawn:
            entries = {"origin": f"simulated, not recorded ({self.drawn})"}
        if len(rows) <= len(counted):
            entries["classes"] = f"{len(counted)}, of which {len(counted) - len(rows) + 1} are whole and not listed"
        if self.n_events is not None:
            entries["events"] = f"{self.n_events:,}"
        splits = self.splits()
        same = self.published is not None and self.published.splits == {part: sha for part, (_, sha) in splits.items()}
        split = ", ".join(f"{part} {n:,} {sha[:12]}" for part, (n, sha) in splits.items())
        entries["split"] = f"{split} (SHA-256 of the names{'; the published split' if same else ''})"
        facts = {
            "set": self.published.name if self.published else None,
            "drawn": self.drawn or None,
            "recordings_expected": self.n_expected,
            "recordings_usable": len(self.usable),
            "counts": {"recordings": rows["recordings"]},
            "classes": counted,
            "splits": {part: {"n": n, "sha256": sha} for part, (n, sha) in splits.items()},
            "published_split": same,
        }
        home = f"see {self.published.home}" if self.published else ""
        return Page(entries, rows, REDRAW if self.drawn else home, facts)


def check_set(folder: Path, *, read: bool = False, on_damage: OnDamage = "salvage") -> SetCheck:
    """Compares every name with the published ones and opens every recording; reads all events only if `read` is set.

    Raises:
        UnreadableSource: if there is no such folder.
        EmptyRecording: if it has no recordings.
    """
    recordings = list_recordings(folder)
    drawn = origin_of(folder)
    published = imitated(drawn) or recognise(recordings)
    divisions = _divisions(folder, published)
    faults = [] if drawn or published is None else list(check_names(published, recordings, divisions))
    usable: list[LabelledRecording] = []
    n_events, names = 0, dict[bytes, str]()
    options = ReadOptions(published.sensor if published else None, on_damage=on_damage)
    assumed: Counter[str] = Counter()
    for recording in watched(recordings, read):
        with _assumptions(recording.path, assumed):
            n, damage = _looked_at(recording, folder, options, names if read else None)
        n_events += n
        faults += damage
        if not any(fault.kind in _USELESS for fault in damage):
            usable.append(recording)
    return SetCheck(
        folder,
        drawn,
        published,
        divisions,
        tuple(recordings),
        tuple(usable),
        tuple(faults),
        (*_notes(folder, drawn), *(f"{n:,} recording{'s' * (n > 1)}: {text}" for text, n in assumed.items())),
        n_events if read else None,
    )


@contextlib.contextmanager
def _assumptions(path: Path, counts: Counter[str]) -> Iterator[None]:
    """Counts what is assumed of a recording, so that the same of thousands is one note."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SpikecutWarning)
        yield
    counts.update({str(one.message).removeprefix(f"{path}: ") for one in caught})


def _divisions(folder: Path, published: PublishedSet | None) -> tuple[Division | None, ...]:
    """The divisions that a copy of this shape should hold: a folder `Train` given by its path is complete by itself."""
    if published is None:
        return ()
    roots = class_roots(folder)
    if None in published.counts or roots.get(None) != folder:
        return tuple(published.counts)
    return ("test",) if folder.resolve().name.lower() == "test" else ("train",)


def _looked_at(
    recording: LabelledRecording, folder: Path, options: ReadOptions, names: dict[bytes, str] | None
) -> tuple[int, list[Fault]]:
    """The number of events in a recording, and its faults; without `names` by content it is not read."""
    name, sensor = str(recording.path.relative_to(folder)), options.sensor
    n, lost = 0, NOTHING_LOST
    try:
        opened = open_with(recording.path, options)
        if sensor is not None and opened.sensor != sensor:
            return 0, [Fault("other sensor", name, f"{opened.sensor} pixels; expected {sensor}")]
        if names is None:
            return 0, []
        for batch in opened:
            n, lost = n + len(batch), lost + batch.lost
    except SpikecutError as error:
        return n, [unreadable(name, recording.path, error)]
    faults = list(losses(name, lost))
    if not n:
        faults.append(Fault("no events", name))
    first = names.setdefault(_digest(recording.path), name)
    if first != name:
        faults.append(Fault("same content", name, f"as {first}"))
    return n, faults


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _notes(folder: Path, drawn: str) -> Iterator[str]:
    for root in class_roots(folder).values():
        if drawn and not (root / MADE_BY).is_file():
            yield f"nothing says that the recordings in {root.name} were simulated, too"
        for below in subfolders(root):
            files = [path.name for path in below.iterdir() if path.is_file() and not path.name.startswith(".")]
            others = sorted(set(files) - {path.name for path in recordings_in(below)})
            if others:
                yield f"no recordings, and so not used: {some([f'{below.name}/{name}' for name in others])}"
