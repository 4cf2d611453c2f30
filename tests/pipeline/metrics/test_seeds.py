"""Intervals over seeds and recordings: how often they hold what they should, and what the old ones missed."""

import numpy as np
import pytest
from jaxtyping import Float64
from numpy import ndarray

from spikecut.pipeline.metrics.intervals import bootstrap_difference, wilson
from spikecut.pipeline.metrics.seeds import _seed_squares, accuracy, between, over_seeds, ratio


def test_whoever_has_trained_the_same_twice_is_told_of_a_difference_one_time_in_twenty() -> None:
    """Two methods that are one: a threshold on how hard a recording is, moved by each seed, blurred by each too."""
    rng = np.random.default_rng(5)
    n_trials, n_seeds, n, each = 300, 3, 200, np.arange(200)
    told, told_of_old = 0, 0
    for _ in range(n_trials):
        hard = rng.standard_normal(n)
        one, same = (_trained(hard, n_seeds, rng) for _ in "ab")
        new = between(one, same, each, 0)
        old = bootstrap_difference(one.mean(0), same.mean(0), rng)
        told += not new.low <= 0 <= new.high
        told_of_old += not old.low <= 0 <= old.high
    assert 0.02 <= told / n_trials <= 0.09
    assert told_of_old / n_trials > 0.25


def _trained(hard: Float64[ndarray, " N"], n_seeds: int, rng: np.random.Generator) -> Float64[ndarray, "S N"]:
    shift = 0.25 * rng.standard_normal((n_seeds, 1)) + 0.3 * rng.standard_normal((n_seeds, len(hard)))
    return np.asarray(hard + shift > -1.5, np.float64)


def test_an_interval_over_seeds_holds_the_mean_of_all_seeds_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(6)
    each, held = np.arange(100), 0
    for _ in range(300):
        values = rng.normal(7, 1, (1, 100)) + rng.normal(0, 0.3, (3, 1)) + rng.normal(0, 0.5, (3, 100))
        one = over_seeds(values, each, 0)
        held += one.low <= 7 <= one.high
    assert 0.91 <= held / 300 <= 0.98


def test_subjects_are_resampled_whole() -> None:
    """Ten subjects, each right always or never: forty recordings of each tell no more than one does."""
    by_subject = (np.arange(10) < 6).astype(float)
    whole = over_seeds(np.repeat(by_subject, 40)[None], np.repeat(np.arange(10), 40), 0)
    alone = over_seeds(by_subject[None], np.arange(10), 0)
    assert (whole.value, whole.low, whole.high) == pytest.approx((alone.value, alone.low, alone.high))
    apart = over_seeds(np.repeat(by_subject, 40)[None], np.arange(400), 0)
    assert whole.high - whole.low > 4 * (apart.high - apart.low)


def test_seeds_that_agree_leave_the_interval_of_the_recordings() -> None:
    values = np.random.default_rng(0).normal(0, 1, 50)
    one, three = (over_seeds(np.tile(values, (n, 1)), np.arange(50), 0) for n in (1, 3))
    assert (one.low, one.high) == pytest.approx((three.low, three.high))


def test_a_ratio_is_as_wide_as_its_parts_make_it() -> None:
    rng = np.random.default_rng(0)
    above, below = rng.uniform(8, 30, (1, 400)), rng.uniform(1, 6, (1, 400))
    mine = ratio(above, below, np.arange(400), 0)
    picks = rng.integers(0, 400, (2000, 400))
    drawn = above[0][picks].mean(1) / below[0][picks].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert mine.value == above.mean() / below.mean()
    assert (mine.low, mine.high) == pytest.approx((low, high), abs=0.04)
    same = ratio(above, above, np.arange(400), 0)
    assert (same.low, same.high) == (1, 1)
    wide = ratio(np.full((2, 4), 3.0), np.array([[9.0] * 4, [11.0] * 4]), np.arange(4), 0)
    assert wide.low > 0


def test_all_right_is_no_proof_of_perfection() -> None:
    one = accuracy(np.ones((1, 30)), np.arange(30), 0)
    assert one == wilson(30, 30)
    three = accuracy(np.ones((3, 30)), np.arange(30), 0)
    assert (three.low, three.high) == (one.low, 1.0)


def test_what_recordings_explain_of_two_seeds_is_taken_off() -> None:
    """Two seeds, each right where the other is wrong: their means are equal; the residuals of 1/2 explain 1/2."""
    assert _seed_squares(np.array([[1.0, 0.0], [0.0, 1.0]]), np.arange(2)) == pytest.approx(-0.5)
