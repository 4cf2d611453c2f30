"""The other end of the local pool: a process that begins a work and does the batches that come through its pipe.

It ends when its driver does, however that ended: a thread reads the pipe all the time and meets its end, also while a
batch is being done; on Linux the kernel kills it, too, should native code keep Python from running that thread.
An interruption (Ctrl-C) is for the driver, which ends its workers.
"""

import contextlib
import ctypes
import os
import pickle
import queue
import signal
import sys
import threading
import warnings
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import EnvironmentProblem, SpikecutError, SpikecutWarning, in_a_line
from spikecut.tools.batch.executors.base import Batch, Do, Work, attempt, failure, this_worker
from spikecut.tools.quick_start import load_blas, load_norse

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_DIES_FIRST = "500"  # of -1000 to 1000: where memory runs out, the kernel ends a worker before the driver


def serve(fd: int) -> None:
    """Begins the work that comes first through the pipe `fd` (see `packed`), then does batches until None comes."""
    os.set_inheritable(fd, False)
    os.dup2(2, 1)  # what is printed here must not get between the results that the driver prints
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_driver()
    pipe, inbox = Connection(fd), queue.SimpleQueue[Any]()
    threading.Thread(target=_receive, args=(pipe, inbox), daemon=True).start()
    do = _begun(pipe, inbox.get())
    while do is not None and (batch := inbox.get()) is not None:
        pipe.send_bytes(done(do, batch))


def _receive(pipe: Connection, inbox: "queue.SimpleQueue[Any]") -> None:
    """Passes on what comes; without a driver the process ends at once."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            inbox.put(pipe.recv())
    os._exit(1)


def _die_with_driver() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_DIES_FIRST)
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _begun(pipe: Connection, received: bytes) -> Do | None:
    """Begins the work and reports it: None is well, an error ends the run."""
    do, problem = begun(received)
    pipe.send(problem)
    return do


def packed(work: Work) -> bytes:
    """A work for another process: whether it will load Norse, as this one has, and the work itself."""
    return pickle.dumps(("norse" in sys.modules, pickle.dumps(work)))


def begun(received: bytes) -> tuple[Do | None, SpikecutError | None]:
    """Begins a work that another process packed: the function that does a batch, or the error that ends the run."""
    try:
        load_blas()
        with_norse, pickled = pickle.loads(received)
        if with_norse:
            load_norse()  # before the modules of the work load all of it
        work: Work = pickle.loads(pickled)
        return work.begin(), None
    except SpikecutError as error:
        return None, error
    except Exception as error:
        text = f"the worker {this_worker()} cannot begin: {type(error).__name__}: {in_a_line(error)}"
        return None, EnvironmentProblem(text)


def done(do: Do, batch: Batch) -> bytes:
    """The outcome of a batch, pickled for the driver's process, with the warnings that were given meanwhile.

    A value that cannot be pickled is an error of its batch.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SpikecutWarning)
        outcome = attempt(do, batch)
    texts = dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, SpikecutWarning))
    try:
        return pickle.dumps(replace(outcome, notes=tuple(texts)))
    except Exception as error:
        return pickle.dumps(failure(batch, error))
