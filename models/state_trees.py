"""The state of any network as a tree: lists, tuples, named tuples and dicts, with tensors or None at their ends.

Norse hands states around as they are: a list for a `SequentialState`, named tuples for its cells, whatever a module
of one's own returns. What streaming needs of them is the same for all: keep some lanes, join others to them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from spikecut.pipeline.errors import ModelError


def mapped(change: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The same tree with every leaf changed; with several trees `change` gets the leaves of the same place.

    Containers are made anew, so whoever writes into the result does not write into the tree.

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
    found: list[Any] = []
    mapped(found.append, tree)
    return found


def cloned(tree: Any) -> Any:
    """A tree that shares no memory with this one."""
    return mapped(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, tree)


def take(tree: Any, axes: Any, lanes: Tensor) -> Any:
    """The lanes that go on, exact to the bit. `axes` says of every leaf where its lanes lie; None: all share it."""
    return mapped(lambda leaf, axis: leaf if axis is None else leaf.index_select(axis, lanes), tree, axes)


def joined(tree: Any, other: Any, axes: Any) -> Any:
    """The lanes of one tree, then those of the other."""
    return mapped(lambda one, two, axis: one if axis is None else torch.cat([one, two], axis), tree, other, axes)


def _unlike(trees: tuple[Any, ...]) -> ModelError:
    kinds = [f"{type(one).__name__} of {len(one)}" if hasattr(one, "__len__") else type(one).__name__ for one in trees]
    return ModelError(
        f"the network's state changes its form: {', then '.join(kinds)}",
        hint="it must have the same parts after every step; a window that grows can be a tensor filled with zeros",
    )
