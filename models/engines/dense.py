"""A network stepped by plain PyTorch: gains folded into kernels, channels last, few passes over the membranes.

Comparisons write numbers instead of booleans, and resets multiply instead of choosing: both are several times faster
in PyTorch 2 on a CPU. `torch.compile` was tried: it compiles long at every start, and gains little.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional as F

from spikecut.models.dense_form import STEP, FoldedPath, folded_paths, state_shapes
from spikecut.models.engines.lane_by_lane import Lane, LaneByLane, frames_it_reads
from spikecut.models.engines.lowering import lowered
from spikecut.models.graph import Dynamics, Entry, Graph, Pool
from spikecut.models.spec import NetworkSpec
from spikecut.models.synaptic_operations import spikes_in


class DenseStepper(LaneByLane):
    """Steps the dense form of a graph. Worker processes get the graph pickled."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.paths = [[_Path(one) for one in folded_paths(graph, at)] for at in range(len(graph.stages) + 1)]
        self.layers = [_Cells(stage.cells) for stage in graph.stages]
        shapes = state_shapes(graph)
        self.counts = STEP in shapes
        rest = (torch.zeros(1, *shape, dtype=torch.int64 if name == STEP else None) for name, shape in shapes.items())
        super().__init__(graph.entry.shape, graph.n_outputs, tuple(map(_last, rest)), graph.cells)

    def step_lane(self, frame: Float32[ndarray, "1 C H W"], lane: Lane) -> tuple[Float32[ndarray, "1 K"], Lane]:
        before, after = iter(lane), list[Tensor]()
        step = int(lane[-1]) if self.counts else 0
        with torch.inference_mode():
            signals = [_last(_prepared(torch.from_numpy(frame), self.graph.entry))]
            for paths, cells in zip(self.paths, self.layers, strict=False):
                membranes, at = next(before), len(after)
                current, *others = [path.current(signals, before, after, step) for path in paths]
                for other in others:
                    current = current + other
                spikes, stepped = cells.step(current, membranes)
                after.insert(at, stepped)
                signals.append(spikes)
            output = self.paths[-1][0].current(signals, before, after, step).flatten(1)
            after.extend(count + 1 for count in before)
            if self.spikes is not None:
                self._local.fired = [spikes_in(signal) for signal in signals[1:]]
        return output.numpy(), tuple(after)

    def arrays(self, lane: Lane) -> tuple[ndarray, ...]:
        return tuple(tensor.contiguous().numpy() for tensor in lane)

    def lane(self, arrays: tuple[ndarray, ...]) -> Lane:
        return tuple(_last(torch.from_numpy(array)) for array in arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        return DenseStepper, (self.graph,), frames_it_reads(self)


def stepper(network: nn.Module, spec: NetworkSpec) -> DenseStepper:
    """A `DenseStepper` of a trained network.

    Raises:
        ModelError: if the network has no lowered form.
    """
    return DenseStepper(lowered(network, spec))


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _per_channel(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32)).view(1, -1, 1, 1)


def _prepared(x: Tensor, entry: Entry) -> Tensor:
    if entry.side > 1:
        x = F.avg_pool2d(x, entry.side).mul_(entry.side**2)
    if entry.logarithm:
        x = x.log1p()
    if entry.mean:
        x = (x - _per_channel(entry.mean)) / _per_channel(entry.spread)
    return x


def _pooled(x: Tensor, pool: Pool) -> Tensor:
    whole = pool.side >= max(x.shape[2:])
    if pool.rest and whole:
        return x.amax((2, 3), keepdim=True) if pool.kind == "max" else x.mean((2, 3), keepdim=True)
    if pool.kind == "max":
        return F.max_pool2d(x, pool.side, ceil_mode=pool.rest)
    return F.avg_pool2d(x, pool.side, ceil_mode=pool.rest)


class _Path:
    """The currents of a path: a convolution, a linear layer, or the signal itself."""

    def __init__(self, folded: FoldedPath) -> None:
        self.path, self.out, self.n_traces = folded.path, len(folded.bias), len(folded.keep)
        self.keep = _per_channel(np.repeat(folded.keep, self.out))
        self.factor = None if (folded.factor == 1).all() else _per_channel(folded.factor)
        self.bias = torch.from_numpy(folded.bias.copy())
        self.linear = folded.covers
        self.kernel: Tensor | None = None
        if folded.kernel is not None:
            padded = np.concatenate([folded.bias, np.zeros(len(folded.kernel) - self.out, np.float32)])
            self.bias, self.kernel = torch.from_numpy(padded), _last(torch.from_numpy(folded.kernel))
            if folded.covers:
                self.kernel = self.kernel.permute(0, 2, 3, 1).flatten(1)

    def current(self, signals: list[Tensor], before: Iterator[Tensor], after: list[Tensor], step: int) -> Tensor:
        """Takes the traces of the state, if there are some, and adds those after the step; the tensor is a new one."""
        current = self._merged(signals)
        if self.n_traces:
            traces = torch.addcmul(current[:, self.out :], next(before), self.keep)
            after.append(traces)
            current = current[:, : self.out] + traces[:, : self.out]
            for at in range(1, self.n_traces):
                current.add_(traces[:, at * self.out : (at + 1) * self.out])
        scales = self.path.scales
        return current.mul_(scales[min(step, len(scales) - 1)]) if scales else current

    def _merged(self, signals: list[Tensor]) -> Tensor:
        x = signals[self.path.source]
        for pool in self.path.pools:
            x = _pooled(x, pool)
        if self.kernel is None:
            return (x.clone() if self.factor is None else x * self.factor).add_(self.bias.view(1, -1, 1, 1))
        if self.linear:
            return F.linear(x.permute(0, 2, 3, 1).flatten(1), self.kernel, self.bias)[:, :, None, None]
        return torch.conv2d(x, self.kernel, self.bias, self.path.stride, self.path.padding)


class _Cells:
    """Membranes, in place of the currents."""

    def __init__(self, cells: Dynamics) -> None:
        self.cells = cells
        self.decay = _per_channel(cells.decay)
        self.same = float(cells.decay[0]) if (cells.decay == cells.decay[0]).all() else None

    def step(self, v: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Spikes, and the membranes after the reset."""
        v = v.addcmul_(before, self.decay) if self.same is None else v.add_(before, alpha=self.same)
        spikes = torch.gt(v, self.cells.threshold, out=torch.empty_like(v))
        if self.cells.subtract is None:
            v.addcmul_(v, spikes, value=-1)
        else:
            v.sub_(spikes, alpha=self.cells.subtract)
        return spikes if self.cells.amplitude == 1 else spikes.mul_(self.cells.amplitude), v
