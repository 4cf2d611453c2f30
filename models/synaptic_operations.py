"""Synaptic operations: the cost of a step of a network if zero inputs are skipped.

A convolution or a linear layer does work for every synapse behind an input that is not 0. If all such inputs are one
number, they are spikes, and the work is additions; if they are graded (counts of events, averages of spikes, pixels),
it is multiplications and additions. So count Davies et al. (Loihi, IEEE Micro 38(1), 2018) and NeuroBench
(Yik et al., arXiv 2304.04640, section "synaptic operations"); pooling and normalisation are not counted. Windows are
counted where they lie within the map (at a border an input has fewer synapses). Beside them: the spikes of the cells,
and the updates of their membranes, one a cell and step.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikecut.models.cells.base import CellLayer
from spikecut.pipeline.errors import ModelError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from norse.torch.module.snn import SNNCell


@dataclass(frozen=True, slots=True)
class Operations:
    """Operations of layers: `additions` behind spikes, `multiplications` behind graded inputs, `dense` behind all.

    And of cells: their `spikes`, and the `updates` of their membranes.
    """

    additions: int = 0
    multiplications: int = 0
    dense: int = 0
    spikes: int = 0
    updates: int = 0

    @property
    def effective(self) -> int:
        """The operations that cannot be skipped."""
        return self.additions + self.multiplications

    def __add__(self, other: "Operations") -> "Operations":
        return Operations(
            self.additions + other.additions,
            self.multiplications + other.multiplications,
            self.dense + other.dense,
            self.spikes + other.spikes,
            self.updates + other.updates,
        )


@contextmanager
def counting(network: nn.Module) -> Iterator[list[Operations]]:
    """While it lasts, every layer of weights or cells that is called adds what it did to the list that is given.

    It counts the whole batch. The network computes what it always does.

    Raises:
        ModelError: if a layer with weights is of a kind that it cannot count.
    """
    counted = (nn.Conv2d, nn.Linear)
    for name, module in network.named_modules():
        shaped = getattr(module, "weight", None)
        if not isinstance(module, counted) and isinstance(shaped, Tensor) and shaped.ndim > 1:
            raise ModelError(
                f"layer {name!r} is a {type(module).__name__}; operations are counted of Conv2d and Linear"
            )
    done: list[Operations] = []

    def note(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        done.append(of_layer(layer, inputs[0], output))

    def note_cells(layer: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Any]) -> None:
        done.append(Operations(spikes=int(output[0].count_nonzero()), updates=output[0].numel()))

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, counted)]
    hooks += [m.register_forward_hook(note_cells) for m in network.modules() if isinstance(m, CellLayer | SNNCell)]
    try:
        yield done
    finally:
        for hook in hooks:
            hook.remove()


def spikes_in(output: Tensor) -> int:
    """How many cells fired, from what a layer of them put out: numbers that are not 0 (faster than `count_nonzero`)."""
    return int(np.count_nonzero(output.bool().numpy()))


def of_layer(layer: nn.Conv2d | nn.Linear, x: Tensor, output: Tensor) -> Operations:
    """The operations of one layer for its input.

    >>> import torch
    >>> layer, spikes = nn.Linear(4, 3), torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    >>> of_layer(layer, spikes, layer(spikes))
    Operations(additions=6, multiplications=0, dense=12, spikes=0, updates=0)
    """
    there = x.detach() != 0
    values = x.detach()[there]
    spiking = bool((values == values[0]).all()) if len(values) else True
    if isinstance(layer, nn.Linear):
        n = int(there.sum()) * layer.out_features
        dense = there.numel() * layer.out_features
    else:
        per_group = layer.out_channels // layer.groups
        reached = _reached(layer, there.double(), layer.in_channels // layer.groups)
        n = round(reached) * per_group
        dense = output[:, 0].numel() * layer.weight.numel()
    return Operations(n if spiking else 0, 0 if spiking else n, dense)


def _reached(layer: nn.Conv2d, there: Tensor, width: int) -> float:
    """In how many windows of one output channel the inputs lie, all together; at an edge they are fewer."""
    planes = there.view(-1, layer.groups, width, *there.shape[2:]).sum(2).flatten(0, 1)[:, None]
    ones = planes.new_ones(1, 1, *layer.kernel_size)
    windows = F.conv2d(planes, ones, stride=layer.stride, padding=layer.padding, dilation=layer.dilation)
    return float(torch.sum(windows))
