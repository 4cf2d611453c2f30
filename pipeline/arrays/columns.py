"""The four columns of events in whatever another library hands out.

Structured arrays, dicts of columns and data frames name their columns. Tuples of columns and plain (N, 4) arrays do
not, so there the order must be given.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, EventError

# Tonic, faery, dv-processing, AEStream, OpenEB, eventify, evlib; the first name that is there counts
NAMES: Mapping[str, tuple[str, ...]] = {
    "t": ("t", "timestamp", "ts", "time", "timestamps", "times"),
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "p": ("p", "polarity", "on", "ps", "pol", "polarities"),
}
_EXPECTED = "a structured array, a dict or a data frame with the columns t, x, y and p"


def raw_columns(events: Any, order: str | Sequence[str] | None = None) -> dict[str, Shaped[ndarray, " N"]]:
    """The columns t, x, y and p as they are: one-dimensional, equally long, of any type.

    `order` names the columns of a tuple or of an (N, 4) array: "txyp", or ("x", "y", "timestamp", "polarity").

    Raises:
        EventError: if a column is missing, no column or of another length, or columns without names come without an
            `order`.
    """
    named = isinstance(order, Collection) and all(isinstance(name, str) for name in order)
    if order is not None and not named:
        raise ConfigError(
            f"columns: found {order!r:.60}; expected the names of the columns in their order",
            hint='such as columns="txyp", or ("x", "y", "timestamp", "polarity")',
        )
    if isinstance(events, np.ma.MaskedArray) and any(np.ma.getmaskarray(events).tobytes()):
        raise EventError("the array has masked events", hint="leave them out: events.compressed()")
    if isinstance(events, ndarray) and events.dtype.names is not None:
        columns = _of_structured(events)
    elif isinstance(events, Mapping):
        columns = _of_named(events, list(events), "dict")
    elif hasattr(events, "columns") and hasattr(events, "__getitem__"):
        columns = _of_named(events, [str(name) for name in _listed(events.columns)], "data frame")
    elif isinstance(events, tuple | list):
        columns = _of_ordered(list(events), order, f"a {type(events).__name__}")
    else:
        table = _as_array(events)
        if table.dtype.names is not None:
            columns = _of_structured(table)
        elif table.ndim == 2:
            columns = _of_ordered(list(table.T), order, f"an array of shape {table.shape}")
        else:
            raise EventError(f"an array of shape {table.shape} without named fields; expected {_EXPECTED}")
    _check_lengths(columns)
    return columns


def column_of(events: Shaped[ndarray, " N"], *names: str) -> Shaped[ndarray, " N"]:
    """The field of a structured array with one of these names, or titles.

    Raises:
        EventError: if there is none.
    """
    fields: Any = events.dtype.fields or {}
    for name in names:
        if name in fields:
            return np.asarray(events[name])
    others = f"other names for it: {', '.join(names[1:])}" if names[1:] else None
    raise EventError(f"no field {names[0]} among {', '.join(events.dtype.names or ()) or 'none'}", hint=others)


def _of_structured(events: Shaped[ndarray, "..."]) -> dict[str, Shaped[ndarray, " N"]]:
    if events.ndim != 1:
        raise EventError(f"a structured array of shape {events.shape}; expected one dimension")
    for column in NAMES:
        _only_name(column, list(events.dtype.names or ()))
    return {column: column_of(events, *names) for column, names in NAMES.items()}


def _only_name(column: str, present: list[Any]) -> str | None:
    """The name that a column has among those that are there; None if it has none."""
    names = [name for name in NAMES[column] if name in present]
    if len(names) > 1:
        raise EventError(
            f"column {column} is there {len(names)} times: {', '.join(names)}; expected one of them",
            hint="leave the others out",
        )
    return names[0] if names else None


def _unmasked(column: Any, name: str) -> Shaped[ndarray, "..."]:
    if isinstance(column, np.ma.MaskedArray) and np.ma.getmaskarray(column).any():
        raise EventError(f"column {name} has masked values", hint="leave these events out of all columns")
    return np.asarray(column)


def _of_named(events: Any, present: list[Any], kind: str) -> dict[str, Shaped[ndarray, " N"]]:
    columns = {}
    for column, names in NAMES.items():
        name = _only_name(column, present)
        if name is None:
            raise EventError(
                f"no column {column} among {', '.join(map(str, present))} of the {kind}",
                hint=f"other names for it: {', '.join(names[1:])}",
            )
        try:
            columns[column] = _unmasked(events[name], name)
        except EventError:
            raise
        except Exception as error:  # whatever another library raises
            raise EventError(
                f"column {name} of the {type(events).__name__} cannot be read: {error}",
                hint="a lazy frame must be collected first",
            ) from error
    return columns


def _of_ordered(parts: list[Any], order: str | Sequence[str] | None, what: str) -> dict[str, Shaped[ndarray, " N"]]:
    if order is None:
        raise EventError(
            f"{what} does not name its columns; expected {_EXPECTED}",
            hint='give their order, such as columns="txyp"',
        )
    names = [_column_named(name) for name in order]
    if sorted(names) != sorted(NAMES):
        raise EventError(f"columns={order!r}; expected t, x, y and p in their order, each once")
    if len(parts) != len(names):
        raise EventError(f"{what} of {len(parts)} columns; expected {len(names)}: {', '.join(names)}")
    try:
        return {name: _unmasked(part, name) for name, part in zip(names, parts, strict=True)}
    except EventError:
        raise
    except ValueError as error:
        raise EventError(f"{what}: a column is no array of numbers: {error}") from error


def _column_named(name: str) -> str:
    return next((column for column, names in NAMES.items() if name in names), name)


def _listed(columns: Any) -> list[Any]:
    try:
        return list(columns)
    except TypeError:
        raise EventError(f"the columns of the events are a {type(columns).__name__}; expected {_EXPECTED}") from None


def _as_array(events: Any) -> Shaped[ndarray, "..."]:
    """Whatever is or becomes an array: tensors of the CPU, evutils' EventArray, dv-processing's EventStore."""
    made = events
    if not hasattr(events, "__array__"):
        if not callable(getattr(events, "numpy", None)):
            raise EventError(f"events in a {type(events).__name__}; expected {_EXPECTED}")
        made = events.numpy()
    try:
        return np.asarray(made)
    except Exception as error:  # a tensor on a GPU, or one that needs a gradient
        raise EventError(f"the {type(events).__name__} cannot be read as an array: {error}") from error


def _check_lengths(columns: Mapping[str, Shaped[ndarray, "..."]]) -> None:
    n = len(columns["t"]) if columns["t"].ndim == 1 else -1
    for name, column in columns.items():
        if column.ndim != 1 or len(column) != n:
            raise EventError(
                f"column {name} has shape {column.shape} and column t {columns['t'].shape}; "
                "expected one dimension and one length"
            )
