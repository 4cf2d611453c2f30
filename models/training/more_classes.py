"""Weights of a trained network as first ones of a network with more classes."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from spikecut.pipeline.errors import ModelError


def with_more_classes(
    weights: Mapping[str, Tensor], layer: str, before: Sequence[str], now: Sequence[str]
) -> Mapping[str, Tensor]:
    """The same weights where classes are the same; else with the rows of the readout in the order of the new classes.

    The readout is the layer of that name, float32 `(K, F)` with a bias `(K,)`; rows of unknown classes are 0.

    Raises:
        ModelError: if a class that was known is none any more.

    >>> weights = {"3.weight": Tensor([[1.0, 2.0], [3.0, 4.0]]), "3.bias": Tensor([5.0, 6.0])}
    >>> with_more_classes(weights, "3", ["clap", "wave"], ["wave", "none", "clap"])["3.weight"].tolist()
    [[3.0, 4.0], [0.0, 0.0], [1.0, 2.0]]
    """
    if tuple(before) == tuple(now):
        return weights
    if gone := [name for name in before if name not in now]:
        raise ModelError(
            f"first weights of a network that knows {gone[0]!r}; the classes now are {', '.join(now)}",
            hint="classes may be added, and stand in another order; none may go",
        )
    rows = {name: value for name, value in weights.items() if name.rpartition(".")[0] == layer}
    return {**weights, **{name: _widened(value, before, now) for name, value in rows.items()}}


def _widened(rows: Tensor, before: Sequence[str], now: Sequence[str]) -> Tensor:
    """The rows (K, …) of classes `before` as rows of classes `now`."""
    widened = rows.new_zeros(len(now), *rows.shape[1:])
    for label, name in enumerate(before):
        widened[now.index(name)] = rows[label]
    return widened
