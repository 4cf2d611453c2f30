"""Pickles of plain data, read without running them: containers, numbers, text, and arrays of bytes.

A pickle is a program for a small machine, and could do anything. The machine here knows the instructions that plain
data need and no others: it calls nothing, its memory grows with the file and not with a number in it, and the three
names out of NumPy that say "an array of bytes" make such arrays and nothing else. Any other name is refused.
"""

import io
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded

_MOST_STEPS = 5_000_000  # CIFAR's largest file takes 500,000
_DEEPEST = 100
_RECONSTRUCT = (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"))
_NAMES = (*_RECONSTRUCT, ("numpy", "dtype"), ("numpy", "ndarray"))


def plain(raw: bytes, place: Path) -> dict[bytes, Any]:
    """The dictionary in a pickle that Python 2 wrote: text is bytes, arrays are `Array`. `place` is its name in errors.

    Raises:
        CorruptRecording: if it is damaged, holds something else, or asks for any other name.
        LimitExceeded: if it has more instructions than any list of pictures.
    """
    machine = _Machine()
    try:
        for n, (instruction, argument, _) in enumerate(pickletools.genops(io.BytesIO(raw))):
            if n > _MOST_STEPS:
                raise LimitExceeded(place, f"a pickle of more than {_MOST_STEPS:,} instructions")
            machine.step(instruction.name, argument)
        table = machine.pop()
    except _Refused as error:
        raise CorruptRecording(
            place,
            f"asks for {error}, which plain data do not need; nothing of it was run",
            hint="this is not the file that was published: get it anew",
        ) from error
    except LimitExceeded:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise CorruptRecording(place, f"not a pickle of plain data ({type(error).__name__}: {error})") from error
    if not isinstance(table, dict):
        raise CorruptRecording(place, f"expected a dictionary, found {type(table).__name__}")
    return table


class Array:
    """What `numpy.ndarray` is to a pickle here: bytes in a shape."""

    values: UInt8[ndarray, "..."]

    def fill(self, state: Any) -> None:
        _, shape, kind, by_columns, raw = state
        if not (isinstance(kind, _Bytes) and isinstance(raw, bytes)):
            raise ValueError("an array of something else than bytes")
        self.values = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if by_columns else "C")


class _Bytes:
    """What `numpy.dtype` is to a pickle here: the type of a byte."""

    def fill(self, state: Any) -> None:
        pass


class _Name:
    """One of the three names out of NumPy; it can do nothing."""

    def __init__(self, module: str, name: str) -> None:
        if (module, name) not in _NAMES:
            raise _Refused(f"{module}.{name}")
        self.name = module, name

    def made_of(self, arguments: Any) -> "Array | _Bytes":
        if self.name in _RECONSTRUCT:
            return Array()
        if self.name == ("numpy", "dtype"):
            if not arguments or arguments[0] not in (b"u1", "u1", b"|u1", "|u1"):
                raise ValueError(f"an array of {arguments[:1]!r:.40}; expected bytes, 'u1'")
            return _Bytes()
        raise _Refused(f"a call of {'.'.join(self.name)}")


class _Machine:
    """The stack of a pickle, its marks, and its memo, which is a dictionary: a large number in the file costs nothing.

    Tuples share their parts, so a small pickle can make one whose hash takes for ever: keys are text or numbers.
    """

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _VALUES:
            self.stack.append(argument)
        elif name in _TEXT:
            self.stack.append(argument.encode("latin-1"))
        elif name in _PUT:
            self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]
        elif name in _GET:
            self.stack.append(self.memo[int(argument)])
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in _NOTHING:
            raise ValueError(f"the instruction {name}")

    def pop(self) -> Any:
        return self.stack.pop()

    def mark(self, _: Any) -> None:
        if len(self.below) >= _DEEPEST:
            raise ValueError(f"nested deeper than {_DEEPEST} levels")
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def global_name(self, argument: Any) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(_Name(module, name))

    def stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        self.stack.append(_Name(str(module), str(name)))

    def reduce(self, _: Any) -> None:
        arguments, called = self.pop(), self.pop()
        if not (isinstance(called, _Name) and isinstance(arguments, tuple)):
            raise ValueError("a call of what is no name")
        self.stack.append(called.made_of(arguments))

    def build(self, _: Any) -> None:
        state, built = self.pop(), self.stack[-1]
        if not isinstance(built, Array | _Bytes):
            raise ValueError(f"a state for {type(built).__name__}")
        built.fill(state)

    def empty(self, kind: type) -> None:
        self.stack.append(kind())

    def tuple_of(self, n: int | None) -> None:
        if n is None:
            items = self.since_mark()
            self.stack.append(tuple(items))
            return
        if len(self.stack) < n:
            raise IndexError("pop from empty list")
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise ValueError(f"items for {type(target).__name__}")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError(f"keys and values for {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, bytes | str | int):
                raise ValueError(f"a key that is a {type(key).__name__}")
            target[key] = value

    def last_two(self) -> list[Any]:
        value, key = self.pop(), self.pop()
        return [key, value]

    def list_of(self, _: Any) -> None:
        items = self.since_mark()
        self.stack.append(items)

    def dict_of(self, _: Any) -> None:
        items = self.since_mark()
        self.stack.append({})
        self.set_items(items)


class _Refused(Exception):
    """A pickle asks for a name that no list of pictures needs."""


_NOTHING = {"PROTO", "FRAME", "STOP"}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_VALUES = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_VALUES |= {"BINBYTES", "SHORT_BINBYTES", "BINUNICODE", "SHORT_BINUNICODE", "UNICODE"}
_TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING"}  # Python 2's `str`, which is bytes
_PUT, _GET = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}, {"GET", "BINGET", "LONG_BINGET"}
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "EMPTY_LIST": lambda machine, _: machine.empty(list),
    "EMPTY_DICT": lambda machine, _: machine.empty(dict),
    "LIST": _Machine.list_of,
    "DICT": _Machine.dict_of,
    "TUPLE": lambda machine, _: machine.tuple_of(None),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": lambda machine, _: machine.extend([machine.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.last_two()),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "GLOBAL": _Machine.global_name,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
