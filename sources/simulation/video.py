"""Video files before a simulated DVS: what an event camera might have reported of the same scene.

The pixel model is that of `sources/simulation/pixel.py`; between two pictures everything runs in a straight line.
A video of 30 pictures a second knows nothing of what happened within 33 ms, so neither do these events: their times
there are interpolated. Simulated data, and to be called so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import CorruptRecording, EmptyRecording
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.opencv import opencv
from spikecut.sources.simulation.pixel import DvsSpec, linear_light, see

_CAMERA = DvsSpec(threshold_on=0.2, threshold_off=0.2, mismatch=0.03, shot_noise_hz=0.05, leak_hz=0.1)


@dataclass(frozen=True, slots=True)
class VideoRecording:
    """The events of a video. Its largest middle part of the sensor's shape is shown, scaled to the sensor.

    One batch a picture, so memory holds two pictures at a time; the same `seed` gives the same events.
    """

    path: Path
    sensor: SensorSize
    camera: DvsSpec = _CAMERA
    seed: int = 0
    format: str = "video before a simulated DVS"

    def __iter__(self) -> Iterator[EventBatch]:
        pictures = ((time, _light(picture, self.sensor)) for time, picture in _pictures(self.path))
        return see(pictures, self.camera, np.random.default_rng(self.seed))


def open_video(path: Path, options: ReadOptions = DEFAULTS, camera: DvsSpec = _CAMERA, seed: int = 0) -> VideoRecording:
    """A video as a source of events; without a sensor in `options` every picture element is a pixel.

    Raises:
        CorruptRecording, EmptyRecording: if it cannot be opened, or no picture decoded.
    """
    first = next(_pictures(path), None)
    if first is None:
        raise EmptyRecording(path, "no picture in this video can be decoded", hint="does it play elsewhere?")
    height, width = first[1].shape
    return VideoRecording(path, options.sensor or SensorSize(width, height), camera, seed)


def _pictures(path: Path) -> Iterator[tuple[int, UInt8[ndarray, "H W"]]]:
    """Time in µs and grey picture, in the order of time."""
    cv2 = opencv()
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise CorruptRecording(path, "looks like a video, but cannot be opened as one")
        rate = video.get(cv2.CAP_PROP_FPS) or 30.0
        n, before = 0, -1
        while True:
            there, picture = video.read()
            if not there:
                return
            stated = round(video.get(cv2.CAP_PROP_POS_MSEC) * 1000)
            time = stated if stated > before else before + max(1, round(1e6 / rate)) if n else 0
            yield time, cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            n, before = n + 1, time
    finally:
        video.release()


def _light(picture: UInt8[ndarray, "H W"], sensor: SensorSize) -> Float32[ndarray, "h w"]:
    """Linear light on the sensor: means over areas, for light adds up and its logarithm does not."""
    cv2 = opencv()
    height, width = picture.shape
    scale = min(width / sensor.width, height / sensor.height)
    shown_width, shown_height = round(sensor.width * scale), round(sensor.height * scale)
    left, top = (width - shown_width) // 2, (height - shown_height) // 2
    shown = linear_light(picture[top : top + shown_height, left : left + shown_width])
    how = cv2.INTER_AREA if scale >= 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(shown, (sensor.width, sensor.height), interpolation=how))
