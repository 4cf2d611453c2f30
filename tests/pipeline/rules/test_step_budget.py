"""Truths about SEENN-II's rule: what a policy grants is spent, no less and no more, whatever the evidence says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.metrics.evaluation import at_equal_cost
from spikecut.pipeline.outputs_file import load_outputs, save_outputs
from spikecut.pipeline.recorded import Plans, RecordedOutputs, Sweep, sweep
from spikecut.pipeline.replay import record_outputs, replay
from spikecut.pipeline.results import Decision, Evidence
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.fit import fit
from spikecut.pipeline.rules.ltt import fit_planned as fit_with_promise
from spikecut.pipeline.rules.observed import equal_cost_confidence, fit_planned, planned
from spikecut.pipeline.rules.rule import Wish
from spikecut.pipeline.rules.step_budget import FirstFrames, Planned, budgets, left_beyond, plans_of
from spikecut.pipeline.rules.thresholds import confidence
from spikecut.pipeline.runner import run, watch

from fakes import Oracle, Script, frames

logits = hnp.arrays(np.float32, (9, 5), elements=st.integers(-48, 48).map(lambda n: n / 8))
shares = st.floats(0, 1)
streams = st.builds(
    lambda outputs, labels, said: RecordedOutputs(outputs, labels, plans=Plans(said, "p", 0.25)),
    hnp.arrays(np.float32, (9, 6, 3), elements=st.integers(-32, 32).map(lambda n: n / 8)),
    hnp.arrays(np.int64, 9, elements=st.integers(0, 2)),
    logits,
)


@given(logits, st.integers(1, 4), st.none() | shares)
def test_a_budget_is_neither_below_the_look_nor_above_the_horizon(said: Any, look: int, beyond: float | None) -> None:
    granted = budgets(said, look, beyond)
    assert granted.min() >= look
    assert granted.max() <= look + 4


@given(logits, shares, shares)
def test_the_less_may_lie_beyond_the_later_is_every_budget(said: Any, one: float, other: float) -> None:
    few, many = sorted((one, other))
    assert (budgets(said, 1, few) >= budgets(said, 1, many)).all()
    assert (budgets(said, 1, 0.0) == 5).all()
    assert (budgets(said, 1, 1.0) == 1).all()


@given(logits)
def test_what_lies_beyond_a_budget_is_what_its_sum_says(said: Any) -> None:
    for row, left in zip(said.astype(np.float64), left_beyond(said), strict=True):
        chances = [float(np.exp(one - row.max())) for one in row]
        assert left == pytest.approx([sum(chances[k + 1 :]) / sum(chances) for k in range(5)])


def test_equal_logits_grant_the_fewest_steps() -> None:
    assert budgets(np.zeros((2, 5), np.float32), 3).tolist() == [3, 3]


def test_a_lane_stops_at_its_budget_however_clear_it_was_before() -> None:
    outputs = np.zeros((3, 6, 2), np.float32)
    outputs[:, 0] = [50, 0]
    oracle = Oracle(np.eye(6)[[0, 3, 5]])
    found = dict(
        replay([frames([i] * 6) for i in range(3)], Script(outputs), Planned("0" * 64, 6, planner=oracle), horizon=6)
    )
    assert [found[i].steps for i in range(3)] == [1, 4, 6]  # type: ignore[union-attr]
    assert [found[i].score for i in range(3)] == [1.0, 4.0, 6.0]  # type: ignore[union-attr]


def test_the_policy_is_asked_once_a_stream_and_after_its_last_look() -> None:
    asked: list[int] = []

    class Asked(Oracle):
        def plan(self, seen: np.ndarray) -> np.ndarray:
            asked.append(len(seen))
            return super().plan(seen)

    oracle = Asked(np.eye(4)[[2]], look=3)
    *steps, decision = run(
        frames([0] * 6), Script(np.zeros((1, 6, 2))), Planned("0" * 64, 6, 3, planner=oracle), horizon=6
    )
    assert isinstance(decision, Decision)
    assert (len(steps), decision.steps, asked) == (5, 5, [1])
    assert [step.score for step in steps] == [0, 0, 5, 5, 5]


def test_every_window_of_a_stream_is_planned_anew() -> None:
    oracle = Oracle(np.eye(4)[[1, 0]])
    stream = [*frames([0] * 4), *frames([1] * 4)]
    said = watch(stream, Script(np.zeros((2, 4, 2))), Planned("0" * 64, 4, planner=oracle), horizon=4)
    assert [item.steps for item in said if isinstance(item, Decision)] == [2, 1]


def test_state_holds_no_frames_once_all_lanes_are_planned() -> None:
    rule = Planned("0" * 64, 6, 2, planner=Oracle(np.eye(5), look=2))
    total, pixels = np.zeros((2, 3), np.float32), np.stack([frames([i])[0].pixels for i in range(2)])
    _, state = rule.decide(Evidence(np.array([1, 1]), total, total, pixels))
    assert state[1] is not None
    before = state[1].copy()
    _, after = rule.decide(Evidence(np.array([2, 2]), total, total, pixels), state)
    np.testing.assert_array_equal(state[1], before)  # a state that somebody kept is as it was
    assert after[1] is None
    assert after[0].tolist() == [2, 3]


def test_recorded_plans_are_those_of_the_first_frames() -> None:
    oracle = Oracle(np.arange(15.0).reshape(3, 5), look=2)
    broken = [*frames([1] * 1), *frames([2] * 4, segment=1)]  # its clock is reset: what came before is forgotten
    first = FirstFrames(2)
    outputs = record_outputs(first.over([frames([0] * 6), broken]), 2, Script(np.zeros((3, 6, 2))), horizon=6)
    assert outputs.shape == (2, 6, 2)
    plans = plans_of(oracle, first, [1, 0])
    assert plans.logits.tolist() == oracle.table[[2, 0]].tolist()
    assert (plans.policy, plans.cost) == (oracle.policy, 0.25)


def test_a_frame_that_never_came_is_empty() -> None:
    first = FirstFrames(3)
    for stream in first.over([frames([7] * 2), []]):
        list(stream)
    assert first.of([0, 1])[:, :, 0, 0, 0].tolist() == [[7, 7, 0], [0, 0, 0]]
    with pytest.raises(ConfigError, match="no stream has a single frame"):
        first.of([1])


def test_without_its_policy_a_plan_is_no_rule() -> None:
    total = np.zeros((1, 3), np.float32)
    for evidence in (
        Evidence(np.array([1]), total, total),
        Evidence(np.array([1]), total, total, np.zeros((1, 2, 2, 2))),
    ):
        with pytest.raises(ModelError, match="without its policy"):
            Planned("p", 6).decide(evidence)
    with pytest.raises(ModelError, match=r"fitted for policy pppppppppppp and 1 first frames; .* is 000000000000"):
        Planned("p" * 64, 6, planner=Oracle(np.eye(6)))
    with pytest.raises(ModelError, match="looks at 2"):
        Planned("0" * 64, 6, planner=Oracle(np.eye(5), look=2))
    for wrong in ({"look": 0}, {"look": 7}, {"beyond": 1.5}):
        with pytest.raises(ConfigError):
            Planned("p", 6, **wrong)


@given(streams, st.sampled_from([0.0, 0.1, 0.3]))
def test_a_fitted_plan_keeps_its_tolerance_and_no_shorter_one_does(data: RecordedOutputs, tolerance: float) -> None:
    rule = fit_planned(data, tolerance)
    swept, correct = sweep(data, rule), data.correct()
    full = correct[:, -1].mean()
    assert (swept.labels == data.labels).mean() >= full - tolerance - 1e-9
    assert data.plans is not None
    for share in np.unique(left_beyond(data.plans.logits)):
        stops = budgets(data.plans.logits, 2, float(share))
        if correct[np.arange(9), stops - 1].mean() >= full - tolerance - 1e-12:
            assert stops.mean() >= swept.stops.mean()


def test_a_plan_is_fitted_where_it_still_answers_right() -> None:
    """Six are right from step 2 on, two from step 3; the policy is a step too bold, but knows which are harder."""
    right_from = np.array([2] * 6 + [3] * 2)
    outputs = np.zeros((8, 4, 2), np.float32)
    for row, since in zip(outputs, right_from, strict=True):
        row[since - 1 :, 0] = 1
        row[: since - 1, 1] = 0.1
    said = np.log(np.where(right_from[:, None] == 2, [0.90, 0.06, 0.03, 0.01], [0.05, 0.87, 0.05, 0.03]))
    data = RecordedOutputs(outputs, np.zeros(8, np.int64), plans=Plans(said.astype(np.float32), "p", 0.25))
    assert sweep(data, planned(data)).stops.tolist() == [1] * 6 + [2] * 2
    rule = fit_planned(data, 0.0)
    assert sweep(data, rule).stops.tolist() == [2] * 6 + [3] * 2
    assert isinstance(rule, Planned)
    assert (rule.policy, rule.cost, rule.look) == ("p", 0.25, 1)
    assert sweep(data, fit_planned(data, 0.25)).stops.tolist() == [2] * 8
    assert fit_planned(replace(data, labels=1 - data.labels), 0.0).rule == "planned"  # wrong to the end: no hurry loses


def test_where_nothing_may_be_shorter_no_policy_is_asked() -> None:
    """However many recordings there are to prove that granting everybody the horizon loses nothing."""
    outputs = np.zeros((100, 3, 2), np.float32)
    outputs[:, :2, 1], outputs[:, 2, 0] = 1, 9
    data = RecordedOutputs(outputs, np.zeros(100, np.int64), plans=Plans(np.zeros((100, 3), np.float32), "p"))
    for rule in (fit_planned(data, 0.0), fit_with_promise(data, 0.1)):
        assert rule.rule == "none"
        assert sweep(data, rule).stops.tolist() == [3] * 100


@pytest.mark.parametrize("name", [name for name, how in RULES.items() if how.plans])
def test_rules_that_plan_need_a_policy(name: str) -> None:
    data = RecordedOutputs(np.zeros((4, 3, 2), np.float32), np.zeros(4, np.int64))
    with pytest.raises(ConfigError, match="without a policy"):
        fit(name, data, Wish(0.1), or_never=True)
    with pytest.raises(ConfigError, match="plans for 3 of 4"):
        replace(data, plans=Plans(np.zeros((3, 3), np.float32), "p"))


def drawn(n: int, seed: int) -> RecordedOutputs:
    """Recordings that are right from a step on that a policy half knows."""
    rng = np.random.default_rng(seed)
    since = rng.integers(0, 6, n)
    right = (np.arange(6) >= since[:, None]) & (rng.random((n, 6)) > 0.02)
    outputs = np.where(right[:, :, None], [1.0, 0.0], [0.0, 1.0])
    outputs = np.diff(outputs, axis=1, prepend=0)
    said = -((np.arange(6) - since[:, None] - rng.normal(0, 1, (n, 1))) ** 2) / 2
    return RecordedOutputs(outputs.astype(np.float32), np.zeros(n, np.int64), plans=Plans(said.astype(np.float32), "p"))


def test_the_promise_of_a_plan_holds_as_often_as_it_says() -> None:
    """Over draws of the calibration recordings, losing more than the gap in truth is as rare as delta."""
    gap, delta, draws = 0.1, 0.1, 200
    everyone = drawn(20_000, 1_000)
    lost_in_truth = everyone.correct()[:, -1:] & ~everyone.correct()
    broken = earlier = 0
    for seed in range(draws):
        rule = fit_with_promise(drawn(150, seed), gap, delta)
        stops = sweep(everyone, rule).stops
        broken += lost_in_truth[np.arange(20_000), stops - 1].mean() > gap
        earlier += stops.mean() < 6
    assert broken <= draws * (delta + 3 * np.sqrt(delta * (1 - delta) / draws))
    assert earlier > draws / 2  # it promises something


def test_a_split_takes_the_plans_along_and_a_file_keeps_them(tmp_path: Any) -> None:
    data = drawn(30, 0)
    one, other = data.split(0.5, 0)
    assert one.plans is not None
    assert other.plans is not None
    together = np.concatenate([one.plans.logits, other.plans.logits])
    assert sorted(together.tolist()) == sorted(drawn(30, 0).plans.logits.tolist())  # type: ignore[union-attr]
    save_outputs(tmp_path / "a.npz", one, {})
    back, _ = load_outputs(tmp_path / "a.npz")
    assert back.plans is not None
    np.testing.assert_array_equal(back.plans.logits, one.plans.logits)
    assert (back.plans.policy, back.plans.cost) == ("p", 0.0)


def test_confidence_at_equal_cost_is_the_threshold_that_takes_as_many_steps() -> None:
    chances = np.array([[0.6, 0.8, 0.9], [0.7, 0.9, 0.9], [0.95, 0.9, 0.9], [0.55, 0.6, 0.9]], np.float32)
    totals = np.stack([np.log(chances), np.log(1 - chances)], axis=2)
    data = RecordedOutputs(np.diff(totals, axis=1, prepend=np.float32(0)), np.zeros(4, np.int64))
    for cost, stops in (
        (1.0, [1, 1, 1, 1]),
        (1.3, [1, 1, 1, 2]),
        (1.6, [2, 1, 1, 3]),
        (2.0, [2, 2, 1, 3]),
        (3.0, [3, 3, 3, 3]),
    ):
        alpha = equal_cost_confidence(data, cost)
        assert sweep(data, confidence(alpha, 3)).stops.tolist() == stops


def test_at_equal_cost_the_policy_is_paid_for() -> None:
    data = RecordedOutputs(np.zeros((4, 3, 2), np.float32), np.array([0, 0, 1, 1]))
    one = Sweep(np.array([1, 1, 2, 2]), np.array([0, 0, 1, 0]))
    other = Sweep(np.array([2, 2, 2, 2]), np.array([0, 1, 1, 0]))
    same = at_equal_cost(data, one, 0.5, other, 0)
    assert (same.cost.value, same.other_cost.value) == (2.0, 2.0)
    assert (same.accuracy.value, same.other_accuracy.value, same.gain.value) == (0.75, 0.5, 25.0)
    assert same.gain.low <= 0 < same.gain.high  # one of four recordings
