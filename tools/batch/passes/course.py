"""Runs a work over the recordings of a data set: what is not done yet is driven in batches, and counted."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.fit import Fits
from spikecut.sources.datasets.base import Example
from spikecut.tools.batch.driving import Done, Quarantined, drive
from spikecut.tools.batch.executors.base import Executor, Work
from spikecut.tools.batch.passes.batch_reading import NOT_FINITE, BatchResult, fits_of
from spikecut.tools.batch.passes.batches import batch_of, batches_of
from spikecut.tools.batch.passes.progress import Progress, shown
from spikecut.tools.batch.passes.same_content import check_same_content
from spikecut.tools.batch.run_folder.folder import QUARANTINE, Fault, RunFolder
from spikecut.tools.batch.run_folder.parquet import Columns, Kinds
from spikecut.tools.batch.run_folder.parts import parts_in, read_part
from spikecut.tools.frame_streams import on_stderr

_MOST_LINES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One run over all recordings. `run` is the folder that keeps it, None to keep nothing; `what` is its name.
    `batch_size` is that of the whole run where this is a share of it. With `finite` an output that is not
    finite ends the run, as nothing can be fitted to it.

    `faults` are the recordings that are left out, `fits` how other sensors were shown; both fill while it goes.
    """

    what: str
    ids: Sequence[str]
    members: Sequence[Example]
    executor: Executor
    run: RunFolder | None = None
    batch_size: int | None = None
    finite: bool = False
    shows_progress: bool = True
    faults: dict[str, Fault] = field(default_factory=dict)
    fits: Fits = field(default_factory=Fits)

    def tables(self, work: Work, kinds: Kinds, watched: str = "") -> Iterator[Columns]:
        """Does what is not done yet, then gives the rows of all recordings, a part or a batch at a time.

        Progress shows the answers of the rule `watched`.

        Raises:
            ModelError: if an output is not finite where it has to be; the run stays unfinished.
        """
        for result in self._results(work, watched):
            if result.rows is not None:
                yield result.rows
        if self.run is None:
            return
        for path in parts_in(self.run.parts):
            table = read_part(path, kinds)
            for fit in fits_of(table.about):
                self.fits.add(fit)
            yield table.columns

    def left_out(self, answered: Sequence[str]) -> tuple[Fault, ...]:
        """The faults of recordings without an answer, in the order of the data set."""
        answers = set(answered)
        return tuple(self.faults[item] for item in self.ids if item in self.faults and item not in answers)

    def _check_finite(self) -> None:
        check_finite(self.faults.values() if self.finite else ())

    def _results(self, work: Work, watched: str) -> Iterator[BatchResult]:
        run = self.run
        run_key = "" if run is None else run.key
        self.faults.update({} if run is None else run.quarantined())
        finished = frozenset() if run is None else run.done() | self.faults.keys()
        if run is not None:
            check_same_content(run, self.ids, self.members)
            if not finished.issuperset(self.ids):
                run.reopen()
        self._check_finite()
        progress = Progress(self.what, len(self.ids), len(finished), watched)
        batches = batches_of(run_key, self.ids, self.members, finished, self.batch_size)
        with shown(progress) if self.shows_progress else nullcontext() as display:
            for item in drive(work, batches, self.executor, rebatch=lambda items: batch_of(run_key, items)):
                faults = _faults(item)
                for fault in faults:
                    self.faults[fault.item_id] = fault
                    if run is not None:
                        run.quarantine(fault)
                self._check_finite()
                if isinstance(item, Done):
                    result: BatchResult = item.value
                    for fit in result.fits:
                        self.fits.add(fit)
                    progress.add(result.n, result.n_right, result.us, len(faults))
                    if run is not None:
                        run.note("part", part=item.batch.key, n=result.n, n_quarantined=len(faults))
                    yield result
                else:
                    progress.add(0, 0, 0, len(faults))
                if display is not None:
                    display.update()
        if run is not None:
            run.complete()


def check_finite(faults: Iterable[Fault]) -> None:
    """Refuses a network whose outputs are not finite.

    Raises:
        ModelError: if that is the fault of a recording.
    """
    if broken := next((fault for fault in faults if fault.error_class == NOT_FINITE), None):
        raise ModelError(broken.message, hint="the checkpoint is damaged, or its training diverged")


def _faults(item: Done | Quarantined) -> tuple[Fault, ...]:
    if isinstance(item, Done):
        faults: tuple[Fault, ...] = item.value.faults
        return faults
    return (Fault(item.item, item.error_class, f"{item.item}: {item.message}", item.attempts, item.worker),)


@contextmanager
def going_on(run: RunFolder | None, command: str, otherwise: str) -> Iterator[None]:
    """An interruption of the block says how far a run came and how to go on; `otherwise` how one would be kept."""
    try:
        yield
    except KeyboardInterrupt:
        if run is None:
            print(f"nothing is kept; {otherwise}", file=sys.stderr)
        else:
            n, done = len(run.items), len(run.done())
            print(f"{run.path}: {done} of {n} are done. This goes on from there:", file=sys.stderr)
            print(f"  {command}", file=sys.stderr)
            run.note("interrupted", n_done=done)
        raise


def complain_of(
    faults: Sequence[Fault], damaged: Mapping[str, int], run: Path | None, say: Callable[[str], None] = on_stderr
) -> int:
    """Says which recordings were left out, and at which places how many events were lost; returns how many.

    Of a run that is kept no more than a screen: its files hold them all.
    """
    lines = [f"quarantined: {fault.message}" for fault in faults]
    lines += [f"damaged: {place}: {n} events lost" for place, n in damaged.items()]
    most = len(lines) if run is None else _MOST_LINES
    for line in lines[:most]:
        say(line)
    if run is not None and len(lines) > most:
        more = f"and {len(lines) - most} more: {run / QUARANTINE}, and the column dropped of its parts"
        say(more)
    return len(lines)
