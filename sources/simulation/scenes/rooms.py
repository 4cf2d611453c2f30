"""The room of a session: its background, and what moves on the wall whether anybody is there or not."""

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.sources.simulation.choreography import TURN
from spikecut.sources.simulation.figure import HEIGHT, WIDTH
from spikecut.sources.simulation.scenes.lens import Lens, Paint, Rows, Sketch
from spikecut.sources.simulation.scenes.poses import Times
from spikecut.sources.simulation.scenes.scene_kernels import MARGIN


def background(rng: np.random.Generator) -> tuple[Float32[ndarray, "h w"], float]:
    """A wall brighter at one side, furniture, shelves or tiles, fine texture; and the wall's mean light."""
    height, width = HEIGHT + 2 * MARGIN + 1, WIDTH + 2 * MARGIN + 1
    mean = rng.uniform(0.12, 0.7)
    y, x = np.mgrid[0:height, 0:width]
    slope = rng.uniform(-0.35, 0.35, 2)
    image = mean * (1 + slope[0] * (x / width - 0.5) + slope[1] * (y / height - 0.5))
    for _ in range(rng.integers(0, 12)):
        left, top = rng.integers(0, width - 8), rng.integers(0, height - 8)
        wide, high = rng.integers(4, 60), rng.integers(4, 80)
        image[top : top + high, left : left + wide] *= rng.uniform(0.4, 1.7)
    if rng.random() < 0.3:  # shelves, blinds or tiles somewhere
        left, top = rng.integers(0, width - 40, 2)
        part = image[top : top + rng.integers(20, 90), left : left + rng.integers(20, 90)]
        along, across = rng.integers(3, 14), rng.integers(3, 14)
        rows, columns = np.mgrid[0 : part.shape[0], 0 : part.shape[1]]
        part *= 1 - rng.uniform(0.1, 0.5) * ((rows // along + columns // across * rng.integers(2)) % 2)
    image *= 1 + rng.uniform(0, 0.04) * rng.standard_normal(image.shape)
    soft = sum(np.roll(image, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
    return np.clip(soft, 0.02, 1.0).astype(np.float32), mean


def moving_wall(lens: Lens, seed: int, t: Times, strength: Times, *, curtain: bool, screen: bool) -> Rows:
    """The curtain and the screen of a session at times `t` (s) of the session; `strength` is how lively they are."""
    rng = np.random.default_rng(seed)
    sketch = Sketch(lens, len(t))
    if screen:
        left, top, wide, high = rng.uniform(0, 90), rng.uniform(10, 70), rng.uniform(14, 40), rng.uniform(10, 26)
        pictures = rng.random((4, 64)) ** 2
        shown = (t * rng.uniform(2, 12)).astype(int) % 64
        for k in range(4):
            centre = np.array([left + (k % 2 - 0.5) * wide / 2, top + (k // 2 - 0.5) * high / 2])
            light = 0.25 + 0.25 * strength * pictures[k, shown] * (1 + 0.05 * np.sin(TURN * 60 * t))
            sketch.flat(centre, (np.array([wide / 4, 0]), np.array([0, high / 4])), Paint(0.3), light=light)
    if curtain:
        left, n, wide, light = rng.uniform(-10, 90), int(rng.integers(4, 10)), rng.uniform(3, 7), rng.uniform(0.1, 0.8)
        hz, lag = rng.uniform(0.15, 0.6), rng.uniform(0.2, 0.9)
        for k in range(n):
            swing = 0.5 * strength * np.sin(TURN * hz * t - lag * k) * (1 + np.sin(TURN * 0.11 * t))
            centre = np.stack([left + wide * k + swing, np.full_like(t, 60.0)], axis=1)
            axes = (
                np.stack([wide / 2 + 0.4 * swing, 0 * t], axis=1),
                np.stack([0.6 * swing, np.full_like(t, 62.0)], axis=1),
            )
            sketch.flat(centre, axes, Paint(light * (0.8 if k % 2 else 1.0)))
    return sketch.rows()
