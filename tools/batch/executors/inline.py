"""The executor without processes: batches are done one after the other in this one.

An item that ends its process ends the run here; `local` and `ray` survive it.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from spikecut.tools.batch.executors.base import Batch, Do, Failed, Finished, Work, attempt


@dataclass(frozen=True, slots=True)
class Inline:
    """All batches in this process."""

    @contextmanager
    def workers(self, work: Work) -> Iterator["_Here"]:
        """This process, after the work has begun in it."""
        yield _Here(work.begin())


class _Here:
    n_wanted = 1

    def __init__(self, do: Do) -> None:
        self._do = do
        self._waiting: deque[Batch] = deque()

    def submit(self, batch: Batch) -> None:
        self._waiting.append(batch)

    def next_outcome(self) -> Finished | Failed:
        return attempt(self._do, self._waiting.popleft())
