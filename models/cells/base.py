"""The interface of a layer of cells for training. A new cell writes `forward`; the rest has defaults here."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spikecut.models.cells.activity import Activity, cosines, response
from spikecut.models.cells.surrogates import Surrogate
from spikecut.models.graph import Dynamics
from spikecut.pipeline.errors import ModelError


class CellLayer(nn.Module):
    """A layer of spiking cells: `forward(x, state)` gives the outputs of one step and the new state; None is rest.

    The tensors of a state have the lanes first, and all zeros are rest too. What does not hold for a cell, or can be
    computed faster for all steps at once, the cell overrides. `merges_maximum` says that `scan` takes the 2 x 2 maximum
    that follows the cells into its own pass.
    """

    merges_maximum = False

    def scan(
        self, x: Float[Tensor, "t B C *HW"], steps: int | None = None, pool: int = 1
    ) -> Float[Tensor, "T B C *hw"]:
        """The outputs for all steps of whole recordings, from rest, merged by maximum over `pool` x `pool` pixels.

        A single step is repeated for `steps` steps. `pool` is above 1 only where `merges_maximum`.
        """
        return self.scan_by_steps(repeated(x, steps)).spikes

    def scan_watched(self, x: Float[Tensor, "t B C *HW"], steps: int | None = None) -> Activity:
        """The spikes of every cell for all steps, from rest, and the membranes after them."""
        return self.scan_by_steps(repeated(x, steps))

    def scan_by_steps(self, x: Float[Tensor, "T B C *HW"]) -> Activity:
        """Spikes and membranes, one step after another, on any device."""
        state, spikes, membranes = None, [], []
        for current in x.float():
            fired, state = self(current, state)
            spikes.append(fired)
            membranes.append(self.membrane_of(state))
        return Activity(torch.stack(spikes).to(x.dtype), torch.stack(membranes))

    def membrane_of(self, state: Any) -> Tensor:
        """The membranes of a state, in thresholds: here its first tensor."""
        membrane: Tensor = state[0]
        return membrane

    def dynamics(self, n_channels: int) -> Dynamics:
        """The cells of a trained layer as numbers, for engines that step without torch.

        Raises:
            ModelError: if these cells cannot be said so; Norse steps them all the same.
        """
        raise ModelError(f"cells {type(self).__name__} have no lowered form", hint="engine 'norse' steps every network")

    def cosines(self, x: Float[Tensor, "t B C *HW"], steps: int) -> Float[Tensor, " B"]:
        """For each recording the mean cosine between its activity at every step and its aim; no gradients."""
        return cosines(response(self.scan_watched(x, steps)).detach())

    def learn_with(self, surrogate: Surrogate) -> None:
        """Takes the surrogate that gradients are computed with; cells that use none ignore it."""


def repeated(x: Tensor, steps: int | None) -> Tensor:
    """All steps `(T, B, ...)`; a single one is repeated for `steps` steps."""
    return x.expand(steps or len(x), *x.shape[1:])
