"""Many recordings at once: a lane that is decided makes room for the next recording.

The network's work is the sum of the stop times, not the number of recordings times the horizon, and the
batch stays full to the end: a batch that only shrinks wastes its last steps on a few stubborn lanes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.events import EventBatch, Frame
from spikecut.pipeline.files.arguments import check_stepping, whole
from spikecut.pipeline.filters.base import Filter
from spikecut.pipeline.filters.parsing import filters_of
from spikecut.pipeline.lanes import select_lanes
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.representations.frame_sources import Filters, frames_of
from spikecut.pipeline.results import Decision, Evidence, StopReason, Verdict
from spikecut.pipeline.rules.thresholds import never
from spikecut.pipeline.runner import Frames, remaining, run, warn_of_abstention

S = TypeVar("S")


@dataclass(slots=True)
class _Lane:
    """One recording on its way; the only value here that changes."""

    item: int
    frames: Iterator[Frame]
    frame: Frame
    start_us: int
    n_events: int = 0


def replay(
    recordings: Iterable[Frames],
    model: SteppedModel[S],
    decider: CutoffDecider[Any],
    *,
    horizon: int,
    batch_size: int = 16,
    trace: Float32[ndarray, "N T K"] | None = None,
    fit: str | None = None,
    filters: Filters = (),
) -> Iterator[tuple[int, Decision | None]]:
    """Decides every recording, `batch_size` at a time; yields its place in the input and its decision.

    Decisions come as they fall, so not in the order of the input; a recording without a single frame yields `None`, and
    so does one whose outputs are not finite, with a `SpikecutWarning`. If `trace` is given, the output of every step
    that was made is written into `trace[item, step]`. Decisions, recordings, `fit` and `filters` are those of `run`.

    Raises:
        ConfigError: if the horizon or the batch is smaller than 1.

    >>> import spikecut
    >>> network, card = spikecut.load_network("nmnist")
    >>> digits = [spikecut.DrawnDigit(digit, seed=1) for digit in (2, 7)]
    >>> decided = dict(replay(digits, network, spikecut.confidence(0.9, card.horizon), horizon=card.horizon))
    >>> [card.classes[decided[item].label] for item in (0, 1)]
    ['2', '7']
    """
    horizon, batch_size = _sizes(model, decider, horizon, batch_size)
    waiting = _streams(recordings, model, fit, filters_of(filters))
    lanes: list[_Lane] = []
    going: list[int] = []
    state = memory = None
    steps, total = np.zeros(0, np.int64), np.zeros((0, model.n_outputs), np.float32)
    while True:
        lanes = [lanes[at] for at in going]
        for item in _refill(lanes, waiting, batch_size):
            yield item, None
        if not lanes:
            return
        places = np.array(going + [-1] * (len(lanes) - len(going)), np.int64)
        if not going:
            state = memory = None
        elif not np.array_equal(places, np.arange(len(total))):
            state, memory = None if state is None else model.select(state, places), select_lanes(memory, places)
        steps = np.where(places < 0, 0, steps[places] if going else 0) + 1
        total = np.where((places < 0)[:, None], np.float32(0), total[places] if going else np.float32(0))
        pixels = np.stack([lane.frame.pixels for lane in lanes])
        output, state = model.step(pixels, state)
        total = total + output
        if trace is not None:
            trace[[lane.item for lane in lanes], steps - 1] = output
        finite = np.isfinite(total).all(axis=1)
        output, total = (np.where(finite[:, None], values, np.float32(0)) for values in (output, total))
        verdict, memory = decider.decide(Evidence(steps, output, total, pixels), memory)
        going = []
        for at, lane in enumerate(lanes):
            lane.n_events += lane.frame.n_events
            last = verdict.stop[at] or steps[at] == horizon or not finite[at]
            following = None if last else next(lane.frames, None)
            if following is None:
                yield lane.item, _decision(lane, verdict, (at, int(steps[at])), horizon, total[at], finite[at])
            elif following.segment != lane.frame.segment:  # its clock was reset: it starts over, alone
                rest = chain([following], lane.frames)
                yield lane.item, _alone(rest, model, decider, horizon, lane.item, trace)
            else:
                lane.frame = following
                going.append(at)


def _sizes(model: Any, decider: Any, horizon: Any, batch_size: Any) -> tuple[int, int]:
    """The horizon and the batch size as numbers."""
    horizon, batch_size = check_stepping(model, decider, horizon), whole("batch_size", batch_size)
    if horizon < 1 or batch_size < 1:
        raise ConfigError(f"a horizon of {horizon} steps in batches of {batch_size}; both must be at least 1")
    return horizon, batch_size


def _streams(
    recordings: Iterable[Frames], model: SteppedModel[S], fit: str | None, filters: tuple[Filter, ...]
) -> Iterator[tuple[int, Iterator[Frame]]]:
    """The places of recordings, and their frames."""
    if isinstance(recordings, str | EventBatch) or not hasattr(recordings, "__iter__"):
        raise ConfigError(f"replay takes several recordings, such as a list; not a {type(recordings).__name__}")
    return ((item, frames_of(one, model, fit=fit, filters=filters)) for item, one in enumerate(recordings))


def _refill(lanes: list[_Lane], waiting: Iterator[tuple[int, Iterable[Frame]]], batch_size: int) -> Iterator[int]:
    """Opens recordings until the batch is full or none waits; yields those without a single frame."""
    while len(lanes) < batch_size and (entry := next(waiting, None)) is not None:
        item, frames = entry[0], iter(entry[1])
        if (first := next(frames, None)) is None:
            yield item
        else:
            lanes.append(_Lane(item, frames, first, first.start_us))


def _decision(
    lane: _Lane,
    verdict: Verdict,
    place: tuple[int, int],
    horizon: int,
    total: Float32[ndarray, " K"],
    is_finite: bool,
) -> Decision | None:
    """The decision of a lane whose cutoff fired, whose horizon is reached, or whose stream has ended.

    `place` is the number of the lane, and its steps. None, with a warning, if its output is not finite.
    """
    at, steps = place
    if not is_finite:
        warn_of_abstention(steps)
        return None
    if verdict.stop[at]:
        reason = StopReason.cutoff
    else:
        reason = StopReason.horizon if steps == horizon else StopReason.end_of_stream
    label, score, classes = int(verdict.label[at]), float(verdict.score[at]), remaining(verdict, at)
    return Decision(label, steps, reason, score, lane.start_us, lane.frame.end_us, lane.n_events, total, classes)


def record_outputs(
    recordings: Iterable[Frames],
    n: int,
    model: SteppedModel[S],
    *,
    horizon: int,
    batch_size: int = 16,
    fit: str | None = None,
    filters: Filters = (),
) -> Float32[ndarray, "N T K"]:
    """The outputs of the network at every step of each of `n` recordings, for fitting and for sweeps.

    After the end of a short recording its outputs are 0. `fit` and `filters` are those of `run`.

    Raises:
        ConfigError: as `replay`, or if there are more recordings than `n`.
        ModelError: if an output is not finite: nothing can be fitted to it.

    >>> import spikecut
    >>> network, card = spikecut.load_network("nmnist")
    >>> digits = [spikecut.DrawnDigit(digit, seed=1) for digit in (2, 7)]
    >>> outputs = record_outputs(digits, len(digits), network, horizon=card.horizon)
    >>> outputs.shape, outputs.sum(axis=1).argmax(axis=1).tolist()
    ((2, 30, 10), [2, 7])
    """
    n, decider = whole("n", n, least=0), never(horizon)
    horizon, batch_size = _sizes(model, decider, horizon, batch_size)
    trace = np.zeros((n, horizon, model.n_outputs), np.float32)
    for _ in replay(
        _at_most(n, recordings),
        model,
        decider,
        horizon=horizon,
        batch_size=batch_size,
        trace=trace,
        fit=fit,
        filters=filters,
    ):
        pass
    if not np.isfinite(trace).all():
        item, step = np.argwhere(~np.isfinite(trace).all(axis=2))[0].tolist()
        raise ModelError(
            f"recording {item}, step {step + 1}: the network's output is not finite",
            hint="the checkpoint is damaged, or its training diverged",
        )
    return trace


def _at_most(n: int, recordings: Iterable[Frames]) -> Iterable[Frames]:
    """The recordings one by one, of which there are no more than `n`."""
    if isinstance(recordings, str | EventBatch) or not hasattr(recordings, "__iter__"):
        return recordings  # `replay` refuses it
    return _counted(n, recordings)


def _counted(n: int, recordings: Iterable[Frames]) -> Iterator[Frames]:
    for item, one in enumerate(recordings):
        if item == n:
            raise ConfigError(f"more than {n} recordings; expected n = {n} of them")
        yield one


def _alone(
    frames: Iterable[Frame],
    model: SteppedModel[S],
    decider: CutoffDecider[Any],
    horizon: int,
    item: int,
    trace: Float32[ndarray, "N T K"] | None,
) -> Decision | None:
    decision = None
    for result in run(frames, model, decider, horizon=horizon):
        if isinstance(result, Decision):
            decision = result
        elif trace is not None:
            trace[item, result.index :] = 0
            trace[item, result.index] = result.output
    if decision is None and trace is not None:  # it abstained
        trace[item] = np.nan
    return decision
