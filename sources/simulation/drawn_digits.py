"""Drawn digits before the simulated camera of N-MNIST: events for the demo and the tests, without any file.

Ten digits written as strokes with the variation of a hand, as MNIST has them: 28 x 28 pixels, white on black, fitted
into 20 x 20 and put in the middle by their weight. These are drawings before a simulated camera, not N-MNIST
recordings; how close their events come is a test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.simulation.saccades import NMNIST, shown

SENSOR = NMNIST.sensor
_SIDE, _BOX = 28, 20

Stroke = Float64[ndarray, "_P 2"]


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[tuple[float, float]]:
    """Points on an ellipse; angles in turns, clockwise on the page from three o'clock."""
    turns = np.linspace(start, end, 14) * 2 * np.pi
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in turns]


# Strokes in a box of width and height 1, x right and y down.
_DIGITS: tuple[tuple[list[tuple[float, float]], ...], ...] = (
    (_arc(0.5, 0.5, 0.42, 0.5, -0.25, 0.75),),
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
        return shown(written(self.digit, rng), NMNIST, rng)


def digit_files(each: int, seed: int) -> dict[str, DrawnDigit]:
    """So many drawings of every digit, by the name of their file, `<digit>/drawn_<n>.bin`."""
    return {
        f"{digit}/drawn_{n:04d}.bin": DrawnDigit(digit, 100_000 * seed + n) for digit in range(10) for n in range(each)
    }


def write_digit(folder: Path, named: tuple[str, DrawnDigit]) -> None:
    """Writes one drawing below the folder."""
    name, digit = named
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    write_atis(folder / name, digit)


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


def written(digit: int, rng: np.random.Generator) -> UInt8[ndarray, "28 28"]:
    """A digit by one hand, as a picture of MNIST."""
    strokes = _strokes(digit, rng)
    pen = float(rng.uniform(1.0, 1.5))  # half the width of the pen
    points = np.concatenate(strokes)
    low, high = points.min(0) - pen, points.max(0) + pen
    scale = _BOX / (high - low).max()
    strokes = [(points - low) * scale for points in strokes]
    ink = _inked(strokes, pen)
    y, x = np.mgrid[0:_SIDE, 0:_SIDE]
    middle = np.array([(ink * x).sum(), (ink * y).sum()]) / ink.sum()
    ink = _inked([points + (_SIDE - 1) / 2 - middle for points in strokes], pen)
    return (255 * ink).round().astype(np.uint8)


def _strokes(digit: int, rng: np.random.Generator) -> list[Stroke]:
    height = rng.uniform(17.0, 20.0)
    width = height * rng.uniform(0.62, 0.85) * (0.8 if digit == 1 else 1.0)
    slant = rng.uniform(-0.05, 0.25)
    wobble = rng.normal(0, 0.02, (4, 2))
    strokes = []
    for points in _DIGITS[digit]:
        place = np.array(points) - 0.5
        wave = np.stack([np.sin(place @ np.array([[3.0, 5.0], [6.0, 2.0]]) + k) for k in (0.0, 1.5)])
        place = place + np.einsum("knd,kd->nd", wave, wobble[:2]) + rng.normal(0, 0.008, place.shape)
        place[:, 0] -= slant * place[:, 1]
        strokes.append(place * [width, height])
    return strokes


def _inked(strokes: list[Stroke], pen: float) -> Float64[ndarray, "28 28"]:
    """How much of each pixel is ink, with an edge about a pixel wide."""
    y, x = np.mgrid[0:_SIDE, 0:_SIDE]
    pixels = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
    distance = np.full(pixels.shape[0], np.inf)
    for stroke in strokes:
        start, along = stroke[:-1], np.diff(stroke, axis=0)
        share = ((pixels - start) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-9)
        nearest = start + share.clip(0, 1)[..., None] * along
        distance = np.minimum(distance, np.sqrt(((pixels - nearest) ** 2).sum(-1)).min(1))
    return np.asarray((1 / (1 + np.exp((distance - pen) / 0.25))).reshape(_SIDE, _SIDE))
