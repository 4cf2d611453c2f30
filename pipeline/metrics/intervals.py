"""Confidence intervals: Wilson's for shares, Garwood's for rates, bootstrap for means, ratios and differences.

Upper bounds that a promise rests on are exact and one-sided: Garwood's for rates, Clopper and Pearson's for shares.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import beta, binom, binomtest, bootstrap, chi2

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


def garwood(n: int, length: float, level: float = 0.95) -> Estimate:
    """A rate of `n` events in a `length` of time, with the exact interval of a Poisson rate.

    Garwood, Fiducial limits for the Poisson distribution, Biometrika 28:437, 1936. It takes the events for independent
    of one another: several in a row by one cause make it too narrow.

    Raises:
        ConfigError: if the number is negative or the length is not above 0.

    >>> rate = garwood(0, 2.0)
    >>> rate.low, round(rate.high, 3)
    (0.0, 1.844)
    """
    half = (1 - level) / 2
    low, high = _garwood(n, length, half), _garwood(n, length, 1 - half, 1)
    return Estimate(n / length, low, high)


def rate_bound(n: int, length: float, level: float = 0.95) -> float:
    """The upper end of Garwood's interval alone: with this confidence the true rate is at most so large.

    >>> round(rate_bound(0, 3.0), 4), round(rate_bound(2, 3.0), 4)
    (0.9986, 2.0986)
    """
    return _garwood(n, length, level, 1)


def share_bound(n: int, of: int, level: float = 0.95) -> float:
    """The upper end of Clopper and Pearson's interval alone (Biometrika 26:404, 1934), exact for `n` `of` so many.

    >>> round(share_bound(0, 299), 4), round(share_bound(2, 100), 4)
    (0.01, 0.0616)
    """
    if not 0 <= n <= of or of == 0:
        raise ConfigError(f"{n} of {of}; a share needs 0 <= n <= of and of > 0")
    return 1.0 if n == of else float(beta.ppf(level, n + 1, of - n))


def quantile(values: Sequence[float], share: float, level: float = 0.95) -> Estimate:
    """A quantile of independent values, with the interval between two of them that holds whatever their distribution.

    Its ends are order statistics (the binomial distribution says which): so few values that they cannot carry the level
    give the least and the greatest. The median of an even number lies between two values.

    >>> quantile([3, 1, 2], 0.5)
    Estimate(value=2.0, low=1.0, high=3.0)
    """
    if not values or not 0 < share < 1:
        raise ConfigError(f"the {share:g} quantile of {len(values)} values; expected a share, and a value at least")
    ordered, n = sorted(float(value) for value in values), len(values)
    low, high = (int(binom.ppf(end, n, share)) for end in ((1 - level) / 2, (1 + level) / 2))
    at = float(np.median(ordered)) if share == 0.5 else float(np.percentile(ordered, 100 * share, method="higher"))
    return Estimate(at, ordered[max(low - 1, 0)], ordered[min(high, n - 1)])


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


def _garwood(n: int, length: float, share: float, more: int = 0) -> float:
    """The rate at which a Poisson number is below `n + more` with a probability of 1 - `share`."""
    if n < 0 or not length > 0:
        raise ConfigError(f"a rate of {n} in {length}; expected 0 or more in a length above 0")
    return float(chi2.ppf(share, 2 * (n + more))) / 2 / length if n + more else 0.0
