"""Recordings written by several processes: the executors of runs, where each recording is a batch of its own.

What is on the disk is the state: a recording is whole or not there, so the same command goes on with those that are
missing. What a killed worker was writing is written again; no worker outlives the command.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.tools.batch.driving import Quarantined, drive
from spikecut.tools.batch.executors import executor_of
from spikecut.tools.batch.executors.base import Batch, Do
from spikecut.tools.batch.passes.progress import Progress, shown
from spikecut.tools.options import ExecutorOptions

Item = TypeVar("Item")
Written = TypeVar("Written")


@dataclass(frozen=True, slots=True)
class _Writing(Generic[Item, Written]):
    """Writes items by their names; a `Work` whose batches have one each."""

    write: Callable[[Item], Written]
    items: Mapping[str, Item]

    def begin(self) -> Do:
        return lambda batch: self.write(self.items[batch.key])


def written(
    write: Callable[[Item], Written], items: Mapping[str, Item], jobs: int, n_all: int | None = None
) -> list[Written]:
    """Calls `write` with every item, in `jobs` processes; what it returned, in the order in which the items ended.

    `n_all` counts those of an earlier command, too, for the progress. An item that fails stops no other.

    Raises:
        Exception: that of the first item that failed, after all others are written.
        EnvironmentProblem: if its worker ended each time, or for an error of the machine, such as a full disk.
    """
    n_all = len(items) if n_all is None else n_all
    progress = Progress("simulate", n_all, n_all - len(items))
    values: list[Written] = []
    failed: list[Quarantined] = []
    batches = (Batch(name, (name,)) for name in items)
    executor = executor_of(ExecutorOptions(jobs=jobs))
    with shown(progress) as display:
        for one in drive(_Writing(write, items), batches, executor, rebatch=lambda names: Batch(names[0], names)):
            if isinstance(one, Quarantined):
                failed.append(one)
            else:
                values.append(one.value)
            progress.n_new += 1
            progress.n_quarantined = len(failed)
            display.update()
    if failed:
        print(f"{len(failed):,} of {len(items):,} recordings could not be written; the first:", file=sys.stderr)
    return values + [_again(write, items, one) for one in failed]


def _again(write: Callable[[Item], Written], items: Mapping[str, Item], failed: Quarantined) -> Written:
    """Raises the error of an item that failed, here; one whose workers ended is not tried in this process."""
    if failed.error_class != "WorkerLost":
        return write(items[failed.item])
    raise EnvironmentProblem(
        f"{failed.item}: {failed.message} ({failed.attempts} attempts)",
        hint="the same command goes on with what is missing; if memory runs out, give fewer --jobs",
    )
