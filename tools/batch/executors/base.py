"""What executors are: a work, batches of items, what became of a batch, and the two protocols.

A work is one value a run. Every process that works begins it once, which loads the network, and gets a function that
does one batch. What a batch makes is written to a file under a name that its items determine, and only a small value
comes back: a batch may be done twice (its worker was killed after it had written), and then both are the same.
"""

import errno
import os
import socket
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spikecut.pipeline.errors import EnvironmentProblem, in_a_line

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that one worker does together: `key` is the name of the part that they make, `items` are sorted."""

    key: str
    items: tuple[str, ...]


Do = Callable[[Batch], Any]


class Work(Protocol):
    """What is done with the items of a run; it can be pickled."""

    def begin(self) -> Do:
        """Called once in every process: loads what all batches need; the function that it returns does one batch.

        Raises:
            SpikecutError: if it cannot be done in this process at all. That ends the run.
        """
        ...


@dataclass(frozen=True, slots=True)
class Finished:
    """A batch that is done; `notes` are the texts of warnings that were given meanwhile in another process."""

    batch: Batch
    value: Any
    worker: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A batch that raised an error; its worker goes on.

    `passing` errors (of the operating system, of memory) may not come again. `ends` is an error of the machine, such as
    a full disk, that the next batch would meet as well.
    """

    batch: Batch
    error_class: str
    message: str
    worker: str
    passing: bool = False
    ends: EnvironmentProblem | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lost:
    """A batch whose worker ended while it did it."""

    batch: Batch
    message: str
    worker: str


Outcome = Finished | Failed | Lost


class Workers(Protocol):
    """Processes that have begun one work."""

    @property
    def n_wanted(self) -> int:
        """As many batches keep all of them busy."""
        ...

    def submit(self, batch: Batch) -> None:
        """Takes a batch; returns at once."""
        ...

    def next_outcome(self) -> Outcome:
        """Waits for one of the batches that were submitted, whichever is first.

        Raises:
            SpikecutError: if the work cannot begin.
        """
        ...


class Executor(Protocol):
    """Where batches are done."""

    def workers(self, work: Work) -> AbstractContextManager[Workers]:
        """The workers, which end with the context: after an error or an interruption without finishing their batch."""
        ...


def this_worker() -> str:
    """The name of this process: its machine and number."""
    return f"{socket.gethostname()}:{os.getpid()}"


def attempt(do: Do, batch: Batch) -> Finished | Failed:
    """Does one batch in this process; an error becomes a value that can be sent to another."""
    try:
        return Finished(batch, do(batch), this_worker())
    except Exception as error:
        return failure(batch, error)


def failure(batch: Batch, error: Exception) -> Failed:
    """What is kept of an error: its class, its message with the line that raised it, and whether it ends the run."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    ends = None
    if isinstance(error, EnvironmentProblem):
        ends = error
    elif isinstance(error, OSError) and error.errno in _NO_ROOM:
        ends = EnvironmentProblem(f"{error.filename or 'a file'}: {(error.strerror or str(error)).lower()}")
    return Failed(
        batch,
        type(error).__name__,
        in_a_line(error) + place,
        this_worker(),
        passing=isinstance(error, OSError | MemoryError),
        ends=ends,
    )
