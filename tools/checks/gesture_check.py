"""Checks a folder of DVS128 Gesture: which sessions and gestures are there, which are missing.

The published set: 122 sessions of 29 people, 98 with 1,176 gestures to train, 24 with 288 to test. Tonic's copy names
files by class and so keeps one of a session's two arm rolls: 1,077 and 264 gestures (issue 270 of Tonic).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from spikecut.pipeline.drop_counts import OnDamage
from spikecut.pipeline.errors import SpikecutError
from spikecut.pipeline.events import NOTHING_LOST
from spikecut.sources import open_recording
from spikecut.sources.datasets.class_folders import MADE_BY, maker_in
from spikecut.sources.datasets.dvs_gesture import HOME, LISTS, TONIC, open_set
from spikecut.sources.datasets.gesture_labels import GESTURES, SessionLabels
from spikecut.sources.datasets.gesture_session import Session
from spikecut.sources.datasets.parts import PARTS
from spikecut.sources.formats.base import ReadOptions
from spikecut.sources.simulation.gestures import LIGHTINGS, SENSOR
from spikecut.tools.checks.faults import Fault, losses, unreadable, watched
from spikecut.tools.checks.page import REDRAW, Page

_GESTURES = {False: {"train": 1_176, "test": 288}, True: {"train": 1_077, "test": 264}}
_ABSENT = {  # all users were recorded under all five lights, except for these
    **dict.fromkeys((3, 4, 14, 27), ("lab",)),
    **dict.fromkeys((7, 8, 10, 18, 23), ("natural",)),
    **dict.fromkeys((20, 24), ("lab", "natural")),
    11: ("lab", "led"),
    12: ("fluorescent", "lab", "natural"),
    16: ("fluorescent_led",),
    21: ("led",),
    25: ("fluorescent_led", "lab", "natural"),
}
_LAYOUTS = {False: "as published: AEDAT and label files", True: "Tonic's copy: one .npy file a gesture"}
PUBLISHED = tuple(
    f"user{user:02d}_{light}" for user in range(1, 30) for light in LIGHTINGS if light not in _ABSENT.get(user, ())
)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check. `labels` are those of the sessions that can be used, by name.

    `drawn` is the text of the marker `MADE_BY`, empty for real recordings; `n_events` is None if they were not read.
    """

    folder: Path
    is_cut: bool
    is_published: bool
    drawn: str
    sessions: tuple[Session, ...]
    labels: dict[str, SessionLabels]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    n_events: int | None = None

    @property
    def n_expected(self) -> int:
        return len(PUBLISHED) if self.is_published else len(self.sessions)

    @property
    def usable(self) -> list[Session]:
        return [session for session in self.sessions if session.name in self.labels]

    def counted(self) -> dict[str, dict[str, int]]:
        """People, sessions, gestures, then the gestures of each class: by part, as far as they can be used."""
        table: dict[str, dict[str, int]] = {}
        for part in PARTS:
            sessions = [s for s in self.usable if part in ("all", s.part)]
            labels = Counter(span.label for s in sessions for span in self.labels[s.name].spans)
            counts = {"people": len({s.user for s in sessions}), "sessions": len(sessions), "gestures": labels.total()}
            for name, n in (counts | {name: labels[k] for k, name in enumerate(GESTURES)}).items():
                table.setdefault(name, {})[part] = n
        return table

    @property
    def verdict(self) -> str:
        if len(self.usable) < self.n_expected:
            return f"incomplete: {len(self.usable)} of {self.n_expected} sessions can be used"
        if self.faults:
            return f"not whole, though all {self.n_expected} sessions can be used"
        n = self.counted()
        counts = f"sessions, {n['people']['all']} people, {n['gestures']['all']:,} gestures"
        if self.is_published:
            return f"complete: the published set, {self.n_expected} {counts}"
        if self.drawn:
            return f"sound: {self.n_expected} drawn {counts}"
        return f"sound, not the published set: {self.n_expected} {counts}"

    def page(self) -> Page:
        """The report of the check."""
        lightings = dict(sorted(Counter(session.lighting for session in self.usable).items()))
        counted = self.counted()
        entries = {"layout": _LAYOUTS[self.is_cut]}
        if self.drawn:
            entries["origin"] = f"drawn, not recorded ({self.drawn})"
        if self.usable:
            entries["lights"] = ", ".join(f"{light} {n}" for light, n in lightings.items())
        if self.n_events is not None:
            entries["events"] = f"{self.n_events:,} within the gestures"
        facts = {
            "set": "DVS128 Gesture",
            "layout": "tonic" if self.is_cut else "published",
            "drawn": self.drawn or None,
            "published_set": self.is_published,
            "sessions_expected": self.n_expected,
            "sessions_usable": len(self.usable),
            "counts": {name: counts for name, counts in counted.items() if name not in GESTURES},
            "classes": {name: counts for name, counts in counted.items() if name in GESTURES},
            "lightings": lightings,
        }
        rows = {f"  {name}" if name in GESTURES else name: counts for name, counts in counted.items()}
        return Page(entries, rows, REDRAW if self.drawn else f"see {HOME}", facts)


def check_gestures(folder: Path, *, read: bool = False, on_damage: OnDamage = "salvage") -> Check:
    """Opens every recording and every label file; reads all the events only if `read` is set."""
    gestures = open_set(folder)
    labels: dict[str, SessionLabels] = {}
    faults: list[Fault] = []
    notes = list(gestures.notes)
    n_events = 0
    for session in watched(gestures.sessions, read):
        damage = list(_looked_at(session))
        if not damage:
            labels[session.name] = session.labels()
            notes += [*labels[session.name].notes, *_gaps(session)]
            if read:
                n, damage = _read(session, ReadOptions(on_damage=on_damage))
                n_events += n
            if any(fault.kind == "unreadable" for fault in damage):
                del labels[session.name]
        faults += damage
    names, is_cut = {session.name for session in gestures.sessions}, gestures.sessions[0].is_cut
    marker = gestures.folder / MADE_BY
    drawn = maker_in(marker) if marker.is_file() else ""
    is_published = not drawn and (names == set(PUBLISHED) or (is_cut and names < set(PUBLISHED)))
    if is_published:
        faults += _absent(names)
    listed = {session.path.name for session in gestures.sessions}
    strangers = sorted(path.name for path in gestures.folder.glob("user*.aedat") if path.name not in listed)
    if strangers:
        notes.append(f"in neither list, and so not used: {', '.join(strangers)}")
    result = Check(
        gestures.folder,
        is_cut,
        is_published,
        drawn,
        gestures.sessions,
        labels,
        tuple(faults),
        tuple(notes),
        n_events if read else None,
    )
    return result if faults or not is_published else replace(result, faults=tuple(_short(result)))


def _looked_at(session: Session) -> Iterator[Fault]:
    for path in session.missing():
        yield Fault("missing recording" if path == session.path else "missing labels", path.name)
    if not session.files():
        yield Fault("no gestures", session.name, "the folder holds none of 0.npy to 10.npy")
    for path in session.files():
        name = f"{session.name}/{path.name}" if session.is_cut else path.name
        try:
            if path.exists():
                recording = open_recording(path)
                if recording.sensor != SENSOR:
                    yield Fault("other sensor", name, f"{recording.sensor} pixels; expected {SENSOR}")
                elif not any(len(batch) for batch in recording):
                    yield Fault("no events", name)
        except SpikecutError as error:
            yield unreadable(name, path, error)
    if session.labels_path.exists():
        try:
            session.labels()
        except SpikecutError as error:
            yield unreadable(session.labels_path.name, session.labels_path, error)


def _read(session: Session, options: ReadOptions) -> tuple[int, list[Fault]]:
    """The number of events in the gestures of a session, and the faults of its recording."""
    n, lost, silent = 0, NOTHING_LOST, []
    try:
        for span, batch in session.clips(options):
            n, lost = n + len(batch), lost + batch.lost
            silent += [] if len(batch) else [span.name]
    except SpikecutError as error:
        return n, [unreadable(session.name, session.path, error)]
    faults = list(losses(session.name, lost))
    if silent:
        message = f"no events in {', '.join(silent)}: the recording ends too early, or its clock was reset"
        faults.append(Fault("damaged", session.name, message))
    return n, faults


def _gaps(session: Session) -> list[str]:
    """The classes that Tonic's copy has no file for."""
    there = {path.name for path in session.files()}
    missing = [f"{k}.npy ({name})" for k, name in enumerate(GESTURES) if f"{k}.npy" not in there]
    return [f"{session.name} has no {', '.join(missing)}"] if session.is_cut and missing else []


def _absent(names: set[str]) -> Iterator[Fault]:
    """The published sessions that are missing; a part that is missing altogether counts as one fault."""
    for part, folder in TONIC.items():
        members = [name for name in PUBLISHED if (int(name[4:6]) > 23) == (part == "test")]
        if names.isdisjoint(members):
            yield Fault("missing part", folder, f"all of its {len(members)} sessions")
        else:
            yield from (Fault("missing session", name) for name in members if name not in names)


def _short(check: Check) -> Iterator[Fault]:
    """Parts with all published sessions, but fewer gestures."""
    gestures = check.counted()["gestures"]
    there = {"train": gestures["train"] + gestures["calibration"], "test": gestures["test"]}
    for part, published in _GESTURES[check.is_cut].items():
        if there[part] < published:
            where = TONIC[part] if check.is_cut else LISTS[part]
            yield Fault("missing gestures", where, f"{there[part]:,} of the {published:,} that were published")
