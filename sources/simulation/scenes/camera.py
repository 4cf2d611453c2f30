"""A DVS128 less well behaved than that of version 1: other biases, events that echo or come twice, bursts of noise.

Many real recordings have pixels that report the other polarity within a few milliseconds after an event, and the same
event twice; python -m benchmarks.realism shows both. Neither follows from the pixel of ADR 6, so they are added here.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray

from spikecut.pipeline.events import EventBatch
from spikecut.sources.simulation.pixel import DvsSpec

_AT_ONCE = 8  # batches of the pixel, one an image, that are handed on together


@dataclass(frozen=True, slots=True)
class Echo:
    """After an event, with these chances, the other polarity a few ms later (median and spread), or it again."""

    opposite: float
    median_us: float
    spread: float
    again: float

    @classmethod
    def of(cls, rng: np.random.Generator) -> "Echo":
        """Four of ten cameras have none."""
        some = rng.random() < 0.6
        return cls(
            rng.uniform(0.05, 0.55) if some else 0.0,
            rng.uniform(500, 2_000),
            rng.uniform(0.4, 0.9),
            rng.uniform(0.0, 0.08) if some else 0.0,
        )


def camera(bright: float, rng: np.random.Generator) -> DvsSpec:
    """Biases at random; in dim light (`bright` is that of `BRIGHT`) the camera is slower and noisier."""
    dim = 1 - bright
    threshold = float(np.exp(rng.uniform(np.log(0.11), np.log(0.42))))
    tilt = np.exp(rng.normal(0, 0.12))
    return DvsSpec(
        threshold_on=float(threshold * tilt),
        threshold_off=float(threshold / tilt),
        mismatch=float(threshold * rng.uniform(0.1, 0.3)),
        shot_noise_hz=float(np.exp(rng.uniform(np.log(0.02), np.log(0.6))) * (1 + 2 * dim)),
        leak_hz=float(rng.uniform(0.02, 0.25)),
        bandwidth_hz=float(rng.uniform(80, 400) * (1 - 0.5 * dim)),
        refractory_us=int(rng.uniform(200, 1500)),
        hot_pixels=float(rng.uniform(0, 0.001)),
        hot_hz=float(rng.uniform(20, 150)),
    )


def unruly(
    batches: Iterable[EventBatch], echo: Echo, burst_hz: Callable[[int], float], rng: np.random.Generator
) -> Iterator[EventBatch]:
    """The events with their echoes, and noise of `burst_hz(start_us)` events a second and pixel; batches still tile."""
    waiting: list[ndarray] = []  # t, x, y, p of echoes that fall into a later batch
    for batch in _joined(batches):
        columns = np.stack([batch.t, batch.x, batch.y, batch.p])
        parts = [columns, *waiting]
        n, sensor, seconds = len(batch), batch.sensor, (batch.end_us - batch.start_us) * 1e-6
        if echo.opposite:
            source = columns
            for _ in range(3):  # an echo can have one
                source = source[:, rng.random(source.shape[1]) < echo.opposite]
                later = echo.median_us * np.exp(rng.normal(0, echo.spread, source.shape[1]))
                source = np.stack([source[0] + later.astype(np.int64) + 1, source[1], source[2], 1 - source[3]])
                parts.append(source)
        if echo.again and n:
            twice = columns[:, rng.random(n) < echo.again].copy()
            twice[0] += rng.integers(0, 20, twice.shape[1])
            parts.append(twice)
        if (hz := burst_hz(batch.start_us)) > 0:
            many = rng.poisson(hz * seconds * sensor.width * sensor.height)
            t = rng.integers(batch.start_us, batch.end_us, many)
            place = rng.integers(0, sensor.width, many), rng.integers(0, sensor.height, many)
            parts.append(np.stack([t, *place, rng.integers(0, 2, many)]))
        every = np.concatenate(parts, axis=1)
        now = every[0] < batch.end_us
        waiting = [every[:, ~now]]
        yield _batch(every[:, now], batch)


def _batch(columns: Any, like: EventBatch) -> EventBatch:
    order = np.argsort(columns[0], kind="stable")
    t, x, y, p = columns[:, order]
    place = x.astype(np.uint16), y.astype(np.uint16)
    return EventBatch(np.ascontiguousarray(t), *place, p.astype(np.uint8), like.start_us, like.end_us, like.sensor)


def _joined(batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
    some: list[EventBatch] = []
    for batch in batches:
        some.append(batch)
        if len(some) == _AT_ONCE:
            yield _one(some)
            some = []
    if some:
        yield _one(some)


def _one(some: list[EventBatch]) -> EventBatch:
    t, x, y, p = (np.concatenate([getattr(batch, name) for batch in some]) for name in "txyp")
    return EventBatch(t, x, y, p, some[0].start_us, some[-1].end_us, some[0].sensor)
