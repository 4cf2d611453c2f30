"""Parts: the results of some recordings, one Parquet file each, under a name that the recordings determine.

One row for every recording and rule. Figures are rounded to five digits, so that the order in which floats were summed
does not show; times of the machine are in the log of the run, not here. The same work has the same name and bytes,
whoever did it, and may be done twice.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from spikecut.pipeline.errors import ModelError
from spikecut.tools.batch.run_folder.parquet import Kinds, Table, read_table, write_table

KINDS: Kinds = {
    "item_id": "text",
    "rule": "text",
    "label": "text",
    "pred": "text",
    "steps": "int32",
    "t_dec_us": "int64",
    "reason": "text",
    "score": "float32",
    "n_events": "int64",
    "dropped": "int64",
    "partial": "bool",
    "sha256": "text",
    "logits": "list of float32",
}
SHORT: Kinds = {name: kind for name, kind in KINDS.items() if name != "logits"}


OUTPUTS: Kinds = {  # of a pass that is kept to be evaluated: one row for every recording
    "item_id": "text",
    "place": "text",
    "label": "text",
    "subject": "text",
    "sha256": "text",
    "dropped": "int64",
    "outputs": "list of float32",
    "plans": "list of float32",
    "events": "list of int64",
    "active": "list of float64",
    "n_on": "int64",
    "us": "int64",
}


def key_of(run_key: str, items: Sequence[str]) -> str:
    """The name of the part that some items of a run make: 16 hexadecimal digits.

    >>> key_of("run", ["b", "a"]) == key_of("run", ["a", "b"]) != key_of("other run", ["a", "b"])
    True
    """
    return hashlib.sha256("\n".join([run_key, *sorted(items)]).encode()).hexdigest()[:16]


def path_of(folder: Path, key: str) -> Path:
    """The file of a part."""
    return folder / f"part-{key}.parquet"


def write_part(folder: Path, key: str, table: Table, kinds: Kinds = KINDS) -> None:
    """Writes a part.

    Raises:
        EnvironmentProblem: if it cannot be written, such as on a full disk.
    """
    write_table(path_of(folder, key), table, kinds)


def parts_in(folder: Path) -> list[Path]:
    """The files of all parts, by name."""
    return sorted(folder.glob("part-*.parquet"))


def read_part(path: Path, kinds: Kinds = SHORT) -> Table:
    """The rows of a part, without logits.

    Raises:
        ModelError: if the file is damaged.
    """
    return read_table(path, kinds)


def whole_parts(folder: Path, items: frozenset[str]) -> Iterator[tuple[Path, Table | None]]:
    """Every part with its items, the largest first; None in their place if it has to be done again.

    That is so where the file is damaged, or holds a recording that the run does not know or that another part holds:
    of a batch that was done twice, whole and in halves, one is enough.
    """
    taken: set[str] = set()
    for path in sorted(parts_in(folder), key=lambda path: (-_size(path), path)):
        try:
            table = read_table(path, {"item_id": "text"}, whole=True)
        except (ModelError, OSError):
            yield path, None
            continue
        mine = set(table.columns["item_id"])
        if mine <= items and not mine & taken:
            taken |= mine
            yield path, table
        else:
            yield path, None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def rounded(values: Float[ndarray, "*shape"], digits: int = 5) -> Float[ndarray, "*shape"]:
    """Figures with so many significant digits; what is not finite stays.

    >>> rounded(np.array([1234.567, -0.000123456, 0.0])).tolist()
    [1234.6, -0.00012346, 0.0]
    """
    exact = np.asarray(values, np.float64)
    finite = np.isfinite(exact) & (exact != 0)
    magnitudes = np.floor(np.log10(np.abs(np.where(finite, exact, 1.0))))
    scales = 10.0 ** (digits - 1 - magnitudes)
    return np.asarray(np.where(finite, np.round(exact * scales) / scales, exact))
