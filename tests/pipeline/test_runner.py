"""Truths about the loop: it really stops, it says why, and it never looks at the future."""

from dataclasses import dataclass

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.results import Decision, Evidence, Rest, Step, StopReason, Verdict
from spikecut.pipeline.rules.thresholds import confidence, fixed, never, topk
from spikecut.pipeline.runner import run, watch

from fakes import Script, counted, frames


def script(*steps: tuple[float, float]) -> Script:
    return Script(np.array([steps], np.float32))


RISING = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, 2.0), (0.0, 3.0))


def test_after_the_decision_neither_network_nor_stream_is_asked_again() -> None:
    model, taken = script(*RISING), list[int]()
    *steps, decision = run(counted(frames([0] * 5), taken), model, topk([0.5] * 5), horizon=5)
    assert isinstance(decision, Decision)
    assert (decision.label, decision.steps, decision.reason) == (0, 2, StopReason.cutoff)
    assert model.executed == 2 == len(steps)
    assert taken == [0, 1]


def test_the_last_allowed_step_decides_in_any_case() -> None:
    *_, decision = run(frames([0] * 5), script(*RISING), never(4), horizon=4)
    assert isinstance(decision, Decision)
    assert (decision.label, decision.steps, decision.reason) == (1, 4, StopReason.horizon)


def test_a_recording_that_ends_first_still_gets_an_answer() -> None:
    *_, decision = run(frames([0] * 3), script(*RISING), never(5), horizon=5)
    assert isinstance(decision, Decision)
    assert (decision.steps, decision.reason) == (3, StopReason.end_of_stream)


def test_a_decision_counts_time_and_events_from_the_first_bin_to_the_last_it_read() -> None:
    *_, decision = run(frames([0] * 5), script(*RISING), fixed(3, 5), horizon=5)
    assert isinstance(decision, Decision)
    assert (decision.start_us, decision.time_us, decision.latency_us, decision.n_events) == (0, 30, 30, 3)


def test_totals_are_sums_of_outputs() -> None:
    steps = [item for item in run(frames([0] * 5), script(*RISING), never(5), horizon=5) if isinstance(item, Step)]
    assert [step.total.tolist() for step in steps] == np.cumsum(RISING, axis=0).tolist()
    assert [step.index for step in steps] == [0, 1, 2, 3, 4]


def test_the_rule_reads_all_that_was_said_and_not_the_last_output_alone() -> None:
    *_, decision = run(frames([0] * 3), script((1, 0), (1, 0), (1, 0)), topk([1.5] * 3), horizon=3)
    assert isinstance(decision, Decision)
    assert (decision.steps, decision.reason) == (2, StopReason.cutoff)


def test_a_stream_without_frames_yields_nothing() -> None:
    assert list(run([], script(*RISING), never(5), horizon=5)) == []


def test_a_clock_reset_starts_the_network_from_rest() -> None:
    stream = [*frames([0] * 2), *frames([0] * 3, segment=1)]
    *_, decision = run(stream, script(*RISING), never(5), horizon=5)
    assert isinstance(decision, Decision)
    assert decision.steps == 3
    assert decision.total.tolist() == [1.0, 1.0]


def test_watching_gives_one_decision_a_window_and_rests_in_between() -> None:
    items = list(watch(frames([0] * 9), script(*RISING), confidence(0.7, 4), horizon=4))
    kinds = ["".join({Step: "s", Decision: "D", Rest: "."}[type(item)] for item in items)]
    assert kinds == ["ssD..ssD..sD"]
    last = items[-1]
    assert isinstance(last, Decision)
    assert last.reason is StopReason.end_of_stream


def test_watching_loses_no_frame() -> None:
    stream = frames([0] * 17)
    items = watch(stream, script(*RISING), confidence(0.7, 4), horizon=4)
    seen = [item.frame.index for item in items if not isinstance(item, Decision)]
    assert seen == list(range(17))


def test_a_clock_reset_ends_the_rest() -> None:
    stream = [*frames([0] * 3), *frames([0] * 2, segment=1)]
    items = list(watch(stream, script(*RISING), confidence(0.7, 4), horizon=4))
    assert ["".join({Step: "s", Decision: "D", Rest: "."}[type(item)] for item in items)] == ["ssD.ssD"]


def test_a_horizon_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="horizon of 0 steps"):
        list(run(frames([0]), script(*RISING), never(1), horizon=0))


def test_a_cutoff_at_the_last_step_is_a_cutoff() -> None:
    *_, decision = run(frames([0] * 5), script(*RISING), fixed(5, 5), horizon=5)
    assert isinstance(decision, Decision)
    assert (decision.steps, decision.reason) == (5, StopReason.cutoff)


@dataclass(frozen=True)
class CallsCounted:
    """Stops at its third call in a row; the state is the number of calls."""

    rule: str = "calls"
    horizon: int = 5

    def decide(self, evidence: Evidence, state: np.ndarray | None) -> tuple[Verdict, np.ndarray]:
        calls = (np.zeros(1) if state is None else state) + 1
        return Verdict(calls >= 3, evidence.total.argmax(axis=1), calls.astype(np.float32)), calls


def test_a_clock_reset_starts_the_decider_from_rest_too() -> None:
    stream = [*frames([0] * 2), *frames([0] * 5, segment=1)]
    *steps, decision = run(stream, script(*RISING), CallsCounted(), horizon=5)
    assert [step.score for step in steps if isinstance(step, Step)] == [1, 2, 1, 2, 3]
    assert isinstance(decision, Decision)
    assert (decision.steps, decision.reason) == (3, StopReason.cutoff)
