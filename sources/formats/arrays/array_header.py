"""The header of a stored NumPy array, and what its values are as events. Nothing is unpickled."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from spikecut.pipeline.arrays.values import DURATIONS
from spikecut.pipeline.errors import ConfigError, LimitExceeded, UnknownFormat, printable
from spikecut.sources.formats.base import ReadOptions
from spikecut.sources.formats.reading.event_fields import event_fields

EXPECTED = "expected fields t, x, y and p, or N x 4 numbers"
_FIELDS_LIMIT = 64
_ITEM_LIMIT = 4_096
ROWS_LIMIT = 2**48  # more than any disk holds


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """Rows of `dtype` from byte `begin`; `width` columns, which lie one after the other if `by_column`."""

    begin: int
    rows: int
    width: int
    by_column: bool
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * self.width


def read_header(file: BinaryIO, path: Path, name: str = "this") -> ArrayHeader:
    """The header of an array of one or two dimensions; the file stands behind it afterwards.

    Raises:
        UnknownFormat: if it cannot be read, or the array holds objects (a pickle) or has another shape.
        LimitExceeded: if it declares more rows than any disk holds.
    """
    try:
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(file)]
        shape, by_column, dtype = read(file)
    except Exception as error:  # a damaged header is parsed as Python, and fails in any of its ways
        raise UnknownFormat(path, f"{name} is a NumPy array without a whole header") from error
    if dtype.hasobject:
        raise UnknownFormat(path, f"{name} is a NumPy array of shape {shape} and objects (a pickle); {EXPECTED}")
    narrow = len(shape) == 1 or (len(shape) == 2 and shape[1] <= _FIELDS_LIMIT)
    if not narrow or min(shape) < 0 or not 0 < dtype.itemsize <= _ITEM_LIMIT or 0 in shape[1:]:
        raise UnknownFormat(path, f"{name} is a NumPy array of shape {shape} and {dtype}; {EXPECTED}")
    if shape[0] > ROWS_LIMIT:
        raise LimitExceeded(path, f"{name} is a NumPy array that declares {shape[0]:,} rows; its header is damaged")
    return ArrayHeader(file.tell(), shape[0], 1 if len(shape) == 1 else shape[1], by_column and len(shape) == 2, dtype)


@dataclass(frozen=True, slots=True)
class Fields:
    """Which field, or which column of N x 4, is t, x, y and p, and the unit of t."""

    keys: dict[str, str | int]
    unit: str

    def columns(self, rows: Any) -> dict[str, Any]:
        """The columns of rows with named fields, or of columns by number."""
        return {name: rows[key] for name, key in self.keys.items()}


def fields_of(path: Path, header: ArrayHeader, options: ReadOptions, name: str = "this") -> Fields:
    """The fields of an array of events.

    Whole numbers are microseconds, as Tonic, faery, AEStream, dv-processing, expelliarmus, OpenEB, evutils and
    spikingjelly store them, unless a unit is given.

    Raises:
        UnknownFormat: if the array is none of events.
        ConfigError: if the order of columns without names, or the unit of fractional times, is not given.
    """
    dtype, text = header.dtype, options.text
    if dtype.names is not None:
        keys = event_fields(dtype.names)
        if keys is None:
            raise UnknownFormat(path, f"{name} is a NumPy array with the fields {', '.join(dtype.names)}; {EXPECTED}")
        if header.width != 1:
            shape = f"({header.rows}, {header.width})"
            raise UnknownFormat(
                path, f"{name} is a NumPy array of shape {shape} with fields; expected one row an event"
            )
        for column, key in keys.items():
            check_column(path, column, f"the field {key} of {name}", dtype[key])
        return Fields(dict(keys), unit_for(path, dtype[keys["t"]], options))
    if header.width != 4 or dtype.kind not in "iuf":
        raise UnknownFormat(
            path, f"{name} is a NumPy array of shape ({header.rows}, {header.width}) and {dtype}; {EXPECTED}"
        )
    if text is None or text.columns is None:
        raise ConfigError(
            f"{printable(str(path))}: {name} has four columns without names",
            hint="say their order and the unit: --columns xytp --time-unit us",
        )
    return Fields({column: text.columns.index(column) for column in "txyp"}, text.time_unit or "us")


def check_column(path: Path, column: str, place: str, dtype: np.dtype[Any]) -> None:
    """Whether values of a type can be the column t, x, y or p of events.

    Raises:
        UnknownFormat: if they are no numbers, one each; the message names the type.
    """
    if dtype.kind == "m" and column == "t" and np.datetime_data(dtype)[0] in DURATIONS:
        return
    if dtype.kind in "iufb":
        return
    if dtype.subdtype is not None:
        kind = f"arrays of shape {dtype.subdtype[1]} of {dtype.subdtype[0]}"
    else:
        kind = f"the fields {', '.join(dtype.names)}" if dtype.names is not None else str(dtype)
    hint = "store the time since the first event: t - t[0]" if dtype.kind == "M" else None
    expected = "whole or fractional numbers, or timedelta64 such as m8[us]" if column == "t" else "numbers"
    raise UnknownFormat(path, f"{place} holds {kind}; expected {expected}, one each", hint=hint)


def unit_for(path: Path, dtype: np.dtype[Any], options: ReadOptions) -> str:
    """The unit of times of a type; `timedelta64` says its own.

    Raises:
        ConfigError: if they are fractional and no unit is given.
    """
    if dtype.kind == "m":
        unit, multiple = np.datetime_data(dtype)
        return unit if multiple == 1 else f"{multiple} {unit}"
    if dtype.kind != "f":
        return "us"
    if options.text is None or options.text.time_unit is None:
        raise ConfigError(
            f"{printable(str(path))}: the times are fractional numbers ({dtype}), and the file does not say "
            "of which unit",
            hint="say it: --columns txyp --time-unit s",
        )
    return options.text.time_unit
