"""Checks any other data set: its examples by part and class, and, if they are read, the damaged ones."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.errors import EmptyRecording, SpikecutError
from spikecut.sources.datasets import DATASETS, kind_of
from spikecut.sources.datasets.base import Dataset, Example, Source, in_part, sources_of
from spikecut.sources.datasets.digests import split_digest
from spikecut.sources.datasets.parts import DIVISIONS, PARTS
from spikecut.tools.checks.faults import Fault, unreadable, watched
from spikecut.tools.checks.page import FEW, Page


@dataclass(frozen=True, slots=True)
class DatasetCheck:
    """The result of a check. `things` is the word for examples, `usable` are the examples without a fault."""

    folder: Path
    things: str
    origin: str
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    usable: tuple[Example, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    n_events: None = None  # examples may hold anything

    @property
    def verdict(self) -> str:
        """Whether all that lies there can be used."""
        n = len(self.examples)
        if self.faults:
            return f"not whole: {len(self.usable):,} of {n:,} {self.things} can be used"
        return f"sound: {n:,} {self.things} of {len(self.classes)} classes"

    def page(self) -> Page:
        """The report of the check."""
        by_part = {
            part: Counter(self.classes[one.label] for one in self.usable if in_part(part, one.part)) for part in PARTS
        }
        counts: dict[str, dict[str, int]] = {self.things: {part: by_part[part].total() for part in PARTS}}
        classes: dict[str, dict[str, int]]
        classes = {name: {part: by_part[part][name] for part in PARTS} for name in self.classes}
        members = {part: [one for one in self.examples if one.part == part] for part in DIVISIONS}
        splits = {part: {"n": len(some), "sha256": split_digest(some)} for part, some in members.items()}
        split = ", ".join(f"{part} {one['n']:,} {str(one['sha256'])[:12]}" for part, one in splits.items())
        entries = {"origin": self.origin or "not known", "classes": f"{len(self.classes)}"}
        rows = counts | ({f"  {name}": row for name, row in classes.items()} if len(classes) <= FEW else {})
        facts = {"set": None, "origin": self.origin, "counts": counts, "classes": classes, "splits": splits}
        return Page(entries | {"split": f"{split} (SHA-256 of the names)"}, rows, "", facts)


def check_dataset(path: Path, *, read: bool = False) -> DatasetCheck:
    """Counts the examples of a data set; with `read` every byte of every source is read, and examples compared.

    Raises:
        SourceError: if it cannot be opened.
        EmptyRecording: if it has no examples.
    """
    row = DATASETS[kind_of(path)]
    dataset = row.open(path)
    examples = tuple(dataset.examples("all"))
    if not examples:
        raise EmptyRecording(path, f"no {row.things}", hint=f"expected {row.layout}")
    broken = dict(_damage(dataset)) if read else {}
    usable = [one for one in examples if one.source.name not in broken]
    faults, notes = tuple(broken.values()), tuple(dataset.notes)
    return DatasetCheck(path, row.things, dataset.origin, dataset.classes, examples, tuple(usable), faults, notes)


def _damage(dataset: Dataset) -> list[tuple[str, Fault]]:
    """The sources that cannot be read, by their names."""
    faults = []
    for source in watched(sources_of(dataset.examples("all")), read=True):
        if (fault := _fault(source)) is not None:
            faults.append((source.name, fault))
    return faults


def _fault(source: Source) -> Fault | None:
    try:
        source.digest()
    except (SpikecutError, OSError) as error:
        where = str(getattr(error, "path", source.name))
        return unreadable(source.name, Path(where), error)
    return None
