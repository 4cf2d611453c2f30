"""The state of a rule as a tree: arrays with the lanes first, tuples of such, and None. All zeros is rest."""

from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray


def select_lanes(state: Any, places: Int64[ndarray, " L"]) -> Any:
    """The state of the lanes that go on, in this order; -1 is a lane at rest, all zeros."""
    if isinstance(state, np.ndarray):
        resting = places < 0
        kept = state[np.where(resting, 0, places)]
        kept[resting] = 0
        return kept
    if isinstance(state, tuple):
        return tuple(select_lanes(part, places) for part in state)
    return state
