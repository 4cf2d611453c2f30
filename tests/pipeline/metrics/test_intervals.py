"""Truths about intervals: worked examples, and coverage that a wrong formula would miss."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.intervals import (
    Estimate,
    bootstrap_mean,
    bootstrap_ratio,
    garwood,
    quantile,
    rate_bound,
    share_bound,
    wilson,
)


def test_wilson_of_a_known_case() -> None:
    """Brown, Cai, DasGupta 2001: 0 of 10 gives 0 to 0.278."""
    none = wilson(0, 10)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(0.2775, abs=1e-4)
    assert wilson(10, 10).low == pytest.approx(1 - 0.2775, abs=1e-4)


def test_wilson_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    n_right = rng.binomial(200, 0.95, 4_000)
    covered = np.mean([wilson(int(k), 200).low <= 0.95 <= wilson(int(k), 200).high for k in n_right])
    assert 0.93 < covered < 0.975


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(300):
        estimate = bootstrap_mean(rng.exponential(3.0, 150), rng, draws=300)
        hits += estimate.low <= 3.0 <= estimate.high
    assert 0.89 < hits / 300 < 0.985


def test_a_paired_ratio_of_equal_columns_is_one_without_spread() -> None:
    values = np.random.default_rng(3).exponential(1.0, 50)
    ratio = bootstrap_ratio(values, values, np.random.default_rng(4))
    assert (ratio.value, ratio.low, ratio.high) == (1.0, 1.0, 1.0)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="n > 0"):
        wilson(0, 0)
    with pytest.raises(ConfigError, match="no recordings"):
        bootstrap_mean(np.array([]), np.random.default_rng(5))


def test_the_level_of_an_interval_is_95_percent() -> None:
    """By hand: the quantiles of all means that draws with replacement from two or three values can have."""
    estimate = bootstrap_mean(np.array([0.0, 0.0, 1.0]), np.random.default_rng(6), draws=20_000)
    # the mean is 0, 1/3, 2/3 or 1 with 8, 12, 6 and 1 of 27 draws: 1 has 3.7 %, more than 2.5 and less than 5
    assert (estimate.low, estimate.high) == (0.0, 1.0)
    narrower = bootstrap_mean(np.array([0.0, 0.0, 1.0]), np.random.default_rng(6), draws=20_000, level=0.9)
    assert narrower.high == pytest.approx(2 / 3)
    ratio = bootstrap_ratio(np.array([0.0, 0.0, 1.0]), np.ones(3), np.random.default_rng(6), draws=20_000)
    assert (ratio.low, ratio.high) == (0.0, 1.0)
    # Wilson with z = 1.959964: 5 of 10 gives 1/2 plus and minus z / 2 / sqrt(10 + z^2)
    half = 1.959964 / 2 / np.sqrt(10 + 1.959964**2)
    assert wilson(5, 10).low == pytest.approx(0.5 - half, abs=1e-6)
    assert wilson(5, 10, level=0.9).low > wilson(5, 10).low


def test_the_bootstrap_resamples_recordings_as_by_hand() -> None:
    """SciPy's resamples are the rows of one table of indices, as they always were: stored figures keep their digits."""
    values, rng = np.random.default_rng(7).exponential(2.0, 40), np.random.default_rng(8)
    means = values[rng.integers(0, 40, (2_000, 40))].mean(axis=1)
    estimate = bootstrap_mean(values, np.random.default_rng(8))
    assert (estimate.low, estimate.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), rel=1e-14)


def test_one_recording_has_no_spread() -> None:
    assert bootstrap_mean(np.array([3.0]), np.random.default_rng(0)) == Estimate(3.0, 3.0, 3.0)


def test_garwoods_interval_of_known_cases() -> None:
    """Garwood 1936, table 1: 10 events are those of 4.795 to 18.391; none are those of up to 3.689."""
    ten = garwood(10, 1.0)
    assert [ten.value, ten.low, ten.high] == pytest.approx([10.0, 4.795, 18.391], abs=1e-3)
    none = garwood(0, 2.0)
    assert [none.value, none.low, none.high] == pytest.approx([0.0, 0.0, -np.log(0.025) / 2])
    assert garwood(10, 4.0).high == pytest.approx(ten.high / 4)


@pytest.mark.parametrize(("n", "minutes"), [(0, 3.0), (1, 3.0), (7, 12.5)])
def test_at_the_bound_of_a_rate_so_few_events_have_the_chance_that_is_left(n: int, minutes: float) -> None:
    """The definition: a Poisson variable of that mean is at most n with a probability of 5 %."""
    mean = rate_bound(n, minutes) * minutes
    chance = np.exp(-mean) * sum(mean**k / math.factorial(k) for k in range(n + 1))
    assert chance == pytest.approx(0.05)


@pytest.mark.parametrize(("n", "of"), [(0, 10), (1, 10), (9, 10), (3, 40)])
def test_at_the_bound_of_a_share_so_few_have_the_chance_that_is_left(n: int, of: int) -> None:
    """The definition: of so many draws with that share at most n fall with a probability of 5 %."""
    share = share_bound(n, of)
    chance = sum(math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(n + 1))
    assert chance == pytest.approx(0.05)
    assert share_bound(0, 10) == pytest.approx(1 - 0.05 ** (1 / 10))
    assert share_bound(of, of) == 1.0


def test_a_quantile_lies_between_two_values_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    drawn = [quantile(rng.exponential(1.0, 60).tolist(), share) for share in (0.5, 0.9) for _ in range(600)]
    truths = [np.log(2)] * 600 + [np.log(10)] * 600
    covered = [one.low <= truth <= one.high for one, truth in zip(drawn, truths, strict=True)]
    assert np.mean(covered[:600]) >= 0.93
    assert np.mean(covered[600:]) >= 0.93


def test_quantiles_of_a_worked_example() -> None:
    """Of ten values the median lies between the 2nd and the 9th with 97.9 %; between the 3rd and the 8th with 89 %."""
    assert quantile([float(k) for k in range(1, 11)], 0.5) == Estimate(5.5, 2.0, 9.0)
    assert quantile([5.0], 0.9) == Estimate(5.0, 5.0, 5.0)


@pytest.mark.parametrize("wrong", [lambda: garwood(1, 0.0), lambda: rate_bound(-1, 1.0), lambda: share_bound(2, 1)])
def test_rates_and_shares_of_nothing_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ConfigError):
        wrong()
