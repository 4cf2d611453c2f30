"""Networks with the cells of other libraries: layer by layer that of a trained one, normalisation folded.

Layers are stepped in a loop with a list of states, as Norse's `SequentialState` does.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from spikecut.models.architectures.networks import fold, plain
from spikecut.models.cells.lif import LIFCell
from spikecut.models.layers import FrameDropout, sequential

MakeCell = Callable[[Tensor, float], nn.Module]  # of the leaks a step (C, 1, 1) or one, and the length of a step in s


def with_cells(network: nn.Module, make: MakeCell, *, folded: bool = True) -> list[nn.Module]:
    """The layers of a network in evaluation mode, its LIF cells made by `make`.

    Raises:
        ValueError: if a layer of cells is no LIF cell at the top level.
    """
    copied = copy.deepcopy(plain(network))
    layers = list((fold(copied) if folded else copied).eval().requires_grad_(False).children())
    if not any(isinstance(layer, LIFCell) for layer in layers):
        raise ValueError("a network without LIF cells at its top level")
    return [
        make(torch.sigmoid(layer.leak_logit.detach()), layer.dt) if isinstance(layer, LIFCell) else layer
        for layer in layers
        if not isinstance(layer, FrameDropout)  # of training
    ]


def norse_cell(leak: Tensor, dt_s: float) -> nn.Module:
    """Norse's LIF box cell with these leaks."""
    from norse.torch.functional.lif_box import LIFBoxParameters
    from norse.torch.module.lif_box import LIFBoxCell

    cell: nn.Module = LIFBoxCell(LIFBoxParameters(tau_mem_inv=leak / dt_s), dt=dt_s)
    return cell


def norse_network(network: nn.Module) -> Any:
    """The network in Norse's own classes."""
    return sequential(*with_cells(network, norse_cell)).eval()
