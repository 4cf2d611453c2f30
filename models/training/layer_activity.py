"""How the activity of spiking layers is looked at from inside: what each was given, what it did, how far it turned.

A layer is watched by going through its cells once more, after the network has said what it says: on those
recordings alone that are of interest, so that a regulariser which pulls at one recording costs little more than that.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from spikecut.models.cells.conversion import ConvertedCell
from spikecut.models.cells.lif import LIFCell
from spikecut.models.cells.lif_scan import Activity
from spikecut.pipeline.compiled import compiled

_Array = np.ndarray[Any, np.dtype[np.float32]]
_FAST = {"contract", "nsz", "arcp", "reassoc"}
SMALL = 1e-5  # as in the published code: keeps a silent layer from dividing by 0


@dataclass(frozen=True, slots=True, eq=False)
class Driven:
    """A layer of cells and the currents that it was given, `(T, B, ...)`; those of one step stand still for `steps`."""

    cell: LIFCell | ConvertedCell
    currents: Tensor
    steps: int

    def activity(self, lane: int | None = None) -> Activity:
        """What the cells did in every recording of the batch, or in one, with gradients."""
        currents = self.currents
        if lane is not None:  # in the order of memory, so that its gradient comes back in the order of the others'
            currents = currents.movedim(2, -1)[:, lane : lane + 1].movedim(-1, 2)
        return self.cell.scan_watched(currents, self.steps)

    def cosines(self) -> Float[Tensor, " B"]:
        """For each recording the mean cosine between its activity at every step and its `aim`; no gradients."""
        currents, cell = self.currents.detach(), self.cell
        if currents.device.type != "cpu" or not isinstance(cell, LIFCell):
            return cosines(response(self.activity()).detach())
        x = currents.movedim(2, -1).flatten(2, -2) if currents.ndim > 3 else currents[:, :, None]
        found = np.empty(x.shape[1], np.float32)
        _cosines(
            x.float().contiguous().numpy(),
            cell.leaks(x.shape[-1]).detach().numpy(),
            found,
            self.steps,
            _last(self.steps),
        )
        return torch.from_numpy(found)


def response(layer: Activity) -> Float[Tensor, "T B *cells"]:
    """The graded activity that RCS compares: the spike, and how far the membrane is on its way to the next.

    The threshold is 1. At 0, where a spike leaves it, a membrane receives no gradient (`clamp` would give it one).
    """
    return layer.spikes + layer.membranes.relu()


def cosines(responses: Float[Tensor, "T B *cells"]) -> Float[Tensor, " B"]:
    """The mean cosine between a layer's activity at every step and its aim, the mean of the last 30 % of the steps.

    The aim is fixed and receives no gradient. Where 30 % are less than one step it is the mean of all steps.
    """
    cells = responses.movedim(2, -1).flatten(2)  # channels last, as they lie in memory
    aim = cells[-_last(len(cells)) :].detach().mean(0)
    dots: Tensor = torch.einsum("tbf,bf->tb", cells, aim)
    return (dots / (_length(cells) * _length(aim))).mean(0)


def _last(steps: int) -> int:
    return int(0.3 * steps) or steps


def _length(cells: Float[Tensor, "*B F"]) -> Float[Tensor, "*B"]:
    squares: Tensor = torch.linalg.vector_norm(cells, dim=-1).square()
    return (squares + SMALL).sqrt()


@compiled(parallel=True, fastmath=_FAST)
def _cosines(x: _Array, leak: _Array, found: _Array, steps: int, last: int) -> None:
    """`cosines` of the responses to currents `(T, B, pixels, C)`: a response is the membrane cut to 0 and 1."""
    given, n, pixels, channels = x.shape
    for b in numba.prange(n):
        seen = np.zeros((steps, channels), np.float32)
        rest, aim = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
        dots, squares, aims = np.zeros(steps), np.zeros(steps), np.float32(0)
        for pixel in range(pixels):
            rest[:] = 0
            aim[:] = 0
            for t in range(steps):
                row, responses = x[min(t, given - 1), b, pixel], seen[t]
                part = np.float32(1 / last) if t >= steps - last else np.float32(0)
                for c in range(channels):
                    u = rest[c]
                    u += leak[c] * (row[c] - u)
                    rest[c] = np.float32(0) if u > np.float32(1) else u
                    responses[c] = min(max(u, np.float32(0)), np.float32(1))
                    aim[c] += part * responses[c]
            for t in range(steps):
                responses = seen[t]
                dot, square = np.float32(0), np.float32(0)
                for c in range(channels):
                    dot += responses[c] * aim[c]
                    square += responses[c] * responses[c]
                dots[t] += dot
                squares[t] += square
            square = np.float32(0)
            for c in range(channels):
                square += aim[c] * aim[c]
            aims = np.float32(aims + square)
        total = 0.0
        for t in range(steps):
            total += dots[t] / np.sqrt((squares[t] + SMALL) * (aims + SMALL))
        found[b] = total / steps
