"""Conditions under which drawn people are seen: noise, light, size, tempo, place, company, a shaken camera, a sensor.

Both versions of the drawing take one (`DrawnSession.events`, `DrawnScene.events`). Whatever it does not change stays
what it was to the bit: person, room, gestures and camera are those of the session as drawn. What each value means, and
which conditions are measured, was fixed in docs/adr/0033-hard-conditions.md before any network was measured.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import SensorSize
from spikecut.sources.simulation.choreography import TURN
from spikecut.sources.simulation.figure import HEIGHT, MARGIN, WIDTH

Company = Literal["", "beside", "passing"]
DVS128 = SensorSize(WIDTH, HEIGHT)


@dataclass(frozen=True, slots=True)
class Condition:
    """Factors of the shot noise of the camera, of the light, of the person's size in the image, and of their tempo.

    The person stands `aside_px` farther to the right. The camera is shaken by up to `shake_px` either way, at 0.4 to
    2.4 Hz. Somebody else stands `beside` the person, or passes during every gesture. The image falls on another
    `sensor`: its height is that of the sensor, and the wall goes on at the sides.

    Raises:
        ConfigError: if a factor is not above 0, or the camera moves farther than the background is drawn.
    """

    noise: float = 1.0
    light: float = 1.0
    scale: float = 1.0
    tempo: float = 1.0
    aside_px: float = 0.0
    shake_px: float = 0.0
    company: Company = ""
    sensor: SensorSize = DVS128

    def __post_init__(self) -> None:
        if min(self.noise, self.light, self.scale, self.tempo) <= 0 or self.shake_px < 0:
            raise ConfigError(f"{self}: factors are above 0, and a distance is not below")
        if (self.shake_px + 0.5) * self.zoom > MARGIN:
            raise ConfigError(f"a camera shaken by {self.shake_px:g} px of {HEIGHT}, on {self.sensor}; {MARGIN} px fit")

    @property
    def zoom(self) -> float:
        """Pixels of the sensor for one of the drawing."""
        return self.sensor.height / HEIGHT

    @property
    def origin(self) -> Float64[ndarray, " 2"]:
        """Where the middle of the first pixel of the drawing lies on the sensor, (x, y) in px."""
        middle = np.array([self.sensor.width, self.sensor.height]) / 2
        return np.asarray(middle - 0.5 + self.zoom * (0.5 - np.array([WIDTH, HEIGHT]) / 2))

    def shaken(self, t: Float64[ndarray, " T"], rng: np.random.Generator) -> Float64[ndarray, "T 2"]:
        """How far the camera is displaced at times `t` (s) of the recording's clock, in px of the drawing."""
        hz, phase = rng.uniform(0.36, 2.4, (2, 3)), rng.uniform(0, TURN, (2, 3))
        return np.asarray(self.shake_px * np.sin(TURN * t[:, None, None] * hz + phase).mean(2))

    def on_sensor(self, background: Float32[ndarray, "h w"], margin: int) -> Float32[ndarray, "i j"]:
        """The background of the sensor from that of the drawing, both with a margin; beyond its edges it goes on."""
        if self.sensor == DVS128:
            return background
        from scipy.ndimage import map_coordinates

        last = margin + background.shape[0] - HEIGHT - 2 * margin
        rows, columns = (np.arange(-margin, n + last) for n in (self.sensor.height, self.sensor.width))
        left, top = self.origin
        y, x = (rows - top) / self.zoom + margin, (columns - left) / self.zoom + margin
        places = np.meshgrid(y, x, indexing="ij")
        return np.asarray(map_coordinates(background, places, order=1, mode="nearest"), np.float32)

    def about(self, pivot: Float64[ndarray, "*T 2"]) -> tuple[float, Float64[ndarray, "*T 2"]]:
        """Factor and offset that bring the pixels of the person, who stands at `pivot`, to where they are now."""
        return self.scale, (1 - self.scale) * pivot + np.array([self.aside_px, 0.0])


AS_DRAWN = Condition()


def placed(limbs: Any, factor: float, offset: Any) -> Any:
    """The rows of `figure.limbs` (T, P, 9) with all pixels times `factor` plus `offset`, (2,) or (T, 2)."""
    if factor == 1 and not np.any(offset):
        return limbs
    there = np.array(limbs, np.float64)
    there[..., :6] *= factor
    there[..., :4] += np.tile(np.broadcast_to(offset, (len(limbs), 2)), 2)[:, None]
    return there.astype(np.float32)
