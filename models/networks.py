"""The architectures: each a short list of layers over Norse cells.

No batch normalisation. Few events have come by the first step, so statistics gathered over all steps
fit the first ones badly, and the first ones are what an early answer lives on. Instead the kernels
themselves are standardised (Qiao et al., arXiv 1903.10520) and scaled by a learned gain: no statistics
of the data, hence nothing that differs between training and streaming, or between steps.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from spikecut.models.neurons import LIFCell
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from norse.torch.module.sequential import SequentialState

_TRACES = (0.3, 0.1, 0.04)  # leaks a step: at 20 ms, memories of 0.06, 0.2 and 0.5 s
_GRID = 32  # squares along each side of the frames that `traces` looks at
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

    def scan(self, x: Tensor) -> Tensor:
        """All steps `(T, B, F)` at once."""
        _, kept = self.forward(x[0])
        return x if kept is None else x * kept


def compact(spec: NetworkSpec, *, of_logarithm: bool = False) -> nn.Module:
    """Convolutions with LIF cells, each followed by a 2 x 2 maximum, then one linear readout.

    A layer's spikes are pooled by "did any fire", so all that travels between layers is 0 or 1.
    """
    layers: list[nn.Module] = [LogCounts()] if of_logarithm else []
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


class LogCounts(nn.Module):
    """`ln(1 + n)` of the events at every pixel, or in every square of a `side` x `side` grid over the frame.

    A storm of events, or a hot pixel, does not drown the rest. Frames that were counted on the grid
    already, as training reads them, pass as they are.
    """

    def __init__(self, side: int | None = None) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        merged = x.shape[-1] // (self.side or x.shape[-1])
        if merged > 1:
            x = F.avg_pool2d(x, merged) * merged**2
        return x.log1p()


class Traces(nn.Module):
    """The frame, and beside it what leaky integrators of several memories hold of the frames before.

    `(B, C, H, W)` becomes `(B, C (1 + n), H, W)` for n leaks: the first layer sees where something was a
    moment ago and where it is now, graded, not only as spikes. Each trace is scaled by the root of its leak, so
    that slow ones are not drowned. The cells are Norse's LI without threshold: `v += leak (x - v)`.
    """

    def __init__(self, leaks: tuple[float, ...]) -> None:
        super().__init__()
        self.leaks = leaks

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        held = x.new_zeros(len(x), len(self.leaks), *x.shape[1:]) if state is None else state
        leaks = x.new_tensor(self.leaks).view(1, -1, 1, 1, 1)
        held = held + leaks * (x[:, None] - held)
        return torch.cat([x, (held * leaks.rsqrt()).flatten(1, 2)], 1), held

    def scan(self, x: Tensor) -> Tensor:
        """All steps `(T, B, C, H, W)` at once."""
        seen, state = [], None
        for frame in x:
            out, state = self.forward(frame, state)
            seen.append(out)
        return torch.stack(seen)


def traces(spec: NetworkSpec) -> nn.Module:
    """For things that move: the first layer sees now and before, and every layer has cells from quick to slow.

    The leaks of a layer's channels begin evenly spread (in their logarithm) between memories of about one
    step and of twelve, and are learned from there: what moves where is a question of several time
    constants (Perez-Nieves et al., Nature Communications 12:5791, 2021). The frame is merged to 32 x 32 squares,
    and every layer halves it.
    """
    layers: list[nn.Module] = [LogCounts(_GRID), Traces(_TRACES)]
    n_in, side = 2 * (1 + len(_TRACES)), _GRID
    for at, n_out in enumerate(spec.channels):
        convolution = nn.Conv2d(n_in, n_out, 3, padding=1) if at else nn.Conv2d(n_in, n_out, 5, 2, 2)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
        parametrize.register_parametrization(convolution, "weight", KernelStandard(n_out, gain=4.0))
        leaks = torch.logspace(math.log10(0.08), math.log10(0.8), n_out)[torch.randperm(n_out)]
        layers += [convolution, LIFCell(spec.step_us, leaks), *([nn.MaxPool2d(2)] if at else [])]
        n_in, side = n_out, side // 2
    readout = nn.Linear(n_in * side**2, spec.n_classes)
    nn.init.normal_(readout.weight, std=0.02)
    nn.init.zeros_(readout.bias)
    network: nn.Module = SequentialState(*layers, nn.Flatten(), FrameDropout(0.2), readout)
    return network


ARCHITECTURES: dict[str, Callable[[NetworkSpec], nn.Module]] = {
    "compact": compact,
    "compact-log": partial(compact, of_logarithm=True),
    "traces": traces,
}


def build(spec: NetworkSpec) -> nn.Module:
    """A network with fresh weights, in training mode; `fold` makes it one to stream with.

    Raises:
        ModelError: if there is no such architecture, or the frame is too small for its layers.
    """
    if spec.architecture not in ARCHITECTURES:
        raise ModelError(f"architecture {spec.architecture!r}; expected one of {', '.join(ARCHITECTURES)}")
    merges = spec.architecture == "traces"
    smallest = _GRID if merges else min(spec.frame.width, spec.frame.height)
    if smallest >> len(spec.channels) == 0:
        raise ModelError(f"{len(spec.channels)} halvings leave nothing of a {spec.frame} frame")
    if merges and (spec.frame.width != spec.frame.height or spec.frame.width % _GRID):
        raise ModelError(f"a {spec.frame} frame; this network merges squares whose side is a multiple of {_GRID}")
    return ARCHITECTURES[spec.architecture](spec)


def fold(network: nn.Module) -> nn.Module:
    """Works the kernel standard into plain weights, in place: the same outputs, fewer operations."""
    for module in network.modules():
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return network


def unfolded(weights: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The state of a network in training that computes what these folded weights do: the inverse of `fold`.

    Folded kernels have mean 0, so they are their own standard, and their length is the gain.
    """
    state = {}
    for name in network.state_dict():
        layer, parametrized, which = name.partition(".parametrizations.weight.")
        if not parametrized:
            state[name] = weights[name]
        elif which == "original":
            state[name] = weights[f"{layer}.weight"]
        else:
            state[name] = weights[f"{layer}.weight"].square().sum((1, 2, 3), keepdim=True).sqrt()
    return state


def forward_step(network: nn.Module, frames: Tensor, state: State | None) -> tuple[Tensor, State]:
    """One step: frames `(B, 2, H, W)` in, outputs `(B, K)` and the new state out; `None` is rest.

    Norse's container writes into the list of states that it is given, so it gets a copy.
    """
    output, state = network(frames, None if state is None else list(state))
    return output, state
