"""The layouts of events in HDF5: where each program keeps t, x, y and p, in which unit, on which sensor.

| layout | written by | events | sensor | times |
|---|---|---|---|---|
| spikecut, DSEC | spikecut; DSEC (Gehrig et al. 2021) | `/events/{t,x,y,p}`, `/t_offset` | `width`, `height` | µs |
| rpg | e2vid, event_utils, eventify | `/events/{ts,xs,ys,ps}` | `sensor_resolution`, `sensor_shape` (H, W) | s or µs |
| Prophesee | OpenEB, Metavision | `/CD/events`, fields x, y, p, t | `geometry` WxH, or `width`, `height` | µs |
| v2e | v2e; DDD20's tools | `/events`, N x 4: t, x, y, p | | µs |
| Tonic | Tonic's disk cache | `/data/0`, fields or N x 4 | | µs |

Whole numbers are microseconds in all of them. Fractional times are seconds in the layout of rpg, by its convention;
elsewhere the unit is an attribute (`t_unit`, `time_unit`, `unit`) or has to be given.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from spikecut.pipeline.errors import ConfigError, CorruptRecording, LimitExceeded, UnknownFormat, UnsupportedVersion
from spikecut.pipeline.events import SensorSize
from spikecut.sources.formats.base import ReadOptions
from spikecut.sources.formats.hdf5_files.attributes import Attributes, attributes_of
from spikecut.sources.formats.hdf5_files.dataset import Dataset, dataset_of
from spikecut.sources.formats.hdf5_files.groups import Link, follow, is_group, links_of
from spikecut.sources.formats.hdf5_files.structure import Hdf5Bytes, Message, messages_of
from spikecut.sources.formats.reading.event_fields import event_fields, unit_of

FORMAT, VERSION = "spikecut-events", 1
EXPECTED = "spikecut reads /events/{t,x,y,p} (its own, DSEC), /events/{ts,xs,ys,ps} (rpg, eventify), /CD/events "
EXPECTED += "(Prophesee), /events of N x 4 (v2e), /data/0 (Tonic)"
_SEGMENTS_LIMIT = 1_000_000
_INDEX_LIMIT = 10_000_000
_ORDER_WORD = "order"


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One of t, x, y, p: a dataset, one of its fields, or one of its columns."""

    dataset: Dataset
    key: str | int | None = None

    @property
    def kind(self) -> str:
        """`i`, `u`, `b` or `f`."""
        dtype = self.dataset.dtype
        return (dtype[self.key] if isinstance(self.key, str) else dtype).kind

    def of(self, rows: Any) -> Any:
        """Its values in rows of the dataset."""
        if self.key is None:
            return rows
        return rows[self.key] if isinstance(self.key, str) else rows[:, self.key]


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a file: four columns of as many `rows`, and what the file says about them."""

    layout: str
    columns: dict[str, Column]
    rows: int
    unit: str
    sensor: SensorSize | None
    offset_us: int = 0
    segments: tuple[int, ...] = ()
    first_us: Any = None
    damaged_at: int | None = None

    @property
    def datasets(self) -> list[Dataset]:
        return list({id(column.dataset): column.dataset for column in self.columns.values()}.values())


@dataclass(slots=True)
class _Node:
    """A group or a dataset on the way to the events."""

    source: Hdf5Bytes
    name: str
    messages: list[Message]
    attributes: Attributes = field(init=False)
    links: dict[str, Link] = field(init=False)

    def __post_init__(self) -> None:
        self.attributes = attributes_of(self.source, self.messages)
        self.links = links_of(self.source, self.messages)

    def child(self, name: str) -> "_Node":
        address = follow(self.source, self.links[name])
        return _Node(self.source, f"{self.name.rstrip('/')}/{name}", messages_of(self.source, address))

    @property
    def is_group(self) -> bool:
        return is_group(self.messages)

    def dataset(self) -> Dataset:
        return dataset_of(self.source, self.messages, self.name)


def find_events(source: Hdf5Bytes, root_address: int, options: ReadOptions) -> Events:
    """The events of a file, in whichever layout.

    Raises:
        UnknownFormat: if there are none, or they are no numbers.
        UnsupportedVersion, CorruptRecording, LimitExceeded: as the parts are read.
        ConfigError: if the unit of fractional times, or the order of columns without names, is not known.
    """
    root = _Node(source, "/", messages_of(source, root_address))
    if "events" in root.links:
        node = root.child("events")
        if not node.is_group:
            return _table(node, [node, root], "v2e HDF5", "txyp", options)
        fields = event_fields(node.links)
        if fields is None:
            missing = " ".join(
                f"/events/{name}" for name in "txyp" if event_fields([*node.links, *set("txyp") - {name}]) is None
            )
            raise UnknownFormat(source.path, f"an HDF5 file without {missing or 'events'}; {EXPECTED}")
        return _columns(root, node, fields, options)
    for group, name, layout, order in (("CD", "events", "Prophesee HDF5", "xypt"), ("data", "0", "Tonic HDF5", None)):
        if group in root.links and name in (parent := root.child(group)).links:
            return _table(parent.child(name), [parent, root], layout, order, options)
    raise UnknownFormat(
        source.path, f"an HDF5 file without events: it has {', '.join(sorted(root.links)[:8])}; {EXPECTED}"
    )


def _columns(root: _Node, node: _Node, fields: dict[str, str], options: ReadOptions) -> Events:
    """Four datasets in one group."""
    path, columns = root.source.path, dict[str, Column]()
    nodes = {name: node.child(fields[name]) for name in "txyp"}
    for name, child in nodes.items():
        if child.is_group:
            raise UnknownFormat(path, f"an HDF5 file whose {child.name} is no dataset")
        columns[name] = Column(_flat(child.dataset(), "iub" if name != "t" else "iubf"))
    rows = {fields[name]: column.dataset.rows for name, column in columns.items()}
    if len(set(rows.values())) > 1:
        raise CorruptRecording(path, f"the columns of /events differ in length: {rows}")
    own = _is_own(node, root)
    sources = [node, root, nodes["t"]]
    layout = "spikecut HDF5" if own else "rpg HDF5" if fields["t"] == "ts" else "DSEC HDF5"
    unit = _unit(path, columns["t"], sources, "s" if fields["t"] == "ts" else None, options)
    n = columns["t"].dataset.rows
    return Events(
        layout, columns, n, unit, _sensor(root.source, sources),
        _offset(root), _segments(node, n), _first_times(node, columns["t"].dataset) if own else None, _damage(sources),
    )  # fmt: skip


def _table(node: _Node, above: list[_Node], layout: str, order: str | None, options: ReadOptions) -> Events:
    """One dataset: rows with named fields, or of four numbers in a known order."""
    source, dataset = node.source, node.dataset()
    path, names = source.path, dataset.dtype.names
    if names is not None and len(dataset.shape) == 1:
        fields = event_fields(names)
        if fields is None:
            raise UnknownFormat(path, f"{node.name} has the fields {', '.join(names)}; expected x, y, t and p")
        columns = {name: Column(dataset, fields[name]) for name in "txyp"}
    elif names is None and len(dataset.shape) == 2 and dataset.shape[1] == 4:
        order = order or (options.text.columns if options.text is not None else None)
        if order is None:
            raise ConfigError(
                f"{path}: {node.name} has four columns without names", hint="say their order: --columns xytp or another"
            )
        columns = {name: Column(dataset, order.index(name)) for name in "txyp"}
    else:
        kind = f"fields {', '.join(names)}" if names is not None else str(dataset.dtype)
        raise UnknownFormat(path, f"{node.name} holds {kind} of shape {dataset.shape}, which are no events; {EXPECTED}")
    sources = [node, *above]
    unit = _unit(path, columns["t"], sources, None, options)
    return Events(layout, columns, dataset.rows, unit, _sensor(source, sources), damaged_at=_damage(sources))


def _flat(dataset: Dataset, kinds: str) -> Dataset:
    if len(dataset.shape) != 1 or dataset.dtype.kind not in kinds:
        expected = "a column of whole numbers" if "f" not in kinds else "a column of numbers"
        message = f"{dataset.name} is {dataset.dtype} of shape {dataset.shape}; expected {expected}"
        raise UnknownFormat(dataset.source.path, message)
    return dataset


def _is_own(node: _Node, root: _Node) -> bool:
    """Whether spikecut wrote the file. Old ones state it in a heap, which damage may have taken."""
    attributes = node.attributes
    numbers = all(attributes.number(name) is not None for name in ("version", "width", "height"))
    format = attributes.word("format")
    own = format == FORMAT or (format is None and numbers and "t_offset" not in root.links)
    version = attributes.number("version")
    if own and version != VERSION:
        raise UnsupportedVersion(node.source.path, f"{FORMAT} version {version}; this spikecut reads version {VERSION}")
    return own


def _unit(path: Any, t: Column, sources: list[_Node], convention: str | None, options: ReadOptions) -> str:
    """The unit of the times: stated in the file, whole microseconds, by the layout's convention, or given."""
    for node in sources:
        for name in ("t_unit", "time_unit", "unit"):
            if (word := node.attributes.word(name)) is not None:
                if (unit := unit_of(word)) is None:
                    raise UnsupportedVersion(path, f"times in {word!r}; spikecut reads us, ms, s and ns")
                return unit
    if t.kind != "f":
        return "us"
    if options.text is not None and options.text.time_unit is not None:
        return options.text.time_unit
    if convention is not None:
        return convention
    raise ConfigError(
        f"{path}: the times are fractional numbers ({t.dataset.name}), and the file does not say of which unit",
        hint="say it: --columns txyp --time-unit s",
    )


def _sensor(source: Hdf5Bytes, nodes: list[_Node]) -> SensorSize | None:
    """The first size that the events, or what is above them, state."""
    for node in nodes:
        values = node.attributes.values
        pair: tuple[Any, ...] = values.get("width"), values.get("height")
        geometry = node.attributes.word("geometry")
        if geometry is not None and all(part.isdigit() for part in geometry.split("x")):
            pair = tuple(int(part) for part in geometry.split("x") if len(part) < 9)
        for name in ("sensor_resolution", "sensor_shape"):
            if isinstance(height_width := values.get(name), tuple) and len(height_width) >= 2:
                pair = height_width[1], height_width[0]
        if len(pair) == 2 and all(isinstance(value, int) for value in pair):
            width, height = pair
            if not (0 < width <= 65_536 and 0 < height <= 65_536):
                raise CorruptRecording(source.path, f"a sensor of {width} x {height} pixels")
            return SensorSize(width, height)
    return None


def _offset(root: _Node) -> int:
    """`/t_offset` in µs, which DSEC adds to all times."""
    if "t_offset" not in root.links:
        return 0
    dataset = root.child("t_offset").dataset()
    if dataset.dtype.kind not in "iu" or dataset.rows != 1 or len(dataset.shape) > 1:
        raise UnknownFormat(root.source.path, f"/t_offset is {dataset.dtype} of shape {dataset.shape}")
    return int(dataset.whole().item())


def _segments(node: _Node, rows: int) -> tuple[int, ...]:
    """The first event of each segment after the first."""
    if "segments" not in node.links:
        return ()
    path, dataset = node.source.path, _flat(node.child("segments").dataset(), "iu")
    if dataset.rows > _SEGMENTS_LIMIT:
        raise LimitExceeded(path, f"{dataset.rows:,} segments; at most {_SEGMENTS_LIMIT:,} are read")
    starts = tuple(dataset.whole().tolist())
    bounds = (0, *starts, rows)
    if starts and any(before >= after for before, after in pairwise(bounds)):
        raise CorruptRecording(path, "the segments do not lie in order within the events")
    return starts


def _first_times(node: _Node, t: Dataset) -> Any:
    """The time of the first event of each chunk of t, as far as the file lists them."""
    if "chunk_first_us" not in node.links or t.grid is None:
        return None
    dataset = node.child("chunk_first_us").dataset()
    if dataset.shape != (t.grid.n,) or dataset.dtype.kind != "i" or dataset.rows > _INDEX_LIMIT:
        return None
    return dataset.whole()


def _damage(nodes: list[_Node]) -> int | None:
    return next((node.attributes.damaged_at for node in nodes if node.attributes.damaged_at is not None), None)
