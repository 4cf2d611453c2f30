"""One driver a run folder: the file `lock` names the process that writes into it.

The lock is one of the operating system (POSIX, on NFS too), which ends with its process however that ends, and which
processes started by it do not inherit. What a dead process has left is taken over; a lock of another machine, whose
processes cannot be seen from here, is not.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import InUse
from spikecut.pipeline.files.atomic_files import problems_of

_HERE: dict[Path, dict[str, Any]] = {}  # a process is not refused its own POSIX locks

# A process loses a POSIX lock when it closes any descriptor of the file: who holds one reads through its own.


@contextmanager
def driver_of(run: Path) -> Iterator[dict[str, Any]]:
    """Holds the lock of a run folder while the block runs; gives what a dead driver left there, or nothing.

    Raises:
        InUse: if another process holds it, or one on another machine has left it.
        EnvironmentProblem: if it cannot be written.
    """
    path = run.resolve() / "lock"
    if path in _HERE:
        raise _in_use(run, _HERE[path])
    with problems_of(path):
        descriptor = _held(path, run)
    try:
        before = _read(descriptor)
        if before and before.get("host") != socket.gethostname():
            raise _in_use(run, before)
        mine = {"pid": os.getpid(), "host": socket.gethostname(), "start": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        _HERE[path] = mine
        try:
            with problems_of(path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, (json.dumps(mine) + "\n").encode(), 0)
            yield before
        finally:
            del _HERE[path]
            with contextlib.suppress(OSError):
                path.unlink()
    finally:
        os.close(descriptor)


def _held(path: Path, run: Path) -> int:
    """A descriptor that holds the lock; one of a file that its last owner has removed meanwhile holds nothing."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not _locked(descriptor):
            owner = _read(descriptor)
            os.close(descriptor)
            raise _in_use(run, owner)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Takes the lock; False if another process has it. A file system without locks refuses nobody on this machine."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _read(descriptor: int) -> dict[str, Any]:
    try:
        content = json.loads(os.pread(descriptor, 4_096, 0))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _in_use(run: Path, owner: dict[str, Any]) -> InUse:
    who = f"process {owner.get('pid', 'unknown')} on {owner.get('host', 'an unknown machine')}"
    return InUse(
        run,
        f"{who} is writing this run, since {owner.get('start', 'an unknown time')}",
        hint=f"wait until it has ended; if it has, remove {run / 'lock'}",
    )
