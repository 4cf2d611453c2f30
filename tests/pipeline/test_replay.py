"""Truths about replaying many recordings: the same decisions as one by one, and work only where it is due."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.recorded import Plans, RecordedOutputs, sweep
from spikecut.pipeline.replay import record_outputs, replay
from spikecut.pipeline.results import Decision, StopReason
from spikecut.pipeline.rules.combined import Both, Either, Hold
from spikecut.pipeline.rules.patience import Patience
from spikecut.pipeline.rules.sets.conformal import ConformalSets
from spikecut.pipeline.rules.sets.pooled import PooledSets
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, confidence, never, topk
from spikecut.pipeline.runner import run

from fakes import Oracle, Script, counted, frames

scripts = hnp.arrays(np.float32, (7, 6, 3), elements=st.integers(-32, 32).map(lambda n: n / 8))
lengths = st.lists(st.integers(0, 8), min_size=7, max_size=7)
RULE = topk([3.0, 2.5, 2.0, 1.5, 1.0, 0.5])
LEAKY = ThresholdCutoff("topk", "top2_gap", np.full(6, 2.5), Readout("leaky", 0.25))
CONFORMAL = ConformalSets("surprise", np.array([0.2, 0.5, 0.9, 1.2, 1.5, 1.9]), 0.1)
SIMES = PooledSets(
    np.sort(np.arange(60.0).reshape(1, 3, 20) % 7 / 2, 2), np.array([2, 4, 6]), 6, 0.2, correction="simes"
)
ORACLE = Oracle(np.arange(35.0).reshape(7, 5) * 5 % 11 / 2, look=2)
PLANNED = Planned(ORACLE.policy, 6, 2, 0.4, planner=ORACLE)
RULES: dict[str, Any] = {
    "topk": RULE,
    "leaky": LEAKY,
    "mean": ThresholdCutoff("confidence", "confidence", np.full(6, 0.7), Readout("mean", temperatures=np.full(6, 0.5))),
    "patience": Patience(3, 6),
    "patience of a leaky readout": Patience(2, 6, Readout("leaky", 0.5)),
    "planned": PLANNED,
    "planned, as published": Planned(ORACLE.policy, 6, 2, planner=ORACLE),
    "planned, or clear": Either(PLANNED, RULE),
    "planned, and patient": Both(Patience(2, 6), PLANNED),
    "both": Both(Patience(2, 6), LEAKY),
    "either": Either(confidence(0.95, 6), Hold(LEAKY, 2)),
    "hold": Hold(Patience(2, 6), 2),
    "conformal": CONFORMAL,
    "simes": SIMES,
    "conformal and patient": Both(CONFORMAL, Patience(2, 6)),
}


def as_values(decision: Decision | None) -> object:
    if decision is None:
        return None
    fields = (decision.label, decision.steps, decision.reason, decision.score, decision.start_us)
    return (*fields, decision.time_us, decision.n_events, decision.total.tolist(), decision.classes)


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=25)
@given(scripts, lengths, st.integers(1, 9))
def test_replay_decides_as_the_loop_decides_each_recording_alone(
    name: str, outputs: Any, sizes: list[int], batch_size: int
) -> None:
    rule = RULES[name]
    recordings = [frames([i] * n) for i, n in enumerate(sizes)]
    together = dict(replay(recordings, Script(outputs), rule, horizon=6, batch_size=batch_size))
    assert sorted(together) == list(range(7))
    for i, recording in enumerate(recordings):
        alone = [item for item in run(recording, Script(outputs), rule, horizon=6) if isinstance(item, Decision)]
        assert as_values(together[i]) == (as_values(alone[0]) if alone else None)


@given(scripts, st.integers(1, 9))
def test_executed_steps_are_the_sum_of_stop_times(outputs: Any, batch_size: int) -> None:
    model = Script(outputs)
    recordings = [frames([i] * 6) for i in range(7)]
    found = dict(replay(recordings, model, RULE, horizon=6, batch_size=batch_size))
    assert model.executed == sum(decision.steps for decision in found.values() if decision)


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=25)
@given(scripts)
def test_stop_times_are_those_of_a_sweep_over_the_recorded_outputs(name: str, outputs: Any) -> None:
    rule = RULES[name]
    recordings = [frames([i] * 6) for i in range(7)]
    trace = record_outputs(recordings, len(recordings), Script(outputs), horizon=6, batch_size=3)
    np.testing.assert_array_equal(trace, outputs)
    found = dict(replay(recordings, Script(outputs), rule, horizon=6))
    plans = Plans(ORACLE.table.astype(np.float32), ORACLE.policy)
    swept = sweep(RecordedOutputs(trace, np.zeros(7, np.int64), plans=plans), rule)
    assert [found[i].label for i in range(7)] == swept.labels.tolist()  # type: ignore[union-attr]
    if swept.sets is not None:
        kept = [tuple(np.flatnonzero(one).tolist()) for one in swept.sets]
        assert [found[i].classes for i in range(7)] == kept  # type: ignore[union-attr]
    assert [found[i].steps for i in range(7)] == swept.stops.tolist()  # type: ignore[union-attr]


def test_a_decided_lane_makes_room_for_the_next_recording() -> None:
    outputs = np.zeros((9, 6, 2), np.float32)
    outputs[::3, 0] = [9, 0]  # every third recording is clear at once
    model = Script(outputs)
    list(replay([frames([i] * 6) for i in range(9)], model, RULE, horizon=6, batch_size=3))
    assert model.batch_sizes[:-6] == [3] * (len(model.batch_sizes) - 6)
    assert model.executed == 3 * 1 + 6 * 6


def test_a_decided_recording_is_not_read_further() -> None:
    outputs = np.zeros((1, 6, 2), np.float32)
    outputs[0, 1] = [9, 0]
    taken: list[int] = []
    list(replay([counted(frames([0] * 6), taken)], Script(outputs), RULE, horizon=6))
    assert taken == [0, 1]


def test_recordings_are_opened_only_when_their_turn_comes() -> None:
    opened: list[int] = []

    def recordings() -> Any:
        for i in range(6):
            opened.append(i)
            yield frames([i] * 6)

    results = replay(recordings(), Script(np.zeros((6, 6, 2), np.float32)), never(6), horizon=6, batch_size=2)
    next(results)
    assert opened == [0, 1]


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="batches of 0"):
        list(replay([frames([0])], Script(np.zeros((1, 6, 2), np.float32)), never(6), horizon=6, batch_size=0))


def test_empty_recordings_are_named_wherever_they_stand() -> None:
    recordings = [[], [], frames([2] * 6), [], frames([4] * 6), []]
    found = dict(replay(recordings, Script(np.zeros((6, 6, 2), np.float32)), never(6), horizon=6, batch_size=1))
    assert {i for i, decision in found.items() if decision is None} == {0, 1, 3, 5}


def test_a_recording_whose_clock_is_reset_starts_over_without_disturbing_the_others() -> None:
    outputs = np.arange(36, dtype=np.float32).reshape(2, 6, 3)
    broken = [*frames([0] * 2), *frames([0] * 3, segment=1)]
    trace = np.zeros((2, 6, 3), np.float32)
    recordings = [broken, frames([1] * 6)]
    found = dict(replay(recordings, Script(outputs), never(6), horizon=6, trace=trace))
    assert found[0] is not None
    assert (found[0].steps, found[0].reason) == (3, StopReason.end_of_stream)
    np.testing.assert_array_equal(trace[0, :3], outputs[0, :3])
    assert not trace[0, 3:].any()
    np.testing.assert_array_equal(trace[1], outputs[1])


def test_outputs_before_a_clock_reset_leave_nothing_in_the_trace() -> None:
    """Three steps, then a reset and two more: only the two are the recording's."""
    outputs = np.arange(1, 19, dtype=np.float32).reshape(1, 6, 3)
    stream = [*frames([0] * 3), *frames([0] * 2, segment=1)]
    trace = np.zeros((1, 6, 3), np.float32)
    ((_, decision),) = replay([stream], Script(outputs), never(6), horizon=6, trace=trace)
    assert decision is not None
    assert decision.steps == 2
    np.testing.assert_array_equal(trace[0, :2], outputs[0, :2])
    assert not trace[0, 2:].any()


def test_outputs_are_written_over_what_the_trace_held_and_the_rest_is_left_alone() -> None:
    outputs = np.arange(1, 19, dtype=np.float32).reshape(1, 6, 3)
    trace = np.full((1, 6, 3), 7, np.float32)
    list(replay([frames([0] * 2)], Script(outputs), never(6), horizon=6, trace=trace))
    np.testing.assert_array_equal(trace[0, :2], outputs[0, :2])
    assert (trace[0, 2:] == 7).all()
