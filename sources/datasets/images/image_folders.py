"""Pictures in class folders, in a folder or a zip archive: `<class>/<picture>`, divided or not, and Tiny-ImageNet.

`train/<class>/…` and `test/<class>/…` (or `training` and `testing`, in any case) divide a set; of what trains, a tenth
calibrates: those whose hash (`parts.part_of_image`) lies from 0.8 to below 0.9. Where there is a folder
`calibration` too, the three are the parts. `val` (or `valid`, `validation`) tests where no other folder does, and
calibrates otherwise. An undivided set is divided by the same hash: below 0.8 train, below 0.9 calibration, above test.

Tiny-ImageNet (Stanford CS231n, http://cs231n.stanford.edu/tiny-imagenet-200.zip) is `train/<wnid>/images/*.JPEG`,
`val/images` with `val/val_annotations.txt`, and `words.txt`, which says what a number of WordNet means. The labels of
its test part were never published, so `val` tests.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from spikecut.pipeline.errors import EmptyRecording, MissingLabels
from spikecut.sources.datasets.images.image_files import JPEG, bytes_of, files_in, unfit
from spikecut.sources.datasets.images.image_sets import LabelledPicture, PictureSet
from spikecut.sources.datasets.parts import Division, part_of_image

_DIVISIONS: dict[str, Division] = {
    "train": "train",
    "training": "train",
    "calibration": "calibration",
    "test": "test",
    "testing": "test",
}
_HELD_OUT = ("val", "valid", "validation")
CLASSES = "wnids.txt"  # the list of Tiny-ImageNet's classes
_ANNOTATIONS = "val/val_annotations.txt"


def open_folders(images: Path) -> PictureSet:
    """The pictures of class folders.

    Raises:
        UnreadableSource: if there is no such folder, or the file is no zip archive.
        EmptyRecording: if no picture lies in a class folder.
        MissingLabels: if Tiny-ImageNet does not say what its `val` shows.
    """
    files = files_in(images)
    if (root := tiny_imagenet(files)) is not None:
        return _open_tiny_imagenet(images, root, files)
    dropped: Counter[str] = Counter()
    paths: list[PurePosixPath] = []
    for path in map(PurePosixPath, files):
        if cause := unfit(path):
            dropped[cause] += 1
        else:
            paths.append(path)
    notes = tuple(f"{n:,} file{'s' * (n != 1)} {cause}, not used" for cause, n in sorted(dropped.items()))
    if not paths:
        causes = f" ({', '.join(notes)})" if notes else ""
        raise EmptyRecording(
            images, f"no pictures in class folders{causes}", hint="expected <class>/<picture>.png or .jpg"
        )
    classes = tuple(sorted({path.parent.name for path in paths}))
    number = {name: label for label, name in enumerate(classes)}
    above = [path.parent.parent.name.lower() for path in paths]
    held_out: Division = "calibration" if {"test", "testing"}.intersection(above) else "test"
    divisions = [held_out if name in _HELD_OUT else _DIVISIONS.get(name) for name in above]
    three, divided = "calibration" in divisions, "test" in divisions
    pictures = []
    for path, division in zip(paths, divisions, strict=True):
        name = f"{path.parent.name}/{path.name}"
        if division == "test" or (three and division is not None):
            part = division
        else:
            part = part_of_image(name, tests=not divided)
        pictures.append(LabelledPicture(images, str(path), name, number[path.parent.name], path.parent.name, part))
    return PictureSet(images, _origin(paths), classes, _train_first(pictures), notes)


def tiny_imagenet(files: Sequence[str]) -> str | None:
    """Where among some files Tiny-ImageNet begins, by the list of its classes: a path with a `/` behind it, or nothing.

    None if it is not among them.
    """
    roots = [file.removesuffix(CLASSES) for file in files if PurePosixPath(file).name == CLASSES]
    return min(roots, key=len, default=None)


def _open_tiny_imagenet(images: Path, root: str, files: Sequence[str]) -> PictureSet:
    there = set(files)
    wnids = sorted(_text(images, root + CLASSES).split())
    classes = _words(wnids, _text(images, f"{root}words.txt") if f"{root}words.txt" in there else "")
    number = {wnid: label for label, wnid in enumerate(wnids)}
    if f"{root}{_ANNOTATIONS}" not in there:
        raise MissingLabels(images / f"{root}{_ANNOTATIONS}", "is missing: nothing else says what val shows")
    shown = dict(line.split("\t")[:2] for line in _text(images, f"{root}{_ANNOTATIONS}").splitlines() if "\t" in line)

    def picture(entry: str, wnid: str, *, tests: bool) -> LabelledPicture:
        name = f"{wnid}/{PurePosixPath(entry).name}"
        part: Division = "test" if tests else part_of_image(name, tests=False)
        return LabelledPicture(images, entry, name, number[wnid], classes[number[wnid]], part)

    trained = re.compile(re.escape(root) + r"train/(n\d+)/images/[^/.][^/]*\.JPEG")
    matches = [match for match in map(trained.fullmatch, files) if match and match[1] in number]
    pictures = [picture(match[0], match[1], tests=False) for match in matches]
    tested = [(f"{root}val/images/{f}", wnid) for f, wnid in shown.items() if wnid in number]
    pictures += [picture(entry, wnid, tests=True) for entry, wnid in tested if entry in there]
    notes = []
    if absent := sum(entry not in there for entry, _ in tested):
        notes.append(f"missing: {absent:,} of {len(tested):,} pictures in val")
    if unlabelled := sum(file.startswith(f"{root}test/images/") for file in files):
        notes.append(f"{unlabelled:,} pictures in test have no labels: not used")
    if not matches:
        raise EmptyRecording(images, f"no pictures in {root}train/<wnid>/images", hint="is it unpacked whole?")
    return PictureSet(
        images, "Tiny-ImageNet, JPEG pictures as published", classes, _train_first(pictures), tuple(notes)
    )


def _train_first(pictures: Sequence[LabelledPicture]) -> tuple[LabelledPicture, ...]:
    return tuple(sorted(pictures, key=lambda one: (one.part == "test", one.entry)))


def _origin(paths: Sequence[PurePosixPath]) -> str:
    n_jpeg = sum(path.suffix.lower() in JPEG for path in paths)
    if not n_jpeg:
        return "pictures in class folders, not a published archive"
    some = "" if n_jpeg == len(paths) else f" ({n_jpeg:,} of {len(paths):,})"
    return f"JPEG pictures{some}: not the genuine archive"


def _words(wnids: Sequence[str], text: str) -> tuple[str, ...]:
    """What the numbers of WordNet mean: the first word of each, all of them where two share it, or the number."""
    meanings = dict(line.split("\t")[:2] for line in text.splitlines() if "\t" in line)
    whole = [meanings.get(wnid, wnid).strip() for wnid in wnids]
    first = [words.split(",")[0] for words in whole]
    chosen = [words if first.count(word) > 1 else word for word, words in zip(first, whole, strict=True)]
    return tuple(wnid if chosen.count(word) > 1 else word for wnid, word in zip(wnids, chosen, strict=True))


def _text(images: Path, entry: str) -> str:
    return bytes_of(images, entry).decode("utf-8", "replace")
