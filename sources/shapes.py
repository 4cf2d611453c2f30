"""Drawn digits under three saccades: events for the demo and the tests, without any file.

Ten digits written as strokes with the variation of a hand, shown to a 34 x 34 sensor that makes the
three small jerks of N-MNIST (Orchard et al. 2015, arXiv 1507.07629): 100 ms each, along a triangle back
to where it began. These are drawings seen by a simulated camera, not N-MNIST recordings.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.atis import write_atis
from spikecut.sources.dvs import DvsSpec, see

SENSOR = SensorSize(34, 34)
_CAMERA = DvsSpec(threshold_on=0.34, threshold_off=0.34, mismatch=0.04, shot_noise_hz=1.2)
_CORNERS = np.array([[0.0, 0.0], [2.2, 4.6], [5.2, 0.0], [0.0, 0.0]])  # pixels, at 0, 100, 200, 300 ms
_SACCADE_US = 100_000
_IMAGE_US = 1_000

Stroke = Float64[ndarray, "P 2"]


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[tuple[float, float]]:
    """Points on an ellipse; angles in turns, clockwise on the page from three o'clock."""
    turns = np.linspace(start, end, 14) * 2 * np.pi
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in turns]


# Strokes in a box of width and height 1, x right and y down.
_DIGITS: tuple[tuple[list[tuple[float, float]], ...], ...] = (
    (_arc(0.5, 0.5, 0.34, 0.5, -0.25, 0.75),),
    ([(0.55, 0.0), (0.5, 0.5), (0.47, 1.0)],),
    ([*_arc(0.48, 0.28, 0.34, 0.28, -0.45, 0.08), (0.12, 1.0), (0.9, 0.96)],),
    ([*_arc(0.45, 0.25, 0.33, 0.25, -0.42, 0.22), *_arc(0.45, 0.73, 0.38, 0.27, -0.22, 0.42)],),
    ([(0.3, 0.0), (0.12, 0.55), (0.85, 0.52)], [(0.72, 0.02), (0.66, 1.0)]),
    ([(0.82, 0.02), (0.3, 0.04), (0.22, 0.42), *_arc(0.44, 0.69, 0.36, 0.31, -0.24, 0.4)],),
    ([(0.68, 0.0), (0.36, 0.3), (0.17, 0.62), *_arc(0.46, 0.73, 0.3, 0.27, 0.5, 1.48)],),
    ([(0.1, 0.08), (0.86, 0.04), (0.62, 0.45), (0.42, 1.0)],),
    ([*_arc(0.5, 0.26, 0.28, 0.26, 0.2, 1.2)], [*_arc(0.5, 0.76, 0.33, 0.25, -0.3, 0.7)]),
    ([*_arc(0.46, 0.28, 0.3, 0.28, 0.0, 1.0), (0.76, 0.3), (0.7, 0.62), (0.6, 1.0)],),
)


@dataclass(frozen=True, slots=True)
class DrawnDigit:
    """A source of events: one digit, written by the hand that `seed` describes, for three saccades."""

    digit: int
    seed: int

    @property
    def sensor(self) -> SensorSize:
        return SENSOR

    def __iter__(self) -> Iterator[EventBatch]:
        rng = np.random.default_rng([self.digit, self.seed])
        strokes, pen = _written(self.digit, rng)
        times = range(0, 3 * _SACCADE_US + 1, _IMAGE_US)
        images = ((t, _page(strokes, pen, _gaze(t))) for t in times)
        return see(images, _CAMERA, rng)


def write_digits(folder: Path, count: int, seed: int) -> list[Path]:
    """Writes `<digit>/drawn_<n>.bin` for the digits 0, 1, 2, … in turn."""
    paths = []
    for n in range(count):
        digit = n % 10
        path = folder / str(digit) / f"drawn_{n:03d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atis(path, DrawnDigit(digit, seed + n))
        paths.append(path)
    return paths


def _written(digit: int, rng: np.random.Generator) -> tuple[list[Stroke], float]:
    """The strokes of one hand in sensor pixels at the first moment, and half the width of its pen."""
    height = rng.uniform(17.0, 20.0)
    width = height * rng.uniform(0.62, 0.85) * (0.8 if digit == 1 else 1.0)
    slant = rng.uniform(-0.05, 0.25)
    wobble = rng.normal(0, 0.02, (4, 2))
    middle = np.array([14.2, 15.8]) + rng.normal(0, 0.4, 2)
    strokes = []
    for points in _DIGITS[digit]:
        place = np.array(points) - 0.5
        wave = np.stack([np.sin(place @ np.array([[3.0, 5.0], [6.0, 2.0]]) + k) for k in (0.0, 1.5)])
        place = place + np.einsum("knd,kd->nd", wave, wobble[:2]) + rng.normal(0, 0.008, place.shape)
        place[:, 0] -= slant * place[:, 1]
        strokes.append(place * [width, height] + middle)
    return strokes, float(rng.uniform(0.9, 1.3))


def _gaze(time_us: int) -> Float64[ndarray, " 2"]:
    """How far the page has moved over the sensor, in pixels: each jerk speeds up and slows down."""
    at = min(time_us // _SACCADE_US, 2)
    done = (time_us - at * _SACCADE_US) / _SACCADE_US
    eased = done - np.sin(2 * np.pi * done) / (2 * np.pi)
    return np.asarray(_CORNERS[at] + eased * (_CORNERS[at + 1] - _CORNERS[at]))


def _page(strokes: list[Stroke], pen: float, offset: Float64[ndarray, " 2"]) -> Float64[ndarray, "H W"]:
    """Linear light of dark ink on a bright page, softened by optics of half a pixel."""
    y, x = np.mgrid[0 : SENSOR.height, 0 : SENSOR.width]
    pixels = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
    distance = np.full(pixels.shape[0], np.inf)
    for stroke in strokes:
        start, along = stroke[:-1] + offset, np.diff(stroke, axis=0)
        share = ((pixels - start) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-9)
        nearest = start + share.clip(0, 1)[..., None] * along
        distance = np.minimum(distance, np.sqrt(((pixels - nearest) ** 2).sum(-1)).min(1))
    ink = 1 / (1 + np.exp((distance - pen) / 0.35))
    return np.asarray((1 - 0.9 * ink).reshape(SENSOR.height, SENSOR.width))
