"""Compares an exported file with its network, step by step over drawn frames."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from torch import nn

from spikecut.models.dense_form import state_shapes
from spikecut.models.engines.dense import DenseStepper
from spikecut.models.engines.lowering import lowered
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.spec import InputKind, NetworkSpec
from spikecut.pipeline.errors import ModelError

DENSITIES = (0.02, 0.1, 0.3, 0.0, 0.6)  # of the pixels that have events
CLOSE = 1e-4  # of the largest number of a tensor, or of the largest output


class Stepped(Protocol):
    """An exported file that can be stepped. Its state can be had from the tensors of a network, and they from it."""

    facts: dict[str, Any]

    def step(self, frame: Float32[ndarray, "1 C H W"], state: Any) -> tuple[Float32[ndarray, "1 K"], Any]: ...

    def state_of(self, tensors: dict[str, ndarray]) -> Any: ...

    def tensors(self, state: Any) -> dict[str, ndarray]: ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs over `n_steps` steps in `n_clips` clips, each from rest.

    `n_differ` counts steps after which the state differs: a membrane at its threshold fires in the one and not in the
    other. `outputs` is the largest difference of outputs at the others, in the largest output of that step.
    `decisions` counts clips whose largest sum of outputs is another class's.
    """

    n_steps: int
    n_clips: int
    n_differ: int
    outputs: float
    decisions: int

    @property
    def same(self) -> bool:
        """Whether file and network are the same but for rounding: a spike may differ in one of a hundred steps."""
        rare = self.n_differ <= max(1, self.n_steps // 100) and self.n_differ < self.n_steps
        return rare and self.outputs < CLOSE and not self.decisions


def compared(file: Stepped, network: nn.Module, spec: NetworkSpec, n_steps: int, horizon: int, seed: int) -> Comparison:
    """Outputs and state against the engine `dense`, from whose state every step begins; decisions against Norse.

    So a spike that differs has no consequences beyond its step.

    Raises:
        ModelError: if the file cannot be stepped, or has another number of outputs or cells.
    """
    graph = lowered(network, spec)
    norse, dense, names = NetworkStepper(network, spec), DenseStepper(graph), list(state_shapes(graph))
    worst, n_differ, decisions, n_clips = 0.0, 0, 0, 0
    for clip in drawn_clips(spec, n_steps, min(horizon, -(-n_steps // len(DENSITIES))), seed):
        by_norse, lane, totals = None, dense.rest, np.zeros((2, graph.n_outputs))
        for frame in clip:
            decided, by_norse = norse.step(frame, by_norse)
            before = file.state_of(dict(zip(names, dense.arrays(lane), strict=True)))
            output, after = file.step(frame.astype(np.float32), before)
            wanted, (lane,) = dense.step(frame, [lane])
            if output.shape != wanted.shape or not np.isfinite(output).all():
                raise ModelError(f"outputs {output.tolist()}; expected {graph.n_outputs} finite numbers")
            totals += decided[0], output[0]
            theirs = dict(zip(names, dense.arrays(lane), strict=True))
            if all(_close(one, theirs[name], name) for name, one in file.tensors(after).items()):
                worst = max(worst, float(np.abs(wanted - output).max() / max(np.abs(wanted).max(), 1e-6)))
            else:
                n_differ += 1
        n_clips += 1
        decisions += int(totals[0].argmax() != totals[1].argmax())
    return Comparison(n_steps, n_clips, n_differ, worst, decisions)


def _close(mine: ndarray, theirs: ndarray, name: str) -> bool:
    if mine.size != theirs.size:
        raise ModelError(f"{name} has {mine.size} numbers; that of the network has {theirs.size}")
    apart = np.abs(mine.reshape(-1) - theirs.reshape(-1))
    return bool((apart <= CLOSE * max(1.0, float(np.abs(theirs).max()))).all())


def drawn_clips(spec: NetworkSpec, n_steps: int, length: int, seed: int) -> Iterator[list[UInt8[ndarray, "1 C H W"]]]:
    """Clips of drawn frames, `n_steps` in all: counts of events of one density after another, or pictures."""
    rng = np.random.default_rng(seed)
    shape = (1, spec.inputs, spec.frame.height, spec.frame.width)
    for at, start in enumerate(range(0, n_steps, length)):
        yield _CLIPS[spec.input_kind](rng, shape, min(length, n_steps - start), at)


def _counts(rng: np.random.Generator, shape: tuple[int, ...], n_frames: int, at: int) -> list[ndarray]:
    rate = -np.log1p(-DENSITIES[at % len(DENSITIES)])
    return [rng.poisson(rate, shape).astype(np.uint8) for _ in range(n_frames)]


def _picture(rng: np.random.Generator, shape: tuple[int, ...], n_frames: int, at: int) -> list[ndarray]:
    """A picture, shown at every step."""
    return [rng.integers(0, 256, shape, np.uint8)] * n_frames


_CLIPS: dict[InputKind, Callable[[np.random.Generator, tuple[int, ...], int, int], list[ndarray]]] = {
    "events": _counts,
    "images": _picture,
}
