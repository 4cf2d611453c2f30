"""A trained network as a `SteppedModel`: NumPy in, NumPy out, the state as an argument and a result."""

import copy
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64, Num
from numpy import ndarray
from torch import Tensor, nn

from spikecut.models.architectures.networks import State, fold, forward_step, plain
from spikecut.models.cells.base import CellLayer
from spikecut.models.engines.lane_by_lane import check_frames
from spikecut.models.pickling import to_bytes
from spikecut.models.spec import NetworkSpec
from spikecut.models.state_trees import cloned, n_lanes, take_or_rest
from spikecut.models.synaptic_operations import spikes_in


class NetworkStepper:
    """Steps a copy of a network for inference: folded, in evaluation mode, without gradients.

    The network itself becomes `plain`, as it is kept. Outputs depend on frames and state alone; two streams can
    share a stepper, and worker processes get it pickled. While `counts_spikes` is set, `spikes` are those of each layer
    in the last step of this thread, of the `cells` that it has; None while it is not.
    """

    counts_spikes = False

    def __init__(self, network: nn.Module, spec: NetworkSpec) -> None:
        self.spec = spec
        self.network = fold(copy.deepcopy(plain(network))).eval().requires_grad_(False)
        self._local = threading.local()

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
            if self.counts_spikes:
                with _outputs_of_cells(self.network) as layers:
                    output, state = forward_step(self.network, pixels, state)
                counts = [[spikes_in(layer[lane]) for layer in layers] for lane in range(len(frames))]
                self._local.spikes = np.array(counts, np.int64).reshape(len(frames), len(layers))
                self._local.cells = tuple(layer.shape[1:].numel() for layer in layers)
            else:
                output, state = forward_step(self.network, pixels, state)
                self._local.spikes = None
        return output.numpy(), state

    @property
    def spikes(self) -> Int64[ndarray, "B layers"] | None:
        return getattr(self._local, "spikes", None)

    @property
    def cells(self) -> tuple[int, ...]:
        cells: tuple[int, ...] = getattr(self._local, "cells", ())
        return cells

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
        kept = {name: value for name, value in vars(self).items() if name != "_local"}
        return _restored, (to_bytes(kept),)


def _restored(pickled: bytes) -> NetworkStepper:
    stepper = object.__new__(NetworkStepper)
    vars(stepper).update(pickle.loads(pickled), _local=threading.local())
    return stepper


@contextmanager
def _outputs_of_cells(network: nn.Module) -> Iterator[list[Tensor]]:
    """While it lasts, every layer of cells that is called adds its output to the list that is given.

    Threads take turns, since a hook is called by every thread that steps the network.
    """
    layers: list[Tensor] = []

    def note(layer: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Any]) -> None:
        layers.append(output[0])

    with _TURN:
        hooks = [one.register_forward_hook(note) for one in network.modules() if isinstance(one, CellLayer)]
        try:
            yield layers
        finally:
            for hook in hooks:
                hook.remove()


_TURN = threading.Lock()
