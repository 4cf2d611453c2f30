"""The DVS pixel: from images of light to events.

Every pixel remembers the logarithm of the light at its last event and reports each further change by
its threshold (Lichtsteiner et al. 2008). Between two images the logarithm runs in a straight line, so
each event gets its own moment instead of the image's (ESIM, Rebecq et al. 2018). Simulated data, and to
be called so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from numba import njit
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize


@dataclass(frozen=True, slots=True)
class DvsSpec:
    """One camera. Thresholds are changes of ln(light); `mismatch` is their spread between pixels.

    `noise_hz` is how often a pixel in the dark reports something that was not there.
    """

    threshold_on: float = 0.2
    threshold_off: float = 0.2
    mismatch: float = 0.03
    noise_hz: float = 0.0

    def __post_init__(self) -> None:
        if min(self.threshold_on, self.threshold_off) <= 0:
            raise ConfigError("a DVS threshold must be above 0")


def see(
    images: Iterable[tuple[int, Float[ndarray, "H W"]]], spec: DvsSpec, rng: np.random.Generator
) -> Iterator[EventBatch]:
    """The events of a scene, one batch for every image after the first.

    `images` are pairs of a time in µs and linear light, larger than 0; the first sets every pixel's
    memory. The memory lives in this generator, so cutting the sequence of batches changes nothing.

    Raises:
        ConfigError: if time does not advance from image to image.
    """
    iterator = iter(images)
    first = next(iterator, None)
    if first is None:
        return
    before_us, light = first
    before = np.log(light.astype(np.float64))
    memory = before.copy()
    height, width = before.shape
    sensor = SensorSize(width, height)
    on = _thresholds(spec.threshold_on, spec.mismatch, before.shape, rng)
    off = _thresholds(spec.threshold_off, spec.mismatch, before.shape, rng)
    for time_us, light in iterator:
        if time_us <= before_us:
            raise ConfigError(f"an image at {time_us} us after one at {before_us} us; time must advance")
        after = np.log(light.astype(np.float64))
        n = count_crossings(before, after, memory, on, off)
        n_noise = rng.poisson(spec.noise_hz * 1e-6 * (time_us - before_us) * before.size)
        t = np.empty(n + n_noise, np.int64)
        x, y = np.empty((2, n + n_noise), np.uint16)
        p = np.empty(n + n_noise, np.uint8)
        emit_crossings(before, after, memory, on, off, before_us, time_us, t, x, y, p)
        t[n:] = rng.integers(before_us, time_us, n_noise)
        x[n:], y[n:] = rng.integers(0, width, n_noise), rng.integers(0, height, n_noise)
        p[n:] = rng.integers(0, 2, n_noise)
        order = np.argsort(t, kind="stable")
        yield EventBatch(t[order], x[order], y[order], p[order], before_us, time_us, sensor)
        before_us, before = time_us, after


@njit(cache=True, nogil=True)
def count_crossings(before: Any, after: Any, memory: Any, on: Any, off: Any) -> int:
    """How many events `emit_crossings` will write."""
    n = 0
    height, width = before.shape
    for i in range(height):
        for j in range(width):
            reference = memory[i, j]
            while after[i, j] - reference >= on[i, j]:
                reference += on[i, j]
                n += 1
            while reference - after[i, j] >= off[i, j]:
                reference -= off[i, j]
                n += 1
    return n


@njit(cache=True, nogil=True)
def emit_crossings(
    before: Any,
    after: Any,
    memory: Any,
    on: Any,
    off: Any,
    start_us: int,
    end_us: int,
    t: Any,
    x: Any,
    y: Any,
    p: Any,
) -> None:
    """Writes the events of one interval pixel by pixel, and moves every pixel's memory along.

    An event's time is where the straight line from `before` to `after` meets the level, rounded down,
    and always inside `start_us <= t < end_us`.
    """
    n = 0
    height, width = before.shape
    for i in range(height):
        for j in range(width):
            rise = after[i, j] - before[i, j]
            while True:
                if after[i, j] - memory[i, j] >= on[i, j]:
                    memory[i, j] += on[i, j]
                    p[n] = 1
                elif memory[i, j] - after[i, j] >= off[i, j]:
                    memory[i, j] -= off[i, j]
                    p[n] = 0
                else:
                    break
                share = (memory[i, j] - before[i, j]) / rise if rise != 0.0 else 0.0
                moment = start_us + int(share * (end_us - start_us))
                t[n] = min(max(moment, start_us), end_us - 1)
                x[n], y[n] = j, i
                n += 1


def _thresholds(
    nominal: float, mismatch: float, shape: tuple[int, ...], rng: np.random.Generator
) -> Float64[ndarray, "H W"]:
    return np.maximum(nominal + mismatch * rng.standard_normal(shape), 0.01)
