"""Tables in Parquet files, by pyarrow, which is loaded when a run is kept.

The bytes of a file depend on its rows alone: one row group, fixed compression, no names of machines, users or times.
Pages carry checksums, so a damaged file is noticed when it is read.
"""

import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import EnvironmentProblem, ModelError, in_a_line
from spikecut.pipeline.files.atomic_files import flush, problems_of

_ABOUT = b"spikecut"

Columns = Mapping[str, Sequence[Any]]
Kinds = Mapping[str, str]  # by the names of columns: one of _TYPES

_TYPES: Mapping[str, Callable[[Any], Any]] = {
    "text": lambda arrow: arrow.string(),
    "bool": lambda arrow: arrow.bool_(),
    "int32": lambda arrow: arrow.int32(),
    "int64": lambda arrow: arrow.int64(),
    "float32": lambda arrow: arrow.float32(),
    "list of int64": lambda arrow: arrow.list_(arrow.int64()),
    "list of float32": lambda arrow: arrow.list_(arrow.float32()),
    "list of float64": lambda arrow: arrow.list_(arrow.float64()),
}


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of equal length by their names, and what the file says about them all."""

    columns: Columns
    about: Mapping[str, Any] = field(default_factory=dict)


def pyarrow() -> Any:
    """The package pyarrow, with its module for Parquet.

    Raises:
        EnvironmentProblem: if it is not installed.
    """
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError as error:
        raise EnvironmentProblem(
            "run folders are written with the package pyarrow, which is not installed",
            hint="pip install 'spikecut[replay]'",
        ) from error


def write_table(path: Path, table: Table, kinds: Kinds) -> None:
    """Writes a file that appears whole or not at all, also if the machine stops; one that exists is replaced.

    Raises:
        EnvironmentProblem: if it cannot be written, such as on a full disk, or pyarrow is missing.
    """
    arrow = pyarrow()
    about = {_ABOUT: json.dumps(table.about, sort_keys=True).encode()} if table.about else None
    schema = arrow.schema([(name, _TYPES[kind](arrow)) for name, kind in kinds.items()], metadata=about)
    rows = arrow.table({name: table.columns[name] for name in kinds}, schema=schema)
    partial = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")
    with problems_of(path):
        try:
            arrow.parquet.write_table(
                rows,
                partial,
                version="2.6",
                compression="zstd",
                compression_level=3,
                row_group_size=max(1, len(rows)),
                write_page_checksum=True,
                store_schema=False,
            )
            flush(partial)
            partial.replace(path)
            flush(path.parent)
        finally:
            partial.unlink(missing_ok=True)


def read_table(path: Path, kinds: Kinds, *, whole: bool = False) -> Table:
    """Reads columns of a file, which may have more; with `whole` damage to those is noticed, too.

    Raises:
        ModelError: if the file is damaged or has other columns.
        OSError: if it cannot be opened.
    """
    arrow = pyarrow()
    with path.open("rb") as file:
        try:
            rows = arrow.parquet.read_table(
                file, columns=None if whole else list(kinds), page_checksum_verification=True
            )
            about = json.loads((rows.schema.metadata or {}).get(_ABOUT, b"{}"))
            return Table({name: _values(rows, name, _TYPES[kind](arrow)) for name, kind in kinds.items()}, about)
        except (arrow.ArrowException, KeyError, ValueError, OSError) as error:
            raise ModelError(f"{path}: no whole Parquet file of this run: {in_a_line(error)}") from error


def _values(rows: Any, name: str, kind: Any) -> Sequence[Any]:
    """One column: numbers as an array, lists of numbers as arrays, both without gaps; everything else as a list."""
    column = rows.column(name).combine_chunks()
    if column.type != kind:
        raise ValueError(f"column {name} holds {column.type}; expected {kind}")
    if column.null_count or str(kind) == "string":
        values: list[Any] = column.to_pylist()
        return values
    if not hasattr(column, "offsets"):
        numbers: Sequence[Any] = column.to_numpy(zero_copy_only=False)
        return numbers
    flat, ends = column.values.to_numpy(zero_copy_only=False), column.offsets.to_numpy()
    return [flat[start:end] for start, end in pairwise(ends.tolist())]
