"""The machine: its threads and memory, its processor's name, the date, and the commit of the program on it."""

import contextlib
import ctypes
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h


def use(threads: int) -> None:
    """Sets the number of threads, and makes the C library keep freed memory.

    By default the C library of Linux returns every large array to the system and gets it again, page by page and
    zeroed, which takes half of the time of a training.
    """
    import numba
    import torch

    if not 1 <= threads <= numba.config.NUMBA_NUM_THREADS:
        raise ConfigError(f"{threads} threads; this machine has 1 to {numba.config.NUMBA_NUM_THREADS}")
    numba.set_num_threads(threads)  # first: starting its threads, it tells OpenMP of as many as there are cores
    torch.set_num_threads(threads)
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another system, another C library
        tune = ctypes.CDLL(None).mallopt
        tune(_M_MMAP_MAX, 0)
        tune(_M_TRIM_THRESHOLD, 2**31 - 1)
        tune(_M_TOP_PAD, 2**28)


def device_for(wanted: str) -> str:
    """The name of the device to train on: `cpu`, or of several CUDA devices the one of this process.

    Raises:
        EnvironmentProblem: if there is no device of that kind.
    """
    import torch

    if wanted == "cpu":
        return wanted
    place = int(os.environ.get("LOCAL_RANK", "0"))
    if not torch.cuda.is_available() or place >= torch.cuda.device_count():
        n = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise EnvironmentProblem(
            f"--device {wanted}: PyTorch {torch.__version__} sees {n} CUDA devices, this process needs number {place}",
            hint="--device cpu, or a build of PyTorch for CUDA and one process a device",
        )
    return f"cuda:{place}"


def processor(device: str = "cpu") -> str:
    """The hardware and software, as text for a card: processor, threads, processes, version of PyTorch."""
    import torch

    from spikecut.models.training.distributed import n_processes

    name = _model() if device == "cpu" else torch.cuda.get_device_name(device)
    return f"{name}, {torch.get_num_threads()} threads, {n_processes()} processes, torch {torch.__version__}"


def _model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def today() -> str:
    """The date of Greenwich, as 2026-01-31."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def commit() -> str:
    """The commit of the checkout, if the program is in one; a tree with changes is marked."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    root = Path(__file__).resolve().parent

    def ask(*words: str) -> str:
        return subprocess.run([git, *words], cwd=root, capture_output=True, text=True, check=False).stdout.strip()

    commit = ask("rev-parse", "--short=12", "HEAD")
    return f"{commit} with changes" if ask("status", "--porcelain", "--", ".") else commit or "unknown"
