"""From an ANN to a spiking network of the same weights: QCFS activations in training, integrate and fire when stepped.

The activation is a staircase of as many levels as the conversion is meant to take steps; the cell that takes its place
counts the same stairs in time. In L steps of the same input its mean output is the activation, but for inputs exactly
between two stairs. Through a network the mean is the ANN's only nearly: the spikes of a layer come when they
come, and a cell that is driven late has no step left to answer in. Bu et al., Optimal ANN-SNN Conversion for
High-accuracy and Ultra-low-latency Spiking Neural Networks (ICLR 2022).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from spikecut.models.cells.activity import Activity
from spikecut.models.cells.base import CellLayer, repeated
from spikecut.models.graph import Dynamics
from spikecut.models.layers import Averaged

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from norse.torch.module.snn import SNNCell


def qcfs(x: Float[Tensor, "*shape"], scale: Float[Tensor, ""], levels: int) -> Float[Tensor, "*shape"]:
    """Quantise, clip, floor, shift: an activation in `levels` equal stairs from 0 to `scale`.

    `scale clip(floor(x levels / scale + 1/2) / levels, 0, 1)`. Backward the floor counts as what it rounds, so the
    gradient passes where 0 < x is not clipped; that of `scale` is 1 where it is, `(y - x) / scale` where it is not.

    >>> qcfs(torch.tensor([-1.0, 0.2, 0.3, 0.8, 9.0]), torch.tensor(2.0), 4)
    tensor([0.0000, 0.0000, 0.5000, 1.0000, 2.0000])
    """
    y: Tensor = _QCFS.apply(x, scale, levels)  # type: ignore[no-untyped-call]
    return y


class ConvertedState(NamedTuple):
    """The membrane above its rest, which is half the threshold: a cell at rest is all zeros."""

    u: Tensor


class Scale(nn.Module):
    """The parameter of a layer of converted cells: its threshold, learned as a logarithm, so that it stays above 0."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.logarithm = nn.Parameter(torch.tensor(scale).log())

    def forward(self) -> Tensor:
        return self.logarithm.exp()


class ConvertedCell(SNNCell, CellLayer):
    """In training an activation, stepped a cell: integrate and fire without leak, reset by subtraction.

    The threshold is the `scale` of the activation, one for the layer, and so is what a spike is worth: outputs are
    0 or `scale`. A cell fires above its threshold, not at it, and begins at half of it, which rounds where a
    start from 0 would round down: without it the first steps are nearly silent.
    """

    p: Scale

    def __init__(self, levels: int, scale: float = 4.0) -> None:
        super().__init__(_integrate, _rest, Scale(scale), dt=1.0)
        self.levels = levels

    @property
    def scale(self) -> Tensor:
        scale: Tensor = self.p()
        return scale

    def forward(self, x: Tensor, state: ConvertedState | None = None) -> tuple[Tensor, ConvertedState | None]:
        """Outputs (the shape of `x`) and the new state; `None` is rest. An activation has none."""
        if self.training:
            return qcfs(x, self.scale, self.levels), None
        spikes, after = super().forward(x, state)
        return spikes, after

    def scan(
        self, x: Float[Tensor, "t B *shape"], steps: int | None = None, pool: int = 1
    ) -> Float[Tensor, "T B *shape"]:
        """In training the activation of every step, else what the cells put out when stepped from rest.

        A single step is repeated for `steps` steps; an ANN has no use for that, its T stays 1. No maximum follows
        such cells, so `pool` is 1.
        """
        if self.training:
            return qcfs(x, self.scale, self.levels)
        return torch.stack([spikes for spikes, _ in self._stepped(repeated(x, steps))])

    def scan_watched(self, x: Float[Tensor, "t B *shape"], steps: int | None = None) -> Activity:
        """Spikes and membranes, these in thresholds; in training the rates of spikes, 0 to 1, and the currents `x`."""
        if self.training:
            return Activity(qcfs(x, self.scale, self.levels) / self.scale, x)
        spikes, membranes = zip(*((fired, state.u) for fired, state in self._stepped(repeated(x, steps))), strict=True)
        return Activity(torch.stack(spikes) / self.scale, torch.stack(membranes) / self.scale + 0.5)

    def dynamics(self, n_channels: int) -> Dynamics:
        """The cells of a trained layer as numbers: above rest the threshold is half the scale."""
        ones, scale = np.ones(n_channels, np.float32), float(self.scale)
        return Dynamics(ones, ones, threshold=scale / 2, amplitude=scale, subtract=scale)

    def _stepped(self, x: Tensor) -> Iterator[tuple[Tensor, ConvertedState]]:
        state = None
        for current in x:
            spikes, state = self(current, state)
            yield spikes, state


@contextmanager
def as_ann(network: nn.Module) -> Iterator[nn.Module]:
    """Within it, a converted network gives the outputs of its ANN; other layers keep their mode."""
    switched = [module for module in network.modules() if isinstance(module, ConvertedCell | Averaged)]
    before = [module.training for module in switched]
    for module in switched:
        module.train()
    try:
        yield network
    finally:
        for module, training in zip(switched, before, strict=True):
            module.train(training)


def _rest(x: Tensor) -> ConvertedState:
    return ConvertedState(torch.zeros_like(x))


def _integrate(x: Tensor, state: ConvertedState, p: Scale, dt: float) -> tuple[Tensor, ConvertedState]:
    """One step, in the form that Norse's cells have: above rest the threshold is half the scale."""
    scale = p()
    u = state.u + x
    spikes = torch.where(u > scale / 2, scale, 0)
    return spikes, ConvertedState(u - spikes)


class _QCFS(torch.autograd.Function):
    """In as few passes over memory as torch has for it: between two convolutions that is what takes the time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, levels: int) -> Tensor:
        y = x.mul(levels / scale).add_(0.5).floor_().clamp_(0, levels).mul_(scale / levels)
        ctx.save_for_backward(x, scale, y)
        ctx.levels = levels
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        x, scale, y = ctx.saved_tensors
        stairs = x.mul(ctx.levels / scale)
        passed = torch.ops.aten.hardtanh_backward(gradients[0], stairs, 0.0, ctx.levels + 0.5)
        scales = gradients[0].mul(y).addcmul_(passed, x, value=-1).sum(dtype=torch.float32) / scale
        return passed, scales, None
