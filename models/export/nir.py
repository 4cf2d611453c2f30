"""A network as a NIR graph (Pedersen et al., Nature Communications 15, 8122, 2024), which other frameworks read.

Time constants are in seconds: a step is forward Euler with `dt` of the network's bins, so `tau = dt / leak`. What NIR
cannot say is refused. The maximum of spikes can be said: it is their mean, and cells that fire if that is not 0.
"""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy import ndarray

from spikecut.models.graph import Dynamics, Graph, Path, Pool, Shape
from spikecut.pipeline.errors import EnvironmentProblem, ModelError

FACTS = "spikecut"  # the key of the metadata
CELLS = "cells_"


def nir_module() -> Any:
    """The package `nir`.

    Raises:
        EnvironmentProblem: if it is not installed.
    """
    try:
        import nir
    except ImportError as error:
        raise EnvironmentProblem("the package nir is not installed", hint="pip install spikecut[nir]") from error
    return nir


def nir_bytes(graph: Graph, step_us: int, facts: Mapping[str, Any] | None = None) -> bytes:
    """The NIR file (HDF5) of a network whose bins are `step_us` microseconds; `facts` become its metadata, as JSON.

    Raises:
        EnvironmentProblem: if the package `nir` is not installed.
        ModelError: naming what NIR cannot say.
    """
    nir, file = nir_module(), BytesIO()
    nir.write(file, nir_graph(graph, step_us, facts))
    return file.getvalue()


def nir_graph(graph: Graph, step_us: int, facts: Mapping[str, Any] | None = None) -> Any:
    """The `nir.NIRGraph`; see `nir_bytes`. Cells of stage i are the node `cells_i`, counted from 1."""
    nir = nir_module()
    _refuse(graph)
    drawing = _Drawing(nir, graph, step_us * 1e-6)
    for at, stage in enumerate(graph.stages):
        name = f"{CELLS}{at + 1}"
        sources = [drawing.path(path, f"{at + 1}" + (f"_{i + 1}" if i else "")) for i, path in enumerate(stage.paths)]
        flat = all(drawing.is_flat(source) for source in sources)
        drawing.add(name, drawing.cells(stage.cells, stage.shape[:1] if flat else stage.shape), *sources)
        drawing.signals.append(name)
    readout = drawing.path(graph.readout, "readout")
    drawing.add("output", nir.Output(output_type={"output": np.array([graph.n_outputs])}), readout)
    return nir.NIRGraph(drawing.nodes, drawing.edges, metadata={FACTS: json.dumps(dict(facts or {}))})


def _refuse(graph: Graph) -> None:
    """Raises a ModelError that names the first thing NIR cannot say."""
    hint = "export it to onnx, which can say all networks"
    if graph.entry.logarithm:
        raise ModelError("this network takes the logarithm of the counts of events; NIR has no such node", hint=hint)
    for path in graph.paths:
        if path.trace_leaks:
            raise ModelError("this network has graded traces of its frames; importers of NIR read none", hint=hint)
        if path.scales:
            raise ModelError(
                "this network scales its currents by another factor at every step (tebn); NIR has no such node",
                hint=hint,
            )
        if path.kernel is None and path.bias.any():
            raise ModelError("this network adds a bias to a shortcut; NIR has no such node", hint=hint)
    for stage in graph.stages:
        if stage.cells.subtract is not None:
            raise ModelError(
                "cells of this network are reset by subtraction; those of NIR are reset to a voltage", hint=hint
            )
        if stage.cells.amplitude != 1:
            raise ModelError("cells of this network put out something else than 1; those of NIR do not", hint=hint)


class _Drawing:
    """Nodes and edges as they are gathered. `signals` are the names of the nodes that put out the signals."""

    def __init__(self, nir: Any, graph: Graph, dt: float) -> None:
        self.nir, self.graph, self.dt = nir, graph, dt
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        entry = graph.entry
        self.add("input", nir.Input(input_type={"input": np.array(entry.shape)}))
        name = "input"
        if entry.side > 1:
            name = self.add("squares", nir.SumPool2d(*_windows(entry.side, entry.side)), name)
        if entry.mean:
            mean, spread = np.array(entry.mean), np.array(entry.spread)
            kernel = np.diag(1 / spread)[:, :, None, None]
            name = self.add("centred", self.convolution(entry.prepared, kernel, -mean / spread), name)
        self.signals = [name]

    def add(self, name: str, node: Any, *sources: str) -> str:
        if name not in self.nodes:
            self.nodes[name] = node
            self.edges.extend((source, name) for source in sources)
        return name

    def is_flat(self, name: str) -> bool:
        return isinstance(self.nodes[name], self.nir.Affine)

    def path(self, path: Path, place: str) -> str:
        """Adds the nodes of a path; returns the name of that which puts out its currents."""
        name, shape = self.signals[path.source], self.graph.signal(path.source)
        flat = bool(path.source) and self.nodes[name].input_type["input"].size == 1
        for pool in path.pools:
            name = self.pooled(name, pool, shape)
            shape = pool.shaped(shape)
        if path.kernel is None:
            return name
        kernel = path.kernel[0]
        if kernel.shape[2:] != shape[1:] or path.padding:
            node = self.convolution(shape, kernel, path.bias, path.stride, path.padding)
            return self.add(f"convolution_{place}", node, name)
        if not flat:
            flatten = self.nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1)
            name = self.add(f"flatten_{place}", flatten, name)
        weight = np.ascontiguousarray(kernel.reshape(len(kernel), -1), np.float32)
        return self.add(f"linear_{place}", self.nir.Affine(weight, path.bias.astype(np.float32)), name)

    def pooled(self, source: str, pool: Pool, shape: Shape) -> str:
        height, width = shape[1:]
        tall, wide = min(pool.side, height), min(pool.side, width)
        if pool.rest and (height % tall or width % wide):
            raise ModelError(
                f"this network pools {width} x {height} pixels by {pool.side} and keeps the rest; NIR leaves it out",
                hint="export it to onnx, which can say all networks",
            )
        mean = self.add(f"mean_{pool.side}_of_{source}", self.nir.AvgPool2d(*_windows(tall, wide)), source)
        if pool.kind == "mean":
            return mean
        if source not in self.signals[1:]:
            raise ModelError("this network takes the maximum of what is no spike; NIR has no such node")
        full = np.ones(pool.shaped(shape), np.float32)
        any_spike = self.nir.IF(full / self.dt, full * 0.5 / (tall * wide), full * 0)
        return self.add(f"any_{pool.side}_of_{source}", any_spike, mean)

    def convolution(self, shape: Shape, kernel: ndarray, bias: ndarray, stride: int = 1, padding: int = 0) -> Any:
        return self.nir.Conv2d(
            input_shape=shape[1:],
            weight=np.ascontiguousarray(kernel, np.float32),
            stride=(stride, stride),
            padding=(padding, padding),
            dilation=(1, 1),
            groups=1,
            bias=np.ascontiguousarray(bias, np.float32),
        )

    def cells(self, cells: Dynamics, shape: tuple[int, ...]) -> Any:
        def each(values: ndarray | float) -> ndarray:
            per_channel = np.broadcast_to(np.asarray(values, np.float64), shape[:1])
            return np.broadcast_to(per_channel.reshape(-1, *[1] * (len(shape) - 1)), shape).astype(np.float32)

        leak = 1 - cells.decay.astype(np.float64)
        threshold, rest = each(cells.threshold), each(0.0)
        if not leak.any():
            return self.nir.IF(each(cells.gain / self.dt), threshold, rest)
        if not leak.all():
            raise ModelError("in one layer of this network some channels leak and some do not; NIR has no such cells")
        gain = cells.gain / leak
        resistance = np.where(np.isclose(gain, 1, rtol=1e-6), 1, gain)  # as of Norse's cells
        return self.nir.LIF(each(self.dt / leak), each(resistance), rest, threshold, rest)


def _windows(tall: int, wide: int) -> tuple[ndarray, ndarray, ndarray]:
    """Kernel, stride and padding of windows beside one another."""
    return np.array([tall, wide]), np.array([tall, wide]), np.array([0, 0])
