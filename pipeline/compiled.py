"""The decorator of all kernels: Numba's compiler, with machine code cached on disk where a folder can be written."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Kernel], Kernel]:
    """Compiles a function when it is first called; `options` are those of `numba.njit`.

    Machine code is cached beside the module or in the user's cache folder. Numba refuses to cache where neither can
    be written (a read-only installation, a user without a home). There the kernel is compiled anew in each process.

    >>> @compiled(nogil=True)
    ... def doubled(n: int) -> int:
    ...     return 2 * n
    >>> doubled(21)
    42
    """

    def decorate(function: Kernel) -> Kernel:
        try:
            kernel: Kernel = njit(cache=True, **options)(function)
        except RuntimeError:  # "cannot cache function: no locator available"
            kernel = njit(**options)(function)
        return kernel

    return decorate
