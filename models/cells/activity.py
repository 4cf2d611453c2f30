"""The activity of a layer of spiking cells at every step, and the cosine similarity of its steps, for regularisers."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

SMALL = 1e-5  # as in the published code: keeps a silent layer from dividing by 0


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """Spikes and membranes of one spiking layer at every step of whole recordings, with gradients through both.

    `spikes` are 0 or 1, `membranes` are those after the reset, in thresholds; both `(T, B, C, H, W)`. Of an ANN
    (`conversion`) they are the rates that its activations stand for, 0 to 1, and the currents that these were given.
    """

    spikes: Tensor
    membranes: Tensor


def response(layer: Activity) -> Float[Tensor, "T B *cells"]:
    """The graded activity that RCS compares: the spike, and how far the membrane is on its way to the next.

    The threshold is 1. At 0, where a spike leaves it, a membrane receives no gradient (`clamp` would give it one).
    """
    return layer.spikes + layer.membranes.relu()


def cosines(responses: Float[Tensor, "T B *cells"]) -> Float[Tensor, " B"]:
    """The mean cosine between a layer's activity at every step and its aim, the mean of the last 30 % of the steps.

    The aim is fixed and receives no gradient. Where 30 % are less than one step it is the mean of all steps.
    """
    cells = responses.movedim(2, -1).flatten(2)  # channels last, as they are in memory
    aim = cells[-last_steps(len(cells)) :].detach().mean(0)
    dots: Tensor = torch.einsum("tbf,bf->tb", cells, aim)
    return (dots / (_length(cells) * _length(aim))).mean(0)


def last_steps(steps: int) -> int:
    """The number of last steps whose mean is the aim."""
    return int(0.3 * steps) or steps


def _length(cells: Float[Tensor, "*B F"]) -> Float[Tensor, "*B"]:
    squares: Tensor = torch.linalg.vector_norm(cells, dim=-1).square()
    return (squares + SMALL).sqrt()
