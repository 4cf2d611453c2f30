"""Drives a work over batches of items: what fails is narrowed down to its item, and the run goes on without that.

A batch whose worker ended is done once more as it is, since a worker may be killed for no fault of the batch's; then it
is halved until single items are left. An item whose worker ends every time is quarantined after `attempts` of them.

A batch that raises an error is halved at once: its worker goes on, and the error comes from the items and from our
code, which are the same at a second attempt. So a single item that raises is quarantined at its first; only errors that
may pass (of the operating system, of memory) are tried as often as the end of a worker.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from spikecut.pipeline.errors import SpikecutWarning
from spikecut.tools.batch.executors.base import Batch, Executor, Failed, Finished, Lost, Outcome, Work


@dataclass(frozen=True, slots=True)
class Done:
    """A batch that is done, and the value that its work made."""

    batch: Batch
    value: Any


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An item that is left out: the error it raised, or `WorkerLost` where its worker ended each time."""

    item: str
    error_class: str
    message: str
    attempts: int
    worker: str


@dataclass(frozen=True, slots=True)
class _Try:
    """A batch, how often it failed, and whether it was given whole: halves and single items are under suspicion."""

    batch: Batch
    n_failed: int = 0
    whole: bool = True


def drive(
    work: Work,
    batches: Iterable[Batch],
    executor: Executor,
    *,
    rebatch: Callable[[tuple[str, ...]], Batch],
    attempts: int = 3,
) -> Iterator[Done | Quarantined]:
    """Yields what becomes of every item, in the order in which it ends: each item is in one `Done`, or quarantined.

    Batches are taken as workers become free. `rebatch` makes the batch of a half's items. Closing the iterator, or an
    interruption, ends the workers at once.

    Raises:
        SpikecutError: if the work cannot begin, or for an error of the machine, such as a full disk.
    """
    again: deque[_Try] = deque()
    fresh = map(_Try, batches)
    ended: list[Done | Quarantined] = []
    with executor.workers(work) as workers:
        flying: dict[str, _Try] = {}
        while True:
            while len(flying) < workers.n_wanted and (one := again.popleft() if again else next(fresh, None)):
                flying[one.batch.key] = one
                workers.submit(one.batch)
            yield from ended
            if not flying:
                return
            outcome = workers.next_outcome()
            ended, repeated = _judged(outcome, flying.pop(outcome.batch.key), rebatch, attempts)
            again.extend(repeated)


def _judged(
    outcome: Outcome, tried: _Try, rebatch: Callable[[tuple[str, ...]], Batch], attempts: int
) -> tuple[list[Done | Quarantined], list[_Try]]:
    """What an outcome ends, and what has to be tried again."""
    if not isinstance(outcome, Lost):
        for note in outcome.notes:
            warnings.warn(note, SpikecutWarning, stacklevel=2)
    if isinstance(outcome, Finished):
        return [Done(outcome.batch, outcome.value)], []
    if isinstance(outcome, Failed) and outcome.ends is not None:
        raise outcome.ends
    batch, n_failed = tried.batch, tried.n_failed + 1
    passing = isinstance(outcome, Lost) or outcome.passing
    if len(batch.items) > 1:
        if passing and tried.whole and n_failed == 1:
            return [], [_Try(batch, n_failed)]
        middle = len(batch.items) // 2
        halves = (batch.items[:middle], batch.items[middle:])
        return [], [_Try(rebatch(half), whole=False) for half in halves]
    if passing and n_failed < attempts:
        return [], [_Try(batch, n_failed, whole=False)]
    error_class = "WorkerLost" if isinstance(outcome, Lost) else outcome.error_class
    return [Quarantined(batch.items[0], error_class, outcome.message, n_failed, outcome.worker)], []
