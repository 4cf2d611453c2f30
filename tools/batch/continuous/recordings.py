"""The recordings of `evaluate --continuous`: the sessions of a folder, any recordings below one, or a single one."""

from collections.abc import Iterator
from pathlib import Path

from spikecut.pipeline.errors import ConfigError, EmptyRecording, UnreadableSource
from spikecut.sources.datasets.dvs_gesture import is_gesture_set, open_gesture_set
from spikecut.sources.datasets.parts import Part
from spikecut.sources.formats import recording_suffixes
from spikecut.sources.formats.reading.files import check_name


def recordings_of(path: Path, part: Part, *, text: bool = False) -> list[Path]:
    """The recordings to play, in the order of their names: of a folder of DVS128 Gesture those of one part.

    Files of text are recordings only with `text`.

    Raises:
        UnreadableSource: if there is no such path, or there cannot be.
        EmptyRecording: if a folder holds none.
        ConfigError: if its gestures are cut already.
    """
    check_name(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UnreadableSource(path, "no such recording or folder")
    if is_gesture_set(path) and _has_lists(path):
        sessions = open_gesture_set(path).of(part)
        if cut := next((session for session in sessions if session.is_cut), None):
            raise ConfigError(
                f"{cut.path}: gestures that are cut already; expected whole sessions",
                hint="the published data set has them; Tonic's copy does not",
            )
        recordings = [session.path for session in sessions]
    else:
        recordings = sorted(_below(path, recording_suffixes(text=text)))
    if not recordings:
        raise EmptyRecording(path, f"no recordings to play ({part})")
    return recordings


def _has_lists(path: Path) -> bool:
    """Whether lists divide the sessions of a folder, or of the one within it, among the parts."""
    return any(path.rglob("trials_to_*.txt")) or any(path.rglob("ibmGesture*"))


def _below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() in suffixes and not hidden and file.is_file():
            yield file
