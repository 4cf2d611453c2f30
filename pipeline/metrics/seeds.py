"""Means over several trainings of one network, with intervals that know both noises: of recordings and of seeds.

A method is what its seeds have in common, so a new seed and new recordings would both move a figure. Recordings are
resampled (whole groups of them: those of one subject) by bootstrap. Two or three seeds are too few to resample: drawn
with replacement they vary by half or two thirds of what seeds do. Their share comes from Student's t instead, as wide
as the seeds' means lie apart beyond what the recordings explain (variance components of a crossed design: Searle,
Casella, McCulloch, Variance Components, 1992, chapter 4; why both must be counted: Owen, The pigeonhole bootstrap,
arXiv 0712.1111).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.intervals import Estimate, wilson

_DRAWS = 2_000


def over_seeds(
    values: Float64[ndarray, "S N"],
    groups: Int64[ndarray, " N"],
    seed: int,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """The mean of a figure over seeds and recordings, with its 95 % interval, kept inside `bounds`.

    With one seed the interval is about that one training: the spread between trainings is unknown.
    """
    return _interval([values], groups, seed, bounds)


def between(
    first: Float64[ndarray, "S N"],
    second: Float64[ndarray, "R N"],
    groups: Int64[ndarray, " N"],
    seed: int,
) -> Estimate:
    """How far two methods lie apart, first minus second, on the same recordings; each with seeds of its own.

    The seeds' noise is taken to be the same on both sides and read off both. With one seed a side there is nothing
    to read it off: the interval is that of two trainings, and no evidence about two methods.
    """
    return _interval([first, second], groups, seed, (-np.inf, np.inf))


def ratio(
    above: Float64[ndarray, "S N"],
    below: Float64[ndarray, "S N"],
    groups: Int64[ndarray, " N"],
    seed: int,
) -> Estimate:
    """mean(above) / mean(below) of the same seeds and recordings, all above 0.

    The interval is that of its logarithm, to first order (delta method), so it never reaches 0.
    """
    value = float(above.mean() / below.mean())
    log = over_seeds(above / above.mean() - below / below.mean(), groups, seed)
    return Estimate(value, value * float(np.exp(log.low)), value * float(np.exp(log.high)))


def accuracy(right: Float64[ndarray, "S N"], groups: Int64[ndarray, " N"], seed: int) -> Estimate:
    """A share of right answers: Wilson's interval for one seed; never narrower than that for several, or for groups.

    >>> all_right = accuracy(np.ones((1, 40)), np.arange(40), 0)
    >>> round(all_right.low, 3), all_right.high
    (0.912, 1.0)
    """
    n = right.shape[1]
    score = wilson(round(float(right.mean(axis=0).sum())), n)
    if len(right) == 1 and len(np.unique(groups)) == n:
        return score
    drawn = over_seeds(right, groups, seed, (0.0, 1.0))
    return Estimate(drawn.value, min(drawn.low, score.low), max(drawn.high, score.high))


def _interval(
    arms: Sequence[Float64[ndarray, "_ N"]],
    groups: Int64[ndarray, " N"],
    seed: int,
    bounds: tuple[float, float],
) -> Estimate:
    """The mean of one arm, or the difference of two."""
    if not len(groups):
        raise ConfigError("an interval over no recordings")
    means = [arm.mean(axis=0) for arm in arms]
    each = means[0] if len(means) == 1 else means[0] - means[1]
    sizes = np.bincount(groups).astype(np.float64)
    freedom = sum(len(arm) - 1 for arm in arms)
    counts, noise = _drawn(len(sizes), freedom, seed)
    draws = (counts @ np.bincount(groups, each)) / (counts @ sizes)
    if freedom:
        variance = max(0.0, sum(_seed_squares(arm, groups) for arm in arms) / freedom)
        error = np.sqrt(variance * sum(1 / len(arm) for arm in arms))
        draws = draws + error * noise
    value, (low, high) = float(each.mean()), np.quantile(draws, [0.025, 0.975])
    return Estimate(value, max(bounds[0], float(low)), min(bounds[1], float(high)))


@lru_cache(maxsize=1)
def _drawn(n: int, freedom: int, seed: int) -> tuple[Float64[ndarray, "D n"], Float64[ndarray, " D"]]:
    """How often each of n groups is drawn, and Student's t, for every draw; a table asks for the same many times."""
    rng = np.random.default_rng(seed)
    counts = np.array([np.bincount(picks, minlength=n) for picks in rng.integers(0, n, (_DRAWS, n))], np.float64)
    return counts, rng.standard_t(freedom, _DRAWS) if freedom else np.zeros(_DRAWS)


def _seed_squares(arm: Float64[ndarray, "S N"], groups: Int64[ndarray, " N"]) -> float:
    """Squared distances of the seeds' means from their mean, less what recordings that seeds disagree on explain."""
    own = arm.mean(axis=1)
    rest = arm - own[:, None] - arm.mean(axis=0) + own.mean()
    n_groups, n = int(groups.max()) + 1, arm.shape[1]
    explained = sum(float((np.bincount(groups, row) ** 2).sum()) for row in rest)
    if n_groups > 1:
        explained *= n_groups / (n_groups - 1)
    return float(((own - own.mean()) ** 2).sum() - explained / n**2)
