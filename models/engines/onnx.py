"""A network stepped by ONNX Runtime, one thread, from the model that `export.onnx` makes of its graph."""

from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from torch import nn

from spikecut.models.dense_form import STEP, state_shapes
from spikecut.models.engines.lane_by_lane import Lane, LaneByLane, frames_it_reads
from spikecut.models.engines.lowering import lowered
from spikecut.models.export.onnx import FRAME, onnx_model, with_counts
from spikecut.models.export.onnx_file import session_of
from spikecut.models.graph import Graph, Shape
from spikecut.models.spec import NetworkSpec


class OnnxStepper(LaneByLane):
    """Steps the ONNX model of a step; one that counts spikes is made of it when it is first needed.

    Worker processes get the model pickled.
    """

    def __init__(self, model: bytes, frame: Shape, shapes: dict[str, tuple[int, ...]], cells: tuple[int, ...]) -> None:
        self.model, self.shapes = model, shapes
        self.session = session_of(model)
        self._counting: Any = None
        rest = tuple(np.zeros((1, *shape), np.int64 if name == STEP else np.float32) for name, shape in shapes.items())
        super().__init__(frame, self.session.get_outputs()[0].shape[1], rest, cells)

    def step_lane(self, frame: Float32[ndarray, "1 C H W"], lane: Lane) -> tuple[Float32[ndarray, "1 K"], Lane]:
        feed = dict(zip(self.shapes, lane, strict=True), **{FRAME: frame})
        if self.spikes is None:
            output, *after = self.session.run(None, feed)
            return output, tuple(after)
        if self._counting is None:
            self._counting = session_of(with_counts(self.model))
        output, *after = self._counting.run(None, feed)
        self._local.fired = np.concatenate(after[len(lane) :])
        return output, tuple(after[: len(lane)])

    def __reduce__(self) -> tuple[Any, ...]:
        return OnnxStepper, (self.model, self.frame, self.shapes, self.cells), frames_it_reads(self)


def stepper(network: nn.Module, spec: NetworkSpec) -> OnnxStepper:
    """An `OnnxStepper` of a trained network.

    Raises:
        EnvironmentProblem: if onnx or onnxruntime is not installed.
        ModelError: if the network has no lowered form.
    """
    return stepper_of(lowered(network, spec))


def stepper_of(graph: Graph) -> OnnxStepper:
    """An `OnnxStepper` of a lowered network.

    Raises:
        EnvironmentProblem: if onnx or onnxruntime is not installed.
    """
    return OnnxStepper(onnx_model(graph).SerializeToString(), graph.entry.shape, state_shapes(graph), graph.cells)
