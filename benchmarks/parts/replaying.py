"""Replays of a data set with the clock of every batch: rates, overhead of the driver, memory."""

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from spikecut.models.files import opening
from spikecut.sources.datasets.parts import Part
from spikecut.sources.formats.base import DEFAULTS
from spikecut.tools.batch.examples import Examples, examples_of
from spikecut.tools.batch.executors import EXECUTORS, ExecutorKind
from spikecut.tools.batch.executors.base import Batch, Executor, Finished, Outcome, Work, Workers
from spikecut.tools.batch.executors.local import Local
from spikecut.tools.batch.passes.batches import batches_of
from spikecut.tools.batch.passes.replay_work import ReplayWork
from spikecut.tools.cli import main
from spikecut.tools.cutoff_lookup import cutoffs_for, unfitted


@dataclass(frozen=True, slots=True)
class Stint:
    """A batch: how many recordings, from when to when (seconds of a clock that all processes share), by whom."""

    n: int
    started: float
    ended: float
    worker: int
    peak_mb: float
    result: Any


def peak_mb() -> float:
    """The most memory that this process has had; `getrusage` would count its parent's before the start, too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass(frozen=True, slots=True)
class Timed:
    """A work with the clock of every batch: its values are stints."""

    work: Work

    def begin(self) -> Callable[[Batch], Stint]:
        """Begins the work."""
        do = self.work.begin()

        def timed(batch: Batch) -> Stint:
            started = time.monotonic()
            result = do(batch)
            return Stint(len(batch.items), started, time.monotonic(), os.getpid(), peak_mb(), result)

        return timed


@dataclass(frozen=True, slots=True)
class Clocked:
    """An executor that keeps the stints of its workers, and is like another otherwise."""

    executor: Executor
    stints: list[Stint]

    @contextmanager
    def workers(self, work: Work) -> Iterator["_Clock"]:
        """The other's workers."""
        with self.executor.workers(Timed(work)) as workers:
            yield _Clock(workers, self.stints)


@dataclass(frozen=True, slots=True)
class _Clock:
    inner: Workers
    stints: list[Stint]

    @property
    def n_wanted(self) -> int:
        return self.inner.n_wanted

    def submit(self, batch: Batch) -> None:
        self.inner.submit(batch)

    def next_outcome(self) -> Outcome:
        outcome = self.inner.next_outcome()
        if not isinstance(outcome, Finished):
            return outcome
        self.stints.append(outcome.value)
        return replace(outcome, value=outcome.value.result)


@dataclass(frozen=True, slots=True)
class Pace:
    """The command `replay`: recordings a second after the first batch of every worker, and of the whole command.

    `overhead` is the share of the workers' time, after their first batch, in which they waited for their next one.
    """

    n: int
    jobs: int
    rate: float
    rate_of_command: float
    wall_s: float
    overhead: float
    worker_mb: float
    driver_mb: float
    code: int


def paced(words: Sequence[str], jobs: int) -> Pace:
    """Runs `spikecut replay` with these words in so many processes, and looks at the clock. Its texts are not shown.

    Raises:
        ValueError: if there are too few batches for each worker to have one behind its first.
    """
    stints: list[Stint] = []
    EXECUTORS["clocked"] = ExecutorKind(lambda n, _: Clocked(Local(n or 1), stints))
    begun = time.monotonic()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
            code = main(["replay", *words, "--executor", "clocked", "--jobs", str(jobs), "--timed", "0"])
    finally:
        del EXECUTORS["clocked"]
    wall_s = time.monotonic() - begun
    if code not in (0, 3):
        raise ValueError(f"spikecut replay {' '.join(words)} ended with {code}: {errors.getvalue()}")
    of_workers: dict[int, list[Stint]] = {}
    for one in sorted(stints, key=lambda one: one.started):
        of_workers.setdefault(one.worker, []).append(one)
    if min(len(them) for them in of_workers.values()) < 2:
        raise ValueError(f"{len(stints)} batches are too few for {jobs} workers")
    waits = sum(b.started - a.ended for them in of_workers.values() for a, b in pairwise(them))
    times = sum(them[-1].ended - them[0].ended for them in of_workers.values())
    return Pace(
        n=sum(one.n for one in stints),
        jobs=jobs,
        rate=sum(sum(one.n for one in them[1:]) / (them[-1].ended - them[0].ended) for them in of_workers.values()),
        rate_of_command=sum(one.n for one in stints) / wall_s,
        wall_s=wall_s,
        overhead=waits / times,
        worker_mb=max(one.peak_mb for one in stints),
        driver_mb=peak_mb(),
        code=code,
    )


def work_for(model: str, folder: Path, part: Part, rule: str, parts: Path | None = None) -> ReplayWork:
    """A replay that really stops with one rule; `none` is the full window."""
    weights = opening.locate(model)
    card = opening.card_of(weights)
    rules = {"none": unfitted(card)} if rule == "none" else cutoffs_for([rule], weights, card)
    return ReplayWork(
        weights=weights,
        engine="auto",
        folder=folder,
        part=part,
        reading=DEFAULTS,
        rules=rules,
        watched=next(iter(rules)),
        lanes=16,
        parts=parts,
        stops=True,
        digests=parts is not None,
    )


def listed(work: ReplayWork) -> tuple[Examples, list[Batch]]:
    """The recordings of a work, and all its batches."""
    examples = examples_of(work.folder, opening.card_of(work.weights), work.part, work.reading)
    return examples, list(batches_of("", examples.ids(work.folder), examples.members))
