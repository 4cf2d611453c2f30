"""The state of a rule or a network as a tree: tuples, named tuples, lists and dicts, with arrays or None at the ends.

Streaming needs two operations on any state: change every leaf, keep some lanes. Arrays have the lanes first, and a
rule is at rest where all are zero. Functions for trees of torch tensors are in `models.state_trees`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from spikecut.pipeline.errors import ModelError


def mapped(change: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The same tree with every leaf changed; with several trees `change` gets the leaves of the same place.

    Containers are made anew, so writing into the result does not write into the tree.

    Raises:
        ModelError: if the trees do not have the same branches.

    >>> mapped(max, [1, {"v": 7}], [3, {"v": 5}])
    [3, {'v': 7}]
    """
    trees = (tree, *others)
    if not isinstance(tree, list | tuple | dict):
        if any(isinstance(one, list | tuple | dict) for one in others):
            raise _unlike(trees)
        return change(*trees)
    if any(type(one) is not type(tree) or len(one) != len(tree) for one in others):
        raise _unlike(trees)
    if isinstance(tree, dict):
        if any(one.keys() != tree.keys() for one in others):
            raise _unlike(trees)
        return {name: mapped(change, *(one[name] for one in trees)) for name in tree}
    parts = [mapped(change, *places) for places in zip(*trees, strict=True)]
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)


def leaves(tree: Any) -> list[Any]:
    """Everything at the ends of a tree, None included.

    >>> leaves([1, (2, None), {"v": 3}])
    [1, 2, None, 3]
    """
    ends: list[Any] = []
    mapped(ends.append, tree)
    return ends


def select_lanes(state: Any, places: Int64[ndarray, " L"]) -> Any:
    """The state of the lanes that go on, in this order; -1 is a lane at rest, all zeros.

    >>> select_lanes((np.array([1, 2, 3]), None), np.array([2, -1]))
    (array([3, 0]), None)
    """
    resting = places < 0

    def chosen(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        kept = leaf[np.where(resting, 0, places)]
        kept[resting] = 0
        return kept

    return mapped(chosen, state)


def _unlike(trees: tuple[Any, ...]) -> ModelError:
    kinds = [f"{type(one).__name__} of {len(one)}" if hasattr(one, "__len__") else type(one).__name__ for one in trees]
    return ModelError(
        f"the network's state changes its form: {', then '.join(kinds)}",
        hint="it must have the same parts after every step; a window that grows can be a tensor filled with zeros",
    )
