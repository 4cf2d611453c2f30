"""Truths about intervals: worked examples, and coverage that a wrong formula would miss."""

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.intervals import Estimate, bootstrap_mean, bootstrap_ratio, wilson


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
