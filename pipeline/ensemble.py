"""Several networks on the same stream: their outputs are concatenated, for rules that read them together.

`Readout(members=R)` merges their confidences, `conformal.PooledSets` their p-values (Chen et al., arXiv 2310.16675).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, Num
from numpy import ndarray

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.protocols import SteppedModel

State = tuple[Any, ...]


class Ensemble:
    """Networks with the same frames and the same classes, stepped one after the other; the state is a tuple of theirs.

    Raises:
        ModelError: if there are none, or their numbers of outputs differ.
    """

    def __init__(self, members: Sequence[SteppedModel[Any]]) -> None:
        sizes = {member.n_outputs for member in members}
        if len(sizes) != 1:
            raise ModelError(
                f"an ensemble of {len(members)} networks with {sorted(sizes)} outputs; expected one number"
            )
        self.members = tuple(members)

    @property
    def n_outputs(self) -> int:
        """The number of outputs of all members together."""
        return sum(member.n_outputs for member in self.members)

    def step(self, frames: Num[ndarray, "B 2 H W"], state: State | None) -> tuple[Float32[ndarray, "B M"], State]:
        """One step of every member: the outputs of the first, then of the second, …"""
        states = state or (None,) * len(self.members)
        stepped = [member.step(frames, one) for member, one in zip(self.members, states, strict=True)]
        return np.concatenate([output for output, _ in stepped], axis=1), tuple(kept for _, kept in stepped)

    def select(self, state: State, lanes: Int64[ndarray, " L"]) -> State:
        """The state of the lanes that go on; -1 is a lane at rest."""
        return tuple(member.select(one, lanes) for member, one in zip(self.members, state, strict=True))

    def copy(self, state: State) -> State:
        """A state to come back to."""
        return tuple(member.copy(one) for member, one in zip(self.members, state, strict=True))
