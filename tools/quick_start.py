"""What commands load faster: parts of other packages that no command uses are left out until something uses them."""

import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def load_blas() -> None:
    """Loads the BLAS of SciPy that Numba looks for, without the rest of `scipy.linalg`.

    Numba imports `scipy.linalg.cython_blas` with its first kernel. No kernel of ours uses it, and the rest takes 0.1 s.
    """
    package = "scipy.linalg"
    spec = find_spec("scipy")
    if package in sys.modules or spec is None or not spec.submodule_search_locations:
        return
    bare = ModuleType(package)
    bare.__path__ = [f"{spec.submodule_search_locations[0]}/linalg"]
    sys.modules[package] = bare
    try:
        import_module(f"{package}.cython_blas")
    except ImportError:  # a SciPy that is built in another way: Numba loads it whole
        sys.modules.pop(f"{package}.cython_blas", None)
    finally:
        del sys.modules[package]
        vars(sys.modules["scipy"]).pop("linalg", None)


def load_norse() -> None:
    """Loads Norse without its functions for plots, which load Matplotlib: a third of the time."""
    if "norse" in sys.modules or "matplotlib" in sys.modules:
        return
    sys.modules["matplotlib"] = None  # type: ignore[assignment]  # to Norse it is not installed
    try:
        with warnings.catch_warnings():  # Norse compiles functions that no command uses with the deprecated torch.jit
            warnings.simplefilter("ignore")
            import_module("norse.torch")
    finally:
        del sys.modules["matplotlib"]
