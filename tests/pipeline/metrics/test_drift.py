"""Truths about the alarm for drift: of people like those of the calibration data few raise it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.metrics.drift import WINDOW, AnswerNumbers, Drift, extremes_of, stated_rate
from spikecut.pipeline.rules.reference import Extremes

N_PEOPLE, N_ANSWERS = 60, 12


def person(rng: np.random.Generator, faster: float = 0.0) -> list[AnswerNumbers]:
    """The answers of one person, who is faster or slower, nearer or further away than others in all of them."""
    speed, size = rng.normal(0, 1) + faster, rng.normal(0, 1)
    return [
        AnswerNumbers(
            rate_hz=float(np.exp(10 + 0.3 * speed + 0.2 * rng.normal())),
            active_share=float(1 / (1 + np.exp(3 - 0.3 * size - 0.2 * rng.normal()))),
            confidence=float(1 / (1 + np.exp(-3 - rng.normal()))),
        )
        for _ in range(N_ANSWERS)
    ]


def alarms(answers: list[AnswerNumbers], extremes: Extremes) -> int:
    state = Drift()
    for one in answers:
        state = state.after(one, extremes)
    return state.n_alarms


def known(seed: int, n: int = N_PEOPLE) -> Extremes:
    extremes = extremes_of([person(np.random.default_rng((seed, at))) for at in range(n)])
    assert extremes is not None
    return extremes


def test_of_people_like_those_of_the_calibration_data_few_raise_an_alarm() -> None:
    """Over 40 draws of the calibration people and five new ones each: no more than stated, but for chance."""
    raised = [
        alarms(person(np.random.default_rng((seed, 1000 + new))), known(seed)) > 0
        for seed in range(40)
        for new in range(5)
    ]
    most = stated_rate(N_PEOPLE)
    assert most == pytest.approx(6 / 61)
    assert sum(raised) <= stats.binom.ppf(0.999, len(raised), most)


def test_people_of_the_calibration_data_raise_none() -> None:
    extremes = known(0)
    assert not any(alarms(person(np.random.default_rng((0, at))), extremes) for at in range(N_PEOPLE))


@pytest.mark.parametrize("seed", range(5))
def test_who_is_far_beyond_all_of_them_is_noticed_at_once(seed: int) -> None:
    answers = person(np.random.default_rng((seed, 1000)), faster=8.0)
    assert alarms(answers[:WINDOW], known(seed)) == 1


def test_it_says_what_is_beyond_and_when_that_is_over() -> None:
    usual = AnswerNumbers(100.0, 0.1, 0.9)
    extremes = Extremes(50, WINDOW, (90.0, 110.0), (0.05, 0.2), (0.8, 1.0))
    state = Drift()
    for _ in range(WINDOW - 1):
        state = state.after(replace(usual, rate_hz=500.0, active_share=0.01), extremes)
        assert not state.suspended, "too few answers say nothing"
    state = state.after(replace(usual, rate_hz=500.0, active_share=0.01), extremes)
    assert state.beyond == "event rate higher than any, density lower than any"
    for _ in range(WINDOW - 1):
        state = state.after(usual, extremes)
        assert state.suspended
    state = state.after(usual, extremes)
    assert (state.suspended, state.n_alarms, state.n) == (False, 1, 2 * WINDOW)


def test_a_number_that_is_none_is_beyond() -> None:
    extremes = Extremes(50, WINDOW, (90.0, 110.0), (0.05, 0.2), (0.8, 1.0))
    state = Drift()
    for _ in range(WINDOW):
        state = state.after(AnswerNumbers(float("nan"), 0.1, 0.9), extremes)
    assert state.suspended


def test_people_with_few_answers_do_not_count() -> None:
    rng = np.random.default_rng(0)
    short = [person(rng)[: WINDOW - 1] for _ in range(9)]
    assert extremes_of(short) is None
    extremes = extremes_of([*short, person(rng)])
    assert extremes is not None
    assert extremes.n == 1


@pytest.mark.parametrize(
    "broken",
    [{"n": 0}, {"window": 0}, {"rate_hz": (2.0, 1.0)}, {"confidence": (-1.0, 1.0)}, {"rate_hz": (0.0, float("nan"))}],
)
def test_extremes_that_cannot_be_are_refused(broken: dict[str, object]) -> None:
    good: dict[str, object] = {
        "n": 5,
        "window": WINDOW,
        "rate_hz": (1.0, 2.0),
        "active_share": (0.1, 0.2),
        "confidence": (0.5, 1.0),
    }
    with pytest.raises(ModelError, match=r"reference\.answers"):
        Extremes(**(good | broken))  # type: ignore[arg-type]
