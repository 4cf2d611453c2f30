"""A trained network as a `SteppedModel`: NumPy in, NumPy out, the state as an argument and a result."""

import copy
import pickle
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64, Num
from numpy import ndarray
from torch import nn

from spikecut.models.architectures.networks import State, fold, forward_step, plain
from spikecut.models.engines.lane_by_lane import check_frames
from spikecut.models.pickling import to_bytes
from spikecut.models.spec import NetworkSpec
from spikecut.models.state_trees import cloned, n_lanes, take_or_rest


class NetworkStepper:
    """Steps a copy of a network for inference: folded, in evaluation mode, without gradients.

    The network itself becomes `plain`, as it is kept. The stepper remembers nothing between calls; two streams can
    share one, and worker processes get it pickled.
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
            ModelError: if the frames have another size than the network was made for, or are not as many as the lanes.
        """
        expected = (self.spec.inputs, self.spec.frame.height, self.spec.frame.width)
        check_frames(frames, expected, n_lanes(state))
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(frames, np.float32))
            output, state = forward_step(self.network, pixels, state)
        return output.numpy(), state

    def select(self, state: State, lanes: Int64[ndarray, " L"]) -> State:
        """The state of the lanes that go on, exact to the bit; -1 is a lane at rest, all zeros."""
        with torch.inference_mode():
            chosen: State = take_or_rest(state, torch.from_numpy(lanes))
        return chosen

    def copy(self, state: State) -> State:
        """A state to come back to."""
        copied: State = cloned(state)
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (to_bytes(vars(self)),)


def _restored(pickled: bytes) -> NetworkStepper:
    stepper = object.__new__(NetworkStepper)
    vars(stepper).update(pickle.loads(pickled))
    return stepper
