"""The DVS pixel: from images of light to events. Simulated data, and to be called so.

Every pixel compares the logarithm of its light, as its photoreceptor passes it on, with what it was at its
last event, and reports each further change by its threshold (Lichtsteiner et al. 2008). Noise and defects are those
of v2e (Hu et al., arXiv 2006.07722); between two images everything runs in a straight line, so each event gets its
own moment (ESIM, Rebecq et al. 2018). docs/adr/0006 says where this differs from both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.simulation.pixel_kernels import emit_events, find_active


@dataclass(frozen=True, slots=True)
class DvsSpec:
    """One camera; by default without noise and defects.

    Thresholds are changes of ln(light), `mismatch` their spread between pixels. `shot_noise_hz` is how
    often a pixel in the dark reports something that was not there (a pixel in full light a quarter of
    that), `leak_hz` how often a pixel at rest fires ON because its memory leaks. The photoreceptor follows
    light of 1 up to `bandwidth_hz`, darker light more slowly; 0 is at once. For `refractory_us` after
    an event a pixel is blind. The share `hot_pixels` of all pixels fires `hot_hz` times a second for nothing.
    """

    threshold_on: float = 0.2
    threshold_off: float = 0.2
    mismatch: float = 0.03
    shot_noise_hz: float = 0.0
    leak_hz: float = 0.0
    bandwidth_hz: float = 0.0
    refractory_us: int = 0
    hot_pixels: float = 0.0
    hot_hz: float = 0.0

    def __post_init__(self) -> None:
        if min(self.threshold_on, self.threshold_off) <= 0:
            raise ConfigError("a DVS threshold must be above 0")
        others = (self.mismatch, self.shot_noise_hz, self.leak_hz, self.bandwidth_hz, self.refractory_us, self.hot_hz)
        if min(others) < 0 or not 0 <= self.hot_pixels <= 1:
            raise ConfigError("rates, spreads and times of a DVS cannot be negative, and hot pixels are a share of all")


PIXELS = {
    "clean": DvsSpec(mismatch=0.02),
    "noisy": DvsSpec(mismatch=0.05, bandwidth_hz=30.0, leak_hz=0.1, shot_noise_hz=5.0),
}
"""The presets of v2e; its jitter of the noise rates has no counterpart here."""


class EventKind(IntEnum):
    """Where a simulated event comes from: a change of light, or one of three kinds of noise.

    An ON event is a leak where the leak of the memory made more than half of the change since its last event.
    """

    signal = 0
    shot = 1
    leak = 2
    hot = 3


def linear_light(srgb: UInt8[ndarray, "..."]) -> Float32[ndarray, "..."]:
    """The light that a screen shows for 8-bit sRGB values (IEC 61966-2-1), at least a thousandth of white.

    >>> linear_light(np.uint8([0, 51, 128, 255])).round(3)
    array([0.001, 0.033, 0.216, 1.   ], dtype=float32)
    """
    return np.asarray(_LINEAR[srgb])


def see(
    images: Iterable[tuple[int, Float[ndarray, "_H _W"]]], spec: DvsSpec, rng: np.random.Generator
) -> Iterator[EventBatch]:
    """The events of a scene, one batch for every image after the first; see `see_labelled`.

    Raises:
        ConfigError: as `see_labelled`.
    """
    return (batch for batch, _ in see_labelled(images, spec, rng))


def see_labelled(
    images: Iterable[tuple[int, Float[ndarray, "_H _W"]]], spec: DvsSpec, rng: np.random.Generator
) -> Iterator[tuple[EventBatch, UInt8[ndarray, " N"]]]:
    """The events of a scene, one batch for every image after the first, and the `EventKind` of each event.

    `images` are pairs of a time in µs and linear light, larger than 0 and about 1 for white; the first sets
    every pixel's memory. All memory lives in this generator, so an endless scene needs no more of it, and
    cutting the sequence of batches changes nothing.

    Raises:
        ConfigError: if time does not advance from image to image, an image has another shape than the
            first, or light is not a number above 0.
    """
    iterator = iter(images)
    first = next(iterator, None)
    if first is None:
        return
    before_us, light = first
    height, width = light.shape
    sensor = SensorSize(width, height)
    n = light.size
    level = _ln(light, light.shape, before_us)
    memory = level.copy()
    on, off = (_thresholds(nominal, spec.mismatch, n, rng) for nominal in (spec.threshold_on, spec.threshold_off))
    leak = spec.leak_hz * 1e-6 * on * 10 ** (0.1 * rng.standard_normal(n))  # a fixed pattern, a tenth of a decade
    hot = rng.permutation(n)[: round(spec.hot_pixels * n)]
    last, since = np.full(n, -(1 << 62), np.int64), np.full(n, before_us, np.int64)
    heads, active = np.full(n, -1, np.int32), np.empty(n, np.int32)
    target, change = np.empty(n), np.empty(n)
    no_lag = np.ones(n)
    for time_us, light in iterator:
        if time_us <= before_us:
            raise ConfigError(f"an image at {time_us} us after one at {before_us} us; time must advance")
        length_us = time_us - before_us
        after = _ln(light, (height, width), time_us)
        relative = (light.reshape(n) + 0.08) / 1.08  # v2e: (I + 20) / 275 for I up to 255
        share = 1 - np.exp(relative * (-2e-6 * np.pi * spec.bandwidth_hz * length_us)) if spec.bandwidth_hz else no_lag
        pixels, times, sides, kinds = _noise(spec, relative, hot, before_us, time_us, rng)
        following = np.empty(len(pixels), np.int32)
        n_active, most = find_active(
            after, share, level, memory, leak, on, off, length_us, pixels, heads, following, target, change, active
        )
        t = np.empty(most + len(pixels), np.int64)
        place, side, kind = np.empty(len(t), np.int32), np.empty(len(t), np.uint8), np.empty(len(t), np.uint8)
        written = emit_events(
            active[:n_active], target, change, level, memory, leak, on, off, last, since,
            spec.refractory_us, before_us, time_us, heads, following, times, sides, kinds, t, place, side, kind,
        )  # fmt: skip
        order = np.argsort(t[:written], kind="stable")
        t, place, side = t[order], place[order], side[order]
        x, y = (place % width).astype(np.uint16), (place // width).astype(np.uint16)
        yield EventBatch(t, x, y, side, before_us, time_us, sensor), kind[order]
        before_us = time_us
        level, target = target, level


def _ln(light: Float[ndarray, "H W"], shape: tuple[int, ...], time_us: int) -> Any:
    if light.shape != shape:
        raise ConfigError(f"the image at {time_us} us has shape {light.shape}, the first had {shape}")
    if not (light.min() > 0 and light.max() < np.inf):
        raise ConfigError(f"the image at {time_us} us: light must be a number above 0 everywhere")
    return np.log(light).astype(np.float64).reshape(-1)


def _noise(
    spec: DvsSpec, relative: Any, hot: Any, start_us: int, end_us: int, rng: np.random.Generator
) -> tuple[Any, Any, Any, Any]:
    """Events out of nothing between two images: pixel, time, polarity, kind, in the order of time.

    Instead of asking every pixel, draws how many there are as if all were dark, and where; a bright pixel
    then turns up to three quarters of its own down.
    """
    seconds = (end_us - start_us) * 1e-6
    n_shot = rng.poisson(spec.shot_noise_hz * seconds * len(relative)) if spec.shot_noise_hz else 0
    n_hot = rng.poisson(spec.hot_hz * seconds * len(hot)) if len(hot) else 0
    if not n_shot + n_hot:
        return _NOWHERE, _NEVER, _NO_SIDE, _NO_SIDE
    shot = rng.integers(0, len(relative), n_shot)
    shot = shot[rng.random(n_shot) >= 0.75 * relative[shot].clip(0, 1)]
    pixels = np.concatenate([shot, rng.choice(hot, n_hot)] if n_hot else [shot]).astype(np.int32)
    times = rng.integers(start_us, end_us, len(pixels))
    sides = rng.integers(0, 2, len(pixels)).astype(np.uint8)
    order = np.argsort(times, kind="stable")
    kinds = np.repeat(_NOISE_KINDS, [len(shot), len(pixels) - len(shot)])
    return pixels[order], times[order], sides[order], kinds[order]


def _thresholds(nominal: float, mismatch: float, n: int, rng: np.random.Generator) -> Any:
    return np.maximum(nominal + mismatch * rng.standard_normal(n), 0.01)


_NOWHERE, _NEVER, _NO_SIDE = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.uint8)
_NOISE_KINDS = np.array([EventKind.shot, EventKind.hot], np.uint8)
_SRGB = np.arange(256) / 255
_LINEAR = np.maximum(np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4), 1e-3).astype("f4")
