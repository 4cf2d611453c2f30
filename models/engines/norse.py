"""A trained network behind the seam `SteppedModel`: NumPy in, NumPy out, state passed by hand."""

import copy
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64, Num
from numpy import ndarray
from torch import Tensor, nn

from spikecut.models.architectures.networks import NetworkSpec, State, fold, forward_step, plain
from spikecut.pipeline.errors import ModelError


class NetworkStepper:
    """Steps a copy of a network for inference: folded, in evaluation mode, without gradients.

    The network itself becomes `plain`, as it is kept. The stepper remembers nothing between calls; two streams can
    share one.
    """

    def __init__(self, network: nn.Module, spec: NetworkSpec) -> None:
        self.spec = spec
        self.network = fold(copy.deepcopy(plain(network))).eval().requires_grad_(False)

    @property
    def n_outputs(self) -> int:
        return self.spec.n_classes

    def step(self, frames: Num[ndarray, "B C H W"], state: State | None) -> tuple[Float32[ndarray, "B K"], State]:
        """One step for every lane.

        Raises:
            ModelError: if the frames have another size than the network was made for.
        """
        expected = (self.spec.inputs, self.spec.frame.height, self.spec.frame.width)
        if frames.shape[1:] != expected:
            raise ModelError(f"frames of shape {frames.shape[1:]} for a network made for {expected}")
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(frames, np.float32))
            output, state = forward_step(self.network, pixels, state)
        return output.numpy(), state

    def select(self, state: State, lanes: Int64[ndarray, " L"]) -> State:
        """The state of the lanes that go on, exact to the bit; -1 is a lane at rest, all zeros."""
        index = torch.from_numpy(lanes)
        resting = index < 0
        if not resting.any():
            return _mapped(state, lambda leaf: leaf.index_select(0, index))
        index = index.clamp(min=0)
        with torch.inference_mode():
            return _mapped(state, lambda leaf: leaf.index_select(0, index).index_fill_(0, *_places(resting)))

    def copy(self, state: State) -> State:
        """A state to come back to."""
        return _mapped(state, torch.clone)


def _places(marks: Tensor) -> tuple[Tensor, float]:
    return marks.nonzero().flatten(), 0.0


def _mapped(state: State, change: Any) -> State:
    """Applies `change` to every tensor of a state: a list of named tuples of tensors, and of None."""

    def walk(node: Any) -> Any:
        if isinstance(node, Tensor):
            return change(node)
        if isinstance(node, tuple) and hasattr(node, "_fields"):
            return type(node)(*map(walk, node))
        if isinstance(node, list | tuple):
            return type(node)(map(walk, node))
        return node

    return [walk(entry) for entry in state]
