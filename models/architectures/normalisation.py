"""Normalisation of the currents into a layer of cells, so that some cells fire and some do not.

`kernel`, the standard here: no statistics of the data. Few events have come by the first step, so statistics gathered
over all steps fit the first ones badly, and the first ones are what an early answer lives on. Instead the kernels
themselves are standardised (Qiao et al., arXiv 1903.10520) and scaled by a learned gain: nothing that differs
between training and streaming, or between steps.

`batch` and `tebn`, those of the papers: batch normalisation over all steps at once, and the same with a learned
scale for every step. For comparison, and for the papers' architectures.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor, nn
from torch.nn.utils import parametrize

from spikecut.models.cells import cell_of
from spikecut.models.layers import lasting
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a convolution, in pixels: its side, from one to the next, and zeros around the frame."""

    kernel: int = 3
    stride: int = 1
    padding: int = 1


def convolution(spec: NetworkSpec, n_in: int, n_out: int, *, leak: float, window: Window = Window()) -> list[nn.Module]:
    """A convolution into cells of this leak, with the normalisation of the spec."""
    kernel, stride, padding = window.kernel, window.stride, window.padding
    if spec.normalisation == "kernel":
        layer = nn.Conv2d(n_in, n_out, kernel, stride, padding)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        parametrize.register_parametrization(layer, "weight", KernelStandard(n_out, cell_of(spec).kernel_gain))
        return [layer]
    return [nn.Conv2d(n_in, n_out, kernel, stride, padding, bias=False), normalised(spec, n_out, leak)]


def normalised(spec: NetworkSpec, n_channels: int, leak: float) -> nn.Module:
    """Batch normalisation before cells of this leak.

    Leaky cells take the share `leak` of their input where the papers' take all of it; the normalised currents
    begin `1 / leak` times as large, so that membranes are the same. Other cells take all of it.
    """
    return TemporalBatchNorm(n_channels, spec.tebn_steps, gain=1 / leak if cell_of(spec).leaky else 1.0)


class KernelStandard(nn.Module):
    """Every kernel with mean 0 and length 1, times a learned gain. Weights `(out, in, height, width)`."""

    def __init__(self, n_kernels: int, gain: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((n_kernels, 1, 1, 1), gain))

    def forward(self, weight: Tensor) -> Tensor:
        centred = weight - weight.mean((1, 2, 3), keepdim=True)
        length = centred.square().sum((1, 2, 3), keepdim=True).add(1e-6).sqrt()
        return self.gain * centred / length


class TemporalBatchNorm(nn.Module):
    """Batch normalisation over recordings, steps and pixels at once; with `n_steps`, times a learned scale a step.

    One mean and one variance a channel for all steps, as in tdBN (Zheng et al., arXiv 2011.05280); the
    scales, 1 at first, make it TEBN (Duan et al., Temporal Effective Batch Normalization in Spiking Neural
    Networks, NeurIPS 2022). Steps beyond the last scale take the last. Streamed, the state is the number of
    steps that each lane has seen `(B,)`: lanes may have begun at different times. `gain` is what the normalised
    currents are multiplied by at first.
    """

    def __init__(self, n_channels: int, n_steps: int = 0, *, gain: float = 1.0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(n_channels)
        nn.init.constant_(self.norm.weight, gain)
        self.scales = nn.Parameter(torch.ones(n_steps))

    def forward(
        self, x: Num[Tensor, "B C *HW"], state: Int64[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B C *HW"], Int64[Tensor, " B"] | None]:
        """One step, with the statistics of the training.

        Raises:
            ModelError: in training, whose statistics are those of all steps at once.
        """
        if self.training:
            raise ModelError(
                "batch normalisation cannot be trained step by step: its statistics are those of all steps",
                hint="train with layerwise.outputs_of; call network.eval() to step it",
            )
        normed = self._normed(x)
        if not len(self.scales):
            return normed, None
        step = torch.zeros(len(x), dtype=torch.int64, device=x.device) if state is None else state
        return normed * self._scales_of(step, normed.ndim - 1), step + 1

    def scan(self, x: Float[Tensor, "t B C *HW"], steps: int | None = None) -> Float[Tensor, "T B C *HW"]:
        """All steps at once; in training with their own statistics, which the running ones follow.

        A single step is repeated for `steps` steps where every step has a scale of its own.
        """
        if not len(self.scales):
            return self._normed(x.flatten(0, 1)).view(x.shape)
        x = lasting(x, steps)
        normed = self._normed(x.flatten(0, 1)).view(x.shape)
        return normed * self._scales_of(torch.arange(len(x), device=x.device), normed.ndim - 1)

    def _scales_of(self, steps: Tensor, n_further: int) -> Tensor:
        return self.scales[steps.clamp(max=len(self.scales) - 1)].view(-1, *[1] * n_further)

    def _normed(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x) if x.ndim == 4 else self.norm(x[..., None, None]).flatten(1)
        return out
