"""The local pool: processes of this machine, each with one thread and one batch at a time, and all are expendable.

The pools of the standard library lose every result that is not back yet when one worker is killed. Here a worker that
ends costs its own batch, which is known, and another takes its place. Workers are processes of their own (no fork, as
the threads of Numba and PyTorch do not survive one), connected by one pipe each, whose end says that its process ended.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import wait

from spikecut.pipeline.errors import EnvironmentProblem, SpikecutError
from spikecut.tools.batch.executors.base import Batch, Lost, Outcome, Work
from spikecut.tools.batch.executors.worker import packed

_MOST_FAILED_STARTS = 3
_PATIENCE_S = 5.0  # for workers that have nothing left to do
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_MAIN = "import sys; from spikecut.tools.batch.executors.worker import serve; serve(int(sys.argv[1]))"


@dataclass(frozen=True, slots=True)
class Local:
    """So many processes of this machine."""

    jobs: int

    @contextmanager
    def workers(self, work: Work) -> Iterator["_Pool"]:
        """The pool; no process of it is left after the context."""
        pool = _Pool(packed(work), self.jobs)
        try:
            yield pool
        except BaseException:
            pool.kill()
            raise
        pool.end()


class _Worker:
    """A process, the pipe to it, and the batch that it does, if any."""

    def __init__(self, work: bytes) -> None:
        self.pipe, theirs = Pipe()
        # The interruption of a terminal goes to all of its processes; a worker starts without hearing it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            words = [sys.executable, "-P", "-c", _MAIN, str(theirs.fileno())]
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, env=_environment(), pass_fds=[theirs.fileno()]
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self.name = f"{socket.gethostname()}:{self.process.pid}"
        self.ready = False
        self.batch: Batch | None = None
        self.send(work)

    def send(self, message: object) -> bool:
        """Whether the worker was there to take it."""
        try:
            self.pipe.send(message)
        except OSError:
            return False
        return True

    def ended(self) -> str:
        """Waits for the process, whose pipe has ended; how it ended, as text."""
        self.pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_PATIENCE_S)
        self.process.kill()  # it closed its pipe and goes on
        code = self.process.wait()
        if code >= 0:
            return f"the worker ended with code {code}"
        name = signal.Signals(-code).name
        return f"the worker was ended by {name}" + ("; memory may have run out" if name == "SIGKILL" else "")


class _Pool:
    """Workers that are started as they are needed, and replaced."""

    def __init__(self, work: bytes, jobs: int) -> None:
        self._jobs = jobs
        self._work = work
        self._workers: list[_Worker] = []
        self._waiting: deque[Batch] = deque()
        self._n_failed_starts = 0

    def submit(self, batch: Batch) -> None:
        self._waiting.append(batch)
        self._hire()
        self._assign()

    def next_outcome(self) -> Outcome:
        while True:
            self._hire()
            pipes = {worker.pipe: worker for worker in self._workers}
            for pipe in wait(list(pipes)):
                outcome = self._heard(pipes[pipe])  # type: ignore[index]  # of connections only
                self._assign()
                if outcome is not None:
                    return outcome

    def kill(self) -> None:
        """Ends all workers at once."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
            worker.pipe.close()

    def end(self) -> None:
        """Ends workers without a batch; those that do not end are killed."""
        for worker in self._workers:
            worker.send(None)
        end = time.monotonic() + _PATIENCE_S
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0, end - time.monotonic()))
        self.kill()

    @property
    def n_wanted(self) -> int:
        return self._jobs

    def _hire(self) -> None:
        """Starts workers for batches that none is there for."""
        n_batches = len(self._waiting) + sum(worker.batch is not None for worker in self._workers)
        while len(self._workers) < min(n_batches, self._jobs):
            self._workers.append(_Worker(self._work))

    def _assign(self) -> None:
        for worker in self._workers:
            if self._waiting and worker.ready and worker.batch is None and worker.send(self._waiting[0]):
                worker.batch = self._waiting.popleft()

    def _heard(self, worker: _Worker) -> Outcome | None:
        """Takes a worker's message, or its end."""
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            return self._buried(worker)
        if worker.ready:
            worker.batch = None
            outcome: Outcome = message
            return outcome
        if isinstance(message, SpikecutError):
            raise message
        worker.ready, self._n_failed_starts = True, 0
        return None

    def _buried(self, worker: _Worker) -> Outcome | None:
        """Takes a worker that ended out of the pool; the batch that it had is lost.

        Raises:
            EnvironmentProblem: if one worker after the other ends before it is ready.
        """
        self._workers.remove(worker)
        ending = worker.ended()
        if worker.batch is not None:
            return Lost(worker.batch, ending, worker.name)
        if not worker.ready:
            self._n_failed_starts += 1
            if self._n_failed_starts == _MOST_FAILED_STARTS:
                raise EnvironmentProblem(
                    f"{_MOST_FAILED_STARTS} workers ended before they were ready; the last: {ending}",
                    hint="--executor inline shows the cause; if memory runs out, give fewer --jobs",
                )
        return None


def _environment() -> dict[str, str]:
    """The environment of a worker: one thread, and modules from where this process has them."""
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return {**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": paths}
