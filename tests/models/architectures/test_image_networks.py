"""Truths about the networks for pictures: their size, that ways join, and that what stands still is computed once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikecut.models.architectures.image_networks import PICTURES
from spikecut.models.architectures.networks import NetworkSpec, build, forward_step
from spikecut.models.architectures.normalisation import TemporalBatchNorm
from spikecut.models.card import ModelCard
from spikecut.models.cells.conversion import ConvertedCell
from spikecut.models.cells.lif import LIFCell
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.files import checkpoint, opening
from spikecut.models.layers import Colours, Residual, sequential
from spikecut.models.training.layerwise import outputs_and_layers, outputs_of
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize

SIDE = SensorSize(32, 32)
SMALL = {  # widths of a fiftieth of the work, frames that leave one pixel
    "vgg16": ((3, 4, 4, 5, 5, 6), SIDE),
    "resnet18": ((3, 4, 5, 6), SensorSize(9, 12)),
    "resnet19": ((4, 5, 6), SensorSize(9, 12)),
    "vgg-compact": ((4, 5, 5), SensorSize(9, 8)),
}


def small(name: str, normalisation: str = "batch", levels: int = 0) -> tuple[NetworkSpec, nn.Module, Tensor]:
    """A narrow one whose statistics have seen pictures, and pictures."""
    widths, frame = SMALL[name]
    tebn_steps = 3 if normalisation == "tebn" else 0
    spec = NetworkSpec(name, widths, 4, 1_000, frame, normalisation, tebn_steps, inputs=3, levels=levels)
    torch.manual_seed(1)
    network, pictures = build(spec), torch.randint(256, (6, 1, 3, frame.height, frame.width)).float()
    for module in network.modules():
        if isinstance(module, TemporalBatchNorm):
            module.norm.momentum = 1.0  # statistics of these pictures at once
        if isinstance(module, ConvertedCell):
            nn.init.constant_(module.p.logarithm, 0.5)
    outputs_of(network, pictures, steps=None if levels else 4)
    return spec, network.eval(), pictures


def test_every_network_for_pictures_is_tested() -> None:
    assert {*SMALL} == {*PICTURES, "vgg-compact"}


@pytest.mark.parametrize(
    ("name", "convolved", "features"),
    [
        ("resnet18", 11_159_232, 512),  # 11.17 million parameters with normalisation and readout, as for CIFAR
        ("resnet19", 12_553_600, 512),
        ("vgg16", 14_710_464, 4096),
        ("vgg-compact", 793_440, 192 * 2 * 2),
    ],
)
def test_the_networks_are_as_large_as_the_papers(name: str, convolved: int, features: int) -> None:
    network = build(NetworkSpec(name, (), 10, 1_000, SIDE, "batch", inputs=3))
    kernels = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d))
    readout = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    assert (kernels, readout.in_features, readout.out_features) == (convolved, features, 10)
    learned = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    if name == "resnet18":
        assert learned == 11_173_962


@pytest.mark.parametrize("name", sorted(SMALL))
@pytest.mark.parametrize("steps", [1, 4])
def test_a_picture_that_stands_still_is_the_same_picture_again_and_again(name: str, steps: int) -> None:
    """The same outputs and gradients, in training and after it, with and without being watched."""
    _, network, pictures = small(name)
    again = pictures.expand(-1, steps, -1, -1, -1)
    for mode in (True, False):
        network.train(mode)
        wanted, layers = outputs_and_layers(network, again)
        found, still = outputs_and_layers(network, pictures, steps=steps)
        torch.testing.assert_close(outputs_of(network, pictures, steps=steps), wanted, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
        for layer, twin in zip(still, layers, strict=True):
            assert layer.activity().spikes.shape == twin.activity().spikes.shape
    parameters = [value for value in network.parameters() if value.requires_grad and value.numel()]
    gradients = [torch.autograd.grad(said.square().sum(), parameters) for said in (found, wanted)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3 * float(other.abs().max()))


@pytest.mark.parametrize(("normalisation", "levels"), [("batch", 0), ("tebn", 0), ("batch", 4)])
@pytest.mark.parametrize("name", sorted(SMALL))
def test_step_by_step_kept_and_loaded_they_say_what_they_were_trained_to_say(
    name: str, normalisation: str, levels: int, tmp_path: Path
) -> None:
    spec, network, pictures = small(name, normalisation, levels)
    whole, layers = outputs_and_layers(network, pictures, steps=5)
    torch.testing.assert_close(outputs_of(network, pictures, steps=5), whole, rtol=1e-3, atol=1e-3)
    assert all(0 < layer.activity().spikes.mean().item() < 1 for layer in layers)
    checkpoint.save(tmp_path, ModelCard("it", spec, tuple("abcd"), spec.frame, 4), network)
    for stepper in (NetworkStepper(network, spec), opening.load(tmp_path / "it")[0]):
        state = None
        for t in range(5):
            output, state = stepper.step(pictures[:, 0].byte().numpy(), state)
            np.testing.assert_allclose(output, whole[:, t].detach(), atol=2e-3)


def test_a_shortcut_adds_its_current_and_both_ways_keep_their_state() -> None:
    """Leak 0.5 by hand: the cell of the main way fires at 3, at every second step; the shortcut adds the input."""
    block = Residual(sequential(LIFCell(1_000, 0.5)), sequential())
    state, said = None, []
    for _ in range(4):
        out, state = block(torch.tensor([[1.5]]), state)
        said.append(out.item())
    assert said == [1.5, 2.5, 1.5, 2.5]
    kept = state
    first, _ = block(torch.tensor([[1.5]]), kept)
    again, _ = block(torch.tensor([[1.5]]), kept)
    assert torch.equal(first, again)


def test_lanes_of_a_residual_network_go_on_as_if_nothing_had_happened() -> None:
    spec, network, pictures = small("resnet18", "tebn")
    stepper, state = NetworkStepper(network, spec), None
    frames = [pictures[:, 0].roll(t, 0).byte().numpy() for t in range(4)]
    for frame in frames[:3]:
        _, state = stepper.step(frame, state)
    assert state is not None
    going, _ = stepper.step(frames[3], stepper.copy(state))
    fresh, _ = stepper.step(frames[3], None)
    picked, _ = stepper.step(frames[3][[2, 1, 0]], stepper.select(state, np.array([2, -1, 0])))
    np.testing.assert_allclose(picked[[0, 2]], going[[2, 0]], atol=1e-4)
    np.testing.assert_allclose(picked[1], fresh[1], atol=1e-4)


def test_every_weight_of_a_residual_network_learns() -> None:
    _, network, pictures = small("resnet19")
    outputs_of(network.train(), pictures, steps=4).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.endswith(("leak_logit", "scales"))


def test_colours_are_centred_and_scaled_and_a_network_takes_bytes() -> None:
    grey = torch.full((1, 3, 2, 2), 125.3)
    assert Colours()(grey)[0, 0].abs().max().item() == pytest.approx(0, abs=1e-5)
    assert Colours()(grey + 63)[0, 0, 0, 0].item() == pytest.approx(1)
    spec, network, pictures = small("vgg-compact")
    output, _ = NetworkStepper(network, spec).step(pictures[:, 0].byte().numpy(), None)
    said, _ = forward_step(network, pictures[:, 0], None)
    np.testing.assert_allclose(output, said.detach(), atol=1e-3)


def test_neighbours_of_the_same_width_are_a_stage_and_each_stage_halves_the_frame() -> None:
    network = build(NetworkSpec("vgg-compact", (4, 4, 6), 3, 1_000, SensorSize(16, 16), inputs=3))
    kinds = [type(layer).__name__ for layer in network.children() if isinstance(layer, nn.Conv2d | nn.MaxPool2d)]
    assert [name.removeprefix("Parametrized") for name in kinds] == [
        "Conv2d",
        "Conv2d",
        "MaxPool2d",
        "Conv2d",
        "MaxPool2d",
    ]
    assert [m.in_features for m in network.modules() if isinstance(m, nn.Linear)] == [6 * 4 * 4]


def test_networks_for_pictures_look_at_events_too() -> None:
    spec = replace(small("resnet18")[0], inputs=2)
    frames = np.random.default_rng(0).poisson(0.3, (2, 2, 12, 9)).astype(np.uint8)
    assert NetworkStepper(build(spec), spec).step(frames, None)[0].shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("resnet18", {"normalisation": "kernel"}, "'resnet18' with normalisation 'kernel'; expected batch or tebn"),
        ("resnet19", {"channels": (4, 4)}, "2 channels for architecture 'resnet19'; expected 3"),
        ("vgg16", {"frame": SensorSize(31, 32)}, "a 31x32 frame is too small for architecture 'vgg16'"),
        ("vgg-compact", {"channels": (2, 3, 4, 5)}, "a 9x8 frame is too small for architecture 'vgg-compact'"),
        ("vgg-compact", {"architecture": "compact-log"}, "'compact-log' with inputs 3; expected 2"),
    ],
)
def test_a_network_for_pictures_with_numbers_that_do_not_fit_is_refused(
    name: str, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        build(replace(small(name)[0], **change))  # type: ignore[arg-type]
