"""Truths about thresholds with a promise of few alarms: worked by hand, against a naive twin, in simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.alarm_rates import GRID, fit_sensitivity, fit_thresholds, rejected
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.rules.rejection import Rejecting
from spikecut.pipeline.rules.thresholds import confidence


def counted(odds: list[float]) -> Callable[[float], int]:
    """Alarms that are published from these log-odds on."""
    return lambda threshold: sum(one >= threshold for one in odds)


def naive(odds: list[float], minutes: float, rate: float, delta: float) -> float | None:
    """The boldest threshold, from the sum of Poisson's probabilities and no other formula."""
    best = None
    for threshold in GRID:
        n = sum(one >= threshold for one in odds)
        mean = rate * minutes
        chance = sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(n + 1))
        if chance > delta:
            break
        best = threshold
    return best


def test_a_worked_example() -> None:
    """Ten minutes prove 1 a minute with up to 4 alarms: 5 alarms have a bound of 10.51 in ten minutes, 4 of 9.15.

    They prove 0.6 with at most 1 (4.74) and none with 2 (6.30).
    """
    odds = [9.05, 7.05, 5.05, 4.05, 3.05, 2.05, 1.05]
    one, other = fit_thresholds(counted(odds), 10.0, [1.0, 0.6])
    assert (one.threshold, one.alarms) == (3.1, 4)
    assert one.bound == pytest.approx(0.9154, abs=1e-4)
    assert (other.threshold, other.alarms) == (7.1, 1)
    assert other.bound == pytest.approx(0.4744, abs=1e-4)


@settings(max_examples=60)
@given(
    st.lists(st.floats(-5, 41), max_size=12),
    st.floats(0.5, 40),
    st.lists(st.floats(0.05, 5), min_size=1, max_size=3, unique=True),
    st.sampled_from([0.05, 0.2]),
)
def test_the_fit_is_that_of_its_naive_twin(odds: list[float], minutes: float, rates: list[float], delta: float) -> None:
    expected = [naive(odds, minutes, rate, delta) for rate in rates]
    if None in expected:
        with pytest.raises(ConfigError, match="min without gestures"):
            fit_thresholds(counted(odds), minutes, rates, 1 - delta)
        return
    assert [one.threshold for one in fit_thresholds(counted(odds), minutes, rates, 1 - delta)] == expected


def test_a_sequence_ends_where_a_threshold_is_not_proven_though_a_bolder_one_would_be() -> None:
    """A bolder threshold can have fewer alarms, since the network starts elsewhere: it is not tried."""

    def alarms(threshold: float) -> int:
        return 9 if 5.0 <= threshold < 6.0 else 0

    (one,) = fit_thresholds(alarms, 10.0, [1.0])
    assert (one.threshold, one.alarms) == (6.0, 0)


def test_too_few_minutes_are_refused_with_how_many_it_takes() -> None:
    with pytest.raises(ConfigError) as caught:
        fit_thresholds(counted([]), 2.0, [0.25, 1.0])
    assert "2.0 min without gestures" in str(caught.value)
    assert "that needs 12.0 min without an alarm, 19.0 min with one" in str(caught.value)


def test_the_promise_is_kept_as_often_as_it_says() -> None:
    """Alarms of a known rate at every threshold: 8 a minute times the share above it, which falls from 1 to 0."""
    rng, minutes, rate = np.random.default_rng(0), 12.0, 1.0
    n_broken = 0
    for _ in range(400):
        odds = rng.uniform(0, 10, rng.poisson(8 * minutes)).tolist()
        (one,) = fit_thresholds(counted(odds), minutes, [rate])
        n_broken += 8 * (1 - one.threshold / 10) > rate
    assert 0 < n_broken / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_the_levels_have_both_rates() -> None:
    """100 gestures whose log-odds are 0.05, 0.15, ...; six alarms in 40 min."""
    gestures = np.arange(100) / 10 + 0.05
    levels = fit_sensitivity(
        counted([9.05, 8.05, 7.05, 6.05, 5.05, 4.05]), 40.0, lambda threshold: gestures < threshold, 0.5
    )
    rows = [(one.alarms, one.threshold, one.rejected, one.n) for one in levels.levels().values()]
    # 0.125 a minute are 5 in 40 min: 1 alarm has a bound of 4.74; 0.5 are 20: all 6 have one of 11.8
    assert rows == [(1, 8.1, 81, 100), (6, -4.0, 0, 100), (6, -4.0, 0, 100)]
    assert [one.alarms_a_minute for one in levels.levels().values()] == [0.125, 0.5, 2.0]
    assert levels.normal.rejected_bound == pytest.approx(1 - 0.05 ** (1 / 100))
    assert levels.low.alarms_bound == pytest.approx(4.7439 / 40, abs=1e-4)


def test_rejected_gestures_are_those_that_the_window_leaves_without_an_answer() -> None:
    """Four recordings of three steps and two classes: log-odds after step t are the sum of the differences."""
    lead = np.array([[2, 2, 2], [2, -1, -1], [-3, 0, 0], [0.5, 0.5, 0.5]], np.float32)
    outputs = np.stack([lead, np.zeros_like(lead)], axis=2)
    recorded = RecordedOutputs(outputs, np.zeros(4, np.int64))
    rule = confidence(0.8, 3)  # above 0.8: log-odds above 1.386
    assert rejected(recorded, rule, Rejecting((), 3.0)).tolist() == [False, True, False, True]
    # the second is sure enough for the rule at step 1 (2), never for 3; the third says class 1 with 3
    assert rejected(recorded, rule, Rejecting((1,), 1.0)).tolist() == [False, False, True, False]
    assert rejected(recorded, rule, Rejecting((1,))).tolist() == [False, False, True, False]
