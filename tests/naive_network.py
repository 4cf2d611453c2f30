"""A lowered network stepped in double precision, layer by layer as its definition reads: the twin of the engines."""

from typing import Any

import numpy as np
from numpy import ndarray

from spikecut.models.graph import Entry, Graph, Path, Pool

State = dict[str, Any]


def step(graph: Graph, frame: ndarray, state: State | None) -> tuple[ndarray, State]:
    """One step of one lane: a frame `(C, H, W)` and the state, None at rest, to the outputs `(K,)` and the state."""
    state = state or {"n": 0, "v": {}, "traces": {}}
    after: State = {"n": state["n"] + 1, "v": {}, "traces": {}}
    output: ndarray = currents(signals(graph, frame, state, after), graph.readout, (-1, 0), state, after)[:, 0, 0]
    return output, after


def signals(graph: Graph, frame: ndarray, state: State, after: State) -> list[ndarray]:
    """The prepared frame, then what every stage puts out."""
    made = [prepared(graph.entry, frame)]
    for at, stage in enumerate(graph.stages):
        current = sum(currents(made, path, (at, i), state, after) for i, path in enumerate(stage.paths))
        cells = stage.cells
        decay, gain = (part.astype(np.float64)[:, None, None] for part in (cells.decay, cells.gain))
        v = decay * state["v"].get(at, 0.0) + gain * current
        fired = v > cells.threshold
        after["v"][at] = np.where(fired, 0.0 if cells.subtract is None else v - cells.subtract, v)
        made.append(fired * cells.amplitude)
    return made


def prepared(entry: Entry, frame: ndarray) -> ndarray:
    channels, height, width = entry.prepared
    x: ndarray = frame.astype(np.float64)[:, : height * entry.side, : width * entry.side]
    x = x.reshape(channels, height, entry.side, width, entry.side).sum((2, 4))
    if entry.logarithm:
        x = np.log1p(x)
    if entry.mean:
        x = (x - np.array(entry.mean)[:, None, None]) / np.array(entry.spread)[:, None, None]
    return x


def currents(signals: list[ndarray], path: Path, key: tuple[int, int], state: State, after: State) -> ndarray:
    x = signals[path.source]
    for pool in path.pools:
        x = pooled(pool, x)
    out: Any = x
    if path.kernel is not None:
        inputs = [x]
        for k, leak in enumerate(path.trace_leaks):
            trace = state["traces"].get((*key, k), np.zeros_like(x))
            after["traces"][*key, k] = trace + leak * (x - trace)
            inputs.append(after["traces"][*key, k])
        out = sum(convolved(one, w, path) for one, w in zip(inputs, path.kernel, strict=True))
    biased: ndarray = out + path.bias.astype(np.float64)[:, None, None]
    return biased * path.scales[min(state["n"], len(path.scales) - 1)] if path.scales else biased


def convolved(x: ndarray, kernel: ndarray, path: Path) -> ndarray:
    tall, wide = kernel.shape[2:]
    p, s = path.padding, path.stride
    padded = np.pad(x, ((0, 0), (p, p), (p, p)))
    height, width = (padded.shape[1] - tall) // s + 1, (padded.shape[2] - wide) // s + 1
    out = np.zeros((len(kernel), height, width))
    for ky in range(tall):
        for kx in range(wide):
            part = padded[:, ky : ky + s * (height - 1) + 1 : s, kx : kx + s * (width - 1) + 1 : s]
            out += np.tensordot(kernel[:, :, ky, kx].astype(np.float64), part, 1)
    return out


def pooled(pool: Pool, x: ndarray) -> ndarray:
    channels, height, width = pool.shaped(x.shape)
    out = np.empty((channels, height, width))
    for row in range(height):
        for column in range(width):
            window = x[:, row * pool.side : (row + 1) * pool.side, column * pool.side : (column + 1) * pool.side]
            out[:, row, column] = window.max((1, 2)) if pool.kind == "max" else window.mean((1, 2))
    return out
