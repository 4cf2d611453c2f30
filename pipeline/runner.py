"""The loop: step the network, ask the decider, stop. The whole project in one page."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from os import PathLike
from typing import Any, TypeVar

import numpy as np
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, SpikecutWarning
from spikecut.pipeline.events import EventBatch, Frame
from spikecut.pipeline.evidence.probability import all_finite
from spikecut.pipeline.files.arguments import check_stepping
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.representations.frame_sources import Filters, frames_of
from spikecut.pipeline.results import Abstention, Decision, Evidence, Rest, Step, StopReason, Verdict

Frames = Iterable[Frame] | Iterable[EventBatch] | EventBatch | Mapping[str, Any] | ndarray | str | PathLike[str]
S = TypeVar("S")
D = TypeVar("D")


def run(
    frames: Frames,
    model: SteppedModel[S],
    decider: CutoffDecider[D],
    *,
    horizon: int,
    fit: str | None = None,
    filters: Filters = (),
) -> Iterator[Step | Decision]:
    """Reads frames until the decider is sure, at most `horizon` of them: steps, then one decision.

    A recording, batches, an array of events or a path are filtered and counted into frames first, fitted to the network
    as `fit` says (`frame_sources.frames_of`).
    When it stops, neither the network nor the stream is used again. Where the stream's clock was
    reset the network starts from rest, and so does the count of steps. A stream without a single
    frame yields nothing. Where the network's output is not finite there is no decision, and a
    `SpikecutWarning` says so.

    Raises:
        ConfigError: if the network, the decider or the horizon is none; of fit and filters as `frames_of`.

    >>> import spikecut
    >>> network, card = spikecut.load_network("nmnist")
    >>> rule = spikecut.confidence(0.9, card.horizon)
    >>> *steps, decision = run(spikecut.DrawnDigit(3, seed=1), network, rule, horizon=card.horizon)
    >>> card.classes[decision.label], len(steps) == decision.steps, decision.reason.name
    ('3', True, 'cutoff')
    """
    horizon = check_stepping(model, decider, horizon)
    if horizon < 1:
        raise ConfigError(f"a horizon of {horizon} steps; the network needs at least one")
    for item in attempt(frames_of(frames, model, fit=fit, filters=filters), model, decider, horizon):
        if not isinstance(item, Abstention):
            yield item


def attempt(
    frames: Iterator[Frame], model: SteppedModel[S], decider: CutoffDecider[D], horizon: int
) -> Iterator[Step | Decision | Abstention]:
    """The items of `run` on frames; an abstention is the last one where the network's output is not finite."""
    steps = segment = 0
    for frame in frames:
        if steps == 0 or frame.segment != segment:
            state: S | None = None
            memory: D | None = None
            total = np.zeros((1, model.n_outputs), np.float32)
            steps, n_events, start_us, segment = 0, 0, frame.start_us, frame.segment
        steps += 1
        n_events += frame.n_events
        pixels = frame.pixels[None]
        output, state = model.step(pixels, state)
        total = total + output
        if not all_finite(total):
            warn_of_abstention(steps)
            yield Abstention(steps, frame)
            return
        verdict, memory = decider.decide(Evidence(np.array([steps]), output, total, pixels), memory)
        is_sure, score = bool(verdict.stop[0]), float(verdict.score[0])
        yield Step(steps - 1, frame, output[0], total[0], score, operations_of(model), *spikes_of(model))
        if is_sure or steps == horizon:
            break
    if steps:
        reason = StopReason.horizon if steps == horizon else StopReason.end_of_stream
        reason = StopReason.cutoff if is_sure else reason
        label, end_us, classes = int(verdict.label[0]), frame.end_us, remaining(verdict, 0)
        yield Decision(label, steps, reason, score, start_us, end_us, n_events, total[0], classes)


def operations_of(model: object) -> int | None:
    """The synaptic operations of the last step of one lane, of engines that count them in `operations`."""
    work = getattr(model, "operations", None)
    return int(work[0]) if isinstance(work, ndarray) and work.shape == (1,) else None


def spikes_of(model: object) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """How many of how many cells of each layer fired in the last step of one lane, of engines that count `spikes`."""
    fired, cells = getattr(model, "spikes", None), getattr(model, "cells", None)
    if not isinstance(fired, ndarray) or len(fired) != 1 or cells is None:
        return None, None
    return tuple(fired[0].tolist()), cells


def count_spikes(model: object) -> None:
    """Has the spikes of each layer counted by engines that count them only while it is wanted (`counts_spikes`)."""
    if hasattr(model, "counts_spikes"):
        model.counts_spikes = True


def warn_of_abstention(step: int) -> None:
    """Warns that a window ends without an answer."""
    warnings.warn(
        f"step {step}: the network's output is not finite: no answer from this window, the next begins at rest "
        "(the checkpoint is damaged, or its training diverged)",
        SpikecutWarning,
        stacklevel=3,
    )


def remaining(verdict: Verdict, lane: int) -> tuple[int, ...] | None:
    """The classes that a lane's prediction set holds, for rules that have one."""
    return None if verdict.sets is None else tuple(np.flatnonzero(verdict.sets[lane]).tolist())


def watch(
    frames: Frames,
    model: SteppedModel[S],
    decider: CutoffDecider[D],
    *,
    horizon: int,
    fit: str | None = None,
    filters: Filters = (),
) -> Iterator[Step | Decision | Rest]:
    """Decision after decision: every `horizon` bins of the stream are one window with one answer.

    Between an early answer and the end of its window the network rests, and the bins that pass are
    handed on as `Rest`; so are those of a window without an answer, because the output is not finite.
    `fit` and `filters` are those of `run`.

    >>> import spikecut
    >>> network, card = spikecut.load_network("nmnist")
    >>> rule = spikecut.fixed(8, horizon=10)  # answers after 8 of the 10 bins of each window
    >>> items = watch(spikecut.DrawnDigit(3, seed=1), network, rule, horizon=10)
    >>> [(item.start_us, item.time_us) for item in items if isinstance(item, Decision)]
    [(0, 80000), (100000, 180000), (200000, 280000)]
    """
    horizon = check_stepping(model, decider, horizon)
    stream = frames_of(frames, model, fit=fit, filters=filters)
    while True:
        n_steps: int | None = None
        segment = 0
        for item in attempt(stream, model, decider, horizon):
            if not isinstance(item, Step):
                n_steps = item.steps
            if not isinstance(item, Decision):
                segment = item.frame.segment
            yield Rest(item.frame) if isinstance(item, Abstention) else item
        if n_steps is None:
            return
        for frame in islice(stream, horizon - n_steps):
            if frame.segment != segment:
                stream = chain([frame], stream)
                break
            yield Rest(frame)
