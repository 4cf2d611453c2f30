"""A network stepped by ONNX Runtime, one thread, from the model that `export.onnx` makes of its graph."""

from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from torch import nn

from spikecut.models.dense_form import STEP, state_shapes
from spikecut.models.engines.lane_by_lane import Lane, LaneByLane
from spikecut.models.engines.lowering import lowered
from spikecut.models.export.onnx import FRAME, onnx_model
from spikecut.models.graph import Graph, Shape
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import EnvironmentProblem


class OnnxStepper(LaneByLane):
    """Steps the ONNX model of a step. Worker processes get the model pickled."""

    def __init__(self, model: bytes, frame: Shape, shapes: dict[str, tuple[int, ...]]) -> None:
        self.model, self.shapes = model, shapes
        self.session = opened(model)
        rest = tuple(np.zeros((1, *shape), np.int64 if name == STEP else np.float32) for name, shape in shapes.items())
        super().__init__(frame, self.session.get_outputs()[0].shape[1], rest)

    def step_lane(self, frame: Float32[ndarray, "1 C H W"], lane: Lane) -> tuple[Float32[ndarray, "1 K"], Lane]:
        feed = dict(zip(self.shapes, lane, strict=True), **{FRAME: frame})
        output, *after = self.session.run(None, feed)
        return output, tuple(after)

    def __reduce__(self) -> tuple[Any, ...]:
        return OnnxStepper, (self.model, self.frame, self.shapes)


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
    return OnnxStepper(onnx_model(graph).SerializeToString(), graph.entry.shape, state_shapes(graph))


def opened(model: bytes) -> Any:
    """The session of an ONNX model: one thread, which does not spin.

    Raises:
        EnvironmentProblem: if onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise EnvironmentProblem(
            "the package onnxruntime is not installed", hint="pip install spikecut[onnx]"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
