"""Shapes and types of arrays, checked at every call while the tests run, in every module of the packages.

jaxtyping's import hook decorates all functions and dataclasses; `check` has beartype check those hints that are about
arrays. All other types are mypy's. Left out are modules with kernels, since Numba cannot compile a decorated function.
`__init__` modules are left out too, since the hook takes the name of a package for all that is below it.

jaxtyping's own decorator wraps every function, binds its arguments at each call and checks them twice, once more with
what is returned: half the time of the tests. `decorate` checks once, and leaves alone what has no shape in its hints.
"""

import dataclasses
import functools
import typing
from pathlib import Path
from typing import Any

import jaxtyping
from beartype import beartype
from jaxtyping import AbstractArray, install_import_hook

REPOSITORY = Path(__file__).parent.parent
PACKAGES = ("pipeline", "sources", "models", "tools")
ONE_CALL: Any = jaxtyping.jaxtyped("context")
KERNELS = "from spikecut.pipeline.compiled import compiled"


def modules() -> list[str]:
    """The full names of all modules that are checked."""
    paths = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
    return [
        ".".join(("spikecut", *path.relative_to(REPOSITORY).with_suffix("").parts))
        for path in paths
        if path.name not in ("__init__.py", "compiled.py") and KERNELS not in path.read_text()
    ]


def install() -> None:
    """From now on, what is imported is checked."""
    jaxtyping.jaxtyped = decorate  # type: ignore[assignment]
    install_import_hook(modules(), None)


def decorate(decorated: Any = None, **options: Any) -> Any:
    """What the hook decorates functions and classes with, in place of `jaxtyped`; of a class with fields its making."""
    if decorated is None:
        return decorate
    if not isinstance(decorated, type):
        return check(decorated)
    if dataclasses.is_dataclass(decorated) and "__init__" in vars(decorated):
        decorated.__init__ = check(decorated.__init__)  # type: ignore[method-assign]
    return decorated


def check(function: Any) -> Any:
    """The function, checking what it is called with and what it returns where its hints are about arrays.

    A letter stands for one size throughout a call.
    """
    hints = dict(function.__annotations__)
    arrays = {name: hint for name, hint in hints.items() if is_about_arrays(hint)}
    if not arrays:
        return function
    function.__annotations__ = arrays
    checking: Any = beartype(function)
    function.__annotations__ = checking.__annotations__ = hints

    @functools.wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        with ONE_CALL:
            return checking(*args, **options)

    return checked


def is_about_arrays(hint: Any) -> bool:
    """Whether a hint has a shape anywhere in it.

    >>> from jaxtyping import Float32
    >>> import numpy as np
    >>> is_about_arrays(tuple[int, Float32[np.ndarray, "B K"] | None]), is_about_arrays(list[int])
    (True, False)
    """
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(is_about_arrays(part) for part in typing.get_args(hint))
