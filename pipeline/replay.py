"""Many recordings at once: a batch that shrinks as its recordings are decided.

A lane that stopped leaves the tensors, so the network's work is the sum of the stop times and not the
number of recordings times the horizon.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.pipeline.cutoff import never
from spikecut.pipeline.events import Frame
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.results import Decision, Evidence, StopReason
from spikecut.pipeline.runner import run

S = TypeVar("S")
D = TypeVar("D")


@dataclass(slots=True)
class _Lane:
    """One recording on its way; the only place here that changes."""

    item: int
    frames: Iterator[Frame]
    frame: Frame
    start_us: int
    n_events: int = 0


def replay(
    recordings: Iterable[Iterable[Frame]],
    model: SteppedModel[S],
    decider: CutoffDecider[D],
    *,
    horizon: int,
    batch_size: int = 64,
    trace: Float32[ndarray, "N T K"] | None = None,
) -> Iterator[tuple[int, Decision | None]]:
    """Decides every recording, `batch_size` at a time; yields its place in the input and its decision.

    Decisions come as they fall, so not in the order of the input; a recording without a single frame
    yields `None`. If `trace` is given, the output of every step that was made is written into
    `trace[item, step]`; the rest of it is left alone. Decisions are those of `runner.run`.
    """
    waiting = iter(enumerate(recordings))
    while group := list(islice(waiting, batch_size)):
        lanes: list[_Lane] = []
        for item, recording in group:
            frames = iter(recording)
            first = next(frames, None)
            if first is None:
                yield item, None
            else:
                lanes.append(_Lane(item, frames, first, first.start_us))
        yield from _lockstep(lanes, model, decider, horizon, trace)


def record_outputs(
    recordings: Sequence[Iterable[Frame]], model: SteppedModel[S], *, horizon: int, batch_size: int = 64
) -> Float32[ndarray, "N T K"]:
    """What the network says at every step of every recording, for fitting and for sweeps.

    After the end of a short recording nothing is said: its outputs are 0.
    """
    trace = np.zeros((len(recordings), horizon, model.n_classes), np.float32)
    for _ in replay(recordings, model, never(horizon), horizon=horizon, batch_size=batch_size, trace=trace):
        pass
    return trace


def _lockstep(
    lanes: list[_Lane],
    model: SteppedModel[S],
    decider: CutoffDecider[D],
    horizon: int,
    trace: Float32[ndarray, "N T K"] | None,
) -> Iterator[tuple[int, Decision]]:
    state: S | None = None
    memory: D | None = None
    total = np.zeros((len(lanes), model.n_classes), np.float32)
    steps = 0
    while lanes:
        steps += 1
        output, state = model.step(np.stack([lane.frame.pixels for lane in lanes]), state)
        total = total + output
        if trace is not None:
            trace[[lane.item for lane in lanes], steps - 1] = output
        verdict, memory = decider.decide(Evidence(steps, output, total), memory)
        going: list[int] = []
        for at, lane in enumerate(lanes):
            lane.n_events += lane.frame.n_events
            following = None
            if verdict.stop[at]:
                reason = StopReason.cutoff
            elif steps == horizon:
                reason = StopReason.horizon
            else:
                reason = StopReason.end_of_stream
                following = next(lane.frames, None)
            if following is None:
                yield (
                    lane.item,
                    Decision(
                        int(verdict.label[at]),
                        steps,
                        reason,
                        float(verdict.score[at]),
                        lane.start_us,
                        lane.frame.end_us,
                        lane.n_events,
                        total[at],
                    ),
                )
            elif following.segment != lane.frame.segment:  # its clock was reset: it starts over, alone
                if trace is not None:
                    trace[lane.item] = 0
                for result in run(chain([following], lane.frames), model, decider, horizon=horizon):
                    if isinstance(result, Decision):
                        yield lane.item, result
                    elif trace is not None:
                        trace[lane.item, result.index] = result.output
            else:
                lane.frame = following
                going.append(at)
        if len(going) < len(lanes):
            lanes = [lanes[at] for at in going]
            keep = np.array(going, np.int64)
            state, total = model.select(state, keep), total[keep]
