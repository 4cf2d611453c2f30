"""What engines share that step one lane at a time, so that no output depends on the other lanes of a batch."""

import threading
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, Num
from numpy import ndarray

from spikecut.models.graph import Shape
from spikecut.pipeline.errors import ModelError

Lane = tuple[Any, ...]


class LaneByLane(ABC):
    """A `SteppedModel` whose state is a list: the tensors of every lane, as `dense_form.state_shapes` orders them.

    They are never written to once made, so lanes are selected and copied without copying what they hold. While
    `counts_spikes` is set, `spikes` are those of each layer in the last step of this thread, of the `cells` that it
    has; None while it is not, and in engines that do not give their `cells`.
    """

    counts_spikes = False

    def __init__(self, frame: Shape, n_outputs: int, rest: Lane, cells: tuple[int, ...] = ()) -> None:
        self.frame, self.n_outputs, self.rest, self.cells = frame, n_outputs, rest, cells
        self._local = threading.local()

    @abstractmethod
    def step_lane(self, frame: Float32[ndarray, "1 C H W"], lane: Lane) -> tuple[Float32[ndarray, "1 K"], Lane]:
        """One step of one lane; writes to nothing that it was given.

        Where `spikes` is not None it leaves those of each layer in `self._local.fired`.
        """

    def step(
        self, frames: Num[ndarray, "B C H W"], state: list[Lane] | None
    ) -> tuple[Float32[ndarray, "B K"], list[Lane]]:
        """One step for every lane.

        Raises:
            ModelError: if the frames have another size than the network was made for, or are not as many as the lanes.
        """
        check_frames(frames, self.frame, None if state is None else len(state))
        pixels = np.ascontiguousarray(frames, np.float32)
        lanes = [self.rest] * len(frames) if state is None else state
        outputs, after = np.empty((len(frames), self.n_outputs), np.float32), []
        is_counted = self.counts_spikes and self.cells
        spikes = self._local.spikes = np.zeros((len(frames), len(self.cells)), np.int64) if is_counted else None
        for at, lane in enumerate(lanes):
            outputs[at : at + 1], stepped = self.step_lane(pixels[at : at + 1], lane)
            after.append(stepped)
            if spikes is not None:
                spikes[at] = self._local.fired
        return outputs, after

    @property
    def spikes(self) -> Int64[ndarray, "B layers"] | None:
        return getattr(self._local, "spikes", None)

    def select(self, state: list[Lane], lanes: Int64[ndarray, " L"]) -> list[Lane]:
        """The state of the lanes that go on; -1 is a lane at rest, all zeros."""
        return [state[lane] if lane >= 0 else self.rest for lane in lanes.tolist()]

    def arrays(self, lane: Lane) -> tuple[ndarray, ...]:
        """The tensors of a lane as arrays `(1, C, H, W)`, for another engine to go on from."""
        return lane

    def lane(self, arrays: tuple[ndarray, ...]) -> Lane:
        """The lane that goes on from the arrays of another engine."""
        return arrays

    def copy(self, state: list[Lane]) -> list[Lane]:
        """A state to come back to."""
        return list(state)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _local=threading.local())


def check_frames(frames: Num[ndarray, "B C H W"], shape: Shape, n_lanes: int | None) -> None:
    """Refuses frames that are not `shape`, or of another number than the lanes of a state; None is rest.

    Raises:
        ModelError: naming both.
    """
    if frames.shape[1:] != shape:
        raise ModelError(f"frames of shape {frames.shape[1:]} for a network made for {shape}")
    if n_lanes is not None and len(frames) != n_lanes:
        raise ModelError(f"{len(frames)} frames for a state of {n_lanes} lanes; expected one for each")


def frames_it_reads(stepper: object) -> dict[str, Any]:
    """What a stepper that was loaded says of itself, to be pickled with it: its frames, whether it counts spikes."""
    kept = ("spec", "card", "weights", "counts_spikes")
    return {name: value for name, value in vars(stepper).items() if name in kept}
