"""How good, how early, and how sure we are of both: every figure with its interval."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray
from scipy.stats import norm

from spikecut.pipeline.errors import ConfigError


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
    z = float(norm.ppf((1 + level) / 2))
    share = n_right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Estimate(share, max(0.0, middle - float(half)), min(1.0, middle + float(half)))


def bootstrap_mean(
    values: Float[ndarray, " N"], rng: np.random.Generator, draws: int = 2_000, level: float = 0.95
) -> Estimate:
    """A mean with its percentile bootstrap interval over recordings."""
    picks = _resamples(len(values), rng, draws)
    means = values[picks].mean(axis=1)
    return _percentiles(float(values.mean()), means, level)


def bootstrap_ratio(
    above: Float[ndarray, " N"],
    below: Float[ndarray, " N"],
    rng: np.random.Generator,
    draws: int = 2_000,
    level: float = 0.95,
) -> Estimate:
    """mean(above) / mean(below), paired: both are measured on the same recordings, resampled together."""
    picks = _resamples(len(above), rng, draws)
    ratios = above[picks].mean(axis=1) / below[picks].mean(axis=1)
    return _percentiles(float(above.mean() / below.mean()), ratios, level)


def bootstrap_difference(
    first: Float[ndarray, " N"],
    second: Float[ndarray, " N"],
    rng: np.random.Generator,
    draws: int = 2_000,
    level: float = 0.95,
) -> Estimate:
    """mean(first) - mean(second), paired."""
    return bootstrap_mean(first - second, rng, draws, level)


def _resamples(n: int, rng: np.random.Generator, draws: int) -> Int64[ndarray, "draws n"]:
    if n == 0:
        raise ConfigError("an interval over no recordings")
    return rng.integers(0, n, (draws, n))


def _percentiles(value: float, draws: Float[ndarray, " D"], level: float) -> Estimate:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))
