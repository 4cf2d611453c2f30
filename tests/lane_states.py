"""The state of a network in double precision (`naive_network`) as the tensors of a lane that engines keep."""

from typing import Any

import numpy as np
from naive_network import convolved
from numpy import ndarray

from spikecut.models.dense_form import STEP, folded_paths, membrane, state_shapes
from spikecut.models.graph import Graph


def lane_of(graph: Graph, state: dict[str, Any] | None) -> tuple[ndarray, ...]:
    """The tensors `(1, C, H, W)`, in the order of `state_shapes`; None is rest."""
    tensors = {name: np.zeros(shape) for name, shape in state_shapes(graph).items()}
    if state is not None:
        tensors.update(_tensors(graph, state))
    return tuple(np.array(part, np.int64 if name == STEP else np.float32)[None] for name, part in tensors.items())


def _tensors(graph: Graph, state: dict[str, Any]) -> dict[str, ndarray]:
    tensors = {membrane(at): state["v"][at] for at in range(len(graph.stages))}
    for at in range(len(graph.stages) + 1):
        key = at if at < len(graph.stages) else -1
        for i, folded in enumerate(folded_paths(graph, at)):
            if folded.path.kernel is not None and folded.state:
                gain = folded.factor[:, None, None]
                traces = [state["traces"][key, i, k] for k in range(len(folded.keep))]
                kernels = folded.path.kernel[1:]
                parts = [gain * convolved(one, w, folded.path) for one, w in zip(traces, kernels, strict=True)]
                tensors[folded.state] = np.concatenate(parts)
    if any(path.scales for path in graph.paths):
        tensors[STEP] = np.array(state["n"])
    return tensors
