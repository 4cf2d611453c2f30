"""Records inputs, spikes and membranes of each spiking layer, for regularisers.

A layer is watched by going through its cells once more, after the network's outputs are known: only on the recordings
that are of interest, so that a regulariser which pulls at one recording costs little more than that.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from spikecut.models.cells.activity import Activity
from spikecut.models.cells.base import CellLayer


@dataclass(frozen=True, slots=True, eq=False)
class Driven:
    """A layer of cells and the currents into it, `(T, B, ...)`; those of one step are repeated for `steps`."""

    cell: CellLayer
    currents: Tensor
    steps: int

    def activity(self, lane: int | None = None) -> Activity:
        """The activity of the cells in every recording of the batch, or in one, with gradients."""
        currents = self.currents
        if lane is not None:  # in the order of memory, so that its gradient comes back in the order of the others'
            currents = currents.movedim(2, -1)[:, lane : lane + 1].movedim(-1, 2)
        return self.cell.scan_watched(currents, self.steps)

    def cosines(self) -> Float[Tensor, " B"]:
        """For each recording the mean cosine between its activity at every step and its aim; no gradients."""
        return self.cell.cosines(self.currents.detach(), self.steps)
