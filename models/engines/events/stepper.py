"""The event-driven engine as a `SteppedModel`."""

import math
import threading
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, Num
from numpy import ndarray

from spikecut.models.engines.events.memory import zeros
from spikecut.models.engines.events.program import Program, program_of
from spikecut.models.engines.events.stepping_kernels import step
from spikecut.models.engines.lane_by_lane import check_frames, frames_it_reads
from spikecut.models.graph import Graph
from spikecut.pipeline.errors import ModelError

_Scratch = tuple[ndarray, ndarray, ndarray, ndarray, ndarray]
State = Float32[ndarray, "lanes numbers"]
_COMPILED = (np.dtype(np.uint8), np.dtype(np.float32))  # other frames are converted, as are those of another byte order


class EventStepper:
    """Steps a lowered network by what is not 0: spikes and events are scattered through kernels into the membranes.

    The cost of a step follows the events. A lane's state is one row of numbers, all zeros at rest, and what a lane
    gives does not depend on the others, to the bit. `operations` are the synaptic operations of the last step of this
    thread, a number for each lane; `spikes` those of each layer, of the `cells` that it has. Counting them costs
    nothing.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.program: Program = program_of(graph)
        self.cells = graph.cells
        self._numbers = math.prod(graph.entry.shape)  # of a frame
        self._local = threading.local()

    @property
    def n_outputs(self) -> int:
        return self.program.n_outputs

    def step(self, frames: Num[ndarray, "B C H W"], state: State | None) -> tuple[Float32[ndarray, "B K"], State]:
        """One step for every lane. The state is changed and handed back.

        Raises:
            ModelError: if the frames have another size than the network was made for, or are not as many as the lanes,
                or the state is of another network.
        """
        check_frames(frames, self.graph.entry.shape, None if state is None else len(state))
        program, lanes = self.program, len(frames)
        if state is not None and state.shape[1] != program.n_state:
            raise ModelError(f"a state of {state.shape[1]} numbers a lane; that of this network has {program.n_state}")
        if frames.dtype not in _COMPILED:
            frames = frames.astype(np.float32)
        flat = np.ascontiguousarray(frames).reshape(lanes, self._numbers)
        per = 8 // flat.itemsize
        plane = frames.shape[2] * frames.shape[3]
        words = flat.view(np.uint64) if plane % per == 0 else _NO_WORDS[:1].repeat(lanes, 0)
        if state is None:
            state = zeros(lanes, program.n_state)
        output = np.empty((lanes, program.n_outputs), np.float32)
        work = np.empty((lanes, 1 + len(self.cells)), np.int64)
        scratch = self._scratch()
        most = step(program.instructions, program.lists, program.floats, flat, words, state, scratch, output, work)
        self._local.work, self._local.most = work, most
        return output, state

    @property
    def operations(self) -> Int64[ndarray, " B"]:
        work: ndarray = self._local.work
        return work[:, 0]

    @property
    def spikes(self) -> Int64[ndarray, "B layers"]:
        work: ndarray = self._local.work
        return work[:, 1:]

    @property
    def most_operations(self) -> int:
        """The most `operations` of a lane."""
        most: int = self._local.most
        return most

    def select(self, state: State, lanes: Int64[ndarray, " L"]) -> Float32[ndarray, "L numbers"]:
        """The state of the lanes that go on, exact to the bit; -1 is a lane at rest, all zeros."""
        chosen = zeros(len(lanes), state.shape[1])
        going = lanes >= 0
        chosen[going] = state[lanes[going]]
        return chosen

    def copy(self, state: State) -> State:
        """A state to come back to."""
        return state.copy()

    def _scratch(self) -> _Scratch:
        """Room for lists, one for each thread."""
        scratch: _Scratch | None = getattr(self._local, "scratch", None)
        if scratch is None:
            n_first, n_entries, n_sums = self.program.scratch
            scratch = self._local.scratch = (
                np.zeros(n_first, np.int64),
                np.empty(n_entries, np.int64),
                np.empty(n_entries, np.float32),
                np.empty(n_sums, np.float32),
                np.empty(n_sums, np.int32),
            )
        return scratch

    def __reduce__(self) -> tuple[Any, ...]:
        return EventStepper, (self.graph,), frames_it_reads(self)


_NO_WORDS = np.empty((1, 0), np.uint64)
