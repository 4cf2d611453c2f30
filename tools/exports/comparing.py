"""Compares an exported file with its network, step by step over drawn frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from torch import nn

from spikecut.models.dense_form import membrane, state_shapes
from spikecut.models.engines.dense import DenseStepper
from spikecut.models.engines.lowering import lowered
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError

DENSITIES = (0.02, 0.1, 0.3, 0.0, 0.6)  # of the pixels that have events
CLOSE = 1e-3  # of the largest membrane, or output
RARE = 1e-6  # spikes that may differ, of all membranes at all steps: where one is at its threshold


class Stepped(Protocol):
    """An exported file that can be stepped."""

    facts: dict[str, Any]

    def step(self, frame: Float32[ndarray, "1 C H W"], state: Any) -> tuple[Float32[ndarray, "1 K"], Any]: ...

    def membranes(self, state: Any) -> list[ndarray]: ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs over `n_steps` steps in `n_clips` clips, each from rest.

    `outputs` is the largest difference of outputs in the largest output of its clip, over clips without a spike that
    differs; `spikes` counts membranes that differ, because the one has fired and the other has not or behind such a
    spike, of `membranes` compared; `decisions` counts clips whose largest sum of outputs is another class's.
    """

    n_steps: int
    n_clips: int
    outputs: float
    spikes: int
    membranes: int
    decisions: int

    @property
    def same(self) -> bool:
        """Whether file and network are the same but for rounding."""
        return not self.decisions and self.outputs < CLOSE and self.spikes <= RARE * self.membranes


def compared(file: Stepped, network: nn.Module, spec: NetworkSpec, n_steps: int, horizon: int, seed: int) -> Comparison:
    """Decisions against Norse; outputs and membranes against the engine `dense`, whose state has the same form.

    Raises:
        ModelError: if the file cannot be stepped, or has another number of outputs or cells.
    """
    graph = lowered(network, spec)
    norse, dense, names = NetworkStepper(network, spec), DenseStepper(graph), list(state_shapes(graph))
    places = [names.index(membrane(at)) for at in range(len(graph.stages))]
    worst, spikes, membranes, decisions, n_clips = 0.0, 0, 0, 0, 0
    for clip in drawn_clips(spec, n_steps, min(horizon, -(-n_steps // len(DENSITIES))), seed):
        states: list[Any] = [None, None, None]
        totals, apart, flipped = np.zeros((2, graph.n_outputs)), 0.0, 0
        for frame in clip:
            decided, states[0] = norse.step(frame, states[0])
            wanted, states[1] = dense.step(frame, states[1])
            output, states[2] = file.step(frame.astype(np.float32), states[2])
            if output.shape != wanted.shape or not np.isfinite(output).all():
                raise ModelError(f"outputs {output.tolist()}; expected {graph.n_outputs} finite numbers")
            totals += decided[0], output[0]
            apart = max(apart, float(np.abs(wanted - output).max() / max(np.abs(wanted).max(), 1e-6)))
            tensors = dense.arrays(states[1][0])
            theirs = [tensors[place].reshape(-1) for place in places]
            flipped += _n_apart([one.reshape(-1) for one in file.membranes(states[2])], theirs)
            membranes += sum(one.size for one in theirs)
        worst, spikes, n_clips = max(worst, 0.0 if flipped else apart), spikes + flipped, n_clips + 1
        decisions += int(totals[0].argmax() != totals[1].argmax())
    return Comparison(n_steps, n_clips, worst, spikes, membranes, decisions)


def _n_apart(mine: list[ndarray], theirs: list[ndarray]) -> int:
    """How many membranes are not close to one another."""
    sizes = [one.size for one in mine], [one.size for one in theirs]
    if sizes[0] != sizes[1]:
        raise ModelError(f"layers of {sizes[0]} cells; those of the network have {sizes[1]}")
    return sum(
        int((~(np.abs(one - other) <= CLOSE * max(1.0, float(np.abs(other).max())))).sum())
        for one, other in zip(mine, theirs, strict=True)
    )


def drawn_clips(spec: NetworkSpec, n_steps: int, length: int, seed: int) -> Iterator[list[UInt8[ndarray, "1 C H W"]]]:
    """Clips of drawn frames, `n_steps` in all: counts of events of one density after another, or pictures."""
    rng = np.random.default_rng(seed)
    shape = (1, spec.inputs, spec.frame.height, spec.frame.width)
    for at, start in enumerate(range(0, n_steps, length)):
        n_frames = min(length, n_steps - start)
        if spec.input_kind == "images":
            yield [rng.integers(0, 256, shape, np.uint8)] * n_frames
        else:
            rate = -np.log1p(-DENSITIES[at % len(DENSITIES)])
            yield [rng.poisson(rate, shape).astype(np.uint8) for _ in range(n_frames)]
