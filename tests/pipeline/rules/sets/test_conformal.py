"""Truths about conformal sets on few recordings, against a computation that can be followed by hand."""

from math import ceil, e

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.results import Evidence
from spikecut.pipeline.rules.sets.conformal import ConformalSets, fit_conformal, recordings_for_sets
from spikecut.pipeline.rules.sets.nonconformity import SetOptions, checkpoints, upper_quantile
from spikecut.pipeline.rules.sets.pooled import POOLINGS, PooledSets, _pooled, fit_pooled


def recordings(n: int, seed: int = 0, horizon: int = 4) -> RecordedOutputs:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    outputs = rng.normal(0, 1, (n, horizon, 3))
    outputs[np.arange(n), :, labels] += 0.8
    return RecordedOutputs(outputs.astype(np.float32), labels)


def strangeness(data: RecordedOutputs) -> list[list[float]]:
    """-ln p of the true class after each step of each recording."""
    totals = data.outputs.cumsum(axis=1, dtype=np.float32).astype(np.float64)
    return [
        [float(np.log(np.exp(one - one.max()).sum()) - (one[label] - one.max())) for one in steps]
        for steps, label in zip(totals, data.labels, strict=True)
    ]


def by_hand(ranking: RecordedOutputs, expecting: RecordedOutputs, alpha: float) -> list[float]:
    """Quantiles of all steps at once: the rank that all but alpha of the expecting half never exceed."""
    ranked, horizon = strangeness(ranking), ranking.horizon
    columns = [sorted(one[t] for one in ranked) for t in range(horizon)]
    spread = [max(float(np.std(column)), 1e-9) for column in columns]
    highest = sorted(
        max(
            sum(other < one[t] for other in columns[t]) + max(one[t] - columns[t][-1], 0) / spread[t]
            for t in range(horizon)
        )
        for one in strangeness(expecting)
    )
    k = ceil((1 - alpha) * (len(highest) + 1) - 1e-9)
    if k > len(highest):
        return [np.inf] * horizon
    rank = highest[k - 1]
    if rank < len(ranked):
        return [column[int(rank)] for column in columns]
    return [column[-1] + (rank - len(ranked)) * one for column, one in zip(columns, spread, strict=True)]


@pytest.mark.parametrize("n", [6, 9, 12, 24])
def test_one_half_ranks_and_the_other_says_what_rank_to_expect(n: int) -> None:
    differ = 0
    for seed in range(8):
        data = recordings(n, seed)
        ranking, expecting = data.split(0.5, seed)
        rule = fit_conformal(data, 0.3, seed=seed)
        assert isinstance(rule, ConformalSets)
        np.testing.assert_allclose(rule.quantiles, by_hand(ranking, expecting, 0.3), rtol=1e-5)
        same_again = [by_hand(ranking, ranking, 0.3), by_hand(expecting, expecting, 0.3)]
        differ += all(not np.allclose(rule.quantiles, other) for other in same_again)
    assert differ >= 4  # a half that is used twice gives other quantiles, so this test can tell


def test_a_recording_ranks_above_those_that_are_less_strange_only() -> None:
    """Two classes and whole spikes: many are equally strange."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        outputs = rng.integers(0, 2, (24, 4, 2)).astype(np.float32)
        data = RecordedOutputs(outputs, np.full(24, 1, np.int64))
        rule = fit_conformal(data, 0.3, seed=seed)
        assert isinstance(rule, ConformalSets)
        np.testing.assert_allclose(rule.quantiles, by_hand(*data.split(0.5, seed), 0.3), rtol=1e-5)


def test_p_values_of_members_are_pooled_as_published() -> None:
    p = np.array([[[0.1]], [[0.3]]])
    found = {how: float(_pooled(p, how)[0, 0]) for how in POOLINGS}
    assert found == pytest.approx({"mean": 0.4, "geometric": e * 0.03**0.5, "bonferroni": 0.2, "max": 0.3})
    assert all(float(_pooled(9 * p, how)[0, 0]) <= 1 for how in ("mean", "geometric", "bonferroni"))


def test_p_values_of_checkpoints_are_corrected_as_published() -> None:
    """Of 0.3 and 0.32 Bonferroni makes 0.6, Simes 0.32; of 0.2 and 0.9 both make 0.4."""
    p = np.array([[[0.3, 0.2], [0.32, 0.9]]])

    def kept(correction: str, level: float) -> list[bool]:
        rule = PooledSets(np.zeros((1, 2, 1)), np.array([1, 2]), 2, level, correction=correction)
        return list(rule._kept(p)[0].tolist())

    assert [kept("bonferroni", level) for level in (0.59, 0.61)] == [[True, False], [False, False]]
    assert [kept("bonferroni", level)[1] for level in (0.39, 0.41)] == [True, False]
    assert [kept("simes", level) for level in (0.31, 0.33)] == [[True, True], [False, True]]
    assert [kept("simes", level)[1] for level in (0.39, 0.41)] == [True, False]


def test_the_quantile_counts_one_infinity() -> None:
    values = np.array([3.0, 1.0, 2.0])
    assert [upper_quantile(values, alpha) for alpha in (0.25, 0.5, 0.75, 0.2)] == [3.0, 2.0, 1.0, np.inf]


def test_a_class_as_strange_as_the_quantile_stays_in_the_set() -> None:
    rule = ConformalSets("silence", np.array([1.0, 1.0]), 0.1, max_size=2)
    total = np.array([[0.0, 0.0, -1.0]], np.float32)  # after one step 1, 1 and 2 spikes are missing
    verdict, _ = rule.decide(Evidence(np.array([1]), total, total))
    assert verdict.sets is not None
    assert verdict.sets.tolist() == [[True, True, False]]
    assert verdict.stop.tolist() == [True]
    assert verdict.score.tolist() == [-2]


def test_a_step_without_a_quantile_never_stops() -> None:
    rule = ConformalSets("surprise", np.array([np.inf, 0.5]), 0.1, max_size=3)
    total = np.array([[9.0, 0.0, 0.0]], np.float32)
    assert [bool(rule.decide(Evidence(np.array([t]), total, total))[0].stop[0]) for t in (1, 2)] == [False, True]


def test_checkpoints_are_equally_spaced_and_end_at_the_horizon() -> None:
    assert checkpoints(12, 4).tolist() == [3, 6, 9, 12]
    assert checkpoints(7, 3).tolist() == [2, 4, 7]
    assert checkpoints(3, 8).tolist() == [1, 2, 3]


def test_each_checkpoint_gets_its_share_of_alpha_and_without_correction_every_step_gets_all_of_it() -> None:
    data = recordings(40)
    found = np.array(strangeness(data))
    few = fit_conformal(data, 0.4, SetOptions("bonferroni", n_checkpoints=2))
    none = fit_conformal(data, 0.4, SetOptions("none"))
    assert isinstance(few, ConformalSets)
    assert isinstance(none, ConformalSets)
    shared = [np.inf, upper_quantile(found[:, 1], 0.2), np.inf, upper_quantile(found[:, 3], 0.2)]
    np.testing.assert_allclose(few.quantiles, shared, rtol=1e-5)
    np.testing.assert_allclose(none.quantiles, [upper_quantile(found[:, t], 0.4) for t in range(4)], rtol=1e-5)


def test_p_values_count_the_recording_itself_and_ties_are_as_strange() -> None:
    """Scores 1, 2, 3 (n = 3): a class of strangeness 2 has p = (1 + 2) / 4; at a level of 0.75 it is removed."""
    scores = np.array([[[1.0, 2.0, 3.0]]])
    total = np.array([[-1.0, 0.0]], np.float32)  # after one step 2 and 1 spikes are missing
    for level, left in ((0.74, [True, True]), (0.75, [False, True]), (1.0, [False, False])):
        rule = PooledSets(scores, np.array([1]), 1, level, "silence", max_size=2)
        verdict, against = rule.decide(Evidence(np.array([1]), total, total))
        np.testing.assert_allclose(1 - against[0, 0], [0.75, 1.0])
        assert verdict.sets is not None
        assert verdict.sets[0].tolist() == left


def test_simes_weighs_the_smallest_p_value_most_and_is_never_stricter_than_bonferroni() -> None:
    """Two looks. The p-values are 1/4 and 3/4: min(2/4, 3/4) = 1/2. They are 1/2 twice: 1/2 too, Bonferroni says 1."""
    scores = np.array([[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]])
    first, second = np.array([[-3.0, -2.0]], np.float32), np.array([[0.0, -1.0]], np.float32)
    for correction, level, left in (
        ("simes", 0.49, [True, True]),
        ("simes", 0.5, [False, False]),
        ("bonferroni", 0.49, [True, True]),
        ("bonferroni", 0.5, [False, True]),
    ):
        rule = PooledSets(scores, np.array([1, 2]), 2, level, "silence", max_size=2, correction=correction)
        _, against = rule.decide(Evidence(np.array([1]), first, first))
        verdict, against = rule.decide(Evidence(np.array([2]), second - first, second), against)
        np.testing.assert_allclose(1 - against[0], [[0.25, 0.5], [0.75, 0.5]])
        assert verdict.sets is not None
        assert verdict.sets[0].tolist() == left


def test_the_number_it_takes_is_the_fewest_with_a_finite_quantile() -> None:
    for alpha in (0.1, 0.2, 0.34):
        n = recordings_for_sets(alpha)
        for fewer, finite in ((0, True), (1, False)):
            rule = fit_conformal(recordings(n - fewer), alpha)
            assert isinstance(rule, ConformalSets)
            assert np.isfinite(rule.quantiles).all() == finite


def test_simes_reads_the_sum_alone_and_other_options_are_checked() -> None:
    data = recordings(30)
    pooled = fit_conformal(data, 0.3, SetOptions("simes", n_checkpoints=2))
    assert isinstance(pooled, PooledSets)
    np.testing.assert_array_equal(
        sweep(data, pooled).stops, sweep(data, fit_pooled(data, 0.3, SetOptions("simes", n_checkpoints=2))).stops
    )
    with pytest.raises(ConfigError, match="leave the readout out"):
        fit_conformal(data.read_by(Readout("mean")), 0.3, SetOptions("simes"))
    with pytest.raises(ConfigError, match="correction 'mood'"):
        SetOptions("mood")
    with pytest.raises(ConfigError, match="0 checkpoints"):
        SetOptions(n_checkpoints=0)
