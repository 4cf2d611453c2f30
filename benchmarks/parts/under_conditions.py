"""What a network answers to drawn gestures under a condition: one session at a time, in this process or in others."""

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.fit import fit_for
from spikecut.pipeline.metrics.alarm_rates import rejected
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.replay import replay
from spikecut.pipeline.rules.rejection import Rejecting
from spikecut.pipeline.rules.thresholds import never
from spikecut.sources.datasets.segments import cut
from spikecut.sources.simulation.conditions import Condition
from spikecut.sources.simulation.drawn_people import DrawnPeople, session_of
from spikecut.tools.cutoff_lookup import find_cutoff, rejecting_for


@dataclass(frozen=True, slots=True)
class Seen:
    """A condition, and by name the ways in which its sensor is shown to a network (`--fit`; empty: as it is)."""

    condition: Condition
    fits: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One session of a drawn user under one condition, for a network and its cutoff (None: its default)."""

    weights: Path
    cutoff: str | None
    user: int
    seed: int
    version: int
    seen: Seen


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to the gestures of one session, by row of the table: a row's name, and a list for each column."""

    row: str
    user: int
    labels: tuple[int, ...]
    full: tuple[int, ...]
    early: tuple[int, ...]
    steps: tuple[int, ...]
    refused: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class _Session:
    """The events of a session under a condition, as a source."""

    sensor: SensorSize
    batches: Iterable[EventBatch]

    def __iter__(self) -> Iterator[EventBatch]:
        return iter(self.batches)


def answered(job: Job) -> list[Answers]:
    """Draws the session once, and steps the network to its horizon over the first window of every gesture.

    Raises:
        ConfigError: if the network does not know the gestures.
    """
    torch.set_num_threads(1)
    stepper, card, rule, rejecting = _network(job.weights, job.cutoff)
    session, condition = session_of(job.user, job.seed, quick=True, version=job.version), job.seen.condition
    if job.user % 2:
        condition = replace(condition, aside_px=-condition.aside_px)
    spans = list(session.spans())
    numbers = DrawnPeople(job.user, version=job.version).numbered(card.classes, f"network {card.name!r}")
    events = [batch for _, batch in cut(_Session(condition.sensor, session.events(condition)), spans)]
    labels = np.array([numbers[span.label] for span in spans])
    made = []
    for row, fit in job.seen.fits:
        binner = fit_for(fit, condition.sensor, card.spec.frame).binner(card.spec.step_us)
        outputs = np.zeros((len(spans), card.horizon, stepper.n_outputs), np.float32)
        streams = (binner.bins([batch]) for batch in events)
        for _ in replay(streams, stepper, never(card.horizon), horizon=card.horizon, trace=outputs):
            pass
        recorded = RecordedOutputs(outputs, labels)
        swept = sweep(recorded, rejecting.over(rule))
        full = outputs.sum(axis=1).argmax(axis=1)
        refused = rejected(recorded, rule, rejecting)
        columns = (labels, full, swept.labels, swept.stops, refused)
        made.append(Answers(row, job.user, *(tuple(column.tolist()) for column in columns)))
    return made


def all_answered(jobs: Sequence[Job], n_processes: int) -> Iterator[list[Answers]]:
    """The answers of all jobs as they are done; with one process in this one."""
    if n_processes == 1:
        yield from map(answered, jobs)
        return
    with ProcessPoolExecutor(n_processes, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(answered, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@lru_cache(maxsize=1)
def _network(weights: Path, cutoff: str | None) -> tuple[SteppedModel[Any], ModelCard, CutoffDecider[Any], Rejecting]:
    stepper, card = opening.load(weights)
    fitted = find_cutoff(cutoff, weights, card)
    return stepper, card, fitted.cutoff, rejecting_for(None, fitted, card)


def names_of(seen: Iterable[Seen]) -> list[str]:
    """The rows of conditions, in their order."""
    return list(chain.from_iterable((name for name, _ in one.fits) for one in seen))
