"""Pickles of plain data, read without running them: containers, numbers, text, and arrays of bytes.

A pickle is a program, and could do anything. To say "an array of bytes" it needs three names out of NumPy; what stands
for them here makes such arrays and nothing else, and a file that asks for any other name is refused.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import CorruptRecording


def plain(raw: bytes, place: Path) -> dict[bytes, Any]:
    """The dictionary in a pickle that Python 2 wrote: text is bytes, arrays are `Array`. `place` is its name in errors.

    Raises:
        CorruptRecording: if it is damaged, holds something else, or asks for any other name.
    """
    try:
        table = _Plain(io.BytesIO(raw), encoding="bytes").load()
    except _Refused as error:
        raise CorruptRecording(
            place,
            f"asks for {error}, which plain data do not need; nothing of it was run",
            hint="this is not the file that was published: get it anew",
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise CorruptRecording(place, f"not a pickle of plain data ({type(error).__name__}: {error})") from error
    if not isinstance(table, dict):
        raise CorruptRecording(place, f"expected a dictionary, found {type(table).__name__}")
    return table


class Array:
    """What `numpy.ndarray` is to a pickle here: bytes in a shape."""

    values: UInt8[ndarray, "..."]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, raw = state
        if not (isinstance(kind, _Bytes) and isinstance(raw, bytes)):
            raise pickle.UnpicklingError("an array of something else than bytes")
        self.values = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if by_columns else "C")


class _Bytes:
    """What `numpy.dtype` is to a pickle here: the type of a byte."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in (b"u1", "u1", b"|u1", "|u1"):
            raise pickle.UnpicklingError(f"an array of {code!r}; expected bytes, 'u1'")

    def __setstate__(self, state: Any) -> None:
        pass


class _Plain(pickle.Unpickler):
    """Reads pickles of plain containers, numbers, text and arrays of bytes; runs none of the code they may name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return lambda *_: Array()
        if (module, name) == ("numpy", "dtype"):
            return lambda *arguments: _Bytes(*arguments)
        if (module, name) == ("numpy", "ndarray"):
            return None
        raise _Refused(f"{module}.{name}")


class _Refused(pickle.UnpicklingError):
    """A pickle asks for a name that no list of pictures needs."""
