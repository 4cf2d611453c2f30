"""Truths about the papers' networks: their size, their shapes, and that they step as they were trained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikecut.models.architectures.networks import NetworkSpec, build
from spikecut.models.architectures.normalisation import TemporalBatchNorm
from spikecut.models.architectures.paper_networks import PAPERS
from spikecut.models.card import ModelCard
from spikecut.models.cells.lif import LIFCell
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.files import checkpoint, opening
from spikecut.models.training.layerwise import outputs_and_layers, outputs_of
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize

PUBLISHED = {  # frame, classes, steps
    "vggann": (SensorSize(128, 128), 10, 10),
    "vggsnn": (SensorSize(128, 128), 10, 10),
    "vggann-ncaltech101": (SensorSize(240, 180), 101, 10),
    "vgg-gesture": (SensorSize(128, 128), 11, 16),
    "vggsnn-woap": (SensorSize(48, 48), 10, 10),
}
SMALL = {  # widths of a fiftieth of the work, frames that leave one pixel
    "vggann": ((3, 3, 4, 4, 4, 5, 5, 5, 5), SensorSize(64, 64)),
    "vggsnn": ((3, 3, 4, 4, 4, 5, 5, 5, 5), SensorSize(64, 64)),
    "vggann-ncaltech101": ((3, 3, 4, 4, 4, 5, 5, 5, 5), SensorSize(80, 64)),
    "vgg-gesture": ((3, 4, 4, 4, 4, 4, 6), SensorSize(128, 128)),
    "vggsnn-woap": ((3, 4, 4, 4, 5, 5, 5, 5), SensorSize(16, 16)),
}


def published(name: str, normalisation: str = "batch") -> NetworkSpec:
    frame, n_classes, steps = PUBLISHED[name]
    return NetworkSpec(name, (), n_classes, 100_000, frame, normalisation, steps if normalisation == "tebn" else 0)


def small(name: str, normalisation: str) -> tuple[NetworkSpec, nn.Module, Tensor]:
    """A narrow one whose statistics have seen data, and frames of which a few steps lie beyond its training."""
    widths, frame = SMALL[name]
    spec = NetworkSpec(name, widths, 4, 100_000, frame, normalisation, 4 if normalisation == "tebn" else 0)
    torch.manual_seed(1)
    network, frames = build(spec), torch.poisson(torch.full((3, 6, 2, frame.height, frame.width), 0.5))
    for module in network.modules():
        if isinstance(module, TemporalBatchNorm):
            module.norm.momentum = 1.0  # statistics of these frames at once
    outputs_of(network, frames)
    return spec, network.eval(), frames


def test_every_paper_network_is_tested() -> None:
    assert set(PUBLISHED) == set(SMALL) == set(PAPERS)


@pytest.mark.parametrize(
    ("name", "convolved", "features"),
    [
        ("vggann", 9_254_912, 512 * 2 * 2),
        ("vggsnn", 9_254_912 + 2 * 64 * (8 * 8 - 4 * 4), 512 * 2 * 2),
        ("vggann-ncaltech101", 9_254_912, 512 * 2 * 3),
        ("vgg-gesture", 2 * 64 * 16 + 64 * 128 * 9 + 4 * 128 * 128 * 9, 512),
        ("vggsnn-woap", 9_254_912 - 2 * 64 * 16 - 64 * 64 * 9 + 2 * 64 * 9, 512 * 3 * 3),
    ],
)
def test_the_networks_are_as_large_as_the_papers(name: str, convolved: int, features: int) -> None:
    """vggann has 9.28 million parameters: 9 254 912 in kernels, 5 632 in normalisation, 20 490 in the readout."""
    network = build(published(name))
    kernels = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d))
    readout = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    assert (kernels, readout.in_features, readout.out_features) == (convolved, features, PUBLISHED[name][1])
    learned = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    if name == "vggann":
        assert learned == 9_254_912 + 2 * (64 + 64 + 128 + 256 + 256 + 4 * 512) + 2048 * 10 + 10
        assert round(learned / 1e6, 2) == 9.28


@pytest.mark.parametrize("name", sorted(PAPERS))
def test_one_step_of_the_published_size_gives_an_output_a_class(name: str) -> None:
    spec = published(name, "tebn")
    stepper = NetworkStepper(build(spec), spec)
    output, _ = stepper.step(np.ones((1, 2, spec.frame.height, spec.frame.width), np.uint8), None)
    assert output.shape == (1, PUBLISHED[name][1])


@pytest.mark.parametrize("normalisation", ["batch", "tebn"])
@pytest.mark.parametrize("name", sorted(PAPERS))
def test_step_by_step_kept_and_loaded_they_say_what_they_were_trained_to_say(
    name: str, normalisation: str, tmp_path: Path
) -> None:
    spec, network, frames = small(name, normalisation)
    whole, layers = outputs_and_layers(network, frames)
    torch.testing.assert_close(outputs_of(network, frames), whole)
    assert len(layers) == len(spec.channels)
    assert all(0 < layer.activity().spikes.mean().item() < 1 for layer in layers)
    checkpoint.save(tmp_path, ModelCard("it", spec, tuple("abcd"), spec.frame, 4), network)
    for stepper in (NetworkStepper(network, spec), opening.load(tmp_path / "it")[0]):
        state = None
        for t in range(frames.shape[1]):
            output, state = stepper.step(frames[:, t].numpy(), state)
            np.testing.assert_allclose(output, whole[:, t].detach(), atol=1e-3)


def test_every_parameter_of_a_paper_network_learns_but_the_leaks() -> None:
    _, network, frames = small("vgg-gesture", "tebn")
    outputs_of(network.train(), frames[:, :4]).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.endswith("leak_logit")
    assert all(torch.sigmoid(m.leak_logit).item() == 0.5 for m in network.modules() if isinstance(m, LIFCell))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalisation": "kernel"}, "'vggann' with normalisation 'kernel'; expected batch or tebn"),
        ({"channels": (4, 4)}, "2 channels for architecture 'vggann'; expected 9"),
        ({"frame": SensorSize(63, 64)}, "a 63x64 frame is too small for architecture 'vggann'"),
    ],
)
def test_a_paper_network_with_numbers_that_do_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    import dataclasses

    with pytest.raises(ModelError, match=message):
        build(dataclasses.replace(published("vggann"), **change))  # type: ignore[arg-type]
