"""Truths about intervals: worked examples, and coverage that a wrong formula would miss."""

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.intervals import bootstrap_mean, bootstrap_ratio, wilson


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
