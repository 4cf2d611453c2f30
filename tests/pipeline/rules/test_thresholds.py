"""Truths about stopping rules, and agreement with what the reference code of the papers decided."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.evidence import scores
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.results import Evidence
from spikecut.pipeline.rules.loss import outcome
from spikecut.pipeline.rules.thresholds import (
    ThresholdCutoff,
    collapsing,
    confidence,
    entropy,
    fixed,
    msprt,
    never,
    sr1,
    topk,
)

from golden import GOLDEN, TEST, floats, recorded


def evidence(total: list[list[float]], steps: int = 1) -> Evidence:
    array = np.array(total, np.float32)
    return Evidence(np.full(len(array), steps), array, array)


@pytest.mark.parametrize("case", GOLDEN["topk"]["cases"], ids=lambda case: f"epsilon {case['epsilon']}")
def test_topk_stops_where_the_reference_stopped(case: dict[str, Any]) -> None:
    swept = sweep(TEST, topk(floats(case["beta"])))
    assert swept.stops.tolist() == case["timesteps"]
    assert outcome(TEST, swept).accuracy == case["accuracy"]
    assert swept.labels.tolist() == case["prediction_at_stop(derived)"]


@pytest.mark.parametrize("case", GOLDEN["topk_tiny"]["cases"], ids=lambda case: f"epsilon {case['epsilon']}")
def test_topk_agrees_with_the_case_worked_by_hand(case: dict[str, Any]) -> None:
    assert (
        sweep(recorded(GOLDEN["topk_tiny"], "test"), topk(floats(case["beta"]))).stops.tolist()
        == case["test_timesteps"]
    )


@pytest.mark.parametrize("case", GOLDEN["confidence"]["cases"], ids=lambda case: str(case["threshold"]))
def test_confidence_stops_where_the_reference_of_snn_cutoff_stopped(case: dict[str, Any]) -> None:
    swept = sweep(TEST, confidence(case["threshold"], TEST.horizon))
    assert swept.stops.tolist() == case["timesteps"]
    assert outcome(TEST, swept).accuracy == case["accuracy"]


@pytest.mark.parametrize(
    "case",
    [case for case in GOLDEN["seenn1_and_dtsnn"]["cases"] if case["metric"] == "confidence"],
    ids=lambda case: str(case["threshold_on_score"]),
)
def test_confidence_stops_where_the_reference_of_seenn_stopped(case: dict[str, Any]) -> None:
    swept = sweep(TEST, confidence(case["threshold_on_score"], TEST.horizon))
    assert swept.stops.tolist() == case["timesteps"]
    assert 100 * outcome(TEST, swept).accuracy == case["accuracy_percent"]


def test_a_fixed_cutoff_scores_what_the_reference_scored_at_every_step() -> None:
    accuracy = [outcome(TEST, sweep(TEST, fixed(t, TEST.horizon))).accuracy for t in range(1, 7)]
    assert accuracy == GOLDEN["metrics"]["fixed_timestep_accuracy"]


def test_a_gap_equal_to_beta_does_not_stop() -> None:
    rule = topk([2.0])
    verdict, _ = rule.decide(evidence([[3, 1], [3.5, 1]]))
    assert verdict.stop.tolist() == [False, True]


def test_beta_zero_stops_at_the_first_step_with_a_leader() -> None:
    verdict, _ = topk([0.0]).decide(evidence([[1, 1, 0], [1, 0.5, 0]]))
    assert verdict.stop.tolist() == [False, True]


def test_equal_leaders_go_to_the_lowest_class() -> None:
    verdict, _ = never(1).decide(evidence([[0, 4, 4]]))
    assert verdict.label.tolist() == [1]


def test_infinity_never_stops() -> None:
    verdict, _ = topk([np.inf]).decide(evidence([[1e30, 0]]))
    assert not verdict.stop.any()


def test_lanes_at_different_steps_meet_their_own_thresholds() -> None:
    total = np.array([[3, 0], [3, 0]], np.float32)
    verdict, _ = topk([5.0, 2.0]).decide(Evidence(np.array([1, 2]), total, total))
    assert verdict.stop.tolist() == [False, True]


gaps = hnp.arrays(np.float32, (5, 6, 4), elements=st.integers(-64, 64).map(lambda n: n / 8))


@given(gaps, st.lists(st.floats(0, 8, width=32), min_size=6, max_size=6), st.integers(0, 5))
def test_a_higher_threshold_never_stops_earlier(outputs: Any, betas: list[float], at: int) -> None:
    streams = RecordedOutputs(outputs, np.zeros(5, np.int64))
    raised = [beta + (1.0 if t == at else 0.0) for t, beta in enumerate(betas)]
    assert (sweep(streams, topk(raised)).stops >= sweep(streams, topk(betas)).stops).all()


@given(gaps, st.integers(-64, 64), st.floats(0.3, 0.999))
def test_adding_the_same_to_all_classes_changes_nothing(outputs: Any, shift: int, alpha: float) -> None:
    labels = np.zeros(5, np.int64)
    plain, moved = RecordedOutputs(outputs, labels), RecordedOutputs(outputs + np.float32(shift / 8), labels)
    assert sweep(plain, topk([1.0] * 6)).stops.tolist() == sweep(moved, topk([1.0] * 6)).stops.tolist()
    one, other = plain.scores("confidence"), moved.scores("confidence")
    np.testing.assert_allclose(one, other, rtol=1e-5)
    del alpha


@given(gaps, st.sampled_from([0.5, 2.0, 8.0]), st.floats(0, 8, width=32))
def test_scaling_the_outputs_and_beta_alike_changes_nothing(outputs: Any, scale: float, beta: float) -> None:
    labels = np.zeros(5, np.int64)
    plain = RecordedOutputs(outputs, labels)
    scaled = RecordedOutputs(outputs * np.float32(scale), labels)
    stops = [sweep(plain, topk([beta] * 6)), sweep(scaled, topk([scale * beta] * 6))]
    assert stops[0].stops.tolist() == stops[1].stops.tolist()


@given(hnp.arrays(np.float32, (5, 6, 2), elements=st.integers(-20, 20).map(lambda n: n / 8)), st.floats(0.55, 0.95))
def test_with_two_classes_confidence_is_topk(outputs: Any, alpha: float) -> None:
    streams = RecordedOutputs(outputs, np.zeros(5, np.int64))
    beta = float(np.log(alpha / (1 - alpha)))
    if np.abs(streams.scores("top2_gap") - beta).min() < 1e-4:
        return  # on the threshold itself the rounding of the logarithm decides
    assert sweep(streams, confidence(alpha, 6)).stops.tolist() == sweep(streams, topk([beta] * 6)).stops.tolist()


def test_an_output_that_is_no_number_is_an_error_and_no_stop() -> None:
    for bad in (np.nan, np.inf):
        with pytest.raises(ModelError, match="step 1: the network's output is not finite"):
            confidence(0.5, 3).decide(evidence([[0, bad]]))


def test_a_step_beyond_the_horizon_is_refused() -> None:
    with pytest.raises(ModelError, match="step 4 of a cutoff made for 3 steps"):
        confidence(0.5, 3).decide(evidence([[0, 1]], steps=4))


def test_one_class_has_no_runner_up() -> None:
    with pytest.raises(ModelError, match="no runner-up"):
        topk([1.0]).decide(evidence([[1]]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fixed(0, 5), "after 0 steps; expected 1 to 5"),
        (lambda: fixed(6, 5), "after 6 steps"),
        (lambda: confidence(1.5, 5), "alpha is 1.5"),
        (lambda: topk([]), "a threshold for every step"),
        (lambda: topk([np.nan]), "no NaN"),
        (lambda: ThresholdCutoff("x", "mood", np.ones(3)), "expected one of step, top2_gap, confidence"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_every_score_has_a_rule_that_uses_it() -> None:
    some = (fixed(1, 2), topk([1.0]), confidence(0.5, 2), never(2), entropy(0.5, 2), sr1((1.0, 0.0, -1.0), 2))
    used = {rule.score for rule in some}
    assert used == set(scores.SCORES)


@given(gaps, st.floats(0.001, 0.5))
def test_a_matrix_sprt_is_topk_with_one_beta(outputs: Any, epsilon: float) -> None:
    streams = RecordedOutputs(outputs, np.zeros(5, np.int64))
    beta = float(np.log(3 / epsilon))
    assert sweep(streams, msprt(epsilon, 4, 6)).stops.tolist() == sweep(streams, topk([beta] * 6)).stops.tolist()


def test_a_bound_that_collapses_ends_at_nothing() -> None:
    """beta 4, kappa 1, six steps: 4 (1 - t/6)."""
    np.testing.assert_allclose(collapsing(4.0, 1.0, 6).thresholds, [10 / 3, 8 / 3, 2, 4 / 3, 2 / 3, 0], atol=1e-12)
    np.testing.assert_allclose(collapsing(4.0, 0.0, 3).thresholds, [4, 4, 4])
    with pytest.raises(ConfigError, match="neither may be negative"):
        collapsing(-1.0, 1.0, 6)
    with pytest.raises(ConfigError, match="two classes or more"):
        msprt(0.1, 1, 6)


def test_entropy_of_two_equal_classes_among_four_is_half() -> None:
    """p = (1/2, 1/2, 0, 0): entropy ln 2 of ln 4, so the score is a half; a certain class scores 1."""
    logits = np.array([[50, 50, 0, 0], [200, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(scores.certainty(logits, np.ones(3, np.int64)), [0.5, 1.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("inclusive", [False, True])
def test_a_score_that_equals_the_threshold_stops_only_an_inclusive_rule(inclusive: bool) -> None:
    rule = ThresholdCutoff("topk", "top2_gap", np.array([2.0, 2.0, 2.0]), inclusive=inclusive)
    for lead, stops in ((1.875, False), (2.0, inclusive), (2.125, True)):
        total = np.array([[lead, 0.0]], np.float32)
        assert bool(rule.decide(Evidence(np.array([2]), total, total))[0].stop[0]) is stops


def test_huge_evidence_is_certainty_and_no_overflow() -> None:
    huge = np.array([[1e4, 0.0]], np.float32)
    verdict, _ = confidence(0.9, 1).decide(Evidence(np.array([1]), huge, huge))
    assert (verdict.score.tolist(), verdict.stop.tolist()) == ([1.0], [True])


def test_the_part_of_sr1_that_reads_probabilities_mixes_the_first_with_its_lead() -> None:
    logits = np.log(np.array([[0.2, 0.7, 0.1]], np.float32))
    assert scores.mixed_lead(logits, np.array([1]), (1.0, 10.0))[0] == pytest.approx(0.7 + 10 * 0.5)
