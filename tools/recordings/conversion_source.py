"""Opens what `convert` reads: a recording, sorted if wanted, or a video or folder of pictures as simulated events."""

from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.formats.base import ReadOptions, Recording
from spikecut.sources.formats.open import format_of, open_with
from spikecut.sources.formats.reading.damage import Undamaged
from spikecut.sources.formats.reading.files import is_folder
from spikecut.sources.formats.reading.sorting import Sorted
from spikecut.sources.formats.reading.window import Window


@dataclass(frozen=True, slots=True)
class Simulation:
    """How a video or a folder of pictures becomes events: the preset of the `pixel`, pictures a second, random seed."""

    pixel: str | None = None
    fps: float | None = None
    seed: int = 0

    def __bool__(self) -> bool:
        return self != NOT_SIMULATED


NOT_SIMULATED = Simulation()


def open_source(path: Path, options: ReadOptions, simulation: Simulation, sort_folder: Path | None) -> Recording:
    """The recording at `path`; with a `sort_folder` sorted by time, with temporary files there.

    Raises:
        ConfigError: if the options do not fit what is at `path`.
        SourceError: if it cannot be read.
    """
    if is_folder(path) and simulation.fps is not None:
        recording = _simulated(path, options, simulation)
    elif format_of(path, options.text).simulated:
        if simulation.fps is not None:
            raise ConfigError(f"{path}: a video has its own times", hint="--fps is for folders of pictures")
        recording = _simulated(path, options, simulation)
    elif simulation:
        raise ConfigError(
            f"{path}: is a recording of events", hint="--pixel, --fps and --seed are for videos and folders of pictures"
        )
    elif sort_folder is None:
        return open_with(path, options)
    else:
        recording = Sorted(format_of(path, options.text).open(path, options), sort_folder)
    if options.start_us or options.duration_us is not None:
        recording = Window(recording, options.start_us, options.duration_us)
    return Undamaged(recording) if options.on_damage == "refuse" and sort_folder is not None else recording


def _simulated(path: Path, options: ReadOptions, simulation: Simulation) -> Recording:
    from spikecut.sources.simulation.pixel import PIXELS
    from spikecut.sources.simulation.video import CAMERA, open_frames, open_video

    camera = CAMERA if simulation.pixel is None else PIXELS[simulation.pixel]
    if simulation.fps is not None:
        return open_frames(path, simulation.fps, options, camera, simulation.seed)
    return open_video(path, options, camera, simulation.seed)


def notes_of(recording: object) -> tuple[str, ...]:
    """What a reader inferred, also of a recording that is wrapped in others."""
    while hasattr(recording, "recording"):
        recording = recording.recording
    notes: tuple[str, ...] = getattr(recording, "notes", ())
    return notes
