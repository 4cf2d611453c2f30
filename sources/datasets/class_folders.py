"""Folders of labelled recordings, `<class>/<recording>`, and how they are divided.

A recording's part is a function of its name alone, so a folder divides the same way on every machine,
and adding recordings moves none of the others. Where a set was published in two folders, `Train` and
`Test` (N-MNIST), what was published to test tests, and nothing else does.

Where a folder holds `calibration` beside `train` and `test`, these three are the parts, and no name decides. So the
pieces of a stream are divided (`spikecut cut`): by time, because two neighbours are as good as one recording, and would
be taken apart by their names.

N-MNIST is `Train/<digit>/00002.bin` and `Test/…`, N-Caltech101 `Caltech101/<class>/image_0001.bin`,
CIFAR10-DVS `<class>/cifar10_<class>_<n>.aedat`. The folder that holds `Train` and `Test`, or `Caltech101`,
opens as well as the one that holds the classes.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.errors import EmptyRecording, UnreadableSource, printable
from spikecut.pipeline.events import Frame
from spikecut.sources.datasets.base import Example, FrameSpec, in_part, numbers_among
from spikecut.sources.datasets.frames import recording_frames
from spikecut.sources.datasets.parts import DIVISIONS, Division, Part, part_of_recording
from spikecut.sources.formats import recording_suffixes
from spikecut.sources.formats.reading.files import open_binary

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")
_INNER = "Caltech101"
_RUN_CARD = "run.json"  # of what `spikecut replay --out` writes
_OTHER_CLASSES = "give the folder that holds the class folders, or a network for these classes"
MADE_BY = ".drawn"  # in the folder of the classes or sessions


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """One file and what it shows: `label` is the number of its class.

    `division` is the folder of that name it lies in; `part` is the same where folders say all three parts.
    """

    path: Path
    label: int
    class_name: str
    division: Division | None = None
    part: Division | None = None

    @property
    def name(self) -> str:
        """`<class>/<file>`: what decides about its part."""
        return f"{self.class_name}/{self.path.name}"

    def digest(self) -> str:
        """The first 16 hexadecimal digits of the file's SHA-256."""
        with open_binary(self.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]  # type: ignore[arg-type]

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        """The frames of the one example that it is."""
        yield recording_frames(self.path, view)


def list_recordings(
    folder: Path, classes: Iterable[str] | None = None, *, text: bool = False
) -> list[LabelledRecording]:
    """Every recording below `<folder>/<class>/`, classes and recordings in the order of their names.

    If `classes` is given they fix the numbers, and a folder with another name is refused. Of a set that is divided
    by folders the recordings to train come first. Files of text are recordings only with `text`.

    Raises:
        UnreadableSource: if there is no such folder.
        EmptyRecording: if it has no recordings.
        ConfigError: if a class folder is not among `classes`.
    """
    roots = class_roots(folder)
    three = "calibration" in roots
    folder_names = _class_names(folder)
    names = list(classes) if classes is not None else folder_names
    numbers_among(folder, folder_names, names, "folder", _OTHER_CLASSES)
    recordings = [
        LabelledRecording(path, names.index(below.name), below.name, division, division if three else None)
        for division, root in roots.items()
        for below in subfolders(root)
        for path in recordings_in(below, text=text)
    ]
    if not recordings:
        raise EmptyRecording(folder, "no recordings in its class folders", hint=_what_instead(folder))
    return recordings


def class_roots(folder: Path) -> dict[Division | None, Path]:
    """Where the class folders lie, by division into folders; `None` where there is none.

    `Train` without `Test` or `calibration` is a folder like any other.

    Raises:
        UnreadableSource: if there is no such folder.
    """
    if not folder.is_dir():
        raise UnreadableSource(folder, "no such folder", hint="give a folder of <class>/<recording>")
    if (folder / _INNER).is_dir():
        folder = folder / _INNER
    divided = {below.name.lower(): below for below in subfolders(folder) if subfolders(below)}
    if "test" in divided or "calibration" in divided:
        return {division: divided[division] for division in DIVISIONS if division in divided}
    return {None: divided.get("train", folder)}


def origin_of(folder: Path) -> str:
    """Who made the recordings of a folder, if a program did (`spikecut simulate` leaves word); else nothing."""
    markers = [root / MADE_BY for root in class_roots(folder).values()]
    return "; ".join(maker_in(marker) for marker in markers if marker.is_file())


def is_simulated(recording: Path) -> bool:
    """Whether a program left word in the folder of a recording, or in that of its class folder, that it made it."""
    return any((folder / MADE_BY).is_file() for folder in recording.absolute().parents[:2])


def maker_in(marker: Path) -> str:
    """The first 1,000 bytes of the file that says which program made a folder's recordings."""
    with marker.open("rb") as file:
        return file.read(1_000).decode(errors="replace").strip()


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name, without hidden ones, those that macOS puts into archives, and kept runs."""
    folders = (p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__MACOSX")))
    return sorted(p for p in folders if not (p / _RUN_CARD).is_file())


def recordings_in(folder: Path, *, text: bool = False) -> list[Path]:
    """The recordings that lie in a folder, by name: files whose suffix says so; those of text only with `text`."""
    suffixes = recording_suffixes(text=text)
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and not p.name.startswith("."))


def part_of(recordings: Iterable[LabelledRecording], part: Part) -> list[LabelledRecording]:
    """The recordings of one part: that of their folders where these say all three, or `parts.part_of_recording`."""
    return [recording for recording in recordings if in_part(part, _part(recording))]


@dataclass(frozen=True, slots=True, eq=False)
class ClassFolders:
    """Recordings in class folders as a data set: classes and recordings in the order of their names."""

    path: Path
    recordings: tuple[LabelledRecording, ...]
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the class folders that hold recordings."""
        return tuple(sorted({recording.class_name for recording in self.recordings}))

    @property
    def origin(self) -> str:
        """Who made the recordings, if a program did."""
        made = origin_of(self.path)
        how = "no real person was recorded" if made.startswith("drawing ") else "made from pictures"
        return f"{made}: simulated, {how}" if made else ""

    def provenance(self, licence: str, attribution: str) -> dict[str, str]:
        """What a recipe says, and the origin as `data`, if there is one."""
        about = {"data_licence": licence, "attribution": attribution}
        return about | ({"data": self.origin} if self.origin else {})

    def examples(self, part: Part) -> list[Example]:
        """One for every recording."""
        number = {name: label for label, name in enumerate(self.classes)}
        return [example_of(one, number[one.class_name]) for one in part_of(self.recordings, part)]

    def numbered(self, classes: Sequence[str], reader: str) -> tuple[int, ...]:
        """For each class, its number among `classes`.

        Raises:
            ConfigError: if a class folder, even an empty one, is none of them.
        """
        numbers_among(self.path, _class_names(self.path), classes, "folder", _OTHER_CLASSES)
        return numbers_among(self.path, self.classes, classes, "folder", _OTHER_CLASSES)

    def notes_on(self, part: Part, view: FrameSpec) -> tuple[str, ...]:
        """Nothing: whatever has no suffix of a recording is left to `spikecut data check`."""
        return self.notes


def example_of(recording: LabelledRecording, label: int) -> Example:
    """A recording as an example of a class."""
    place = str(recording.path)
    return Example(recording.name, label, _part(recording), recording, place, place)


def recognise(path: Path) -> bool:
    """False: nothing marks class folders, they are what a folder is taken for that no other row recognises."""
    return False


def open_set(path: Path) -> ClassFolders:
    """The recordings of a folder as a data set.

    Raises:
        UnreadableSource: if there is no such folder.
        EmptyRecording: if it has no recordings.
    """
    return ClassFolders(path, tuple(list_recordings(path)))


def open_set_with_text(path: Path) -> ClassFolders:
    """As `open_set`; files of text are recordings, too, for their layout is given."""
    return ClassFolders(path, tuple(list_recordings(path, text=True)))


def _class_names(folder: Path) -> list[str]:
    return sorted({path.name for root in class_roots(folder).values() for path in subfolders(root)})


def _part(recording: LabelledRecording) -> Division:
    return recording.part or part_of_recording(recording.name, recording.division)


def _what_instead(folder: Path) -> str:
    """A hint for a folder without recordings: the folder to give instead, or the expected files."""
    for below in subfolders(folder):
        if any(recordings_in(inner) for root in class_roots(below).values() for inner in subfolders(root)):
            return f"the class folders lie deeper: give {printable(str(below))}"
    inner = (inner for root in class_roots(folder).values() for inner in subfolders(root))
    if names := [path.name for below in inner for path in recordings_in(below, text=True)]:
        return f"{printable(names[0])} is text: if a line is an event, give the order of its numbers, --columns txyp"
    if archives := sorted(p.name for p in folder.iterdir() if p.suffix.lower() in _ARCHIVES):
        return f"{printable(archives[0])} is not unpacked"
    return f"expected files ending in {', '.join(recording_suffixes())}"
