"""Truths about regularisers: RCS is the published one, the worst right recording alone is pulled, spikes cost."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spikecut.models.layerwise import outputs_and_activity, outputs_of
from spikecut.models.networks import NetworkSpec, build
from spikecut.models.regularisation import inverse_cosine, lastingly_right, rate_loss, rcs_loss, response
from spikecut.models.scan import Activity
from spikecut.pipeline.events import SensorSize

from golden import GOLDEN

RCS = GOLDEN["rcs_snn"]
LAYERS = [
    Activity(torch.tensor(RCS[name]["spike"]).float(), torch.tensor(RCS[name]["mem"]).float())
    for name in ("layerA", "layerB")
]
OUTPUTS, LABELS = torch.tensor(RCS["outputs_T_N_K"]).float().transpose(0, 1), torch.tensor(RCS["labels"])


@pytest.mark.parametrize("at", [0, 1])
def test_the_inverse_cosine_is_that_of_the_published_code(at: int) -> None:
    expected = RCS[("layerA", "layerB")[at]]["inverse_cosine_per_sample"]
    torch.testing.assert_close(inverse_cosine(response(LAYERS[at])), torch.tensor(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [3, 4])
def test_of_a_few_steps_the_aim_is_all_of_them_or_the_last(steps: int) -> None:
    expected = torch.tensor(RCS[f"T{steps}_inverse_cosine_layerA"])
    torch.testing.assert_close(inverse_cosine(response(LAYERS[0])[:steps]), expected, rtol=1e-5, atol=1e-5)


def test_rcs_is_that_of_the_published_code() -> None:
    assert lastingly_right(OUTPUTS, LABELS, 0.3).tolist() == [bool(there) for there in RCS["mask_expected"]]
    assert rcs_loss(LAYERS, OUTPUTS, LABELS).item() == pytest.approx(RCS["loss"], abs=1e-5)


def test_rcs_of_wrong_answers_is_nothing() -> None:
    assert rcs_loss(LAYERS, OUTPUTS, (LABELS + 1) % 4).item() == 0


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


@given(st.integers(0, 1000))
def test_only_the_worst_right_recording_of_a_layer_receives_a_gradient(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    spikes = (torch.rand(6, 4, 20, generator=random) < 0.4).float().requires_grad_()
    membranes = (torch.randn(6, 4, 20, generator=random) * (1 - spikes)).detach().requires_grad_()
    outputs = torch.randn(4, 6, 3, generator=random)
    labels = outputs[:, -1].argmax(1)
    labels[0] = (labels[0] + 1) % 3  # one is wrong
    layer = Activity(spikes, membranes)
    loss = rcs_loss([layer], outputs, labels)
    loss.backward()
    assert spikes.grad is not None
    assert membranes.grad is not None

    naive = (inverse_cosine(response(layer)) * torch.tensor([0.0, 1.0, 1.0, 1.0])).max()
    assert loss.item() == pytest.approx(naive.item(), rel=1e-5)
    worst = int(inverse_cosine(response(layer))[1:].argmax()) + 1
    touched = [lane for lane in range(4) if spikes.grad[:, lane].any()]
    assert touched == [worst]
    for parameter in (spikes, membranes):
        (expected,) = torch.autograd.grad(naive, parameter, retain_graph=True)
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-6)
    assert not membranes.grad[membranes <= 0].any()  # a spike leaves its membrane at 0
    assert membranes.grad[:, worst][membranes[:, worst] > 0].any()


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
    outputs, layers = outputs_and_activity(network.eval(), frames)
    assert torch.equal(outputs, outputs_of(network, frames))
    assert [tuple(layer.spikes.shape) for layer in layers] == [(8, 5, 4, 8, 9), (8, 5, 6, 4, 4)]
    labels, kernels = outputs[:, -2:].sum(1).argmax(1), [n for n, _ in network.named_parameters() if "original" in n]
    assert len(kernels) == 2
    parameters: list[Tensor] = [dict(network.named_parameters())[name] for name in kernels]
    for loss in (rcs_loss(layers, outputs, labels, lasting=0.2), rate_loss(layers)):
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        assert all(gradient.abs().sum() > 0 for gradient in gradients)
