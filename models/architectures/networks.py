"""A network from its spec, its weights as they are trained, kept and stepped, and its step."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize

from spikecut.models.architectures import ARCHITECTURES, architecture_of
from spikecut.models.architectures.normalisation import TemporalBatchNorm
from spikecut.models.layers import take_place
from spikecut.models.spec import NetworkSpec as NetworkSpec
from spikecut.models.state_trees import containers_anew

__all__ = ["ARCHITECTURES", "NetworkSpec", "State", "build", "fold", "forward_step", "plain", "unfolded"]

State = list[Any]  # one entry a layer, None for those without memory; tensors have the batch first


def build(spec: NetworkSpec) -> nn.Module:
    """A network with fresh weights, in training mode; an engine streams with it.

    Raises:
        ModelError: if there is no such architecture or cell, or its numbers do not fit it: a frame that is too small
            for its layers, a normalisation that it does not have.
    """
    return architecture_of(spec).build(spec)


def plain(network: nn.Module) -> nn.Module:
    """Works the kernel standard into plain weights, in place: how a network is kept; `unfolded` is the way back."""
    for module in network.modules():
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return network


def fold(network: nn.Module) -> nn.Module:
    """Folds normalisation into plain weights, in place: the same outputs, fewer operations; for stepping only.

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


def unfolded(weights: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The state of a network in training that computes the same as these plain weights: the inverse of `plain`.

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
    """One step: frames `(B, C, H, W)` in, outputs `(B, K)` and the new state out; `None` is rest.

    Norse's container writes into the list of states that it is given, so it gets lists of its own.
    """
    output, state = network(frames, containers_anew(state))
    return output, state
