"""Truths about the alarm for drift: it is rare while nothing changes, and quick where something does."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.metrics.drift import (
    CALM,
    EVERY,
    AnswerNumbers,
    Drift,
    bets_on,
    can_be_watched,
    compared_with,
)
from spikecut.pipeline.rules.reference import LEVELS, Reference, quantiles_of

SAME = (1.0,) * len(LEVELS)


def logistic(x: float | np.ndarray) -> float | np.ndarray:
    return 1 / (1 + np.exp(-x))


def reference(n: int, rng: np.random.Generator) -> Reference:
    """Of so many recordings: rate and density log-normal and logit-normal, as are confidences."""
    return replace(
        Reference(n, "drawn numbers", SAME, SAME, SAME, SAME, SAME),
        decision_rate_hz=quantiles_of(np.exp(rng.normal(10, 0.3, n))),
        decision_active_share=quantiles_of(np.asarray(logistic(rng.normal(-3, 1, n)))),
        decision_confidence=quantiles_of(np.asarray(logistic(rng.normal(3, 0.5, n)))),
    )


def answer(rng: np.random.Generator, shift: float = 0.0) -> AnswerNumbers:
    """One more recording, or one whose rate and density lie so many standard deviations higher."""
    rate = float(np.exp(rng.normal(10, 0.3) + 0.3 * shift))
    return AnswerNumbers(rate, float(logistic(rng.normal(-3, 1) + shift)), float(logistic(rng.normal(3, 0.5))))


def after(state: Drift, n: int, about: Reference, rng: np.random.Generator, shift: float = 0.0) -> Drift:
    for _ in range(n):
        state = state.after(answer(rng, shift), about)
    return state


@pytest.mark.parametrize("n", [84, 1044])
def test_while_nothing_changes_alarms_are_as_rare_as_stated(n: int) -> None:
    n_alarms = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        n_alarms += after(Drift(), 1000, reference(n, rng), rng).n_alarms
    assert n_alarms <= stats.poisson.ppf(0.999, 3000 / EVERY)


@pytest.mark.parametrize("seed", range(5))
def test_three_standard_deviations_are_noticed_within_ten_answers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    about = reference(1044, rng)
    calm = after(Drift(), 200, about, rng)
    assert not calm.suspended
    assert after(calm, 10, about, rng, shift=3.0).suspended


@pytest.mark.parametrize("n", [1, 20, 84, 1044, 100_000])
def test_no_bet_gains_on_average_while_nothing_changes(n: int) -> None:
    """The e-values of all bets, weighted with what the calibration recordings give each cell, are 1 at most."""
    chances = np.diff((0, *LEVELS, 100)) / 100
    edges = tuple(map(float, range(len(LEVELS))))
    middles = np.arange(len(LEVELS) + 1) - 0.5
    expected = sum(chance * bets_on(float(middle), edges, n) for chance, middle in zip(chances, middles, strict=True))
    assert (expected <= 1).all()
    assert n < 100_000 or (np.asarray(expected) > 0.95).all(), "with many recordings nothing is given away"


def test_a_number_equal_to_quantiles_gains_less_than_the_best_cell_beside_it() -> None:
    quantiles = (0.5, 0.5, 0.5, 0.7, 0.9, 1.0, 1.0)
    tied, above, below = (bets_on(x, quantiles, 1000) for x in (0.5, 0.6, 0.4))
    assert (tied <= np.maximum(np.maximum(above, below), bets_on(0.5, (0.4, 0.45, 0.5, 0.7, 0.9, 1, 1), 1000))).all()
    assert np.isfinite(bets_on(float("nan"), quantiles, 1000)).all()


def test_the_alarm_names_what_changed_and_the_promise_comes_back_when_it_is_over() -> None:
    rng = np.random.default_rng(1)
    about = reference(1044, rng)
    state = Drift()
    while state.alarm is None:
        state = state.after(replace(answer(rng), rate_hz=1e9), about)
    assert str(state.alarm) == "event rate above 99 % of the calibration data"
    assert (state.n_alarms, state.suspended) == (1, True)
    assert after(state, CALM - 1, about, rng).suspended
    assert not after(state, CALM, about, rng).suspended


def test_cutoffs_of_before_are_not_watched() -> None:
    rng = np.random.default_rng(1)
    old = replace(reference(50, rng), decision_rate_hz=(), decision_active_share=())
    assert can_be_watched(reference(50, rng))
    assert not can_be_watched(old)
    assert not can_be_watched(None)
    with pytest.raises(ModelError, match="no statistics of answers"):
        compared_with(old)
