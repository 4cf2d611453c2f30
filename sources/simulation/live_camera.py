"""An ordinary camera before the simulated DVS pixels: who has a webcam has an event camera, of a sort.

`camera:0` is the first camera of this machine, `camera:FILE` a video in its place. The pictures go through the pixel
model of `sources/simulation/pixel.py` as those of videos do, at the camera's own pace. A webcam of 30 pictures a second
knows nothing of what happens within 33 ms; its exposure control makes events that no scene made. Simulated data.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import EmptyRecording, EnvironmentProblem, UnreadableSource
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.base import Recording
from spikecut.sources.formats.open import as_wanted
from spikecut.sources.live.inputs.base import Wanted
from spikecut.sources.live.inputs.waiting import Waiting
from spikecut.sources.opencv import opencv
from spikecut.sources.simulation.pixel import see_labelled
from spikecut.sources.simulation.video import CAMERA, light_on

_USUAL_HZ = 30.0


@dataclass(slots=True)
class Pictures:
    """The pictures of an open camera, with their times in µs from the first; a file has its own times."""

    capture: Any
    waiting: Waiting
    first: UInt8[ndarray, "H W C"]
    hz: float | None  # of a file
    n: int = 0
    is_over: bool = False

    def __iter__(self) -> Iterator[tuple[int, UInt8[ndarray, "H W"]]]:
        cv2, clock = opencv(), self.waiting.clock
        started_s, time_us, picture = clock.now_s(), -1, self.first
        while not self.waiting.stopped():
            now_us = self.n * 1e6 / self.hz if self.hz else (clock.now_s() - started_s) * 1e6
            time_us = max(time_us + 1, round(now_us))
            self.n += 1
            yield time_us, cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
            works, picture = _read(self.capture)
            if not works:
                self.is_over = True
                return


@dataclass(frozen=True, slots=True)
class CameraRecording:
    """The events of a camera, one batch a picture."""

    path: Path
    sensor: SensorSize
    pictures: Pictures
    format: str = "camera before a simulated DVS"

    def __iter__(self) -> Iterator[EventBatch]:
        shown = ((time_us, light_on(picture, self.sensor)) for time_us, picture in self.pictures)
        return (batch for batch, _ in see_labelled(shown, CAMERA, np.random.default_rng(0)))


@dataclass(frozen=True, slots=True)
class CameraSource:
    """An open camera."""

    recording: Recording
    pictures: Pictures
    word: str
    spans: None = field(default=None)

    def transport(self) -> Mapping[str, int] | None:
        return None

    def notes(self) -> list[str]:
        gone = ": no more pictures come (the end of the file, or the camera was unplugged)"
        return [f"{self.word}: {self.pictures.n:,} pictures{gone if self.pictures.is_over else ''}"]

    def close(self) -> None:
        self.pictures.capture.release()


def open_camera(wanted: Wanted) -> CameraSource:
    """The events of the camera that a word names: `camera:NUMBER`, or `camera:FILE`.

    Raises:
        UnreadableSource: if there is no such file.
        EnvironmentProblem: if there is no such camera, or it is in use.
        EmptyRecording: if it gives no picture.
    """
    what, cv2 = wanted.word.partition(":")[2] or "0", opencv()
    with suppress(AttributeError):  # its own lines say less than ours
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    is_device = what.isdecimal()
    if not is_device and not Path(what).is_file():
        raise UnreadableSource(what, "no such file", hint="a camera is named by its number: camera:0")
    capture = cv2.VideoCapture(int(what) if is_device else str(Path(what).absolute()))
    works, first = _read(capture) if capture.isOpened() else (False, None)
    if not works or first is None:
        capture.release()
        raise _problem(what) if is_device else EmptyRecording(what, "no picture can be decoded", hint="is it a video?")
    hz = None if is_device else float(capture.get(cv2.CAP_PROP_FPS)) or _USUAL_HZ
    pictures = Pictures(capture, wanted.waiting, first, hz)
    recording = CameraRecording(Path(wanted.word), wanted.reading.sensor or wanted.usual, pictures)
    return CameraSource(as_wanted(recording, wanted.reading), pictures, wanted.word)


def _read(capture: Any) -> tuple[bool, Any]:
    """The next picture; a camera that fails while it is read gives none."""
    cv2 = opencv()
    try:
        works, picture = capture.read()
    except cv2.error:
        return False, None
    return bool(works) and picture is not None and picture.size > 0, picture


def _problem(number: str) -> EnvironmentProblem:
    """Why there is no camera of a number, with those that there are."""
    devices = sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video*"))
    if sys.platform == "linux" and number not in devices:
        others = ", ".join(f"camera:{one}" for one in devices if one.isdecimal())
        hint = f"this machine has {others}" if others else "camera:FILE shows a video in its place"
        return EnvironmentProblem(f"camera:{number}: there is no camera {number} (/dev/video{number})", hint=hint)
    return EnvironmentProblem(
        f"camera:{number} does not open, or gives no picture",
        hint="another program may use it; on Linux, its user must be in the group video",
    )
