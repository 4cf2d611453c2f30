"""The state of any network as a tree with tensors at its ends: copied, divided into lanes, joined.

Norse hands states around as they are: a list for a `SequentialState`, named tuples for its cells, whatever a module
of one's own returns. The walk itself is `pipeline.lanes.mapped`.
"""

from typing import Any

import torch
from torch import Tensor

from spikecut.pipeline.lanes import mapped


def cloned(tree: Any) -> Any:
    """A tree that shares no memory with this one."""
    return mapped(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, tree)


def n_lanes(tree: Any) -> int | None:
    """How many lanes a tree holds whose tensors all have them first; None where it has no tensor: rest."""
    lengths: list[int] = []
    mapped(lambda leaf: lengths.append(len(leaf)) if isinstance(leaf, Tensor) else None, tree)
    return lengths[0] if lengths else None


def containers_anew(tree: Any) -> Any:
    """The same leaves in containers of their own, for modules that write into the list that they are given."""
    return mapped(lambda leaf: leaf, tree)


def take(tree: Any, axes: Any, lanes: Tensor) -> Any:
    """The lanes that go on, exact to the bit. `axes` has for every leaf the axis of its lanes; None: all share it."""
    return mapped(lambda leaf, axis: leaf if axis is None else leaf.index_select(axis, lanes), tree, axes)


def joined(tree: Any, other: Any, axes: Any) -> Any:
    """The lanes of one tree, then those of the other."""
    return mapped(lambda one, two, axis: one if axis is None else torch.cat([one, two], axis), tree, other, axes)


def take_or_rest(tree: Any, lanes: Tensor) -> Any:
    """The lanes that go on, where all tensors have the lanes first; -1 is a lane at rest, all zeros."""
    resting = (lanes < 0).nonzero().flatten()
    index = lanes.clamp(min=0)

    def chosen(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        if not len(leaf):  # a batch without lanes: all that come are at rest
            return leaf.new_zeros((len(lanes), *leaf.shape[1:]))
        kept = leaf.index_select(0, index)
        return kept.index_fill_(0, resting, 0) if len(resting) else kept

    return mapped(chosen, tree)
