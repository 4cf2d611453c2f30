"""HDF5: the project's own recordings, and plain ones in the layout of DSEC.

`/events/{t, x, y, p}` are four columns of equal length: int64 µs, uint16, uint16, uint8, in chunks of
65,536 with gzip and shuffle, which every HDF5 reads without plugins. Attributes of `/events`: format,
version, width, height, t_unit. `/events/segments` holds the first event of every segment after the
first, if there are any. In a DSEC file `/t_offset` is added to the times.

An HDF5 file can refer to other files, claim any size and run plugins. Everything is looked at before
any event is read: only hard links, no external or virtual data, only gzip, lzf, shuffle and fletcher32,
and no more rows than the file can hold. What we write has checksums in its structure and its data.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from spikecut.pipeline.errors import (
    ConfigError,
    CorruptRecording,
    LimitExceeded,
    SpikecutError,
    UnknownFormat,
    UnreadableSource,
    UnsupportedVersion,
)
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.ordering import Chunk, in_order, nothing

CHUNK_ROWS = 65_536
COLUMNS = {"t": np.int64, "x": np.uint16, "y": np.uint16, "p": np.uint8}
FORMAT, VERSION = "spikecut-events", 1
_CHUNK_BYTES_LIMIT = 2**26
_DEFLATE_AT_BEST = 1_100  # bytes out of one byte in
_SEGMENTS_LIMIT = 1_000_000
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32_000: "lzf"}
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)  # what h5py raises on it


@dataclass(frozen=True, slots=True)
class Hdf5Recording:
    """Events in an HDF5 file; made by `open_recording`."""

    path: Path
    sensor: SensorSize
    batch_events: int
    format: str

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(_chunks(self.path, self.batch_events), self.sensor, self.path)


def open_hdf5(path: Path, options: ReadOptions = DEFAULTS) -> Hdf5Recording:
    """A recording all of whose parts were checked, none of its events read.

    Raises:
        UnknownFormat: an HDF5 file without `/events/{t, x, y, p}`.
        UnsupportedVersion: another version of ours, or a compression that takes a plugin.
        CorruptRecording: the file is cut off or damaged, or refers to other files.
        LimitExceeded: it declares more than it can hold.
        ConfigError: the file names no sensor and none was given.
    """
    with _Opened(path) as file:
        parts = _check(path, file)
        own = _attribute(parts["events"], "format") == FORMAT
        version = _attribute(parts["events"], "version")
        width = _attribute(parts["events"], "width") or _attribute(file, "width")
        height = _attribute(parts["events"], "height") or _attribute(file, "height")
    if own and version != VERSION:
        raise UnsupportedVersion(path, f"{FORMAT} version {version}; this spikecut reads version {VERSION}")
    if isinstance(width, int) and isinstance(height, int):
        if not (0 < width <= 65_536 and 0 < height <= 65_536):
            raise CorruptRecording(path, f"a sensor of {width} x {height} pixels")
        sensor = SensorSize(width, height)
    elif options.sensor is not None:
        sensor = options.sensor
    else:
        raise ConfigError(f"{path}: the file does not say how large its sensor is", hint="say --sensor WIDTHxHEIGHT")
    return Hdf5Recording(path, sensor, options.batch_events, "spikecut HDF5" if own else "DSEC HDF5")


class _Opened:
    """An open HDF5 file; what the library says against the file becomes one of our errors."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Any:
        import h5py

        try:
            self.file = h5py.File(self.path, "r")
        except (FileNotFoundError, PermissionError) as error:
            raise UnreadableSource(self.path, (error.strerror or "cannot be opened").lower()) from error
        except _DAMAGE as error:
            raise self._damaged(error) from error
        return self.file

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.file.close()
        if isinstance(error, _DAMAGE) and not isinstance(error, SpikecutError):
            raise self._damaged(error) from error

    def _damaged(self, error: BaseException) -> CorruptRecording:
        message = " ".join(str(error).split())[:200]
        if "truncated" in message:
            return CorruptRecording(
                self.path,
                f"the file is cut off: HDF5 needs its end to find anything ({message})",
                hint="copy it again; HDF5 files that were not closed cannot be saved here",
            )
        return CorruptRecording(self.path, f"the structure of the HDF5 file is damaged ({message})")


def _check(path: Path, file: Any) -> dict[str, Any]:
    """The group and its columns, each of them safe to read."""
    import h5py

    parts = {"events": _member(path, file, "events", h5py.Group)}
    for name in COLUMNS:
        parts[name] = column = _member(path, parts["events"], name, h5py.Dataset)
        _check_dataset(path, column, ndim=1)
    rows = {name: len(parts[name]) for name in COLUMNS}
    if len(set(rows.values())) > 1:
        raise CorruptRecording(path, f"the columns of /events differ in length: {rows}")
    if parts["events"].get("segments", getlink=True) is not None:
        parts["segments"] = _member(path, parts["events"], "segments", h5py.Dataset)
        _check_dataset(path, parts["segments"], ndim=1)
        if len(parts["segments"]) > _SEGMENTS_LIMIT:
            raise LimitExceeded(path, f"{len(parts['segments']):,} segments; at most {_SEGMENTS_LIMIT:,} are read")
    if file.get("t_offset", getlink=True) is not None:
        parts["t_offset"] = _member(path, file, "t_offset", h5py.Dataset)
        _check_dataset(path, parts["t_offset"], ndim=0)
    unit = _attribute(parts["events"], "t_unit")
    if unit not in (None, "us"):
        raise UnsupportedVersion(path, f"times in {unit!r}; spikecut reads microseconds")
    return parts


def _member(path: Path, group: Any, name: str, kind: type) -> Any:
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        raise UnknownFormat(path, f"an HDF5 file without /events/{{t, x, y, p}}: {group.name} has no {name}")
    if not isinstance(link, h5py.HardLink):
        raise CorruptRecording(path, f"{name} is a link to elsewhere; a recording holds its events itself")
    member = group[name]
    if not isinstance(member, kind):
        raise UnknownFormat(path, f"an HDF5 file whose {name} is no {kind.__name__.lower()}")
    return member


def _check_dataset(path: Path, dataset: Any, ndim: int) -> None:
    name = dataset.name
    if dataset.is_virtual or dataset.external:
        raise CorruptRecording(path, f"{name} keeps its data in another file; a recording holds its events itself")
    if dataset.dtype.kind not in "iub" or dataset.ndim != ndim:
        raise UnknownFormat(path, f"{name} is {dataset.dtype} of shape {dataset.shape}; expected {ndim}-d integers")
    creation = dataset.id.get_create_plist()
    used = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    if unknown := [code for code in used if code not in _FILTERS]:
        known = ", ".join(_FILTERS.values())
        raise UnsupportedVersion(
            path,
            f"{name} is compressed with HDF5 filter {unknown[0]}; spikecut reads {known}",
            hint="h5repack -f SHUF -f GZIP=4 in.h5 out.h5, with the plugin that wrote it",
        )
    declared, file_bytes = dataset.size * dataset.dtype.itemsize, path.stat().st_size
    if declared > file_bytes * _DEFLATE_AT_BEST or dataset.id.get_storage_size() > file_bytes:
        raise LimitExceeded(path, f"{name} declares {declared:,} bytes in a file of {file_bytes:,}")
    if dataset.chunks:
        if dataset.chunks[0] * dataset.dtype.itemsize > _CHUNK_BYTES_LIMIT:
            raise LimitExceeded(path, f"{name} has chunks of {dataset.chunks[0]:,} rows")
        if dataset.id.get_num_chunks() < -(-dataset.size // dataset.chunks[0]):
            raise CorruptRecording(path, f"{name} declares {dataset.size:,} rows; some were never written")


def _attribute(thing: Any, name: str) -> int | str | None:
    """A single number or a short word; anything else counts as absent."""
    if name not in thing.attrs:
        return None
    stored = thing.attrs.get_id(name)
    if stored.shape != () or stored.get_storage_size() > 256:
        return None
    value = thing.attrs[name]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else int(value) if isinstance(value, int | np.integer) else None


def _chunks(path: Path, batch_events: int) -> Iterator[Chunk]:
    with _Opened(path) as file:
        parts = _check(path, file)
        offset = int(parts["t_offset"][()]) if "t_offset" in parts else 0
        rows = len(parts["t"])
        resets = np.asarray(parts["segments"][()], np.int64).tolist() if "segments" in parts else []
        if resets and any(before >= after for before, after in pairwise([0, *resets, rows])):
            raise CorruptRecording(path, "the segments do not lie in order within the events")
        for first, last in pairwise([0, *resets, rows]):
            begin = first
            while begin < last:  # never across a stored chunk: if one is damaged, no other is lost
                end = min(last, (begin // CHUNK_ROWS + 1) * CHUNK_ROWS)
                chunk = _chunk(parts, slice(begin, end), offset)
                for at in range(0, max(1, len(chunk.t)), batch_events):
                    lost = chunk.lost if at == 0 else NOTHING_LOST
                    marked = at == 0 and begin == first and first > 0
                    yield replace(chunk.taken(slice(at, at + batch_events)), lost=lost, new_segment=marked)
                begin = end


def _chunk(parts: dict[str, Any], rows: slice, offset: int) -> Chunk:
    try:
        t, x, y, p = (np.asarray(parts[name][rows]) for name in COLUMNS)
    except OSError:  # a damaged chunk of one of the columns takes these rows, and no others
        n = rows.stop - rows.start
        return nothing(DropCounts.of(DropCause.unreadable, n, at_byte=_place(parts["t"], rows.start)))
    chunk = Chunk(t.astype(np.int64) + offset, _pixels(x), _pixels(y), (p > 0).astype(np.uint8))
    wrong = (p != 0) & (p != 1) & (p != -1)
    if not wrong.any():
        return chunk
    lost = DropCounts.of(DropCause.unreadable, int(wrong.sum()), at_byte=_place(parts["p"], rows.start))
    return replace(chunk.taken(~wrong), lost=lost)


def _pixels(column: ndarray[Any, Any]) -> ndarray[Any, Any]:
    """As uint16; what does not fit becomes 65,535, which lies outside every sensor but the largest."""
    if column.dtype == np.uint16:
        return column
    return np.where((column < 0) | (column > 65_535), 65_535, column).astype(np.uint16)


def _place(column: Any, row: int) -> int | None:
    """The byte where the stored chunk with this row begins."""
    try:
        place = column.id.get_chunk_info_by_coord((row // column.chunks[0] * column.chunks[0],))
        return int(place.byte_offset)
    except (TypeError, ValueError, OSError, RuntimeError):
        return None
