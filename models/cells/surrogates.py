"""Surrogate gradients: slopes in the place of the derivative of a spike, which is 0 wherever it exists.

A spike is a step at the threshold; training needs to know which membranes nearly made one. Norse 1.1.0 has
such slopes, but its triangle is 2 wide whatever its `alpha` (which only scales it) and its SuperSpike ignores
`alpha`; those here have the given width. Streaming never needs them.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from spikecut.pipeline.errors import ConfigError

KINDS = ("triangle", "arctan", "dspike")


@dataclass(frozen=True, slots=True)
class Surrogate:
    """How much a spike is taken to change with the membrane, at a distance `u` from the threshold.

    `triangle` is `max(width - |u|, 0) / width**2`, the ZIF function of the training that Wu et al. (arXiv
    2301.09522) build on: nothing is learned beyond the width. `arctan` is `1 / (width (1 + (pi u / width)**2))`
    of Fang et al. (arXiv 2007.05785; their alpha is `2 / width`): every membrane learns a little. `dspike` is the
    slope of a hyperbolic tangent, `k / (2 tanh(k**2)) / cosh(k u)**2` with `k = 2 / width`, and 0 where `|u| > k`:
    Dspike (Li et al., Differentiable Spike, NeurIPS 2021) as the code of SEENN (arXiv 2304.01230) computes it, whose
    gamma is k; it uses 3. All have area 1; at the threshold they are `1 / width` high (`dspike` by a factor
    of `1 / tanh(k**2)` higher, within a thousandth of 1 for widths up to 1).

    Raises:
        ConfigError: for another kind, or a width that is not above 0.
    """

    kind: str = "triangle"
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"surrogate {self.kind!r}; expected {' or '.join(KINDS)}")
        if not (math.isfinite(self.width) and self.width > 0):
            raise ConfigError(f"a surrogate of width {self.width}; expected a number above 0")

    def slope(self, u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The slope at these distances from the threshold; membranes above it are positive.

        >>> Surrogate(width=2.0).slope(torch.tensor([-3.0, -1.0, 0.0, 1.0]))
        tensor([0.0000, 0.2500, 0.5000, 0.2500])
        """
        if self.kind == "arctan":
            return 1 / (self.width * (1 + (u * (math.pi / self.width)).square()))
        if self.kind == "dspike":
            k = 2 / self.width
            return torch.where(u.abs() <= k, (k * u).cosh().square().reciprocal() * (k / (2 * math.tanh(k * k))), 0)
        return (self.width - u.abs()).clamp(min=0) / self.width**2


def spike(u: Float[Tensor, "*shape"], surrogate: Surrogate) -> Float[Tensor, "*shape"]:
    """1 where a membrane is above its threshold by `u` > 0, else 0; backward, the surrogate's slope.

    >>> spike(torch.tensor([-0.5, 0.0, 0.5]), Surrogate())
    tensor([0., 0., 1.])
    """
    spikes: Tensor = _Spike.apply(u, surrogate)  # type: ignore[no-untyped-call]
    return spikes


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, surrogate: Surrogate) -> Tensor:
        ctx.save_for_backward(u)
        ctx.surrogate = surrogate
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (u,) = ctx.saved_tensors
        return gradients[0] * ctx.surrogate.slope(u), None
