"""The decorator of all kernels: Numba's compiler, with machine code cached on disk where a folder can be written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Kernel], Kernel]:
    """Compiles a function when it is first called; `options` are those of `numba.njit`.

    Machine code is cached beside the module or in the user's cache folder, as long as neither the module nor those of
    the kernels that it imports change. Numba refuses to cache where neither folder can be written (a read-only
    installation, a user without a home). There the kernel is compiled anew in each process.

    >>> @compiled(nogil=True)
    ... def doubled(n: int) -> int:
    ...     return 2 * n
    >>> doubled(21)
    42
    """

    def decorate(function: Kernel) -> Kernel:
        try:
            kernel: Kernel = njit(cache=True, **options)(function)
            _watch_imports(kernel, function)
        except RuntimeError:  # "cannot cache function: no locator available"
            kernel = njit(**options)(function)
        return kernel

    return decorate


def _watch_imports(kernel: Any, function: Any) -> None:
    """Numba's cache notices a change of a kernel's own file alone, though those that it calls are compiled into it."""
    stored = getattr(getattr(kernel, "_cache", None), "_cache_file", None)
    if stored is None:
        return
    files, waiting = {function.__code__.co_filename}, [function]
    while waiting:
        for value in waiting.pop().__globals__.values():
            other = getattr(value, "py_func", None)
            if other is not None and other.__code__.co_filename not in files:
                files.add(other.__code__.co_filename)
                waiting.append(other)
    stamps = sorted((Path(file).name, *_stamp(Path(file))) for file in files - {function.__code__.co_filename})
    stored._source_stamp = (stored._source_stamp, stamps)


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_size
