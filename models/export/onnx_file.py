"""ONNX models in ONNX Runtime: a session for bytes, and an exported file with all that its consumer needs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.models.dense_form import STEP
from spikecut.models.export.onnx import FRAME
from spikecut.pipeline.errors import EnvironmentProblem, LimitExceeded, ModelError, in_a_line
from spikecut.pipeline.files.limits import limited_bytes


def session_of(model: bytes) -> Any:
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


class OnnxFile:
    """An exported file, stepped from what it holds alone. `facts` are its metadata.

    Raises:
        EnvironmentProblem: if onnxruntime is not installed.
        ModelError: if it cannot be read, or is no export of spikecut.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.session = session_of(limited_bytes(path, "weights-bytes"))
            stored = self.session.get_modelmeta().custom_metadata_map
            self.facts: dict[str, Any] = {name: json.loads(text) for name, text in stored.items()}
            names = [one.name for one in self.session.get_inputs()]
            if names != [FRAME, *self.facts["state"]]:
                raise ModelError(f"inputs {', '.join(names)}; expected {FRAME} and the state")
        except (EnvironmentProblem, LimitExceeded):
            raise
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
        except Exception as error:  # of ONNX Runtime, or metadata of another program
            raise ModelError(f"{path}: not an ONNX model that spikecut exported: {in_a_line(error)}") from error
        self.rest = {
            one.name: np.zeros((1, *one.shape[1:]), np.int64 if one.name == STEP else np.float32)
            for one in self.session.get_inputs()[1:]
        }

    def step(
        self, frame: Float32[ndarray, "1 C H W"], state: dict[str, ndarray] | None
    ) -> tuple[Float32[ndarray, "1 K"], dict[str, ndarray]]:
        """One step of one lane; None is rest.

        Raises:
            ModelError: if ONNX Runtime cannot run it.
        """
        state = self.rest if state is None else state
        try:
            output, *after = self.session.run(None, {FRAME: frame, **state})
            return output, dict(zip(state, after, strict=True))
        except Exception as error:  # of ONNX Runtime
            raise ModelError(f"{self.path}: cannot be stepped: {in_a_line(error)}") from error

    def state_of(self, tensors: dict[str, ndarray]) -> dict[str, ndarray]:
        """The state that the tensors of a network are."""
        return tensors

    def tensors(self, state: dict[str, ndarray]) -> dict[str, ndarray]:
        """The tensors of a state, by the names of `dense_form.state_shapes`."""
        return state
