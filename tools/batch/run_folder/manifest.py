"""The manifest: what a run is about, one row for every recording, written once when the run begins."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from spikecut.pipeline.errors import ConfigError, DamagedOutputs, ModelError
from spikecut.sources.datasets.base import Example
from spikecut.tools.batch.run_folder.parquet import Kinds, Table, read_table, write_table

KINDS: Kinds = {
    "item_id": "text",
    "path": "text",
    "size": "int64",
    "mtime_ns": "int64",
    "label": "text",
    "subject": "text",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One recording or picture. `size` in bytes and `mtime_ns` are those of its file, None where there is none."""

    item_id: str
    path: str
    size: int | None
    mtime_ns: int | None
    label: str
    subject: str


def ids_of(examples: Sequence[Example], folder: Path) -> list[str]:
    """A name for every example that does not depend on where the folder lies: its place, relative to the folder.

    Of several examples at one place each has its number in the source behind it.
    """
    above = f"{folder}/"
    places = [storable(example.place.removeprefix(above)) for example in examples]
    n_at = Counter(places)
    return [
        f"{place}#{example.index}" if n_at[place] > 1 else place
        for place, example in zip(places, examples, strict=True)
    ]


def storable(name: str) -> str:
    """A file's name as text that every file can hold: bytes that are no UTF-8 are escaped.

    >>> storable("f" + chr(0xDCFC) + "nf.bin") == "f" + chr(92) + "udcfcnf.bin"
    True
    """
    return name.encode(errors="backslashreplace").decode()


def items_of(examples: Sequence[Example], ids: Sequence[str], labels: Sequence[str]) -> list[Item]:
    """The rows of the manifest, in the order of the data set; files are looked at, not opened."""
    states: dict[Path, tuple[int | None, int | None]] = {}
    for path in {example.source.path for example in examples}:
        try:
            state = path.stat()
            states[path] = (state.st_size, state.st_mtime_ns)
        except OSError:  # a dangling link: reading it will say so
            states[path] = (None, None)
    return [
        Item(
            item_id, storable(str(example.source.path)), *states[example.source.path], label, storable(example.subject)
        )
        for example, item_id, label in zip(examples, ids, labels, strict=True)
    ]


def write_manifest(path: Path, items: Sequence[Item]) -> None:
    """Writes the rows as Parquet."""
    columns = {one.name: [getattr(item, one.name) for item in items] for one in fields(Item)}
    write_table(path, Table(columns), KINDS)


def read_manifest(path: Path) -> list[Item]:
    """Reads the rows back.

    Raises:
        DamagedOutputs: if the file is missing or damaged.
    """
    try:
        columns = read_table(path, KINDS).columns
    except (ModelError, OSError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error).removeprefix(f"{path}: ")
        raise DamagedOutputs(
            path,
            f"{what}; expected the list of the run's recordings",
            hint=f"give another run folder, or move {path.parent} away and replay again; its parts are Parquet files",
        ) from error
    rows = zip(*([_plain(one) for one in columns[name]] for name in KINDS), strict=True)
    return [Item(*row) for row in rows]


def _plain(value: object) -> object:
    return value.item() if hasattr(value, "item") else value


def check_same(before: Sequence[Item], now: Sequence[Item], run: Path, mended: Collection[str] = ()) -> list[str]:
    """Refuses a data set that has changed since a run began; returns the items whose files were written anew.

    The recordings `mended` may have another size: they have no answer yet.

    Raises:
        ConfigError: naming a recording that came, went, or has another size or label.
    """
    then, today = _by_id(before), _by_id(now)
    for what, names in (("has come", today.keys() - then.keys()), ("is gone", then.keys() - today.keys())):
        if names:
            n, first = len(names), min(names)
            raise changed_data(run, f"{first} {what}", n)
    other = [
        name
        for name, one in today.items()
        if one.label != then[name].label or (one.size != then[name].size and name not in mended)
    ]
    if other:
        raise changed_data(run, f"{other[0]} has another size or label", len(other))
    return [name for name, one in today.items() if (one.size, one.mtime_ns) != (then[name].size, then[name].mtime_ns)]


def changed_data(run: Path, what: str, n: int) -> ConfigError:
    """The refusal of a run whose data has changed: what has happened to a recording, and to how many."""
    return ConfigError(
        f"{run}: the data has changed since this run began: {what} ({n} such)",
        hint=f"another run folder replays the data as it is now; {run} stays as it is",
    )


def _by_id(items: Sequence[Item]) -> Mapping[str, Item]:
    return {item.item_id: item for item in items}
