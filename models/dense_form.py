"""A lowered network in the form that dense steps compute: its kernels folded, its state tensors named.

The gain of the cells is folded into kernels and biases. The kernels of traces are scaled by their leaks, because a
convolution of leaky traces is the leaky trace of convolutions:

    A_k <- (1 - leak_k) A_k + conv(signal, leak_k kernel_k)
    current = conv(signal, kernel_0) + sum of A_k + bias

So one convolution with `(1 + n) out` channels serves both, and the traces are kept where the currents are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.models.graph import Graph, Path, Shape

READOUT = "readout"


@dataclass(frozen=True, slots=True, eq=False)
class FoldedPath:
    """A path whose currents are membrane voltages. A `kernel` is `((1 + n) out, in, height, width)`.

    `factor` multiplies a shortcut, which has no kernel. `keep` is what each trace keeps in a step. `state` names the
    tensor of the traces, empty without traces; `covers` says that the kernel covers the whole map, so that the path is
    a linear layer.
    """

    path: Path
    kernel: Float32[ndarray, "m in height width"] | None
    bias: Float32[ndarray, " out"]
    factor: Float32[ndarray, " out"]
    keep: tuple[float, ...]
    state: str
    shape: Shape
    covers: bool


def folded_paths(graph: Graph, stage: int) -> Iterator[FoldedPath]:
    """The paths into a stage, counted from 0; those of the readout for the number of stages."""
    last = stage == len(graph.stages)
    paths = (graph.readout,) if last else graph.stages[stage].paths
    for at, path in enumerate(paths):
        gain = np.ones(len(path.bias), np.float32) if last else graph.stages[stage].cells.gain.astype(np.float32)
        name = READOUT if last else f"{stage + 1}" + (f"_{at + 1}" if at else "")
        signal = graph.signal(path.source)
        for pool in path.pools:
            signal = pool.shaped(signal)
        yield FoldedPath(
            path,
            _kernel(path, gain),
            (path.bias * gain).astype(np.float32),
            gain,
            tuple(1 - leak for leak in path.trace_leaks),
            f"traces_{name}" if path.trace_leaks else "",
            path.shaped(graph.signal(path.source)),
            path.kernel is not None and path.kernel.shape[3:] == signal[1:] and not path.padding,
        )


def _kernel(path: Path, gain: Float32[ndarray, " out"]) -> Float32[ndarray, "m in height width"] | None:
    if path.kernel is None:
        return None
    leaks = np.array([1.0, *path.trace_leaks])[:, None, None, None, None]
    kernel = path.kernel * leaks * gain[:, None, None, None].astype(np.float64)
    return np.ascontiguousarray(kernel.reshape(-1, *path.kernel.shape[2:]), np.float32)


def membrane(stage: int) -> str:
    """The name of the membranes of a stage, counted from 0."""
    return f"membrane_{stage + 1}"


STEP = "step"


def state_shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """The state tensors of a lane by their names, in their order; float32, but for the counter `step`, which is int64.

    All zeros are rest. `membrane_i` has the shape of stage i, after the reset; `traces_i` has its traces of
    convolutions one after another, n times the channels; `step` is there where a path has `scales`.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for at in range(len(graph.stages) + 1):
        if at < len(graph.stages):
            shapes[membrane(at)] = graph.stages[at].shape
        for folded in folded_paths(graph, at):
            if folded.state:
                channels, height, width = folded.shape
                shapes[folded.state] = (len(folded.keep) * channels, height, width)
    if any(path.scales for path in graph.paths):
        shapes[STEP] = ()
    return shapes
