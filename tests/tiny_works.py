"""Works without a network, for tests of what drives them: an item's name says what becomes of it."""

import ctypes
import errno
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.errors import ConfigError, SpikecutWarning
from spikecut.tools.batch.driving import drive
from spikecut.tools.batch.executors import executor_of
from spikecut.tools.batch.executors.base import Batch, Do
from spikecut.tools.options import ExecutorOptions


@dataclass(frozen=True, slots=True)
class Work:
    """Writes one file a batch, with its items; what each item does besides is the first word of its name."""

    folder: Path

    def begin(self) -> Do:
        return self._do

    def _do(self, batch: Batch) -> int:
        for item in batch.items:
            with (self.folder / f"{item}.tries").open("ab") as tries:
                tries.write(b"%d " % os.getpid())
            if behaviour := _BEHAVIOUR.get(item.partition("-")[0]):
                behaviour(self.folder / item)
        (self.folder / f"{batch.key}.part").write_text("\n".join(batch.items))
        return len(batch.items)


@dataclass(frozen=True, slots=True)
class Unready:
    """Cannot begin: raises, or ends its process."""

    how: str

    def begin(self) -> Do:
        if self.how == "ends":
            os._exit(7)
        raise ConfigError("no such network") if self.how == "refuses" else ZeroDivisionError("one by none")


def _raise(path: Path) -> None:
    raise ZeroDivisionError(f"{path.name} by zero")


def _accident(path: Path) -> None:
    if path.with_suffix(".tries").read_bytes().count(b" ") < 2:
        os.kill(os.getpid(), signal.SIGKILL)


def _hiccup(path: Path) -> None:
    if path.with_suffix(".tries").read_bytes().count(b" ") < 2:
        raise OSError(errno.EIO, "input/output error")


def _full(path: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


def _deaf(path: Path) -> None:
    ctypes.PyDLL(None).sleep(100)  # holds the lock of the interpreter, as native code may


def _loud(path: Path) -> None:
    print("a word on stdout")
    warnings.warn(f"{path.name} is assumed", SpikecutWarning, stacklevel=1)


_BEHAVIOUR: dict[str, Callable[[Path], None]] = {
    "poison": lambda path: os.kill(os.getpid(), signal.SIGKILL),
    "accident": _accident,
    "raises": _raise,
    "hiccup": _hiccup,
    "full": _full,
    "deaf": _deaf,
    "slow": lambda path: time.sleep(0.3),
    "sleeps": lambda path: time.sleep(100),
    "loud": _loud,
}


def batch_of(items: tuple[str, ...]) -> Batch:
    return Batch("+".join(items), items)


def batches(items: list[str], size: int = 4) -> Iterator[Batch]:
    for at in range(0, len(items), size):
        yield batch_of(tuple(items[at : at + size]))


def main(executor: str = "local") -> None:
    """A driver for tests that kill it: FOLDER ITEM ITEM, two workers, an item each."""
    chosen = executor_of(ExecutorOptions(jobs=2, executor=executor))
    for _ in drive(Work(Path(sys.argv[1])), batches(sys.argv[2:], 1), chosen, rebatch=batch_of):
        pass


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
