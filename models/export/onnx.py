"""One step of a network as an ONNX model: the state tensors are named inputs and outputs.

`frame` and the state go in, `output` and the state after the step come out, `NAME` as `NAME_after`. All zeros are rest.
Operators are those of opset 17, which ONNX Runtime reads since 1.12 (2022).
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from spikecut.models.card import ModelCard
from spikecut.models.dense_form import STEP, FoldedPath, folded_paths, membrane, state_shapes
from spikecut.models.graph import Dynamics, Entry, Graph, Path, Pool, Shape
from spikecut.models.spec import CHANNELS
from spikecut.pipeline.errors import EnvironmentProblem

OPSET, IR_VERSION = 17, 8
FRAME, OUTPUT, AFTER = "frame", "output", "_after"
_LANES = "batch"


def onnx_model(graph: Graph, facts: Mapping[str, Any] | None = None) -> Any:
    """The `onnx.ModelProto` of a step, for any number of lanes; `facts` become its metadata, each as JSON.

    Raises:
        EnvironmentProblem: if the package `onnx` is not installed.
    """
    model, states = _Model(_onnx()), state_shapes(graph)
    model.input(FRAME, graph.entry.shape)
    for name, shape in states.items():
        model.input(name, shape)
    signals = [_prepared(model, graph.entry)]
    paths = [list(folded_paths(graph, stage)) for stage in range(len(graph.stages) + 1)]
    for at, stage in enumerate(graph.stages):
        currents = [_currents(model, graph, signals, folded) for folded in paths[at]]
        signals.append(_cells(model, stage.cells, membrane(at), currents))
    model.op("Flatten", _currents(model, graph, signals, paths[-1][0]), out=OUTPUT)
    model.output(OUTPUT, (graph.n_outputs,))
    if STEP in states:
        model.op("Add", STEP, model.constant(np.int64(1)), out=STEP + AFTER)
    for name, shape in states.items():
        model.output(name + AFTER, shape)
    return model.finished({"state": list(states), **(facts or {})})


def with_counts(model: bytes) -> bytes:
    """The model of a step with an output `fired_N` `(B,)` more for each layer of cells, from 1 on: how many fired.

    Raises:
        EnvironmentProblem: if the package `onnx` is not installed.
    """
    onnx = _onnx()
    counted = onnx.load_from_string(model)
    graph, make = counted.graph, onnx.helper
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 2, 3], np.int64), "cell_axes"))
    spikes = [node.output[0] for node in graph.node if node.op_type == "Cast"]  # nothing else is cast
    for at, name in enumerate(spikes, 1):
        graph.node.append(make.make_node("ReduceSum", [name, "cell_axes"], [f"fired_{at}"], keepdims=0))
        graph.output.append(make.make_tensor_value_info(f"fired_{at}", onnx.TensorProto.FLOAT, (_LANES,)))
    onnx.checker.check_model(counted, full_check=True)
    data: bytes = counted.SerializeToString()
    return data


def facts_of(card: ModelCard) -> dict[str, Any]:
    """What a consumer of the file needs to know, from the card of the network."""
    spec = card.spec
    return {
        "network": card.name,
        "classes": list(card.classes),
        "rejects": list(card.rejects),
        "step_us": spec.step_us,
        "channels": list(CHANNELS[spec.inputs]),
        "frame": [spec.frame.width, spec.frame.height],
        "sensor": [card.sensor.width, card.sensor.height],
        "horizon": card.horizon,
        "weights_sha256": card.weights_sha256,
    }


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise EnvironmentProblem("the package onnx is not installed", hint="pip install spikecut[onnx]") from error
    return onnx


class _Model:
    """Nodes, constants, inputs and outputs as they are gathered."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.pooled: dict[tuple[str, Pool], str] = {}

    def op(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        out = out or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [out], **attributes))
        return out

    def split(self, x: str, sizes: list[int]) -> list[str]:
        """Parts of the channels."""
        parts = [f"split_{len(self.nodes)}_{at}" for at in range(len(sizes))]
        sizes_of_parts = self.constant(np.array(sizes, np.int64))
        self.nodes.append(self.onnx.helper.make_node("Split", [x, sizes_of_parts], parts, axis=1))
        return parts

    def constant(self, value: Any) -> str:
        """Adds an array; returns its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.array(value), name))
        return name

    def number(self, value: float) -> str:
        return self.constant(np.float32(value))

    def per_channel(self, values: Any) -> str:
        """One number if all channels have the same, else an array that is broadcast over the pixels."""
        each = np.asarray(values, np.float32)
        return self.number(each[0]) if (each == each[0]).all() else self.constant(each[:, None, None])

    def total(self, terms: list[str]) -> str:
        first, *rest = terms
        for term in rest:
            first = self.op("Add", first, term)
        return first

    def input(self, name: str, shape: tuple[int, ...]) -> None:
        self.inputs.append(self._value(name, name == STEP, shape))

    def output(self, name: str, shape: tuple[int, ...]) -> None:
        self.outputs.append(self._value(name, name == STEP + AFTER, shape))

    def _value(self, name: str, whole: bool, shape: tuple[int, ...]) -> Any:
        kinds = self.onnx.TensorProto
        return self.onnx.helper.make_tensor_value_info(name, kinds.INT64 if whole else kinds.FLOAT, (_LANES, *shape))

    def finished(self, facts: Mapping[str, Any]) -> Any:
        helper = self.onnx.helper
        model = helper.make_model(
            helper.make_graph(self.nodes, "step", self.inputs, self.outputs, self.constants),
            producer_name="spikecut",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
            doc_string="One step of a spiking network. State NAME comes out as NAME_after; all zeros are rest.",
        )
        helper.set_model_props(model, {name: json.dumps(value) for name, value in facts.items()})
        self.onnx.checker.check_model(model, full_check=True)
        return model


def _prepared(model: _Model, entry: Entry) -> str:
    x = FRAME
    if entry.side > 1:
        x = model.op("AveragePool", x, kernel_shape=[entry.side] * 2, strides=[entry.side] * 2)
        x = model.op("Mul", x, model.number(entry.side**2))
    if entry.logarithm:
        x = model.op("Log", model.op("Add", x, model.number(1)))
    if entry.mean:
        x = model.op("Sub", x, model.per_channel(entry.mean))
        x = model.op("Div", x, model.per_channel(entry.spread))
    return x


def _signal(model: _Model, graph: Graph, signals: list[str], path: Path) -> str:
    """The pooled signal of a path."""
    x, shape = signals[path.source], graph.signal(path.source)
    for pool in path.pools:
        if (x, pool) not in model.pooled:
            model.pooled[x, pool] = _pooled(model, x, pool, shape)
        x, shape = model.pooled[x, pool], pool.shaped(shape)
    return x


def _pooled(model: _Model, x: str, pool: Pool, shape: Shape) -> str:
    """Windows at the border that are not full are padded; no average counts the padding."""
    missing = [-size % pool.side if pool.rest else 0 for size in shape[1:]]
    kind = "MaxPool" if pool.kind == "max" else "AveragePool"
    return model.op(kind, x, kernel_shape=[pool.side] * 2, strides=[pool.side] * 2, pads=[0, 0, *missing])


def _currents(model: _Model, graph: Graph, signals: list[str], folded: FoldedPath) -> str:
    path, x = folded.path, _signal(model, graph, signals, folded.path)
    if folded.kernel is None:
        current = x if (folded.factor == 1).all() else model.op("Mul", x, model.per_channel(folded.factor))
        if folded.bias.any():
            current = model.op("Add", current, model.per_channel(folded.bias))
    else:
        bias = np.concatenate([folded.bias, np.zeros(len(folded.kernel) - len(folded.bias), np.float32)])
        padding, stride = [path.padding] * 4, [path.stride] * 2
        weights = model.constant(folded.kernel), model.constant(bias)
        current = model.op("Conv", x, *weights, pads=padding, strides=stride)
    if folded.state:
        out, n_traces = len(folded.bias), len(folded.keep)
        current, grown = model.split(current, [out, n_traces * out])
        kept = model.op("Mul", folded.state, model.per_channel(np.repeat(folded.keep, out)))
        traces = model.op("Add", kept, grown, out=folded.state + AFTER)
        current = model.total([current, *model.split(traces, [out] * n_traces)])
    if path.scales:
        last = model.constant(np.int64(len(path.scales) - 1))
        scales = model.constant(np.array(path.scales, np.float32))
        scale = model.op("Gather", scales, model.op("Min", STEP, last))
        axes = model.constant(np.array([1, 2, 3], np.int64))
        current = model.op("Mul", current, model.op("Unsqueeze", scale, axes))
    return current


def _cells(model: _Model, cells: Dynamics, state: str, currents: list[str]) -> str:
    """The spikes of a stage; its membranes after the reset are an output."""
    v = state if (cells.decay == 1).all() else model.op("Mul", state, model.per_channel(cells.decay))
    v = model.total([v, *currents])
    fired = model.op("Greater", v, model.number(cells.threshold))
    spikes = model.op("Cast", fired, to=model.onnx.TensorProto.FLOAT)
    lost = model.op("Mul", spikes, v if cells.subtract is None else model.number(cells.subtract))
    model.op("Sub", v, lost, out=state + AFTER)  # faster than Where
    return spikes if cells.amplitude == 1 else model.op("Mul", spikes, model.number(cells.amplitude))
