"""The architectures: each a short list of layers over Norse cells.

No batch normalisation. Few events have come by the first step, so statistics gathered over all steps
fit the first ones badly, and the first ones are what an early answer lives on. Instead the kernels
themselves are standardised (Qiao et al., arXiv 1903.10520) and scaled by a learned gain: no statistics
of the data, hence nothing that differs between training and streaming, or between steps.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from spikecut.models.neurons import LIFCell
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from norse.torch.module.sequential import SequentialState

State = list[Any]  # one entry a layer, None for those without memory; tensors have the batch first


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """All that is needed to build a network again: a name of `ARCHITECTURES` and its numbers."""

    architecture: str
    channels: tuple[int, ...]
    n_classes: int
    step_us: int
    frame: SensorSize


class KernelStandard(nn.Module):
    """Every kernel with mean 0 and length 1, times a learned gain. Weights `(out, in, height, width)`."""

    def __init__(self, n_kernels: int, gain: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((n_kernels, 1, 1, 1), gain))

    def forward(self, weight: Tensor) -> Tensor:
        centred = weight - weight.mean((1, 2, 3), keepdim=True)
        length = centred.square().sum((1, 2, 3), keepdim=True).add(1e-6).sqrt()
        return self.gain * centred / length


class FrameDropout(nn.Module):
    """Dropout that forgets the same features at every step of a recording, in training only.

    A fresh mask at every step would average out over the steps and teach nothing.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        if not self.training or self.share == 0:
            return x, None
        if state is None:
            state = (torch.rand_like(x) >= self.share) / (1 - self.share)
        return x * state, state


def compact(spec: NetworkSpec) -> nn.Module:
    """Convolutions with LIF cells, each followed by a 2 x 2 maximum, then one linear readout.

    A layer's spikes are pooled by "did any fire", so all that travels between layers is 0 or 1.
    """
    layers: list[nn.Module] = []
    n_in, height, width = 2, spec.frame.height, spec.frame.width
    for n_out in spec.channels:
        convolution = nn.Conv2d(n_in, n_out, 3, padding=1)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
        parametrize.register_parametrization(convolution, "weight", KernelStandard(n_out, gain=4.0))
        layers += [convolution, LIFCell(spec.step_us), nn.MaxPool2d(2)]
        n_in, height, width = n_out, height // 2, width // 2
    readout = nn.Linear(n_in * height * width, spec.n_classes)
    nn.init.normal_(readout.weight, std=0.02)
    nn.init.zeros_(readout.bias)
    network: nn.Module = SequentialState(*layers, nn.Flatten(), FrameDropout(0.2), readout)
    return network


ARCHITECTURES: dict[str, Callable[[NetworkSpec], nn.Module]] = {"compact": compact}


def build(spec: NetworkSpec) -> nn.Module:
    """A network with fresh weights, in training mode; `fold` makes it one to stream with.

    Raises:
        ModelError: if there is no such architecture, or the frame is too small for its layers.
    """
    if spec.architecture not in ARCHITECTURES:
        raise ModelError(f"architecture {spec.architecture!r}; expected one of {', '.join(ARCHITECTURES)}")
    if min(spec.frame.width, spec.frame.height) >> len(spec.channels) == 0:
        raise ModelError(f"{len(spec.channels)} halvings leave nothing of a {spec.frame} frame")
    return ARCHITECTURES[spec.architecture](spec)


def fold(network: nn.Module) -> nn.Module:
    """Works the kernel standard into plain weights, in place: the same outputs, fewer operations."""
    for module in network.modules():
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return network


def forward_step(network: nn.Module, frames: Tensor, state: State | None) -> tuple[Tensor, State]:
    """One step: frames `(B, 2, H, W)` in, outputs `(B, K)` and the new state out; `None` is rest.

    Norse's container writes into the list of states that it is given, so it gets a copy.
    """
    output, state = network(frames, None if state is None else list(state))
    return output, state
