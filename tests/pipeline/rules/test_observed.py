"""Truths about fitted thresholds: as the reference computes them, and as they should be."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules.economy import fit_economy, fit_economy_within
from spikecut.pipeline.rules.fit import by_tolerance
from spikecut.pipeline.rules.loss import WEIGHTS, outcome
from spikecut.pipeline.rules.observed import equal_cost_confidence, fit_fixed
from spikecut.pipeline.rules.sr1 import fit_sr1, fit_sr1_within
from spikecut.pipeline.rules.thresholds import confidence, entropy
from spikecut.pipeline.rules.topk import fit_topk, optimal_cutoff_steps, topk_thresholds, topk_thresholds_reference

from golden import GOLDEN, TEST, TRAIN, recorded

FITTED = ["fixed", "topk", "topk_reference", "confidence", "entropy", "collapsing", "patience"]


@pytest.mark.parametrize("case", GOLDEN["topk"]["cases"], ids=lambda case: f"epsilon {case['epsilon']}")
def test_reference_thresholds_are_those_of_the_reference(case: dict[str, Any]) -> None:
    betas = topk_thresholds_reference(TRAIN, float(case["epsilon"]))
    np.testing.assert_allclose(betas, case["beta"], rtol=1e-5)


@pytest.mark.parametrize("case", GOLDEN["topk_tiny"]["cases"], ids=lambda case: f"epsilon {case['epsilon']}")
def test_reference_thresholds_of_the_case_worked_by_hand(case: dict[str, Any]) -> None:
    tiny = recorded(GOLDEN["topk_tiny"], "train")
    np.testing.assert_allclose(topk_thresholds_reference(tiny, float(case["epsilon"])), case["beta"], atol=1e-9)


def test_without_support_the_reference_stops_at_a_level_and_the_safe_rule_never() -> None:
    case = GOLDEN["topk_no_support"]
    streams = recorded(case, "train")
    np.testing.assert_allclose(topk_thresholds_reference(streams, float(case["epsilon"])), case["beta"], rtol=1e-6)
    assert topk_thresholds(streams, float(case["epsilon"]), min_support=1).tolist() == [np.inf, 0]


def test_optimal_cutoff_steps_are_those_of_the_reference() -> None:
    assert optimal_cutoff_steps(TEST).tolist() == GOLDEN["metrics"]["oct"]["timesteps"]
    assert optimal_cutoff_steps(recorded(GOLDEN["topk_tiny"], "train")).tolist() == GOLDEN["topk_tiny"]["oct_train"]


streams = st.builds(
    RecordedOutputs,
    hnp.arrays(np.float32, (12, 5, 3), elements=st.integers(-32, 32).map(lambda n: n / 8)),
    hnp.arrays(np.int64, 12, elements=st.integers(0, 2)),
)


@given(streams, st.sampled_from([0.0, 0.1, 0.25, 1.0]), st.integers(1, 12))
def test_safe_thresholds_are_the_smallest_candidates_that_qualify(
    data: RecordedOutputs, epsilon: float, min_support: int
) -> None:
    gaps, correct = data.scores("top2_gap"), data.correct()
    for t, beta in enumerate(topk_thresholds(data, epsilon, min_support)):
        qualified = []
        for candidate in {0.0, *gaps[:, t].tolist()}:
            stopping = gaps[:, t] > candidate
            stable = correct[stopping][:, t:].all(axis=1)
            if stopping.sum() >= min_support and stable.sum() >= (1 - epsilon) * stopping.sum() - 1e-9:
                qualified.append(candidate)
        assert beta == min(qualified, default=np.inf)


@given(streams, st.sampled_from([0.0, 0.1, 0.25]))
def test_tolerating_more_never_raises_a_threshold(data: RecordedOutputs, epsilon: float) -> None:
    for thresholds in (topk_thresholds, topk_thresholds_reference):
        assert (thresholds(data, epsilon + 0.1) <= thresholds(data, epsilon)).all()


@given(streams, st.sampled_from([0.0, 0.1, 0.3]), st.sampled_from(FITTED))
def test_a_fitted_rule_keeps_its_tolerance_on_the_data_it_was_fitted_on(
    data: RecordedOutputs, tolerance: float, rule: str
) -> None:
    full = data.correct()[:, -1].mean()
    assert outcome(data, sweep(data, by_tolerance()[rule](data, tolerance))).accuracy >= full - tolerance - 1e-9


@given(streams, st.sampled_from([0.0, 0.1, 0.3]))
def test_no_shorter_fixed_horizon_keeps_the_tolerance(data: RecordedOutputs, tolerance: float) -> None:
    steps = int(sweep(data, fit_fixed(data, tolerance)).stops[0])
    accuracy = data.correct().mean(axis=0)
    assert (accuracy[: steps - 1] < accuracy[-1] - tolerance).all()


def test_recordings_of_two_kinds_are_stopped_at_their_own_time() -> None:
    """Half the recordings are clear from the first step, half turn at the fourth: a constant has to wait."""
    easy = np.tile(np.array([4, 0], np.float32), (30, 5, 1))
    hard = np.tile(np.array([0, 0.5], np.float32), (30, 5, 1))
    hard[:, 3] = [9, 0]
    data = RecordedOutputs(np.concatenate([easy, hard]), np.zeros(60, np.int64))
    assert sweep(data, fit_fixed(data, 0.0)).stops.tolist() == [4] * 60
    assert sweep(data, fit_topk(data, 0.0)).stops.tolist() == [1] * 30 + [4] * 30


def test_labels_and_outputs_must_belong_together() -> None:
    outputs = np.zeros((2, 3, 4), np.float32)
    with pytest.raises(ConfigError, match="0 recorded outputs with 0 labels"):
        RecordedOutputs(outputs[:0], np.zeros(0, np.int64))
    with pytest.raises(ConfigError, match="labels outside the 4 classes"):
        RecordedOutputs(outputs, np.array([0, 4]))


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.2])
def test_no_level_within_the_tolerance_stops_earlier_than_the_one_that_was_fitted(tolerance: float) -> None:
    for name, make in (("confidence", confidence), ("entropy", entropy)):
        mine = outcome(TRAIN, sweep(TRAIN, by_tolerance()[name](TRAIN, tolerance)))
        floor = TRAIN.correct()[:, -1].mean() - tolerance
        others = [outcome(TRAIN, sweep(TRAIN, make(float(level), 6))) for level in np.linspace(0, 1, 101)]
        assert mine.accuracy >= floor - 1e-9
        assert mine.mean_steps <= min(one.mean_steps for one in others if one.accuracy >= floor - 1e-9)


@pytest.mark.parametrize("tolerance", [0.05, 0.2])
def test_of_rules_that_weigh_errors_against_time_the_earliest_within_the_tolerance_is_taken(tolerance: float) -> None:
    for fit_for, fit_within in ((fit_sr1, fit_sr1_within), (fit_economy, fit_economy_within)):
        mine = outcome(TRAIN, sweep(TRAIN, fit_within(TRAIN, tolerance)))
        tried = [outcome(TRAIN, sweep(TRAIN, fit_for(TRAIN, weight))) for weight in WEIGHTS]
        floor = TRAIN.correct()[:, -1].mean() - tolerance
        assert mine.mean_steps == min([6.0, *(one.mean_steps for one in tried if one.accuracy >= floor - 1e-9)])


@pytest.mark.parametrize("cost", [1.0, 2.2, 3.5, 5.9])
def test_seenn_i_at_equal_cost_is_the_level_whose_mean_stop_is_nearest(cost: float) -> None:
    def missed(level: float) -> float:
        return abs(float(sweep(TRAIN, confidence(level, 6)).stops.mean()) - cost)

    mine = missed(equal_cost_confidence(TRAIN, cost))
    seen = np.unique(TRAIN.scores("confidence").astype(np.float64).clip(0, 1))
    assert mine <= min(missed(float(level)) for level in seen) + 1e-9
