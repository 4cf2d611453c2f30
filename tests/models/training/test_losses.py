"""Truths about losses: those of the published code, and what each of them asks of which step."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from spikecut.models.training.losses import Loss, evidence_loss, mean_loss, per_step_loss, tet_loss
from spikecut.pipeline.errors import ConfigError

from golden import GOLDEN, floats

TET = GOLDEN["tet"]
OUTPUTS = torch.tensor(TET["logits_T_N_K"]).transpose(0, 1)  # (B, T, K)
LABELS = torch.tensor(TET["labels"])


def drawn(seed: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(4, 5, 3, generator=random), torch.randint(3, (4,), generator=random)


@pytest.mark.parametrize("case", TET["cases"])
def test_tet_is_that_of_the_published_code(case: dict[str, float]) -> None:
    means, lamb = floats([case["means"], case["lamb"]])
    assert tet_loss(OUTPUTS, LABELS, means=means, lamb=lamb).item() == pytest.approx(case["loss"], abs=1e-6)
    twice = Loss(evidence=0.0, per_step=2.0, tet_lambda=lamb, tet_means=means)(OUTPUTS, LABELS)
    assert twice.item() == pytest.approx(2 * case["loss"], abs=1e-6)


def test_the_loss_of_the_mean_output_is_that_of_the_published_code() -> None:
    assert mean_loss(OUTPUTS, LABELS).item() == pytest.approx(TET["mean_output_ce"], abs=1e-6)


def test_the_loss_is_that_of_a_stopped_network_at_every_step() -> None:
    said = torch.tensor([[[1.0, 0.0], [0.0, 3.0]]])
    by_hand = (math.log(1 + math.exp(-1.0)) + math.log(1 + math.exp(2.0))) / 2
    assert evidence_loss(said, torch.tensor([0])).item() == pytest.approx(by_hand, rel=1e-6)


@given(st.integers(0, 1000))
def test_only_the_evidence_loss_knows_the_order_of_the_steps(seed: int) -> None:
    outputs, labels = drawn(seed)
    back = outputs.flip(1)
    for blind in (per_step_loss, mean_loss, tet_loss):
        assert blind(back, labels).item() == pytest.approx(blind(outputs, labels).item(), abs=1e-5)
    assert evidence_loss(back, labels).item() != pytest.approx(evidence_loss(outputs, labels).item(), abs=1e-5)


@given(st.integers(0, 1000))
def test_a_mean_output_is_never_worse_than_its_steps_are_on_average(seed: int) -> None:
    """Cross-entropy is convex in the outputs."""
    outputs, labels = drawn(seed)
    assert mean_loss(outputs, labels).item() <= per_step_loss(outputs, labels).item() + 1e-6


def test_of_a_single_step_all_losses_are_the_same() -> None:
    outputs, labels = drawn(0)
    outputs = outputs[:, :1]
    expected = mean_loss(outputs, labels).item()
    assert evidence_loss(outputs, labels).item() == pytest.approx(expected, rel=1e-6)
    assert per_step_loss(outputs, labels).item() == pytest.approx(expected, rel=1e-6)
    assert tet_loss(outputs, labels, lamb=0.0).item() == pytest.approx(expected, rel=1e-6)


@given(st.floats(0, 2), st.floats(0, 2), st.floats(0.1, 2), st.floats(0, 0.5))
def test_a_mix_is_the_weighted_sum_of_its_parts(evidence: float, per_step: float, mean: float, smooth: float) -> None:
    outputs, labels = drawn(1)
    lamb = 0.1 if per_step else 0.0
    found = Loss(evidence, per_step, mean, tet_lambda=lamb, tet_means=0.5, label_smoothing=smooth)(outputs, labels)
    expected = (
        evidence * evidence_loss(outputs, labels, label_smoothing=smooth)
        + per_step * tet_loss(outputs, labels, means=0.5, lamb=lamb, label_smoothing=smooth)
        + mean * mean_loss(outputs, labels, label_smoothing=smooth)
    )
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_smoothing_gives_every_class_its_share_of_the_label() -> None:
    """Three classes, 0.3 spread: the right one is wanted with 0.8, the others with 0.1."""
    outputs = torch.tensor([[[1.0, 0.0, -1.0]]])
    log_p = outputs[0, 0].log_softmax(0).numpy()
    by_hand = -(np.array([0.8, 0.1, 0.1]) * log_p).sum()
    for loss in (evidence_loss, per_step_loss, mean_loss):
        assert loss(outputs, torch.tensor([0]), label_smoothing=0.3).item() == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"evidence": 0.0}, "all 0"),
        ({"mean": -1.0}, "mean is -1.0; expected a number of 0 or more"),
        ({"per_step": math.nan}, "per_step is nan"),
        ({"tet_lambda": 0.1}, "tet_lambda is 0.1 where per_step is 0"),
        ({"per_step": 1.0, "tet_lambda": 1.1}, "shares of 1"),
        ({"label_smoothing": 1.0}, "shares of 1"),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused(numbers: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Loss(**numbers)


@given(st.integers(0, 1000), st.floats(0, 1), st.sampled_from((0.0, 0.2)))
def test_the_loss_of_a_share_of_each_class_is_that_share_of_the_losses(seed: int, share: float, smooth: float) -> None:
    """Cross-entropy is linear in the target."""
    outputs, labels = drawn(seed)
    others = labels.roll(1)
    targets = share * F.one_hot(labels, 3) + (1 - share) * F.one_hot(others, 3)
    loss = Loss(evidence=0.7, per_step=0.5, mean=0.3, tet_lambda=0.1, label_smoothing=smooth)
    expected = share * loss(outputs, labels) + (1 - share) * loss(outputs, others)
    assert loss(outputs, targets).item() == pytest.approx(expected.item(), rel=1e-5)
