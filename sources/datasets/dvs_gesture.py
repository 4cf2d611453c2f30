"""The folder of DVS128 Gesture (Amir et al., CVPR 2017), as published and as Tonic keeps it.

Published: `userNN_lighting.aedat` with `userNN_lighting_labels.csv`, listed in `trials_to_train.txt` (users 1 to 23)
and `trials_to_test.txt` (24 to 29). Tonic's copy: `ibmGestureTrain/userNN_lighting/K.npy` and `ibmGestureTest/…`, one
file for each class K of 0 to 10, already cut, times in ms. Where each lies in a folder of its usual name (DvsGesture,
DVSGesture), the folder around it will do as well.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.errors import ConfigError, CorruptRecording, EmptyRecording, MissingLabels, UnreadableSource
from spikecut.pipeline.files.limits import small_text
from spikecut.sources.datasets.base import Example, FrameSpec, in_part
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.datasets.gesture_session import Session
from spikecut.sources.datasets.parts import Part, part_of_user

HOME = "https://research.ibm.com/interactive/dvsgesture/ (DVS128 Gesture, CC BY 4.0)"
LISTS = {"train": "trials_to_train.txt", "test": "trials_to_test.txt"}
TONIC = {"train": "ibmGestureTrain", "test": "ibmGestureTest"}
MAPPING = "gesture_mapping.csv"
ARCHIVES = ("DvsGesture.tar.gz", "ibmGestureTrain.tar.gz", "ibmGestureTest.tar.gz")
_USUAL = ("DvsGesture", "DVSGesture")
_NAME = re.compile(r"user(\d+)_(\w+)")


@dataclass(frozen=True, slots=True)
class GestureSet:
    """The sessions that a folder's lists name, in order of user and lighting; some may be missing on disk."""

    folder: Path
    sessions: tuple[Session, ...]
    notes: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The folder of the sessions."""
        return self.folder

    @property
    def classes(self) -> tuple[str, ...]:
        """The eleven gestures."""
        return GESTURES

    @property
    def origin(self) -> str:
        """Nothing: the layout does not say who recorded it."""
        return ""

    def provenance(self, licence: str, attribution: str) -> dict[str, str]:
        """Licence and source of the published set, whatever a recipe says of its drawn users."""
        return {
            "data_licence": "that of the recordings; DVS128 Gesture: CC BY 4.0",
            "attribution": "DVS128 Gesture: Amir et al., CVPR 2017, or a folder in its layout",
        }

    def of(self, part: Part) -> list[Session]:
        """The sessions of one part that can be opened."""
        return [s for s in self.sessions if in_part(part, s.part) and not s.missing()]

    def examples(self, part: Part) -> list[Example]:
        """One for every labelled gesture of the sessions that can be opened.

        Raises:
            MissingLabels, CorruptRecording: as `read_labels` says.
        """
        return examples_of(self.of(part))

    def numbered(self, classes: Sequence[str], reader: str) -> tuple[int, ...]:
        """The numbers of the gestures, which are those of any network for them.

        Raises:
            ConfigError: if the network names anything else.
        """
        if tuple(classes)[: len(GESTURES)] != GESTURES:
            raise ConfigError(f"{self.folder} holds the gestures of DVS128 Gesture; {reader} names others")
        return tuple(range(len(GESTURES)))

    def notes_on(self, part: Part, view: FrameSpec) -> tuple[str, ...]:
        """What had to be mended in the labels of one part, and how many of its sessions are missing."""
        there = self.of(part)
        notes = (*self.notes, *(note for session in there for note in session.labels().notes))
        if missing := sum(in_part(part, session.part) for session in self.sessions) - len(there):
            notes += (f"{missing} listed sessions are missing; spikecut data check {self.folder} says which",)
        return notes


def recognise(path: Path) -> bool:
    """Whether this is DVS128 Gesture, or what is left of it: its recordings without lists, or its archive."""
    return is_gesture_set(path) or any(path.glob("user*.aedat")) or any((path / a).is_file() for a in ARCHIVES)


def open_set(path: Path) -> GestureSet:
    """The sessions of a folder as a data set; see `open_gesture_set`.

    Raises:
        EmptyRecording: if nothing but an archive is there.
        SourceError: as `open_gesture_set` says.
    """
    if path.is_dir() and not is_gesture_set(path):
        raise _nothing_here(path)
    return open_gesture_set(path)


def is_gesture_set(folder: Path) -> bool:
    """Whether this looks like DVS128 Gesture, published or Tonic's, rather than `<class>/<recording>`."""
    return _looks_like_one(_inner(folder))


def examples_of(sessions: Iterable[Session]) -> list[Example]:
    """One example for every labelled gesture.

    Raises:
        MissingLabels, CorruptRecording: as `read_labels` says.
    """
    return [
        Example(
            place := f"{session.name}: {span.name}",
            span.label,
            session.part,
            session,
            place,
            f"user {session.user}",
            index,
            f"{span.label} {span.start_us} {span.end_us}",
        )
        for session in sessions
        for index, span in enumerate(session.labels().spans)
    ]


def open_gesture_set(folder: Path) -> GestureSet:
    """The sessions of a folder, divided by person, so that thresholds are fitted on people who neither train nor test.

    The test list tests. Of the training list, users whose number leaves 3 when divided by 4 (3, 7, 11, 15, 19 and
    23: as many as test) calibrate, the others train.

    Raises:
        UnreadableSource: if there is no such folder.
        MissingLabels: if neither the two lists nor Tonic's folders are there.
        EmptyRecording: if the lists name no session.
        CorruptRecording: naming the row, if a list holds something else than `userNN_lighting.aedat`, a session
            twice, or a person in both lists; or if the mapping numbers the classes otherwise.
    """
    if not folder.is_dir():
        raise UnreadableSource(folder, "no such folder", hint=f"give the folder that holds {LISTS['train']}")
    folder = _inner(folder)
    if any((folder / name).is_dir() for name in TONIC.values()):
        sessions, notes = _tonic(folder)
    else:
        sessions = [session for part, name in LISTS.items() for session in _listed(folder / name, part)]
        notes = _mapping(folder)
    if not sessions:
        raise EmptyRecording(folder, "no sessions", hint=f"they come with the data set: {HOME}")
    _apart(folder, sessions)
    return GestureSet(folder, tuple(sorted(sessions, key=lambda s: (s.user, s.lighting))), tuple(notes))


def _inner(folder: Path) -> Path:
    return next((f for f in (folder, *(folder / name for name in _USUAL)) if _looks_like_one(f)), folder)


def _looks_like_one(folder: Path) -> bool:
    known = [*LISTS.values(), *TONIC.values()]
    return any((folder / name).exists() for name in known) or any(folder.glob("user*_labels.csv"))


def _tonic(folder: Path) -> tuple[list[Session], list[str]]:
    sessions: list[Session] = []
    notes: list[str] = []
    for part, name in TONIC.items():
        if not (folder / name).is_dir():
            notes.append(f"{name} is missing; its people cannot {part}")
        for path in sorted(path for path in (folder / name).glob("*") if path.is_dir()):
            if session := _session(path, path.name, part):
                sessions.append(session)
            else:
                notes.append(f"{name}/{path.name} is passed over: no userNN_lighting")
    return sessions, notes


def _listed(file: Path, part: str) -> Iterator[Session]:
    try:
        lines = small_text(file).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        n = len(list(file.parent.glob("user*.aedat")))
        raise MissingLabels(
            file,
            f"cannot read this list; without it nobody knows who trains and who tests ({n} recordings lie here)",
            hint=f"it belongs to the data set: {HOME}; where nobody is to {part}, an empty file will do",
        ) from error
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if not name:
            continue
        session = _session(file.parent / name, name.removesuffix(".aedat"), part)
        if session is None or not name.endswith(".aedat"):
            raise CorruptRecording(file, f"row {number}: {name!r}; expected userNN_lighting.aedat")
        yield session


def _session(path: Path, name: str, part: str) -> Session | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    user = int(match[1])
    return Session(path, user, match[2], part_of_user(user, tests=part == "test"))


def _apart(folder: Path, sessions: Iterable[Session]) -> None:
    """Refuses sessions that are listed twice, and people who are both in training and test."""
    by_name: dict[str, Session] = {}
    for session in sessions:
        if session.name in by_name:
            raise CorruptRecording(folder, f"{session.name} is listed twice", hint="keep one of the two")
        by_name[session.name] = session
    testing = {s.user for s in by_name.values() if s.part == "test"}
    if both := sorted(testing & {s.user for s in by_name.values() if s.part != "test"}):
        raise CorruptRecording(
            folder,
            f"user {both[0]} is to test, and also to train or calibrate",
            hint="divide the lists by person: a network must be tested on people it has not seen",
        )


def _mapping(folder: Path) -> list[str]:
    """Notes on the mapping, whose names have blanks at their ends in the genuine file.

    It is published beside the archive, so it may lie beside the folder.
    """
    path = next((f for f in (folder / MAPPING, folder.absolute().parent / MAPPING) if f.is_file()), None)
    if path is None:
        return [f"{MAPPING} is missing; the classes are numbered as published"]
    try:
        rows = list(csv.reader(small_text(path).splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return [f"{MAPPING} cannot be read ({error}); the classes are numbered as published"]
    published = {str(label): name for label, name in enumerate(GESTURES, start=1)}
    for number, row in enumerate(rows[1:], start=2):
        name, label = ([cell.strip() for cell in row] + ["", ""])[:2]
        if (name or label) and published.get(label) != name.replace("_", " "):
            raise CorruptRecording(
                path,
                f"row {number}: {name},{label}; expected the published classes, hand_clapping,1 to other_gestures,11",
                hint="labels by another mapping would be read as the wrong gestures",
            )
    return []


def _nothing_here(folder: Path) -> EmptyRecording:
    for archive in (folder / name for name in ARCHIVES):
        if archive.is_file():
            size = archive.stat().st_size
            if size < 1 << 20:
                return EmptyRecording(archive, f"only {size:,} bytes: the download was refused", hint=f"see {HOME}")
            return EmptyRecording(folder, f"{archive.name} is not unpacked", hint=f"tar -xzf {archive} -C {folder}")
    return EmptyRecording(
        folder, "no sessions of DVS128 Gesture, neither as published nor as Tonic keeps them", hint=f"see {HOME}"
    )
