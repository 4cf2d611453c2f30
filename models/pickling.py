"""Networks as bytes, for worker processes. Norse's parameters need help: they do not know the module they are from.

Norse 1.1.0 makes its named tuples of parameters by a metaclass, so `__module__` names the metaclass's module and pickle
does not find them. They are written by the place where they are found. Only read back what your own process wrote:
reading a pickle executes it.
"""

import importlib
import io
import pickle
import sys
from typing import Any

from spikecut.pipeline.errors import ModelError


def to_bytes(value: Any) -> bytes:
    """The pickle of a value, which `pickle.loads` reads in this process or another.

    Raises:
        ModelError: if it holds something that cannot be pickled, such as a function made within a function.
    """
    file = io.BytesIO()
    try:
        _Pickler(file).dump(value)
    except Exception as error:
        raise ModelError(
            f"the network cannot be pickled: {type(error).__name__}: {error}",
            hint="classes and functions must stand at the top of a module that worker processes can import",
        ) from error
    return file.getvalue()


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """How named tuples are written whose class is not where it claims to be; all else as usual."""
        kind = type(value)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            claimed = sys.modules.get(kind.__module__)
            if getattr(claimed, kind.__qualname__, None) is not kind:
                return _named_tuple, (_module_of(kind), kind.__qualname__, tuple(value))
        return NotImplemented


def _module_of(kind: type) -> str:
    """The shortest name among the loaded modules that hold this class.

    Raises:
        PicklingError: if none does.
    """
    homes = [name for name, module in list(sys.modules.items()) if getattr(module, kind.__qualname__, None) is kind]
    if not homes:
        raise pickle.PicklingError(f"no module holds the class {kind.__qualname__}")
    return min(homes, key=lambda name: (len(name), name))


def _named_tuple(module: str, name: str, values: tuple[Any, ...]) -> Any:
    return getattr(importlib.import_module(module), name)(*values)
