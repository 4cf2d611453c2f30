"""The lowered network: signals that paths carry into stages of cells, all arrays NumPy's.

Signal 0 is the frame as its `Entry` prepares it, signal i the output of stage i - 1. Every path convolves one signal;
the currents of a stage's paths are added, and its cells take them: `v = decay v + gain current`, a spike where
`v > threshold`, then a reset. Normalisation is folded into the kernels; a linear layer is a convolution whose kernel
covers the whole map. So engines know three things: paths, cells, pools.
"""

from dataclasses import dataclass
from math import prod
from typing import Literal

from jaxtyping import Float32
from numpy import ndarray

Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True, slots=True)
class Entry:
    """The first signal, from frames `(C, H, W)` of `shape`: sums of squares, logarithm, then `(x - mean) / spread`.

    `side` is that of the squares in pixels, 1 for the frame as it is. With `logarithm` the value is `ln(1 + n)`.
    """

    shape: Shape
    side: int = 1
    logarithm: bool = False
    mean: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    @property
    def prepared(self) -> Shape:
        """The shape of the first signal."""
        channels, height, width = self.shape
        return channels, height // self.side, width // self.side


@dataclass(frozen=True, slots=True)
class Pool:
    """Square windows of `side` pixels, none overlapping, to their maximum or mean.

    Pixels that fill no window are left out; with `rest` they make a window of their own, whose mean is over them alone.
    """

    kind: Literal["max", "mean"]
    side: int
    rest: bool = False

    def shaped(self, shape: Shape) -> Shape:
        """The shape of what comes out."""
        channels, height, width = shape
        if self.rest:
            return channels, -(-height // self.side), -(-width // self.side)
        return channels, height // self.side, width // self.side


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A way from signal `source`, through pools, into the currents of a stage.

    `kernel` is `(1 + n, out, in, height, width)`: the first convolves the signal as it is, the others its n traces,
    leaky integrators of the signal at rest at 0, `trace += leak (signal - trace)`, by `trace_leaks`. Without a
    `kernel` the signal itself is the current (a shortcut). `scales` are factors of the currents, bias included, step by
    step; steps beyond the last take the last.
    """

    source: int
    pools: tuple[Pool, ...]
    kernel: Float32[ndarray, "k out in height width"] | None
    bias: Float32[ndarray, " out"]
    stride: int = 1
    padding: int = 0
    trace_leaks: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()

    def shaped(self, signal: Shape) -> Shape:
        """The shape of the currents."""
        for pool in self.pools:
            signal = pool.shaped(signal)
        if self.kernel is None:
            return signal
        _, out, _, tall, wide = self.kernel.shape
        height, width = (
            (size + 2 * self.padding - kernel) // self.stride + 1
            for size, kernel in zip(signal[1:], (tall, wide), strict=True)
        )
        return out, height, width


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """A layer of cells, at rest at 0: `v = decay v + gain current`, one number for each channel.

    Above `threshold` (not at it) a cell puts out `amplitude`; then it returns to 0 or, where `subtract` is not None,
    loses so much.
    """

    decay: Float32[ndarray, " C"]
    gain: Float32[ndarray, " C"]
    threshold: float = 1.0
    amplitude: float = 1.0
    subtract: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Paths into a layer of cells of this shape."""

    paths: tuple[Path, ...]
    cells: Dynamics
    shape: Shape


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A network: what it does with a frame, its stages, and the path whose currents, 1 x 1 pixel, are its output."""

    entry: Entry
    stages: tuple[Stage, ...]
    readout: Path

    def signal(self, index: int) -> Shape:
        """The shape of a signal, 0 for the frame as it is prepared."""
        return self.stages[index - 1].shape if index else self.entry.prepared

    @property
    def paths(self) -> tuple[Path, ...]:
        """All paths, the readout last."""
        return (*(path for stage in self.stages for path in stage.paths), self.readout)

    @property
    def n_outputs(self) -> int:
        """The number of outputs a step."""
        return len(self.readout.bias)

    @property
    def cells(self) -> tuple[int, ...]:
        """The number of cells of each stage."""
        return tuple(prod(stage.shape) for stage in self.stages)

    @property
    def dense_operations(self) -> int:
        """Multiply-accumulates of a step if no zero is skipped."""
        shapes = [*(stage.shape for stage in self.stages for _ in stage.paths), (self.n_outputs, 1, 1)]
        return sum(
            path.kernel.size * shape[1] * shape[2]
            for path, shape in zip(self.paths, shapes, strict=True)
            if path.kernel is not None
        )
