"""Truths about company: another recording is added aside, and labels stay."""

import pytest
import torch

from spikecut.models.training.company import accompanied, moved_aside
from spikecut.models.training.plan import TrainingPlan
from spikecut.pipeline.errors import ConfigError
from spikecut.tools.training.recipe import read_recipe
from spikecut.tools.training.training_data import made_of


def recordings(n: int = 6) -> torch.Tensor:
    """Each shows its number plus one, everywhere."""
    return (torch.arange(n, dtype=torch.float32) + 1)[:, None, None, None, None].expand(n, 3, 2, 4, 8).contiguous()


def test_moved_aside_by_hand() -> None:
    row = torch.arange(1.0, 5.0).expand(1, 2, 1, 4)
    assert moved_aside(row, 1)[0, 0, 0].tolist() == [0, 1, 2, 3]
    assert moved_aside(row, -3)[0, 1, 0].tolist() == [4, 0, 0, 0]
    assert moved_aside(row, 0).equal(row)
    assert not moved_aside(row, 4).any()
    assert not moved_aside(row, -9).any()


def test_only_companions_are_laid_over_others_and_never_over_themselves() -> None:
    frames, labels = recordings(), torch.tensor([0, 1, 11, 0, 11, 2])
    values = set()
    for seed in range(40):
        laid = accompanied(frames, labels, 1.0, (11,), torch.Generator().manual_seed(seed))
        added = laid - frames
        assert (added >= 0).all()
        for at in range(6):
            there = set(added[at].unique().tolist()) - {0.0}
            assert there <= {3.0, 5.0} - {at + 1.0}, "what companions show, recordings 2 and 4"
            assert len(there) <= 1, "one companion"
            values |= there
        assert added.flatten(1).any(1).all(), "at most half of it leaves the frame"
    assert values == {3.0, 5.0}


def test_the_share_is_a_probability() -> None:
    frames, labels = recordings(200), torch.full((200,), 11)
    laid = accompanied(frames, labels, 0.3, (11,), torch.Generator().manual_seed(0))
    n_with = int((laid != frames).flatten(1).any(1).sum())
    assert 40 <= n_with <= 80, "60 are expected; binomial, four standard deviations are 26"


def test_without_company_nothing_is_drawn_and_without_companions_nothing_changes() -> None:
    frames, labels = recordings(), torch.zeros(6, dtype=torch.long)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert accompanied(frames, labels, 0.0, (), generator) is frames
    assert generator.get_state().equal(before)
    assert accompanied(frames, labels, 1.0, (11,), generator).equal(frames)


@pytest.mark.parametrize(("share", "classes"), [(0.3, ()), (0.0, (11,)), (0.3, (-1,)), (1.2, (11,))])
def test_a_share_without_classes_or_out_of_range_is_refused(share: float, classes: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="company"):
        TrainingPlan(6, company=share, companions=classes)


def test_a_training_that_was_begun_before_there_was_company_goes_on() -> None:
    """States know a plan by its repr, and recipes by `made_of`."""
    assert "compan" not in repr(TrainingPlan(6))
    assert not [name for name in made_of(read_recipe("gestures"), None) if "compan" in name]
    assert made_of(read_recipe("gestures-2"), None)["training.company"] == "0.2"
