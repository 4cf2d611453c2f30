"""Checks pictures in a folder or an archive: CIFAR and Tiny-ImageNet for missing ones, any others for damage."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from spikecut.pipeline.errors import SpikecutError
from spikecut.sources.datasets.catalog import CIFAR10_DVS
from spikecut.sources.datasets.digests import split_digest
from spikecut.sources.datasets.images.cifar import CIFAR10, CifarFiles, cifar_files, open_cifar, pictures_in
from spikecut.sources.datasets.images.image_files import files_in
from spikecut.sources.datasets.images.image_folders import tiny_imagenet
from spikecut.sources.datasets.images.image_sets import LabelledPicture, PictureSet
from spikecut.sources.datasets.images.open_images import open_pictures
from spikecut.sources.datasets.parts import PARTS, Part
from spikecut.tools.checks.faults import Fault, unreadable, watched
from spikecut.tools.checks.page import FEW, Page


@dataclass(frozen=True, slots=True)
class KnownSet:
    """Counts of a complete copy: pictures of each of `n_classes` to train on and to test on, and unlabelled ones."""

    name: str
    home: str
    n_classes: int
    train: int
    test: int
    unlabelled: int = 0

    @property
    def each(self) -> int:
        return self.train + self.test


_CIFAR = "https://www.cs.toronto.edu/~kriz/cifar.html"
KNOWN = {
    "CIFAR-10": KnownSet("CIFAR-10", _CIFAR, 10, 5_000, 1_000),
    "CIFAR-100": KnownSet("CIFAR-100", _CIFAR, 100, 500, 100),
    "Tiny-ImageNet": KnownSet(
        "Tiny-ImageNet", "http://cs231n.stanford.edu/tiny-imagenet-200.zip", 200, 500, 50, unlabelled=10_000
    ),
}


@dataclass(frozen=True, slots=True)
class PictureCheck:
    """The result of a check of a folder or an archive of pictures. `known` is the set that it is a copy of.

    It is `whole` if nothing is missing: CIFAR's files are compared by MD5, Tiny-ImageNet's pictures are counted.
    `usable` are the pictures without a fault.
    """

    folder: Path
    origin: str
    classes: tuple[str, ...]
    known: KnownSet | None
    whole: bool
    usable: tuple[LabelledPicture, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    n_events: None = None  # an image has none

    @property
    def n_expected(self) -> int:
        """The expected number of pictures: as published, or of an unknown set the number of usable ones."""
        return self.known.n_classes * self.known.each if self.known else len(self.usable)

    def counted(self) -> dict[str, dict[str, int]]:
        """Pictures of all classes, then of each class, by part; beside how many were published."""
        by_part: dict[Part, Counter[str]] = {part: Counter() for part in PARTS}
        for picture in self.usable:
            by_part[picture.part][picture.class_name] += 1
            by_part["all"][picture.class_name] += 1
        table: dict[str, dict[str, int]] = {"pictures": {part: by_part[part].total() for part in PARTS}}
        table |= {name: {part: by_part[part][name] for part in PARTS} for name in self.classes}
        if self.known:
            for name, counts in table.items():
                counts["published"] = self.n_expected if name == "pictures" else self.known.each
        return table

    def splits(self) -> dict[Part, tuple[int, str]]:
        """How many pictures each part has, and the digest of their names."""
        parts = {part: [one for one in self.usable if one.part == part] for part in PARTS if part != "all"}
        return {part: (len(members), split_digest(members)) for part, members in parts.items()}

    @property
    def verdict(self) -> str:
        counts = f"{len(self.usable):,} pictures of {len(self.classes)} classes"
        if self.known is None:
            state = "not whole" if self.faults else "sound"
            return f"{state}, not a set that is known here: {counts}"
        name, n = self.known.name, f"{self.n_expected:,}"
        if len(self.usable) < self.n_expected:
            return f"incomplete: {len(self.usable):,} of the {n} pictures of {name} can be used"
        if self.faults:
            return f"not as published, though {counts} can be used; {name} has {n}"
        return f"complete: {name} as published, {counts}" if self.whole else f"sound: {counts}, as many as {name} has"

    def page(self) -> Page:
        """The report of the check."""
        counted = self.counted()
        rows = {"pictures": counted.pop("pictures")}
        if len(counted) <= FEW:
            rows |= {f"  {name}": counts for name, counts in counted.items()}
        splits = self.splits()
        split = ", ".join(f"{part} {n:,} {sha[:12]}" for part, (n, sha) in splits.items())
        entries = {
            "origin": self.origin,
            "classes": f"{len(counted)}",
            "split": f"{split} (SHA-256 of the names)",
        }
        facts = {
            "set": self.known.name if self.known else None,
            "origin": self.origin,
            "pictures_expected": self.n_expected,
            "pictures_usable": len(self.usable),
            "counts": {"pictures": rows["pictures"]},
            "classes": counted,
            "splits": {part: {"n": n, "sha256": sha} for part, (n, sha) in splits.items()},
        }
        return Page(entries, rows, f"see {self.known.home}" if self.known else "", facts)


def check_pictures(path: Path, *, read: bool = False) -> PictureCheck:
    """Compares files and counts with the published ones; reads every picture only if `read` is set.

    CIFAR's files are read in any case, and compared by their MD5.

    Raises:
        UnreadableSource, UnknownFormat, EmptyRecording: if there are no pictures.
    """
    files = cifar_files(path)
    if files is not None:
        images, faults = _cifar(files)
        known = KNOWN[files.layout.name]
    else:
        images, known = open_pictures(path), None
        if tiny_imagenet(files_in(path)) is not None:
            known = KNOWN["Tiny-ImageNet"]
        elif set(images.classes) == CIFAR10_DVS.classes:
            known = KNOWN[CIFAR10.name]
        faults = list(_missing(images, known)) if known else []
    usable, notes = list(images.pictures), list(images.notes)
    if read:
        damaged = {picture.path: fault for picture in watched(usable, read) if (fault := _damage(picture)) is not None}
        usable = [picture for picture in usable if picture.path not in damaged]
        faults += damaged.values()
        notes += _twice(usable)
    whole = not faults and (files is not None or (known is not None and known.unlabelled > 0))
    return PictureCheck(path, images.origin, images.classes, known, whole, tuple(usable), tuple(faults), tuple(notes))


def _cifar(files: CifarFiles) -> tuple[PictureSet, list[Fault]]:
    """The usable pictures of CIFAR's files, and the faults of the other files."""
    layout = files.layout
    faults = [Fault("missing file", name) for name in files.missing]
    broken = []
    for name in files.files:
        try:
            if name != layout.meta[0]:
                pictures_in(files, name)
        except SpikecutError as error:
            faults.append(unreadable(name, files.path / name, error))
            broken.append(name)
    message = "its MD5 is another than that of the published file"
    faults += [Fault("not as published", name, message) for name in files.changed if name not in broken]
    sound = replace(files, files={name: raw for name, raw in files.files.items() if name not in broken})
    try:
        return replace(open_cifar(sound), notes=()), faults  # what is missing is among the faults
    except SpikecutError as error:
        if layout.meta[0] in files.files:
            faults.append(unreadable(layout.meta[0], files.path / layout.meta[0], error))
        return PictureSet(files.path, f"{layout.name}'s layout", (), ()), faults


def _missing(images: PictureSet, known: KnownSet) -> Iterator[Fault]:
    """The classes that have fewer pictures than were published, or more."""
    for test, n in ((False, known.train), (True, known.test)):
        there = Counter(one.class_name for one in images.pictures if (one.part == "test") == test)
        where = "to test on" if test else "to train on"
        for name in images.classes:
            if there[name] < n:
                short = n - there[name]
                yield Fault("missing pictures", name, f"{there[name]:,} of {n:,} {where}", short)
            elif there[name] > n:
                yield Fault("unexpected pictures", name, f"{there[name]:,} {where}, {n:,} were published")
    if (absent := known.n_classes - len(images.classes)) > 0:
        yield Fault("missing classes", images.path.name, f"{absent} of {known.n_classes}", absent * known.each)
    if known.unlabelled:
        files = (PurePosixPath(file).parts for file in files_in(images.path))
        n = sum(parts[-3:-1] == ("test", "images") for parts in files)
        if n < known.unlabelled:
            yield Fault(
                "missing pictures", "test", f"{n:,} of {known.unlabelled:,} without labels", known.unlabelled - n
            )


def _damage(picture: LabelledPicture) -> Fault | None:
    try:
        picture.pixels()
    except SpikecutError as error:
        return unreadable(picture.entry, picture.path, error)
    return None


def _twice(pictures: list[LabelledPicture]) -> Iterator[str]:
    """A line if pictures are in two parts: test pictures that would also train."""
    parts: dict[str, set[str]] = {}
    for picture in pictures:
        parts.setdefault(picture.digest(), set()).add("test" if picture.part == "test" else "train")
    if n := sum(len(kinds) > 1 for kinds in parts.values()):
        yield f"{n:,} picture{'s' * (n != 1)} to test on, byte for byte, also to train on"
