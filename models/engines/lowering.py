"""From layers of torch to the lowered network.

The layers are walked in their order. Between them travels a signal, still to be pooled, or the currents that the next
cells will take.
"""

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
from torch import Tensor, nn

from spikecut.models.architectures.networks import fold, plain
from spikecut.models.architectures.normalisation import TemporalBatchNorm
from spikecut.models.cells.base import CellLayer
from spikecut.models.graph import Entry, Graph, Path, Pool, Shape, Stage
from spikecut.models.layers import Averaged, Colours, FrameDropout, LogCounts, Residual, Traces
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError


@dataclass(frozen=True, slots=True)
class _Signal:
    """A signal on its way: pooled, with traces beside it, flattened."""

    index: int
    shape: Shape
    pools: tuple[Pool, ...] = ()
    trace_leaks: tuple[float, ...] = ()
    flat: bool = False


@dataclass(frozen=True, slots=True)
class _Currents:
    """Paths whose sum the next layer of cells takes."""

    paths: tuple[Path, ...]
    shape: Shape


_Value = _Signal | _Currents


@dataclass(slots=True)
class _Walk:
    """What the walk has gathered so far."""

    entry: Entry
    stages: list[Stage] = field(default_factory=list)


def lowered(network: nn.Module, spec: NetworkSpec) -> Graph:
    """The graph of a trained network, normalisation folded into its kernels.

    The network itself becomes `plain`, as it is kept.

    Raises:
        ModelError: naming the first layer that cannot be said so; Norse steps it all the same.
    """
    folded = fold(copy.deepcopy(plain(network))).eval().requires_grad_(False)
    shape = (spec.inputs, spec.frame.height, spec.frame.width)
    walk = _Walk(Entry(shape))
    value = _through(walk, folded.children(), _Signal(0, shape))
    if not isinstance(value, _Currents) or len(value.paths) != 1 or value.shape[1:] != (1, 1):
        raise ModelError("the network does not end in one linear layer; expected it for a lowered network")
    return Graph(walk.entry, tuple(walk.stages), value.paths[0])


def _through(walk: _Walk, layers: Iterable[nn.Module], value: _Value) -> _Value:
    for layer in layers:
        kind = next((kind for kind in _LAYERS if isinstance(layer, kind)), None)
        if kind is None:
            raise ModelError(
                f"a {type(layer).__name__} layer has no lowered form; expected "
                f"{', '.join(known.__name__ for known in _LAYERS)}",
                hint="engine 'norse' steps every network",
            )
        value = _LAYERS[kind](walk, layer, value)
    return value


def _same(walk: _Walk, layer: Any, value: _Value) -> _Value:
    return value


def _log_counts(walk: _Walk, layer: LogCounts, value: _Value) -> _Value:
    side = walk.entry.shape[2] // (layer.side or walk.entry.shape[2])
    walk.entry = replace(walk.entry, side=max(1, side), logarithm=True)
    return _Signal(0, walk.entry.prepared)


def _colours(walk: _Walk, layer: Colours, value: _Value) -> _Value:
    walk.entry = replace(walk.entry, mean=layer.mean, spread=layer.spread)
    return value


def _traces(walk: _Walk, layer: Traces, value: _Value) -> _Value:
    return replace(_signal(layer, value), trace_leaks=layer.leaks)


def _signal(layer: nn.Module, value: _Value) -> _Signal:
    if not isinstance(value, _Signal):
        raise ModelError(f"a {type(layer).__name__} layer of currents; expected cells before it")
    return value


def _convolution(walk: _Walk, layer: nn.Conv2d, value: _Value) -> _Value:
    if layer.groups != 1 or layer.dilation != (1, 1) or layer.padding_mode != "zeros":
        raise ModelError("a convolution with groups, dilation or another padding than zeros has no lowered form")
    if isinstance(layer.padding, str) or len({*layer.stride}) > 1 or len({*layer.padding}) > 1:
        raise ModelError("a convolution whose stride or padding is not the same both ways has no lowered form")
    return _path(_signal(layer, value), layer.weight, layer.bias, layer.stride[0], layer.padding[0])


def _linear(walk: _Walk, layer: nn.Linear, value: _Value) -> _Value:
    signal = _signal(layer, value)
    shape = signal.shape
    if not signal.flat and shape[1:] != (1, 1):
        raise ModelError(f"a linear layer of a map of {shape[1]} x {shape[2]} pixels; expected it flattened")
    return _path(signal, layer.weight.view(-1, *shape), layer.bias)


def _path(signal: _Signal, weight: Tensor, bias: Tensor | None, stride: int = 1, padding: int = 0) -> _Currents:
    """A convolution of a signal, and of its traces, each scaled by the root of its leak, as the kernel takes them."""
    n_traces, channels = len(signal.trace_leaks), signal.shape[0]
    factors = weight.new_tensor([1.0, *(1 / math.sqrt(leak) for leak in signal.trace_leaks)])
    kernels = weight.unflatten(1, (1 + n_traces, channels)).transpose(0, 1) * factors.view(-1, 1, 1, 1, 1)
    path = Path(
        signal.index,
        signal.pools,
        kernels.contiguous().numpy(),
        np.zeros(len(weight), np.float32) if bias is None else bias.numpy(),
        stride,
        padding,
        signal.trace_leaks,
    )
    # the shape of a signal on its way is pooled already
    return _Currents((path,), replace(path, pools=()).shaped(signal.shape))


def _temporal_norm(walk: _Walk, layer: TemporalBatchNorm, value: _Value) -> _Value:
    """Normalisation with a scale a step; `fold` has left no other."""
    if not isinstance(value, _Currents) or len(value.paths) != 1 or value.paths[0].kernel is None:
        raise ModelError("normalisation behind something else than a convolution has no lowered form")
    path, norm = value.paths[0], cast(Any, layer.norm)
    gain = (norm.weight * (norm.running_var + norm.eps).rsqrt()).numpy()
    kernel = path.kernel * gain[:, None, None, None]
    bias = norm.bias.numpy() + gain * (path.bias - norm.running_mean.numpy())
    scales = tuple(layer.scales.tolist())
    return replace(value, paths=(replace(path, kernel=kernel, bias=bias, scales=scales),))


def _cells(walk: _Walk, layer: CellLayer, value: _Value) -> _Value:
    if not isinstance(value, _Currents):
        raise ModelError("cells behind something else than a convolution or a linear layer have no lowered form")
    walk.stages.append(Stage(value.paths, layer.dynamics(value.shape[0]), value.shape))
    return _Signal(len(walk.stages), value.shape)


def _pooled(walk: _Walk, layer: nn.Module, value: _Value) -> _Value:
    signal = _signal(layer, value)
    if signal.trace_leaks:
        raise ModelError("traces that are pooled have no lowered form")
    pool = _pool(layer, signal.shape)
    return replace(signal, shape=pool.shaped(signal.shape), pools=(*signal.pools, pool))


def _pool(layer: Any, shape: Shape) -> Pool:
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        if layer.output_size not in (1, (1, 1)):
            raise ModelError(f"adaptive pooling to {layer.output_size}; expected 1")
        return Pool("mean", max(shape[1:]), rest=True)
    side, stride = _both_ways(layer.kernel_size), _both_ways(layer.stride)
    if side is None or side != stride or layer.padding not in (0, (0, 0)) or getattr(layer, "dilation", 1) != 1:
        raise ModelError(f"pooling {layer}; expected square windows beside one another")
    kind: Literal["max", "mean"] = "max" if isinstance(layer, nn.MaxPool2d) else "mean"
    return Pool(kind, side, rest=layer.ceil_mode)


def _both_ways(size: int | tuple[int, int]) -> int | None:
    """The one side of a window, or None if it has two."""
    tall, wide = (size, size) if isinstance(size, int) else size
    return tall if tall == wide else None


def _flattened(walk: _Walk, layer: nn.Flatten, value: _Value) -> _Value:
    if layer.start_dim != 1:
        raise ModelError(f"a map flattened from dimension {layer.start_dim}; expected 1")
    return replace(_signal(layer, value), flat=True)


def _residual(walk: _Walk, layer: Residual, value: _Value) -> _Value:
    signal = _signal(layer, value)
    paths: tuple[Path, ...] = ()
    shapes = set[Shape]()
    for branch in (layer.main, layer.shortcut):
        end = _through(walk, branch.children(), signal)
        if isinstance(end, _Signal):  # the signal itself is the current
            if end.trace_leaks or end.flat:
                raise ModelError("a shortcut of traces or of a flattened map has no lowered form")
            end = _Currents((Path(end.index, end.pools, None, np.zeros(end.shape[0], np.float32)),), end.shape)
        paths, shapes = (*paths, *end.paths), shapes | {end.shape}
    if len(shapes) > 1:
        raise ModelError(f"a residual connection of maps of {shapes}; expected one size")
    return _Currents(paths, shapes.pop())


_LAYERS: dict[type[nn.Module], Callable[[_Walk, Any, _Value], _Value]] = {
    LogCounts: _log_counts,
    Colours: _colours,
    Averaged: _same,
    Traces: _traces,
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    TemporalBatchNorm: _temporal_norm,
    CellLayer: _cells,
    Residual: _residual,
    nn.MaxPool2d: _pooled,
    nn.AvgPool2d: _pooled,
    nn.AdaptiveAvgPool2d: _pooled,
    nn.Flatten: _flattened,
    FrameDropout: _same,
    nn.Dropout: _same,
    nn.Identity: _same,
}
