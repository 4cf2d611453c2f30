"""Truths about Learn then Test, worked by hand: what is counted, in which order levels are tried, where it ends."""

from dataclasses import replace
from math import comb

import numpy as np
import pytest

from spikecut.pipeline.recorded import Plans, RecordedOutputs, first_stops, sweep
from spikecut.pipeline.rules import ltt
from spikecut.pipeline.rules.step_budget import Planned


def leads(table: list[list[float]], n: int = 1, label: int = 0) -> RecordedOutputs:
    """Recordings of two classes whose summed evidence for the first has these leads after each step; n times each."""
    totals = np.repeat(np.array(table), n, axis=0)
    sums = np.stack([totals, np.zeros_like(totals)], axis=2)
    outputs = np.diff(sums, axis=1, prepend=0).astype(np.float32)
    return RecordedOutputs(outputs, np.full(len(totals), label, np.int64))


def joined(*parts: RecordedOutputs) -> RecordedOutputs:
    return RecordedOutputs(np.concatenate([p.outputs for p in parts]), np.concatenate([p.labels for p in parts]))


def test_the_tail_is_the_sum_of_binomial_probabilities() -> None:
    for lost, n, gap in ((0, 7, 0.2), (2, 11, 0.1), (5, 5, 0.3)):
        by_hand = sum(comb(n, k) * gap**k * (1 - gap) ** (n - k) for k in range(lost + 1))
        assert ltt._tail(lost, n, gap) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("gap", [0.01, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("delta", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("lost", [0, 1, 2, 5])
def test_recordings_needed_are_the_fewest(gap: float, delta: float, lost: int) -> None:
    n = ltt.recordings_needed(gap, delta, lost)
    assert ltt._tail(lost, n, gap) <= delta
    assert n == lost + 1 or ltt._tail(lost, n - 1, gap) > delta


def test_levels_are_tried_from_the_safest_to_the_boldest() -> None:
    for grid in ltt.GRIDS.values():
        assert (np.diff(grid) < 0).all()


def test_the_first_level_that_fails_ends_the_search_though_a_bolder_one_would_pass() -> None:
    """Right after one step, wrong after two, right at the end: a bolder level stops before the mistake."""
    data, grid = leads([[1, -2, 3]], 50), np.array([4.0, 2.0, 1.0])
    assert ltt.fit_marginal(data, 0.1, 0.1, score="top2_gap", grid=grid).thresholds[0] == 4
    assert ltt.fit_marginal(data, 0.1, 0.1, score="top2_gap", grid=np.array([4.0, 1.0])).thresholds[0] == 1
    assert ltt.fit_fixed(data, 0.1, 0.1).thresholds[0] == 3  # constants: from the longest down
    plans = Plans(np.log(np.array([[0.5, 0.3, 0.2]] * 50, np.float32)), "p")
    never = ltt.fit_planned(replace(data, plans=plans), 0.1, 0.1)
    assert not isinstance(never, Planned)  # a budget of two steps fails, so one of one step is not tried


def test_every_recording_counts_and_only_right_answers_can_be_lost() -> None:
    """0.9^30 = 0.042 and 0.9^29 = 0.047 are at most 0.05, 0.9^28 = 0.052 is not."""
    right, wrong, late = [5.0, 5.0], [-5.0, -5.0], [-5.0, 5.0]
    level = np.array([1.0])

    def proven(data: RecordedOutputs) -> bool:
        rule = ltt.fit_marginal(data, 0.1, 0.05, score="top2_gap", grid=level)
        assert (rule.thresholds[0] == 1) == (ltt.fit_fixed(data, 0.1, 0.05).thresholds[0] == 1)
        return bool(rule.thresholds[0] == 1)

    assert proven(leads([right], 29))
    assert not proven(leads([right], 28))
    assert proven(joined(leads([right], 20), leads([wrong], 9)))  # wrong at the end: nothing was lost, and it counts
    assert not proven(joined(leads([right], 28), leads([late], 1)))  # one lost
    gained = [5.0, -5.0]  # right when stopped, wrong at the end: no loss, and no credit for another one's
    assert not proven(joined(leads([right], 20), leads([gained], 8), leads([late], 1)))
    n = ltt.recordings_needed(0.1, 0.05, 1)
    assert proven(joined(leads([right], n - 1), leads([late], 1)))
    assert not proven(joined(leads([right], n - 2), leads([late], 1)))


def test_a_score_that_equals_the_threshold_stops_in_the_fit_and_in_the_rule() -> None:
    data = leads([[1.0, 2.0, 4.0]], 60)
    rule = ltt.fit_marginal(data, 0.1, 0.05, score="top2_gap", grid=np.array([4.0, 2.0]))
    assert rule.inclusive
    assert rule.thresholds.tolist() == [2, 2, 2]
    assert (sweep(data, rule).stops == 2).all()
    np.testing.assert_array_equal(sweep(data, rule).stops, first_stops(data.scores("top2_gap") >= 2))
    assert (sweep(data, ltt.fit_fixed(data, 0.1, 0.05)).stops == 1).all()


def test_the_conditional_rule_tests_from_the_last_step_on_and_ends_where_those_stopped_by_then_fail() -> None:
    """Half propose, half test. Sure ones stop at step 1, and in the testing half a tenth of them is lost there."""
    sure, late = [[8.0, 9.0, 9.0]], [[-8.0, 9.0, 9.0]]
    fine = leads(sure, 100)
    worse = joined(leads(sure, 90), leads(late, 10))
    options = {"score": "top2_gap", "grid": np.array([8.5, 4.0]), "seed": None}
    kept = ltt.fit_conditional(joined(fine, fine), 0.05, 0.05, **options)  # type: ignore[arg-type]
    assert kept.thresholds.tolist() == [4, 4, 4]
    ended = ltt.fit_conditional(joined(fine, worse), 0.05, 0.05, **options)  # type: ignore[arg-type]
    assert ended.thresholds.tolist() == [np.inf, 4, 4]


def test_the_conditional_promise_is_tested_on_one_half_alone() -> None:
    """0.9^30 is below a delta of 0.05, 0.9^15 is not: 30 recordings prove as one half, not as two halves of 15."""
    options = {"score": "top2_gap", "grid": np.array([8.5, 4.0]), "seed": None}
    for n, proven in ((60, True), (30, False)):
        rule = ltt.fit_conditional(leads([[8.0, 9.0, 9.0]], n), 0.1, 0.05, **options)  # type: ignore[arg-type]
        assert np.isfinite(rule.thresholds).all() == proven


def test_after_a_step_that_fails_no_earlier_step_is_tested() -> None:
    """Half of the testing part is lost at step 2; those that stop at step 1 alone would pass, and do not."""
    slow, lost, quick = [[1.0, 8.0, 9.0]], [[1.0, -8.0, 9.0]], [[8.0, 9.0, 9.0]]
    data = joined(leads(slow, 60), leads(quick, 60), leads(lost, 60), leads(quick, 60))
    rule = ltt.fit_conditional(data, 0.1, 0.05, score="top2_gap", grid=np.array([20.0, 4.0]), seed=None)
    assert rule.thresholds.tolist() == [np.inf, np.inf, 4]


def test_what_only_the_testing_half_would_propose_is_not_proposed() -> None:
    """A level of 4 at step 1 loses a tenth of the half that proposes; at 8.5 nobody stops, which proves nothing."""
    sure, late = [[8.0, 9.0, 9.0]], [[-8.0, 9.0, 9.0]]
    data = joined(leads(sure, 90), leads(late, 10), leads(sure, 100))
    rule = ltt.fit_conditional(data, 0.05, 0.05, score="top2_gap", grid=np.array([8.5, 4.0]), seed=None)
    assert rule.thresholds.tolist() == [np.inf, 4, 4]
