"""The program of a graph: rows of instructions for `stepping_kernels`, and all numbers that they use in one array."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from spikecut.models.engines.events.entry_kernels import LOGARITHMS
from spikecut.models.engines.events.memory import NUMBERS, zeros
from spikecut.models.engines.events.stepping_kernels import (
    BIAS,
    DECAY,
    ENTER,
    FIRE,
    POOL,
    READOUT,
    SCATTER,
    SIGNAL,
)
from spikecut.models.graph import Graph, Path, Pool, Shape, Stage
from spikecut.pipeline.errors import ModelError

_COLUMNS = 17
_Pooled = dict[tuple[int, tuple[Pool, ...]], int]  # the list of a signal behind some pools


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """Where the numbers of a stage lie in a lane's state: rows of `1 + n_traces` times its channels a pixel."""

    at: int
    stage: Stage
    n_traces: int

    @property
    def size(self) -> int:
        """How many numbers they are."""
        channels, height, width = self.stage.shape
        return height * width * channels * (1 + self.n_traces)


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """What `stepping_kernels.step` runs.

    A row of `instructions` is: operation; the list that it writes and the one that it reads, rows of `lists`, which are
    places of (pixels' beginnings, entries); where `floats` has factors for the steps, and how many; then its own.
    A lane's state is `n_state` numbers, whole cache lines, the last of them its steps. `scratch` are sizes: of all
    lists' beginnings, of all entries, and of the room for sums.
    """

    instructions: Int64[ndarray, "n 17"]
    lists: Int64[ndarray, "m 2"]
    floats: Float32[ndarray, " numbers"]
    rooms: tuple[Room, ...]
    n_state: int
    n_outputs: int
    scratch: tuple[int, int, int]


def program_of(graph: Graph) -> Program:
    """The program of a graph.

    Raises:
        ModelError: for traces whose currents have a scale for every step, several paths with traces into one stage, or
            the maximum of centred pixels: a list has no zeros, which are more than what is negative.
    """
    centred = [path for path in graph.paths if path.source == 0 and graph.entry.mean]
    if any(pool.kind == "max" for path in centred for pool in path.pools):
        raise ModelError("the maximum of centred pixels has no form by events", hint="engine 'dense' steps it")
    for stage in graph.stages:
        traced = [path for path in stage.paths if path.trace_leaks]
        if len(traced) > 1 or any(path.scales for path in traced):
            raise ModelError(
                "traces whose currents have a scale for every step, or of two paths, have no lowered form for it",
                hint="engine 'dense' steps them",
            )
    return _Writer(graph).written()


def tapped(kernel: Float32[ndarray, "k out in height width"], stride: int) -> Float32[ndarray, " numbers"]:
    """A kernel in the order in which an entry needs it.

    For each phase of a pixel's place (row, then column, modulo the stride) and each input channel: the rows of outputs
    that it reaches, the columns, and for each all numbers `(k, out)`. Rows and columns rise, so taps fall.
    """
    kernels, n_out, n_in, tall, wide = kernel.shape
    rows, columns = -(-tall // stride), -(-wide // stride)
    taps = np.zeros((stride, stride, n_in, rows, columns, kernels, n_out), np.float32)
    for phase_y in range(stride):
        for phase_x in range(stride):
            part = kernel[:, :, :, phase_y::stride, phase_x::stride][:, :, :, ::-1, ::-1]
            taps[phase_y, phase_x, :, : part.shape[3], : part.shape[4]] = part.transpose(2, 3, 4, 0, 1)
    return taps.ravel()


@dataclass(slots=True)
class _Writer:
    """Writes instructions stage by stage."""

    graph: Graph
    rows: list[list[int]] = field(default_factory=list)
    lists: list[tuple[int, int]] = field(default_factory=list)
    floats: list[ndarray] = field(default_factory=list)
    n_floats: int = 0
    n_first: int = 0
    n_entries: int = 0
    most_sums: int = 0

    def written(self) -> Program:
        graph = self.graph
        shared = [self._shared_pools(index) for index in range(len(graph.stages) + 1)]
        pooled: _Pooled = {(0, ()): self._enter()}
        rooms, at = list[Room](), 0
        for index, stage in enumerate(graph.stages, 1):
            room = Room(at, stage, max(len(path.trace_leaks) for path in stage.paths))
            rooms.append(room)
            at += room.size
            self._decay(room)
            for path in stage.paths:
                self._path(room, path, pooled)
            pools = shared[index]
            pooled[index, pools] = self._fire(room, pools, index)
        self._readout(graph.readout, pooled)
        return Program(
            np.array([row + [0] * (_COLUMNS - len(row)) for row in self.rows], np.int64),
            np.array(self.lists, np.int64),
            np.concatenate(self.floats, out=zeros(1, self.n_floats)[0]),
            tuple(rooms),
            (at // NUMBERS + 1) * NUMBERS,
            graph.n_outputs,
            (self.n_first, self.n_entries, self.most_sums),
        )

    def _shared_pools(self, index: int) -> tuple[Pool, ...]:
        """The first pool of a signal if all paths that read it begin with it: cells fire into it at once."""
        firsts = {path.pools[:1] for path in self.graph.paths if path.source == index}
        return firsts.pop() if len(firsts) == 1 else ()

    def _numbers(self, values: Sequence[float] | ndarray) -> int:
        """Puts numbers among the floats; returns their place. Every block begins at a whole vector."""
        block = np.asarray(values, np.float32).ravel()
        block = np.pad(block, (0, -len(block) % NUMBERS))
        self.floats.append(block)
        self.n_floats += len(block)
        return self.n_floats - len(block)

    def _list(self, shape: Shape) -> int:
        """Room for a list of a signal of this shape, every value of it, and one more that is written and not kept."""
        channels, height, width = shape
        self.lists.append((self.n_first, self.n_entries))
        self.n_first += height * width + 1
        self.n_entries += channels * height * width + 1
        self.most_sums = max(self.most_sums, channels)
        return len(self.lists) - 1

    def _enter(self) -> int:
        entry = self.graph.entry
        logs = self._numbers(np.log1p(np.arange(LOGARITHMS))) if entry.logarithm else -1
        centred = self._numbers([*entry.mean, *(1 / spread for spread in entry.spread)]) if entry.mean else -1
        target = self._list(entry.prepared)
        self.most_sums = max(self.most_sums, 2 * int(np.prod(entry.shape)) + 1)
        self.rows.append([ENTER, target, 0, 0, 0, *entry.shape, entry.side, logs, centred])
        return target

    def _decay(self, room: Room) -> None:
        stage = room.stage
        channels, height, width = stage.shape
        bias = sum((path.bias for path in stage.paths if not path.scales), np.zeros(channels, np.float32))
        leaks = next((path.trace_leaks for path in stage.paths if path.trace_leaks), ())
        traces = [np.full(channels, 1 - leak, np.float32) for leak in leaks]
        decays = np.concatenate([stage.cells.decay, *traces])
        biases = np.pad(stage.cells.gain * bias, (0, len(decays) - channels))
        rates = self._numbers(np.concatenate([decays, biases]))
        self.rows.append([DECAY, 0, 0, 0, 0, room.at, height * width, channels, len(leaks), rates])

    def _path(self, room: Room, path: Path, pooled: _Pooled) -> None:
        channels, height, width = room.stage.shape
        row, gain = channels * (1 + room.n_traces), room.stage.cells.gain
        given, of = self._pooled(path, pooled)
        if path.kernel is None:
            self.rows.append([SIGNAL, 0, given, 0, 0, room.at, height * width, row, self._numbers(gain)])
            return
        scales = [self._numbers(path.scales), len(path.scales)] if path.scales else [0, 0]
        if path.scales:
            self.rows.append([BIAS, 0, 0, *scales, room.at, height * width, channels, self._numbers(gain * path.bias)])
        kernel = path.kernel * gain[:, None, None, None]
        for k, leak in enumerate(path.trace_leaks, 1):
            kernel[k] *= leak
            kernel[0] += kernel[k]  # the membranes get the traces without what is new in them
        taps = self._numbers(tapped(kernel, path.stride))
        window = [path.stride, path.padding, *kernel.shape[3:]]
        self.rows.append([SCATTER, 0, given, *scales, room.at, height, width, row, taps, *window, *of])

    def _pooled(self, path: Path, pooled: _Pooled) -> tuple[int, list[int]]:
        """The list of a path's signal behind its pools, and its (height, width, channels)."""
        shape = self.graph.signal(path.source)
        for n, pool in enumerate(path.pools, 1):
            channels, height, width = shape
            before, after = (path.source, path.pools[: n - 1]), (path.source, path.pools[:n])
            shape = pool.shaped(shape)
            if after not in pooled:
                pooled[after] = self._list(shape)
                how = [pool.side, int(pool.kind == "mean"), int(pool.rest)]
                self.rows.append([POOL, pooled[after], pooled[before], 0, 0, height, width, channels, *how])
        return pooled[path.source, path.pools], [shape[1], shape[2], shape[0]]

    def _fire(self, room: Room, pools: tuple[Pool, ...], index: int) -> int:
        channels, height, width = room.stage.shape
        cells, pool = room.stage.cells, pools[0] if pools else Pool("max", 1)
        target = self._list(pool.shaped(room.stage.shape))
        away = -1.0 if cells.subtract is None else cells.subtract
        numbers = self._numbers([cells.threshold, cells.amplitude, away])
        how = [pool.side, int(pool.kind == "mean"), int(pool.rest)]
        row = [FIRE, target, 0, 0, 0, room.at, height, width, channels, room.n_traces, numbers, *how, index]
        self.rows.append(row)
        self.most_sums = max(self.most_sums, channels)
        return target

    def _readout(self, path: Path, pooled: _Pooled) -> None:
        given, of = self._pooled(path, pooled)
        assert path.kernel is not None
        n = len(path.bias) + -len(path.bias) % NUMBERS
        kernel = np.zeros((1, n, *path.kernel.shape[2:]), np.float32)
        kernel[:, : len(path.bias)] = path.kernel
        bias = self._numbers(np.pad(path.bias, (0, n - len(path.bias))))
        taps = self._numbers(tapped(kernel, path.stride))
        window = [path.stride, path.padding, *kernel.shape[3:]]
        self.rows.append([READOUT, 0, given, 0, 0, bias, 1, 1, n, taps, *window, *of])
        self.most_sums = max(self.most_sums, n)
