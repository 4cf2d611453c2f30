"""Pictures on a screen before an event camera: how N-MNIST, N-Caltech101 and CIFAR10-DVS were recorded, simulated.

In N-MNIST and N-Caltech101 (Orchard et al. 2015, arXiv 1507.07629) an ATIS camera looks at a still picture and makes
three small jerks, 100 ms each, along a triangle back to where it began. In CIFAR10-DVS (Li et al. 2017, Frontiers in
Neuroscience 11:309) a DVS128 stands still and the picture, enlarged sixteen times, runs six times around a square
that stands on its corner. What comes out here is simulated: docs/adr/0012 says what was matched and what was not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.opencv import opencv
from spikecut.sources.simulation.pixel import DvsSpec, linear_light, see

_MARGIN = 8  # pixels around the picture that may come into view
_BLACK = 0.04  # light of a black screen, as a share of a white one
_OPTICS = 0.6  # blur of the lens, in pixels


@dataclass(frozen=True, slots=True)
class Show:
    """One set-up: which way the picture runs over the sensor, how often it is drawn, which camera sees it.

    `corners` are (x, y) in sensor pixels, one after every leg of `leg_us`; before the first leg the picture rests at
    (0, 0) for `rest_us`. A jerk speeds up and slows down, otherwise the speed is even. `enlarged` sensor pixels
    show one pixel of the picture. With `cropped` only events on the picture itself are kept, and a larger one is
    shrunk to fit the sensor; otherwise a smaller one lies in the middle. A `negative` is shown bright for dark.
    """

    sensor: SensorSize
    corners: tuple[tuple[float, float], ...]
    leg_us: int
    image_us: int
    camera: DvsSpec
    rest_us: int = 0
    jerks: bool = False
    enlarged: int = 1
    cropped: bool = False
    negative: bool = False

    @property
    def end_us(self) -> int:
        return self.rest_us + self.leg_us * len(self.corners)

    def offset(self, time_us: int) -> tuple[float, float]:
        """Where the picture is at a moment, in sensor pixels (x, y) from where it began."""
        since = max(0, time_us - self.rest_us)
        leg = min(since // self.leg_us, len(self.corners) - 1)
        done = min(1.0, (since - leg * self.leg_us) / self.leg_us)
        if self.jerks:
            done -= float(np.sin(2 * np.pi * done)) / (2 * np.pi)
        (x0, y0), (x1, y1) = ((0.0, 0.0), *self.corners)[leg : leg + 2]
        return x0 + done * (x1 - x0), y0 + done * (y1 - y0)


# The jerks of the real N-MNIST recordings, as the middle of their events moves; the camera was the same for both sets.
JERKS = ((2.2, 4.2), (5.4, 0.1), (1.1, -0.2))
_LOOP = ((2.5, -2.5), (5.0, 0.0), (2.5, 2.5), (0.0, 0.0))

# A negative, though MNIST is white on black: in the real recordings what fires ON lies behind the digit, not ahead.
NMNIST = Show(
    SensorSize(34, 34), JERKS, 100_000, 1_000, DvsSpec(0.33, 0.33, 0.04, shot_noise_hz=1.0),
    jerks=True, negative=True,
)  # fmt: skip
NCALTECH101 = Show(
    SensorSize(240, 180),
    JERKS,
    100_000,
    2_000,
    DvsSpec(0.2285, 0.2285, 0.04, shot_noise_hz=1.0),
    jerks=True,
    cropped=True,
)
CIFAR10_DVS = Show(
    SensorSize(128, 128), _LOOP * 6, 50_000, 16_667, DvsSpec(0.2039, 0.2039, 0.04, shot_noise_hz=1.0),
    rest_us=98_400, enlarged=4,
)  # fmt: skip


def shown(picture: UInt8[ndarray, "h w"], show: Show, rng: np.random.Generator) -> Iterator[EventBatch]:
    """The events of one grey picture (sRGB, 8 bits) in a set-up.

    Border pixels of the screen are replicated to avoid artificial edges.

    Raises:
        ConfigError: if the picture is larger than the sensor, and is not shown `cropped`.
    """
    canvas, place = _canvas(picture, show)
    images = ((t, _view(canvas, show.offset(t), show.sensor if not show.cropped else place)) for t in _times(show))
    for batch in see(images, show.camera, rng):
        yield replace(batch, sensor=show.sensor)


def _times(show: Show) -> Iterator[int]:
    yield from range(0, show.end_us, show.image_us)
    yield show.end_us


def _canvas(picture: UInt8[ndarray, "h w"], show: Show) -> tuple[Float32[ndarray, "H W"], SensorSize]:
    """Linear light with a margin all around, and the size of what lies within it."""
    from scipy.ndimage import gaussian_filter, zoom

    if show.cropped:
        picture = _shrunk(picture, show.sensor)
    if show.negative:
        picture = 255 - picture
    grey = zoom(picture.astype(np.float32), show.enlarged, order=3, grid_mode=True, mode="nearest")
    height, width = grey.shape
    if height > show.sensor.height or width > show.sensor.width:
        raise ConfigError(f"a picture of {width}x{height} pixels for a sensor of {show.sensor}")
    light = _BLACK + (1 - _BLACK) * linear_light(grey.clip(0, 255).round().astype(np.uint8))
    if not show.cropped:
        spare = (show.sensor.height - height, show.sensor.width - width)
        light = np.pad(light, [(n // 2, n - n // 2) for n in spare], mode="edge")
    size = SensorSize(light.shape[1], light.shape[0])
    light = np.pad(light, _MARGIN, mode="edge")
    return gaussian_filter(light, _OPTICS).astype(np.float32), size


def _shrunk(picture: UInt8[ndarray, "H W"], sensor: SensorSize) -> UInt8[ndarray, "h w"]:
    """A picture that fits the sensor, its sides in the same ratio; one that fits already is left as it is."""
    height, width = picture.shape
    scale = min(sensor.width / width, sensor.height / height)
    if scale >= 1:
        return picture
    cv2 = opencv()
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _view(canvas: Float32[ndarray, "H W"], offset: tuple[float, float], size: SensorSize) -> Float32[ndarray, "h w"]:
    """What the sensor sees when the picture has moved by `offset`; between pixels, the mean by distance."""
    x, y = _MARGIN - offset[0], _MARGIN - offset[1]
    left, top = int(x), int(y)
    right, down = x - left, y - top
    rows = canvas[top : top + size.height + 1, left : left + size.width + 1]
    across = rows[:, :-1] * np.float32(1 - right) + rows[:, 1:] * np.float32(right)
    return across[:-1] * np.float32(1 - down) + across[1:] * np.float32(down)
