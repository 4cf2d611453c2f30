"""Our own networks: convolutions into cells, each followed by a 2 x 2 maximum, and one linear readout."""

import math

import torch
from torch import nn

from spikecut.models.architectures.layer_table import first_layers
from spikecut.models.architectures.normalisation import Window, convolution
from spikecut.models.cells import cell_for, pooling_for
from spikecut.models.layers import FrameDropout, LogCounts, Traces, sequential
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError

_TRACES = (0.3, 0.1, 0.04)  # leaks a step: at 20 ms, memories of 0.06, 0.2 and 0.5 s
_GRID = 32  # squares along each side of the frames that `traces` sees


def compact(spec: NetworkSpec, *, of_logarithm: bool = False) -> nn.Module:
    """Convolutions with LIF cells, each followed by a 2 x 2 maximum, then one linear readout.

    A layer's spikes are pooled by "did any fire", so all that travels between layers is 0 or 1.
    """
    if min(spec.frame.width, spec.frame.height) >> len(spec.channels) == 0:
        raise ModelError(f"{len(spec.channels)} halvings leave nothing of a {spec.frame} frame")
    layers: list[nn.Module] = [*([LogCounts()] if of_logarithm else []), *first_layers(spec)]
    n_in, height, width = spec.inputs, spec.frame.height, spec.frame.width
    for n_out in spec.channels:
        layers += [*convolution(spec, n_in, n_out, leak=0.3), cell_for(spec, leak=0.3), pooling_for(spec)]
        n_in, height, width = n_out, height // 2, width // 2
    return sequential(*layers, nn.Flatten(), FrameDropout(0.2), _readout(n_in * height * width, spec))


def traces(spec: NetworkSpec) -> nn.Module:
    """For moving objects: the first layer reads the frame and its traces; every layer has several time constants.

    The leaks of a layer's channels begin evenly spread (in their logarithm) between memories of about one
    step and of twelve, and are learned from there: what moves where is a question of several time
    constants (Perez-Nieves et al., Nature Communications 12:5791, 2021). The frame is merged to 32 x 32 squares,
    and every layer halves it.
    """
    if _GRID >> len(spec.channels) == 0:
        raise ModelError(f"{len(spec.channels)} halvings leave nothing of {_GRID} x {_GRID} squares")
    if spec.frame.width != spec.frame.height or spec.frame.width % _GRID:
        raise ModelError(f"a {spec.frame} frame; this network merges squares whose side is a multiple of {_GRID}")
    layers: list[nn.Module] = [LogCounts(_GRID), Traces(_TRACES)]
    n_in, side = spec.inputs * (1 + len(_TRACES)), _GRID
    for at, n_out in enumerate(spec.channels):
        layers += convolution(spec, n_in, n_out, leak=0.3, window=Window() if at else Window(5, 2, 2))
        leaks = torch.logspace(math.log10(0.08), math.log10(0.8), n_out)[torch.randperm(n_out)]
        layers += [cell_for(spec, leaks), *([pooling_for(spec)] if at else [])]
        n_in, side = n_out, side // 2
    return sequential(*layers, nn.Flatten(), FrameDropout(0.2), _readout(n_in * side**2, spec))


def _readout(n_features: int, spec: NetworkSpec) -> nn.Linear:
    readout = nn.Linear(n_features, spec.n_classes)
    nn.init.normal_(readout.weight, std=0.02)
    nn.init.zeros_(readout.bias)
    return readout
