"""A NIR file, stepped as its definition reads: forward Euler, the nodes in the order of their edges.

Only what `nir.py` writes is stepped. This checks an exported file without another framework.
"""

import json
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor
from torch.nn import functional as F

from spikecut.models.export.nir import CELLS, FACTS, nir_module
from spikecut.pipeline.errors import ModelError, in_a_line


class NirFile:
    """An exported file. `facts` are its metadata; the state is the membrane of every node that has one.

    Raises:
        EnvironmentProblem: if the package `nir` is not installed.
        ModelError: if it cannot be read, or is no export of spikecut.
    """

    def __init__(self, path: Path) -> None:
        self.nir, self.path = nir_module(), path
        try:
            graph = self.nir.read(path)
            text = graph.metadata[FACTS]
            self.facts: dict[str, Any] = json.loads(text)
            self.dt = float(self.facts["step_us"]) * 1e-6
            before: dict[str, list[str]] = {name: [] for name in graph.nodes}
            for source, target in graph.edges:
                before[target].append(source)
            order = list(TopologicalSorter(before).static_order())
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {in_a_line(error)}") from error
        except Exception as error:  # of nir, or metadata of another program
            raise ModelError(f"{path}: not a NIR graph that spikecut exported: {in_a_line(error)}") from error
        self.before, self.nodes = before, {name: graph.nodes[name] for name in order}

    def step(
        self, frame: Float32[ndarray, "1 C H W"], state: dict[str, Tensor] | None
    ) -> tuple[Float32[ndarray, "1 K"], dict[str, Tensor]]:
        """One step of one lane; None is rest.

        Raises:
            ModelError: if its nodes do not fit one another.
        """
        try:
            return self._stepped(frame, state)
        except (RuntimeError, KeyError, IndexError, ValueError, TypeError) as error:
            raise ModelError(f"{self.path}: cannot be stepped: {in_a_line(error)}") from error

    def _stepped(self, frame: ndarray, state: dict[str, Tensor] | None) -> tuple[ndarray, dict[str, Tensor]]:
        outputs: dict[str, Tensor] = {}
        after: dict[str, Tensor] = {}
        with torch.inference_mode():
            for name, node in self.nodes.items():
                incoming = [outputs[source] for source in self.before[name]]
                x = sum(incoming[1:], incoming[0]) if incoming else torch.from_numpy(frame)
                if isinstance(node, self.nir.LIF | self.nir.IF):
                    outputs[name], after[name] = self._fired(node, x, None if state is None else state[name])
                else:
                    outputs[name] = self._passed(node, x)
        return outputs["output"].numpy(), after

    def state_of(self, tensors: dict[str, ndarray]) -> dict[str, Tensor]:
        """The state that the membranes of a network are; cells without memory are at rest."""
        return {
            name: _array(tensors.get(_membrane(name), np.zeros(node.v_threshold.shape))).view(
                1, *node.v_threshold.shape
            )
            for name, node in self.nodes.items()
            if isinstance(node, self.nir.LIF | self.nir.IF)
        }

    def tensors(self, state: dict[str, Tensor]) -> dict[str, ndarray]:
        """The membranes of a state, by the names of `dense_form.state_shapes`."""
        return {_membrane(name): tensor.numpy() for name, tensor in state.items() if name.startswith(CELLS)}

    def _fired(self, node: Any, x: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        v = torch.zeros_like(x) if v is None else v
        if isinstance(node, self.nir.LIF):
            leak = self.dt / node.tau.astype(np.float64)
            v = _array(1 - leak) * v + _array(leak * node.v_leak) + _array(leak * node.r) * x
        else:
            v = v + _array(self.dt * node.r.astype(np.float64)) * x
        fired = v > _array(node.v_threshold)
        return fired.float(), torch.where(fired, _array(node.v_reset), v)

    def _passed(self, node: Any, x: Tensor) -> Tensor:
        nir = self.nir
        if isinstance(node, nir.Conv2d):
            stride, padding = (tuple(int(n) for n in both) for both in (node.stride, node.padding))
            return torch.conv2d(x, _array(node.weight), _array(node.bias), stride, padding)
        if isinstance(node, nir.AvgPool2d):
            return F.avg_pool2d(x, tuple(map(int, node.kernel_size)), tuple(map(int, node.stride)))
        if isinstance(node, nir.SumPool2d):
            side = tuple(map(int, node.kernel_size))
            return F.avg_pool2d(x, side, tuple(map(int, node.stride)), divisor_override=1)
        if isinstance(node, nir.Flatten):
            return x.flatten(1)
        if isinstance(node, nir.Affine):
            return F.linear(x, _array(node.weight), _array(node.bias))
        if isinstance(node, nir.Input | nir.Output):
            return x
        raise ModelError(f"a NIR node {type(node).__name__}; expected one that spikecut writes")


def _membrane(name: str) -> str:
    """The tensor that a node of cells keeps."""
    return f"membrane_{name.removeprefix(CELLS)}"


def _array(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32))
