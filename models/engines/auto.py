"""The engine that chooses: by events while few fire, by dense convolutions while many do.

Both keep the same membranes and traces, so a lane is handed over between two steps.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from math import prod
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, Num
from numpy import ndarray
from torch import nn

from spikecut.models.dense_form import STEP, state_shapes
from spikecut.models.engines.events.memory import zeros
from spikecut.models.engines.events.program import Program, Room
from spikecut.models.engines.events.stepper import EventStepper
from spikecut.models.engines.lane_by_lane import Lane, LaneByLane, check_frames, frames_it_reads
from spikecut.models.engines.lowering import lowered
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.graph import Graph
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.protocols import SteppedModel

_HEAVY, _LOOK = 4, 32  # heavy steps on end that make a lane dense; dense steps between two looks at its load


@dataclass(slots=True, eq=False)
class Lanes:
    """The state of some lanes: `rows` as `EventStepper` keeps them, or for a lane that is dense its tensors.

    `heavy` counts how many steps on end needed more synaptic operations than the break-even, `dense_steps` for how many
    steps a lane has been dense since its load was last looked at. While `calm` no lane is dense or near it.
    """

    rows: Float32[ndarray, "B numbers"]
    tensors: list[Lane | None]
    heavy: Int64[ndarray, " B"]
    dense_steps: Int64[ndarray, " B"]
    calm: bool = True


class AutoStepper:
    """Steps each lane by events or densely, whichever its load makes faster, with hysteresis.

    `make_dense` makes the dense engine when it is first needed; `break_even` is the number of synaptic operations a
    step above which that one is faster. The choice depends on the lane alone, not on the rest of its batch or on
    the speed of the machine; on which dense engine is installed it does.

    `spikes` are those of each layer in the last step of this thread, of the `cells` that it has. Steps by events are
    always counted, dense ones while `counts_spikes` is set; None where a lane was not counted.
    """

    counts_spikes = False

    def __init__(self, graph: Graph, make_dense: Callable[[Graph], LaneByLane], break_even: float) -> None:
        self.graph, self.make_dense, self.break_even = graph, make_dense, break_even
        self.events = EventStepper(graph)
        self.cells = graph.cells
        self._dense: LaneByLane | None = None
        self._local = threading.local()

    @property
    def n_outputs(self) -> int:
        return self.graph.n_outputs

    @property
    def operations(self) -> Int64[ndarray, " B"] | None:
        """The synaptic operations of the last step of this thread, a number for each lane; None if one was dense."""
        return self.events.operations if getattr(self._local, "is_counted", False) else None

    @property
    def spikes(self) -> Int64[ndarray, "B layers"] | None:
        is_counted = getattr(self._local, "is_counted", False)
        return self.events.spikes if is_counted else getattr(self._local, "spikes", None)

    def step(self, frames: Num[ndarray, "B C H W"], state: Lanes | None) -> tuple[Float32[ndarray, "B K"], Lanes]:
        """One step for every lane. The state is changed and handed back.

        Raises:
            ModelError: if the frames have another size than the network was made for, or are not as many as the lanes.
        """
        check_frames(frames, self.graph.entry.shape, None if state is None else len(state.tensors))
        if state is None:
            n = len(frames)
            rows = zeros(n, self.events.program.n_state)
            state = Lanes(rows, [None] * n, np.zeros(n, np.int64), np.zeros(n, np.int64))
        self._local.is_counted = state.calm
        if not state.calm:
            return self._mixed(frames, state)
        output, state.rows = self.events.step(frames, state.rows)
        if self.events.most_operations > self.break_even:
            self._judge(state, np.arange(len(frames)))
        return output, state

    def _mixed(self, frames: Num[ndarray, "B C H W"], state: Lanes) -> tuple[Float32[ndarray, "B K"], Lanes]:
        """A step of which some lanes are dense; one long dense is stepped by events, to see its load."""
        output = np.empty((len(frames), self.n_outputs), np.float32)
        dense = self.dense
        for lane, tensors in enumerate(state.tensors):
            if tensors is not None and state.dense_steps[lane] >= _LOOK:
                state.rows[lane] = row_of(dense.arrays(tensors), self.events.program, self.graph)
                state.tensors[lane] = None
        by_events = np.array([lane for lane, tensors in enumerate(state.tensors) if tensors is None], np.int64)
        spikes = np.empty((len(frames), len(self.cells)), np.int64) if self.counts_spikes else None
        for lane, tensors in enumerate(state.tensors):
            if tensors is not None:
                output[lane : lane + 1], (state.tensors[lane],) = dense.step(frames[lane : lane + 1], [tensors])
                state.dense_steps[lane] += 1
                if spikes is not None and dense.spikes is not None:
                    spikes[lane] = dense.spikes[0]
        self._local.is_counted = len(by_events) == len(frames)
        if len(by_events):
            output[by_events], state.rows[by_events] = self.events.step(frames[by_events], state.rows[by_events])
            if spikes is not None:
                spikes[by_events] = self.events.spikes
            self._judge(state, by_events)
        self._local.spikes = spikes
        return output, state

    def _judge(self, state: Lanes, lanes: Int64[ndarray, " L"]) -> None:
        """Makes lanes dense that were heavy for some steps; one that was dense and looked at stays so above 0.8 of it.

        So the load must fall by a fifth before a lane comes back, and the next moments do not change it again.
        """
        for lane, work in zip(lanes.tolist(), self.events.operations.tolist(), strict=True):
            back = state.dense_steps[lane] > 0
            state.heavy[lane] = state.heavy[lane] + 1 if work > self.break_even else 0
            if state.heavy[lane] >= _HEAVY or (back and work > 0.8 * self.break_even):
                arrays = tensors_of(state.rows[lane], self.events.program.rooms, self.graph)
                state.tensors[lane] = self.dense.lane(arrays)
            state.dense_steps[lane] = 0
        state.calm = not state.heavy.any() and state.tensors.count(None) == len(state.tensors)

    @property
    def dense(self) -> LaneByLane:
        """The dense engine."""
        if self._dense is None:
            self._dense = self.make_dense(self.graph)
        self._dense.counts_spikes = self.counts_spikes
        return self._dense

    def select(self, state: Lanes, lanes: Int64[ndarray, " L"]) -> Lanes:
        """The state of the lanes that go on, exact to the bit; -1 is a lane at rest."""
        if state.calm:  # what is usual, and what a batch does after every decision
            n = len(lanes)
            rows = self.events.select(state.rows, lanes)
            return Lanes(rows, [None] * n, np.zeros(n, np.int64), np.zeros(n, np.int64))
        tensors = [state.tensors[lane] if lane >= 0 else None for lane in lanes.tolist()]
        counts, going = np.zeros((2, len(lanes)), np.int64), lanes >= 0
        counts[:, going] = state.heavy[lanes[going]], state.dense_steps[lanes[going]]
        heavy, dense_steps = counts
        return Lanes(self.events.select(state.rows, lanes), tensors, heavy, dense_steps, state.calm)

    def copy(self, state: Lanes) -> Lanes:
        """A state to come back to."""
        return replace(
            state,
            rows=state.rows.copy(),
            tensors=list(state.tensors),
            heavy=state.heavy.copy(),
            dense_steps=state.dense_steps.copy(),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return AutoStepper, (self.graph, self.make_dense, self.break_even), frames_it_reads(self)


def tensors_of(row: Float32[ndarray, " numbers"], rooms: tuple[Room, ...], graph: Graph) -> tuple[ndarray, ...]:
    """The state of a lane as dense engines keep it, from that of the event-driven one."""
    parts: list[ndarray] = []
    for room in rooms:
        channels, height, width = room.stage.shape
        block = row[room.at : room.at + room.size].reshape(height, width, 1 + room.n_traces, channels)
        planes = block.transpose(2, 3, 0, 1).reshape(1, -1, height, width)
        parts.append(np.ascontiguousarray(planes[:, :channels]))
        if room.n_traces:
            parts.append(np.ascontiguousarray(planes[:, channels:]))
    if STEP in state_shapes(graph):
        parts.append(np.array([row[-1]], np.int64))
    return tuple(parts)


def row_of(lane: tuple[ndarray, ...], program: Program, graph: Graph) -> Float32[ndarray, " numbers"]:
    """The state of a lane as the event-driven engine keeps it: the inverse of `tensors_of`."""
    row, parts = np.zeros(program.n_state, np.float32), iter(lane)
    for room in program.rooms:
        channels, height, width = room.stage.shape
        planes = [np.asarray(next(parts)) for _ in range(1 + (room.n_traces > 0))]
        block = np.concatenate(planes, 1).reshape(1 + room.n_traces, channels, height, width)
        row[room.at : room.at + room.size] = block.transpose(2, 3, 0, 1).ravel()
    if STEP in state_shapes(graph):
        row[-1] = np.asarray(next(parts))[0]
    return row


def stepper(network: nn.Module, spec: NetworkSpec) -> SteppedModel[Any]:
    """An `AutoStepper` of a trained network; Norse steps a network that cannot be stepped by events.

    The break-even points are fitted to steps of nmnist, gestures and five layers on noise; how well they hold,
    `python -m benchmarks.engines` shows.
    """
    try:
        graph = lowered(network, spec)
        if find_spec("onnx") and find_spec("onnxruntime"):
            n_state = sum(prod(shape) for shape in state_shapes(graph).values())
            fitted = 0.47 * graph.dense_operations - 35 * n_state + 3e5
            return AutoStepper(graph, _by_onnx, max(fitted, 0.15 * graph.dense_operations))
        return AutoStepper(graph, _by_torch, 0.25 * graph.dense_operations + 2.5e6)
    except ModelError:
        return NetworkStepper(network, spec)


def _by_onnx(graph: Graph) -> LaneByLane:
    from spikecut.models.engines.onnx import stepper_of

    return stepper_of(graph)


def _by_torch(graph: Graph) -> LaneByLane:
    from spikecut.models.engines.dense import DenseStepper

    return DenseStepper(graph)
