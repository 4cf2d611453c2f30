"""Video files before a simulated DVS: what an event camera might have reported of the same scene.

Also folders of pictures, which are taken for the frames of a film: in the order of their names, numbers by their
value, so many a second as is given. The pixel model is that of `sources/simulation/pixel.py`; between two pictures
everything runs in a straight line. A video of 30 pictures a second knows nothing of what happened within 33 ms, so
neither do these events: their times there are interpolated. Simulated data, and to be called so.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import CorruptRecording, EmptyRecording
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.datasets.images.image_files import grey
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.files import unreadable
from spikecut.sources.opencv import opencv
from spikecut.sources.pyav import pyav
from spikecut.sources.simulation.pixel import DvsSpec, linear_light, see_labelled

CAMERA = DvsSpec(threshold_on=0.2, threshold_off=0.2, mismatch=0.03, shot_noise_hz=0.05, leak_hz=0.1)

FRAME_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, slots=True)
class VideoRecording:
    """The events of a video. Its largest middle part of the sensor's shape is shown, scaled to the sensor.

    One batch a picture, so memory holds two pictures at a time; the same `seed` gives the same events. A folder of
    pictures shows `fps` of them a second.
    """

    path: Path
    sensor: SensorSize
    camera: DvsSpec = CAMERA
    seed: int = 0
    format: str = "video before a simulated DVS"
    fps: float | None = None

    def __iter__(self) -> Iterator[EventBatch]:
        return (batch for batch, _ in self.labelled())

    def labelled(self) -> Iterator[tuple[EventBatch, UInt8[ndarray, " N"]]]:
        """The batches, and of every event its `EventKind`."""
        pictures = _pictures(self.path) if self.fps is None else _frames(self.path, self.fps)
        shown = ((time, light_on(picture, self.sensor)) for time, picture in pictures)
        return see_labelled(shown, self.camera, np.random.default_rng(self.seed))


def open_video(path: Path, options: ReadOptions = DEFAULTS, camera: DvsSpec = CAMERA, seed: int = 0) -> VideoRecording:
    """A video as a source of events; without a sensor in `options` every picture element is a pixel.

    Raises:
        CorruptRecording, EmptyRecording: if it cannot be opened, or no picture decoded.
    """
    first = next(_pictures(path), None)
    if first is None:
        raise EmptyRecording(path, "no picture in this video can be decoded", hint="does it play elsewhere?")
    height, width = first[1].shape
    return VideoRecording(path, options.sensor or SensorSize(width, height), camera, seed)


def open_frames(
    folder: Path, fps: float, options: ReadOptions = DEFAULTS, camera: DvsSpec = CAMERA, seed: int = 0
) -> VideoRecording:
    """The pictures in a folder, by name, `fps` a second, as a source of events.

    Raises:
        UnreadableSource: if there is no such folder.
        EmptyRecording: if it holds no two pictures: events are changes.
    """
    paths = _frame_paths(folder)
    if len(paths) < 2:
        raise EmptyRecording(
            folder, f"{len(paths)} pictures; events need at least two", hint=f"expected {', '.join(FRAME_SUFFIXES)}"
        )
    height, width = _frame(paths[0]).shape
    name = "pictures before a simulated DVS"
    return VideoRecording(folder, options.sensor or SensorSize(width, height), camera, seed, name, fps)


def _frames(folder: Path, fps: float) -> Iterator[tuple[int, UInt8[ndarray, "H W"]]]:
    """Time in µs and grey picture, in the order of the names."""
    shape = None
    for n, path in enumerate(_frame_paths(folder)):
        picture = _frame(path)
        shape = shape or picture.shape
        if picture.shape != shape:
            raise CorruptRecording(
                path,
                f"{picture.shape[1]}x{picture.shape[0]} pixels; the first picture has {shape[1]}x{shape[0]}",
                hint="all frames of a folder must have the same size",
            )
        yield round(n * 1e6 / fps), picture


def _frame(path: Path) -> UInt8[ndarray, "H W"]:
    try:
        return grey(path.read_bytes(), path)
    except OSError as error:
        raise unreadable(path, error) from error


def _frame_paths(folder: Path) -> list[Path]:
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES]
    except OSError as error:
        raise unreadable(folder, error) from error
    return sorted((path for path in paths if not path.name.startswith(".")), key=_by_number)


def _by_number(path: Path) -> tuple[list[str], list[int], str]:
    """Frames of one name count by their numbers: 9 before 10.

    >>> _by_number(Path("a9.png")) < _by_number(Path("a10.png"))
    True
    """
    return re.split(r"[0-9]+", path.name), [int(one) for one in re.findall(r"[0-9]+", path.name)], path.name


def _pictures(path: Path) -> Iterator[tuple[int, UInt8[ndarray, "H W"]]]:
    """Time in µs from the first picture's, and grey picture turned upright, in the order of time."""
    cv2 = opencv()
    with _opened(path) as video:
        stream = video.streams.best("video")
        if stream is None:
            raise CorruptRecording(path, "looks like a video, but holds no pictures")
        stream.thread_count = 1  # with several, what FFmpeg puts in the place of damage may differ from run to run
        interval = max(1, round(1_000_000 / (stream.average_rate or 30)))
        time = -1
        for picture in _decoded(path, video, stream):
            stated = -1
            if picture.pts is not None:
                stated = round((picture.pts - (stream.start_time or 0)) * picture.time_base * 1_000_000)
            time = stated if stated > time else 0 if time < 0 else time + interval
            grey_picture = cv2.cvtColor(picture.to_ndarray(format="bgr24"), cv2.COLOR_BGR2GRAY)
            yield time, np.rot90(grey_picture, round(picture.rotation / 90))


def _opened(path: Path) -> Any:
    """The path is absolute, because FFmpeg takes what stands before a colon for a protocol."""
    av = pyav()
    try:
        return av.open(os.path.abspath(path), metadata_errors="ignore", options={"protocol_whitelist": "file"})
    except av.FFmpegError as error:
        raise CorruptRecording(path, "looks like a video, but cannot be opened as one") from error


def _decoded(path: Path, video: Any, stream: Any) -> Iterator[Any]:
    """The pictures that can be decoded; the video ends where its file is damaged beyond finding the next one."""
    av = pyav()
    packets = video.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except OSError as error:
            raise unreadable(path, error) from error
        except av.FFmpegError:
            return
        if packet is None:
            return
        with suppress(av.FFmpegError):
            yield from packet.decode()


def light_on(picture: UInt8[ndarray, "H W"], sensor: SensorSize) -> Float32[ndarray, "h w"]:
    """Linear light on the sensor: means over areas, for light adds up and its logarithm does not."""
    cv2 = opencv()
    height, width = picture.shape
    scale = min(width / sensor.width, height / sensor.height)
    shown_width, shown_height = round(sensor.width * scale), round(sensor.height * scale)
    left, top = (width - shown_width) // 2, (height - shown_height) // 2
    shown = linear_light(picture[top : top + shown_height, left : left + shown_width])
    how = cv2.INTER_AREA if scale >= 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(shown, (sensor.width, sensor.height), interpolation=how))
