"""Truths about regularisers: RCS is the published one, the worst right recording alone is pulled, spikes cost."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikecut.models.architectures.networks import NetworkSpec, build
from spikecut.models.cells.activity import Activity, cosines, response
from spikecut.models.cells.lif import LIFCell
from spikecut.models.training.layer_activity import Driven
from spikecut.models.training.layerwise import outputs_and_layers, outputs_of
from spikecut.models.training.regularisation import gradient_ratio, lastingly_right, rate_loss, rcs_loss
from spikecut.pipeline.events import SensorSize

from golden import GOLDEN

RCS = GOLDEN["rcs_snn"]
LAYERS = [
    Activity(torch.tensor(RCS[name]["spike"]).float(), torch.tensor(RCS[name]["mem"]).float())
    for name in ("layerA", "layerB")
]
OUTPUTS, LABELS = torch.tensor(RCS["outputs_T_N_K"]).float().transpose(0, 1), torch.tensor(RCS["labels"])


def inverse_cosine(responses: Tensor) -> Tensor:
    return 1 / (cosines(responses) + 1e-5)


def naive_rcs(layers: Sequence[Activity], right: Tensor) -> Tensor:
    """What `rcs_loss` computes, for every recording with gradients."""
    return torch.stack([inverse_cosine(response(layer))[right].max() for layer in layers]).mean()


@pytest.mark.parametrize("at", [0, 1])
def test_the_inverse_cosine_is_that_of_the_published_code(at: int) -> None:
    expected = RCS[("layerA", "layerB")[at]]["inverse_cosine_per_sample"]
    torch.testing.assert_close(inverse_cosine(response(LAYERS[at])), torch.tensor(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [3, 4])
def test_of_a_few_steps_the_aim_is_all_of_them_or_the_last(steps: int) -> None:
    expected = torch.tensor(RCS[f"T{steps}_inverse_cosine_layerA"])
    torch.testing.assert_close(inverse_cosine(response(LAYERS[0])[:steps]), expected, rtol=1e-5, atol=1e-5)


def test_rcs_is_that_of_the_published_code() -> None:
    right = lastingly_right(OUTPUTS, LABELS, 0.3)
    assert right.tolist() == [bool(there) for there in RCS["mask_expected"]]
    assert naive_rcs(LAYERS, right).item() == pytest.approx(RCS["loss"], abs=1e-5)


def test_activity_that_never_turns_costs_one() -> None:
    """However strong it is: only the direction counts."""
    still = torch.rand(1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0)) + 1
    growing = still * torch.arange(1.0, 9.0)[:, None, None, None, None]
    torch.testing.assert_close(inverse_cosine(growing), torch.ones(2), rtol=1e-4, atol=1e-4)


def test_a_silent_layer_costs_much_and_pulls_with_finite_force() -> None:
    membranes = torch.full((5, 1, 4), -0.2)
    membranes[0] = 0.5
    membranes.requires_grad_()
    cost = inverse_cosine(response(Activity(torch.zeros(5, 1, 4), membranes)))
    assert cost.item() == pytest.approx(1e5, rel=1e-3)  # as published: an aim of nothing has no direction
    (gradient,) = torch.autograd.grad(cost.sum(), membranes)
    assert gradient.isfinite().all()


def test_being_right_lastingly_asks_of_the_last_steps_only_and_of_all_where_there_are_few() -> None:
    right, wrong = [1.0, 0.0], [0.0, 1.0]
    outputs = torch.tensor([[wrong] * 7 + [right] * 3, [right] * 7 + [right, wrong, right]])
    assert lastingly_right(outputs, torch.tensor([0, 0]), 0.3).tolist() == [True, False]
    assert lastingly_right(outputs[:, 5:8], torch.tensor([0, 0]), 0.3).tolist() == [False, True]


def driven(random: torch.Generator, *shape: int, steps: int) -> Driven:
    """A layer of three channels and what it is given."""
    cell = LIFCell(10_000, torch.tensor([0.1, 0.4, 0.9]))
    return Driven(cell, (torch.randn(*shape, generator=random) * 2 + 0.5).requires_grad_(), steps)


@settings(max_examples=40)
@given(
    st.integers(0, 1000),
    st.sampled_from([(7, 4, 3, 2, 5), (1, 4, 3, 2, 5), (7, 4, 3), (1, 4, 3)]),
    st.sampled_from([2, 4, 7]),
    st.booleans(),
)
def test_how_far_a_layer_turns_is_told_without_keeping_its_activity(
    seed: int, shape: tuple[int, ...], steps: int, bfloat16: bool
) -> None:
    """The kernel against spikes and membranes; also of currents that stand still, and of few bits."""
    layer = driven(torch.Generator().manual_seed(seed), *shape, steps=shape[0] if shape[0] > 1 else steps)
    if bfloat16:
        layer = Driven(layer.cell, layer.currents.bfloat16(), layer.steps)
    activity = layer.activity()
    assert len(activity.spikes) == layer.steps
    torch.testing.assert_close(layer.cosines(), cosines(response(activity)).detach(), rtol=1e-4, atol=1e-5)
    alone = layer.activity(2)
    assert torch.equal(alone.spikes, activity.spikes[:, 2:3])
    assert torch.equal(alone.membranes, activity.membranes[:, 2:3])


@given(st.integers(0, 1000))
def test_only_the_worst_right_recording_of_a_layer_receives_a_gradient(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    layers = [driven(random, 6, 4, 3, 2, 5, steps=6), driven(random, 1, 4, 3, 2, 2, steps=6)]
    outputs = torch.randn(4, 6, 3, generator=random)
    outputs[:, -1] += outputs[:, -2]  # most are right at the end
    labels = outputs[:, -1].argmax(1)
    labels[0] = (labels[0] + 1) % 3
    right = lastingly_right(outputs, labels, 0.2)
    assert right.tolist() == [False, True, True, True]
    loss, naive = rcs_loss(layers, outputs, labels, lasting=0.2), naive_rcs([one.activity() for one in layers], right)
    assert loss.item() == pytest.approx(naive.item(), rel=1e-4)
    parameters = [*(one.currents for one in layers), *(leak for one in layers for leak in one.cell.parameters())]
    found, wanted = torch.autograd.grad(loss, parameters), torch.autograd.grad(naive, parameters)
    for gradient, twin in zip(found, wanted, strict=True):
        torch.testing.assert_close(gradient, twin, rtol=1e-3, atol=1e-6)
    for gradient, layer in zip(found, layers, strict=False):
        touched = [lane for lane in range(4) if gradient[:, lane].any()]
        assert touched == [int(layer.cosines()[1:].argmin()) + 1]
    assert rcs_loss(layers, outputs, (labels + 1) % 3 * 0 - 1, lasting=0.2).item() == 0


def test_the_rate_above_its_target_is_what_costs() -> None:
    """Rates 0.5 and 0.1 by hand; a target of 0.2 leaves 0.3 and nothing."""
    layers = [Activity(torch.zeros(2, 1, 5), torch.zeros(2, 1, 5)) for _ in range(2)]
    layers[0].spikes.view(-1)[:5] = 1
    layers[1].spikes.view(-1)[:1] = 1
    assert rate_loss(layers).item() == pytest.approx(0.3)
    assert rate_loss(layers, 0.2).item() == pytest.approx(0.15)


def test_regularisers_reach_the_weights_of_every_layer() -> None:
    torch.manual_seed(0)
    network = build(NetworkSpec("compact", (4, 6), 3, 10_000, SensorSize(9, 8)))
    frames = torch.poisson(torch.full((5, 8, 2, 8, 9), 0.7))
    outputs, layers = outputs_and_layers(network.eval(), frames)
    assert torch.equal(outputs, outputs_of(network, frames))
    activities = [layer.activity() for layer in layers]
    assert [tuple(seen.spikes.shape) for seen in activities] == [(8, 5, 4, 8, 9), (8, 5, 6, 4, 4)]
    labels, kernels = outputs[:, -2:].sum(1).argmax(1), [n for n, _ in network.named_parameters() if "original" in n]
    assert len(kernels) == 2
    parameters: list[Tensor] = [dict(network.named_parameters())[name] for name in kernels]
    for loss in (rcs_loss(layers, outputs, labels, lasting=0.2), rate_loss(activities)):
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_the_ratio_is_that_of_the_lengths_of_both_gradients_and_leaves_everything_as_it_was() -> None:
    """Worked by hand: (6, 8), 0 is 10 long, (3, 0), 4 is 5 long; the second weight enters one of them alone."""
    first, second = torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)
    regulariser, task = (first * torch.tensor([6.0, 8.0])).sum(), 3 * first[0] + 4 * second.sum()
    assert gradient_ratio(regulariser, task, [first, second]) == pytest.approx(2)
    assert [first.grad, second.grad] == [None, None]
    (regulariser + task).backward()
    torch.testing.assert_close(first.grad, torch.tensor([9.0, 8.0]))


def test_a_regulariser_that_no_recording_enters_pulls_at_nothing() -> None:
    weight = torch.ones(1, requires_grad=True)
    assert gradient_ratio(torch.zeros(()), weight.sum(), [weight]) == 0
