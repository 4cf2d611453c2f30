"""Truths about outputs that are no numbers: that window has no answer, and a warning; the others have theirs."""

from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.errors import ModelError, SpikecutWarning
from spikecut.pipeline.replay import record_outputs, replay
from spikecut.pipeline.results import Decision, Rest, Step
from spikecut.pipeline.rules.thresholds import fixed, never
from spikecut.pipeline.runner import run, watch

from fakes import Script, frames

HORIZON = 4
WORDS = "the network's output is not finite: no answer"


def outputs(*wrong: tuple[int, int, float]) -> Any:
    """Outputs of six recordings, with others at some recordings and steps."""
    values = np.random.default_rng(0).normal(size=(6, HORIZON, 3)).astype(np.float32)
    for recording, step, value in wrong:
        values[recording, step, 1] = value
    return values


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("step", range(HORIZON))
def test_a_window_whose_output_is_not_finite_has_no_answer_and_the_next_has(step: int, value: float) -> None:
    numbers = [0] * HORIZON + [1] * HORIZON + [2] * HORIZON
    sound = list(watch(frames(numbers), Script(outputs()), never(HORIZON), horizon=HORIZON))
    with pytest.warns(SpikecutWarning, match=f"step {step + 1}: {WORDS}") as warned:
        items = list(watch(frames(numbers), Script(outputs((1, step, value))), never(HORIZON), horizon=HORIZON))
    assert len(warned) == 1
    answers = [item.label for item in items if isinstance(item, Decision)]
    assert answers == [item.label for item in sound if isinstance(item, Decision)][::2]
    bins = [item.frame.index for item in items if not isinstance(item, Decision)]
    assert bins == list(range(3 * HORIZON))
    kinds = [type(item) for item in items if not isinstance(item, Decision)][HORIZON : 2 * HORIZON]
    assert kinds == [Step] * step + [Rest] * (HORIZON - step)


def test_one_recording_ends_without_a_decision() -> None:
    with pytest.warns(SpikecutWarning, match=f"step 2: {WORDS}"):
        items = list(run(frames([0] * 4), Script(outputs((0, 1, np.nan))), never(HORIZON), horizon=HORIZON))
    assert [type(item) for item in items] == [Step]


@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_of_many_recordings_those_with_finite_outputs_are_decided_as_alone(batch_size: int) -> None:
    streams = [frames([i] * HORIZON) for i in range(6)]
    rule, sound = fixed(3, HORIZON), Script(outputs())
    expected = dict(replay(streams, sound, rule, horizon=HORIZON))
    wrong = Script(outputs((1, 0, np.nan), (4, 2, np.inf), (5, 3, np.nan)))  # the last one comes after the stop
    with pytest.warns(SpikecutWarning, match=WORDS):
        decisions = dict(replay(streams, wrong, rule, horizon=HORIZON, batch_size=batch_size))
    assert {item for item, one in decisions.items() if one is None} == {1, 4}
    for item in (0, 2, 3, 5):
        one, other = decisions[item], expected[item]
        assert one is not None
        assert other is not None
        assert (one.label, one.steps, one.score) == (other.label, other.steps, other.score)


@pytest.mark.parametrize("reset", [False, True])
def test_nothing_is_fitted_to_outputs_that_are_not_finite(reset: bool) -> None:
    streams = [frames([i] * HORIZON) for i in range(6)]
    if reset:  # behind a reset of the clock a recording goes on alone
        streams[2] = [*frames([1], 0), *frames([2] * HORIZON, 1)]
    with (
        pytest.warns(SpikecutWarning, match=WORDS),
        pytest.raises(ModelError, match=r"recording 2, step [12]: the network's output is not finite"),
    ):
        record_outputs(streams, 6, Script(outputs((2, 1, np.nan))), horizon=HORIZON)
