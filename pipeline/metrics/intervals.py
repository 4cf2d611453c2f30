"""Confidence intervals: Wilson's for shares, bootstrap for means, ratios and differences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import binomtest, bootstrap

from spikecut.pipeline.errors import ConfigError

_AT_ONCE = 20_000_000  # resampled values in memory


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(n_right: int, n: int, level: float = 0.95) -> Estimate:
    """A share of right answers with Wilson's score interval.

    It stays inside 0..1 and is honest for small n and for shares near 1, where the textbook interval
    is not.

    >>> share = wilson(95, 100)
    >>> round(share.low, 3), round(share.high, 3)
    (0.888, 0.978)
    """
    if not 0 <= n_right <= n or n == 0:
        raise ConfigError(f"{n_right} of {n} right; a share needs 0 <= right <= n and n > 0")
    low, high = binomtest(n_right, n).proportion_ci(level, method="wilson")
    return Estimate(n_right / n, float(low), float(high))


def bootstrap_mean(
    values: Float[ndarray, " N"], rng: np.random.Generator, draws: int = 2_000, level: float = 0.95
) -> Estimate:
    """A mean with its percentile bootstrap interval over recordings."""
    return _bootstrap(lambda one, axis: one.mean(axis), (values,), rng, draws, level)


def bootstrap_ratio(
    above: Float[ndarray, " N"],
    below: Float[ndarray, " N"],
    rng: np.random.Generator,
    draws: int = 2_000,
    level: float = 0.95,
) -> Estimate:
    """mean(above) / mean(below), paired: both are measured on the same recordings, resampled together."""
    return _bootstrap(lambda one, other, axis: one.mean(axis) / other.mean(axis), (above, below), rng, draws, level)


def bootstrap_difference(
    first: Float[ndarray, " N"],
    second: Float[ndarray, " N"],
    rng: np.random.Generator,
    draws: int = 2_000,
    level: float = 0.95,
) -> Estimate:
    """mean(first) - mean(second), paired."""
    return bootstrap_mean(first - second, rng, draws, level)


def _bootstrap(
    statistic: Callable[..., Any],
    data: tuple[Float[ndarray, " N"], ...],
    rng: np.random.Generator,
    draws: int,
    level: float,
) -> Estimate:
    """A statistic of paired samples with its percentile interval; one recording alone has no spread to resample."""
    if not len(data[0]):
        raise ConfigError("an interval over no recordings")
    value = float(statistic(*data, axis=0))
    if len(data[0]) == 1:
        return Estimate(value, value, value)
    interval = bootstrap(
        data,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=draws,
        batch=None if len(data[0]) * draws <= _AT_ONCE else max(1, _AT_ONCE // len(data[0])),
        confidence_level=level,
        method="percentile",
        rng=rng,
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))
