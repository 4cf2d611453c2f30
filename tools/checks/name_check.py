"""Compares the names in a folder with the published ones: recordings missing, duplicated, or in the wrong class."""

import hashlib
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from spikecut.sources.datasets.catalog import PublishedSet
from spikecut.sources.datasets.class_folders import LabelledRecording
from spikecut.sources.datasets.parts import Division
from spikecut.tools.checks.faults import SHOWN, Fault, some

_IDX_LABELS = 0x801  # the magic number of MNIST's label files
Found = dict[int, list[str]]  # the class folders in which a number lies


def check_names(
    published: PublishedSet, recordings: Iterable[LabelledRecording], divisions: tuple[Division | None, ...]
) -> Iterator[Fault]:
    """Every difference between the names of recordings and the published ones of some divisions.

    Recordings outside the folders of divisions count as those of the first division.
    """
    there: dict[tuple[Division | None, str | None], Found] = defaultdict(lambda: defaultdict(list))
    odd: dict[str, list[str]] = defaultdict(list)
    strangers: Counter[str] = Counter()
    for recording in recordings:
        place = published.place_of(recording, divisions[0])
        if place is not None:
            division, group, number = place
            there[division, group][number].append(recording.class_name)
        elif recording.class_name in published.classes:
            odd[recording.class_name].append(recording.path.name)
        else:
            strangers[recording.class_name] += 1
    for name, n in strangers.items():
        yield Fault("unexpected class", name, f"{n:,} recordings", n)
    for name, files in odd.items():
        yield Fault("unexpected recording", name, some(files), len(files))
    for division in divisions:
        for group in published.groups(division):
            folders = there[division, group]
            yield from _missing(published, division, group, folders)
            yield from _twice(published, division, group, folders)
        if published.labels_md5:
            yield from _other_labels(published, division, there[division, None])


def _missing(published: PublishedSet, division: Division | None, group: str | None, folders: Found) -> Iterator[Fault]:
    wanted = published.numbers(division, group)
    missing = [number for number in wanted if number not in folders]
    if len(missing) == len(wanted):
        yield Fault("missing folder", _where(division, group), f"all of its {len(wanted):,} recordings", len(missing))
    elif missing:
        ranges = _ranges(published, group or "", missing)
        yield Fault("missing recording", _where(division, group), ranges, len(missing))


def _twice(published: PublishedSet, division: Division | None, group: str | None, folders: Found) -> Iterator[Fault]:
    for number, classes in folders.items():
        if len(classes) > 1:
            name = published.file_name(group or "", number)
            yield Fault("there twice", _where(division, group), f"{name} in {' and '.join(classes)}")


def _other_labels(published: PublishedSet, division: Division | None, folders: Found) -> Iterator[Fault]:
    """Recordings in the folder of another digit: by a digest of all labels, or by folders with too many recordings."""
    numbers = published.numbers(division, None)
    labels = [folders[number][0] for number in numbers if number in folders]
    if len(labels) == len(numbers):
        file = struct.pack(">II", _IDX_LABELS, len(labels)) + bytes(int(label) for label in labels)
        if hashlib.md5(file, usedforsecurity=False).hexdigest() != published.labels_md5[division]:
            message = "some recordings lie in the folder of another class: the labels are not those of MNIST"
            yield Fault("wrong class", _where(division, None), message)
        return
    for name, n in sorted(Counter(labels).items()):
        if n > (most := published.counts[division][name]):
            message = f"{n:,} recordings in the folder of {name}, {most:,} were published"
            yield Fault("wrong class", _where(division, None), message, n - most)


def _where(division: Division | None, group: str | None) -> str:
    """The folder that numbers are counted in: a class, or a division with all its classes."""
    return group or str(division).capitalize()


def _ranges(published: PublishedSet, class_name: str, numbers: list[int]) -> str:
    """The numbers as runs of file names, at most `SHOWN`: `image_0003.bin, image_0007.bin to image_0009.bin`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    names = [" to ".join(published.file_name(class_name, end) for end in run) for run in runs[:SHOWN]]
    more = sum(run[-1] - run[0] + 1 for run in runs[SHOWN:])
    return ", ".join(names) + (f" and {more:,} more" if more else "")
