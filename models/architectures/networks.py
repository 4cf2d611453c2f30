"""The architectures: each a short list of layers over Norse cells."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from spikecut.models.architectures.image_networks import PICTURES, picture_net, vgg_compact
from spikecut.models.architectures.layer_table import first_layers
from spikecut.models.architectures.normalisation import TemporalBatchNorm, convolution
from spikecut.models.architectures.paper_networks import PAPERS, paper
from spikecut.models.cells.conversion import cell_for, pooling_for
from spikecut.models.cells.lif import LIFCell
from spikecut.models.layers import FrameDropout, LogCounts, Traces, sequential, take_place
from spikecut.models.spec import NetworkSpec as NetworkSpec
from spikecut.pipeline.errors import ModelError

_TRACES = (0.3, 0.1, 0.04)  # leaks a step: at 20 ms, memories of 0.06, 0.2 and 0.5 s
_GRID = 32  # squares along each side of the frames that `traces` looks at
State = list[Any]  # one entry a layer, None for those without memory; tensors have the batch first


def compact(spec: NetworkSpec, *, of_logarithm: bool = False) -> nn.Module:
    """Convolutions with LIF cells, each followed by a 2 x 2 maximum, then one linear readout.

    A layer's spikes are pooled by "did any fire", so all that travels between layers is 0 or 1.
    """
    if min(spec.frame.width, spec.frame.height) >> len(spec.channels) == 0:
        raise ModelError(f"{len(spec.channels)} halvings leave nothing of a {spec.frame} frame")
    if of_logarithm:
        _check_events(spec)
    layers: list[nn.Module] = [*([LogCounts()] if of_logarithm else []), *first_layers(spec)]
    n_in, height, width = spec.inputs, spec.frame.height, spec.frame.width
    for n_out in spec.channels:
        layers += [*convolution(spec, n_in, n_out, leak=0.3), cell_for(spec, leak=0.3), pooling_for(spec)]
        n_in, height, width = n_out, height // 2, width // 2
    return sequential(*layers, nn.Flatten(), FrameDropout(0.2), _readout(n_in * height * width, spec))


def traces(spec: NetworkSpec) -> nn.Module:
    """For things that move: the first layer sees now and before, and every layer has cells from quick to slow.

    The leaks of a layer's channels begin evenly spread (in their logarithm) between memories of about one
    step and of twelve, and are learned from there: what moves where is a question of several time
    constants (Perez-Nieves et al., Nature Communications 12:5791, 2021). The frame is merged to 32 x 32 squares,
    and every layer halves it.
    """
    if _GRID >> len(spec.channels) == 0:
        raise ModelError(f"{len(spec.channels)} halvings leave nothing of {_GRID} x {_GRID} squares")
    if spec.frame.width != spec.frame.height or spec.frame.width % _GRID:
        raise ModelError(f"a {spec.frame} frame; this network merges squares whose side is a multiple of {_GRID}")
    _check_events(spec)
    if spec.levels:
        raise ModelError(
            f"architecture 'traces' with levels {spec.levels}; expected 0",
            hint="its cells forget at their own pace, and what is converted from an ANN forgets nothing",
        )
    layers: list[nn.Module] = [LogCounts(_GRID), Traces(_TRACES)]
    n_in, side = spec.inputs * (1 + len(_TRACES)), _GRID
    for at, n_out in enumerate(spec.channels):
        first = {"kernel": 5, "stride": 2, "padding": 2}
        layers += convolution(spec, n_in, n_out, leak=0.3, **({} if at else first))
        leaks = torch.logspace(math.log10(0.08), math.log10(0.8), n_out)[torch.randperm(n_out)]
        layers += [LIFCell(spec.step_us, leaks), *([nn.MaxPool2d(2)] if at else [])]
        n_in, side = n_out, side // 2
    return sequential(*layers, nn.Flatten(), FrameDropout(0.2), _readout(n_in * side**2, spec))


def _check_events(spec: NetworkSpec) -> None:
    if spec.inputs != 2:
        raise ModelError(
            f"architecture {spec.architecture!r} with inputs {spec.inputs}; it takes the logarithm of counts of events",
            hint="vgg-compact, vgg16, resnet18, resnet19 and compact look at pictures",
        )


def _readout(n_features: int, spec: NetworkSpec) -> nn.Linear:
    readout = nn.Linear(n_features, spec.n_classes)
    nn.init.normal_(readout.weight, std=0.02)
    nn.init.zeros_(readout.bias)
    return readout


ARCHITECTURES: dict[str, Callable[[NetworkSpec], nn.Module]] = {
    "compact": compact,
    "compact-log": partial(compact, of_logarithm=True),
    "traces": traces,
    **dict.fromkeys(PAPERS, paper),
    "vgg-compact": vgg_compact,
    **dict.fromkeys(PICTURES, picture_net),
}


def build(spec: NetworkSpec) -> nn.Module:
    """A network with fresh weights, in training mode; `NetworkStepper` streams with it.

    Raises:
        ModelError: if there is no such architecture, or its numbers do not fit it: a frame that is too small for
            its layers, a normalisation that it does not have.
    """
    if spec.architecture not in ARCHITECTURES:
        raise ModelError(f"architecture {spec.architecture!r}; expected one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[spec.architecture](spec)


def plain(network: nn.Module) -> nn.Module:
    """Works the kernel standard into plain weights, in place: how a network is kept; `unfolded` is the way back."""
    for module in network.modules():
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return network


def fold(network: nn.Module) -> nn.Module:
    """Works all that normalises into plain weights, in place: the same outputs, fewer operations; for stepping only.

    Kernels, and batch normalisation by the statistics of the training; TEBN, other at every step, stays. It is not
    kept like this, since the weights alone do not tell what a training that goes on would normalise.
    """
    for module in plain(network).modules():
        for at, (layer, norm) in enumerate(pairwise(module.children())):
            if isinstance(norm, TemporalBatchNorm) and not len(norm.scales):
                _merge(layer, norm.norm)
                take_place(module, at + 1, nn.Identity())
    return network


def _merge(layer: Any, norm: Any) -> None:
    """Batch normalisation into the convolution or linear layer whose outputs it normalises."""
    gain = norm.weight * (norm.running_var + norm.eps).rsqrt()
    bias = 0 if layer.bias is None else layer.bias
    layer.weight = nn.Parameter(layer.weight * gain.view(-1, *[1] * (layer.weight.ndim - 1)))
    layer.bias = nn.Parameter(norm.bias + gain * (bias - norm.running_mean))


def unfolded(weights: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The state of a network in training that computes what these plain weights do: the inverse of `plain`.

    Plain kernels have mean 0, so they are their own standard, and their length is the gain.
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
