"""Truths about recorded outputs: which recordings a part holds, and which step a number belongs to."""

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.recorded import RecordedOutputs, first_stops

N = 20
DATA = RecordedOutputs(
    np.arange(N * 3 * 2, dtype=np.float32).reshape(N, 3, 2) % 7,
    np.arange(N) % 2,
    tuple(f"user {i // 2}" for i in range(N)),
)


def test_a_score_knows_its_step() -> None:
    np.testing.assert_array_equal(DATA.scores("step"), np.tile([1, 2, 3], (N, 1)))


def test_the_first_stop_is_counted_from_one_and_without_any_it_is_the_horizon() -> None:
    stop = np.array([[False, True, True], [True, False, False], [False, False, False], [False, False, True]])
    assert first_stops(stop).tolist() == [2, 1, 3, 3]


@pytest.mark.parametrize(("share", "n_first"), [(0.3, 3), (0.5, 5), (0.72, 7)])
def test_the_first_part_of_a_split_has_the_share_and_no_group_is_in_both(share: float, n_first: int) -> None:
    for seed in range(5):
        first, second = DATA.split(share, seed)
        assert len(set(first.groups)) == n_first
        assert len(first) == 2 * n_first
        assert set(first.groups) | set(second.groups) == set(DATA.groups)
        assert not set(first.groups) & set(second.groups)
    assert DATA.split(share, 0)[0].groups != DATA.split(share, 1)[0].groups


def test_picked_recordings_keep_all_that_is_known_of_them() -> None:
    which = np.array([7, 0, 12])
    picked = DATA.pick(which)
    np.testing.assert_array_equal(picked.outputs, DATA.outputs[which])
    assert picked.labels.tolist() == [1, 0, 0]
    assert picked.groups == ("user 3", "user 0", "user 6")


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(ConfigError, match="1 groups of recordings cannot be split 50% to 50%"):
        DATA.pick(np.array([0, 1])).split(0.5, 0)
