"""A dataset of an HDF5 file: checked before any of it is read, then read row by row in bounded memory."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded, UnknownFormat, UnsupportedVersion
from spikecut.sources.formats.hdf5_files.attributes import space_and_type
from spikecut.sources.formats.hdf5_files.chunk_index import SINGLE, ChunkGrid, ChunkPlaces, places_of, tree_places
from spikecut.sources.formats.hdf5_files.filters import (
    FLETCHER32,
    ChunkDamage,
    Filter,
    check_filters,
    filters_of,
    unpack,
)
from spikecut.sources.formats.hdf5_files.scale_offset import SCALE_OFFSET, parameters, unpack_chunks
from spikecut.sources.formats.hdf5_files.structure import (
    MSG_EXTERNAL,
    MSG_FILTERS,
    MSG_LAYOUT,
    UNDEFINED,
    Fields,
    Hdf5Bytes,
    Message,
)

_CHUNK_BYTES_LIMIT = 2**25
_DEFLATE_AT_BEST = 1_100  # bytes out of one byte in
_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = 0, 1, 2, 3


@dataclass(slots=True)
class Dataset:
    """Values of `dtype` in `shape`, stored in chunks, in one piece from byte `at`, or within the header (`inline`)."""

    source: Hdf5Bytes
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    at: int = -1
    inline: bytes | None = None
    grid: ChunkGrid | None = None
    places: ChunkPlaces | None = None
    filters: tuple[Filter, ...] = ()
    _cache: dict[int, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 1

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape[1:])

    def edges(self, begin: int, end: int) -> range:
        """The rows between `begin` and `end` at which a chunk begins."""
        size = self.grid.chunk[0] if self.grid is not None else max(1, self.rows)
        return range((begin // size + 1) * size, end, size)

    @property
    def chunk_rows(self) -> int | None:
        """How many rows a chunk has; None if the values are stored in one piece."""
        return None if self.grid is None else self.grid.chunk[0]

    def byte_of(self, row: int) -> int | None:
        """The byte where the stored chunk with this row begins, or the row itself."""
        if self.grid is None or self.places is None:
            return self.at + row * self.row_bytes if self.at >= 0 else None
        at = int(self.places.at[row // self.grid.chunk[0] * (self.grid.n // self.grid.counts[0])])
        return at if at >= 0 else None

    def read(self, begin: int, end: int) -> Any:
        """Rows `begin` to `end`.

        Raises:
            ChunkDamage: if a chunk of them is damaged or missing.
        """
        if self.grid is None or end <= begin:
            return self._plain(begin, end)
        grid, counts = self.grid, self.grid.counts
        per_row = grid.n // counts[0]
        size = grid.chunk[0]
        first, last = begin // size, -(-end // size)
        if len(self.shape) == 1 and last - first == 1:
            return self._chunk(first)[begin - first * size : end - first * size]
        if (values := self._chunks_at_once(first, last)) is not None:
            return values[begin - first * size : end - first * size]
        out = np.empty((end - begin, *self.shape[1:]), self.dtype)
        for number in range(first * per_row, last * per_row):
            top = number // per_row * size
            low, high = max(begin, top), min(end, top + size)
            part = self._chunk(number)[low - top : high - top]
            if len(self.shape) == 1:
                out[low - begin : high - begin] = part
            else:
                left = number % per_row * grid.chunk[1]
                width = min(grid.chunk[1], self.shape[1] - left)
                out[low - begin : high - begin, left : left + width] = part[:, :width]
        return out

    def _chunks_at_once(self, first: int, last: int) -> Any:
        """Sound chunks that follow one another, as our own writer packs them; None for others."""
        assert self.grid is not None
        assert self.places is not None
        rows, dtype = self.grid.chunk[0], self.dtype
        if dtype.kind not in "iu" or self.filters != (
            Filter(SCALE_OFFSET, parameters(dtype, rows)),
            Filter(FLETCHER32),
        ):
            return None
        at, sizes = self.places.at[first:last], self.places.size[first:last]
        if self.places.skipped[first:last].any() or (sizes > 2 * self.grid.n_bytes + 4_096).any():
            return None
        if (at[1:] != at[:-1] + sizes[:-1]).any():
            return None
        data = np.frombuffer(self.source.stored(int(at[0]), int(sizes.sum())), np.uint8)
        out = np.empty((last - first) * rows, f"u{dtype.itemsize}")
        return out.view(dtype) if int(unpack_chunks(data, sizes, rows, out)) == last - first else None

    def whole(self) -> Any:
        """All values of a small dataset.

        Raises:
            CorruptRecording: if they are damaged.
        """
        try:
            values = self.read(0, self.rows)
        except ChunkDamage as error:
            raise CorruptRecording(self.source.path, f"{self.name} cannot be unpacked") from error
        return values if self.shape else values[0]

    def _plain(self, begin: int, end: int) -> Any:
        size = self.row_bytes
        data = (
            self.inline[begin * size : end * size]
            if self.inline is not None
            else self.source.stored(self.at + begin * size, (end - begin) * size)
        )
        if len(data) != (end - begin) * size:
            raise ChunkDamage
        return np.frombuffer(data, self.dtype).reshape(end - begin, *self.shape[1:])

    def _chunk(self, number: int) -> Any:
        assert self.grid is not None
        assert self.places is not None
        if number in self._cache:
            return self._cache[number]
        at, size = int(self.places.at[number]), int(self.places.size[number])
        if at < 0 or size > 2 * self.grid.n_bytes + 4_096:
            raise ChunkDamage
        data = self.source.stored(at, size)
        if len(data) != size:
            raise ChunkDamage
        skipped = int(self.places.skipped[number])
        content = unpack(data, self.filters, skipped, self.grid.n_bytes, self.dtype.itemsize)
        values = content.view(self.dtype).reshape(self.grid.chunk)
        while len(self._cache) >= self.grid.n // self.grid.counts[0]:  # a row of chunks
            del self._cache[next(iter(self._cache))]
        self._cache[number] = values
        return values


def dataset_of(source: Hdf5Bytes, messages: list[Message], name: str) -> Dataset:
    """The dataset with these messages, all of it checked but its values.

    Raises:
        UnknownFormat: if it is no dataset, or not of numbers in one or two dimensions.
        CorruptRecording: if it is damaged or keeps its values in other files.
        UnsupportedVersion: if it is packed or laid out in a way that is not read.
        LimitExceeded: if it declares more than the file can hold.
    """
    path = source.path
    pair = space_and_type(source, messages)
    if pair is None:
        raise UnknownFormat(path, f"an HDF5 file whose {name} is no dataset")
    shape, stored = pair
    if any(message.kind == MSG_EXTERNAL for message in messages):
        raise CorruptRecording(path, f"{name} keeps its data in another file; a recording holds its events itself")
    if stored.dtype is None or shape is None or len(shape) > 2 or 0 in shape[1:] or any(n > 64 for n in shape[1:]):
        raise UnknownFormat(path, f"{name} is {stored.name} of shape {shape}; expected rows of numbers")
    dataset = Dataset(source, name, stored.dtype, shape)
    declared = dataset.rows * dataset.row_bytes
    if declared > source.size * _DEFLATE_AT_BEST:
        raise LimitExceeded(path, f"{name} declares {declared:,} bytes in a file of {source.size:,}")
    for message in messages:
        if message.kind == MSG_FILTERS:
            dataset.filters = filters_of(message.fields(source))
    check_filters(path, name, dataset.filters)
    layouts = [message for message in messages if message.kind == MSG_LAYOUT]
    if not layouts:
        raise source.damaged(f"{name} has no layout")
    _lay_out(dataset, layouts[0].fields(source), declared)
    return dataset


def _lay_out(dataset: Dataset, fields: Fields, declared: int) -> None:
    source, name = dataset.source, dataset.name
    version, kind = fields.numbers(1, 1)
    if version not in (3, 4, 5) or kind > _VIRTUAL:
        raise UnsupportedVersion(
            source.path,
            f"{name} is laid out by version {version} of HDF5's layouts; spikecut reads 3 to 5",
            hint="h5repack in.h5 out.h5 stores it in the usual way",
        )
    if kind == _VIRTUAL:
        raise CorruptRecording(
            source.path, f"{name} keeps its data in another file; a recording holds its events itself"
        )
    if kind == _COMPACT:
        dataset.inline = fields.bytes(fields.number(2))
        if len(dataset.inline) < declared:
            raise source.damaged(f"{name} declares {declared} bytes and holds {len(dataset.inline)}")
    elif kind == _CONTIGUOUS:
        at, size = fields.numbers(8, 8)
        if declared and at == UNDEFINED:
            raise CorruptRecording(source.path, f"{name} declares {dataset.rows:,} rows; some were never written")
        if declared > size or (declared and at + declared > source.size):
            raise LimitExceeded(source.path, f"{name} declares {declared:,} bytes in a file of {source.size:,}")
        dataset.at = at
    else:
        _find_chunks(dataset, fields, version)


def _find_chunks(dataset: Dataset, fields: Fields, version: int) -> None:
    source, rank = dataset.source, len(dataset.shape)
    if version == 3:
        n, address = fields.numbers(1, 8)
        sizes = fields.numbers(*[4] * min(n, 3))
        flags, index = 0, 0
    else:
        flags, n, width = fields.numbers(1, 1, 1)
        sizes = fields.numbers(*[min(width, 8)] * min(n, 3))
        index = fields.number(1)
    if n != rank + 1 or not rank or 0 in sizes or sizes[-1] != dataset.dtype.itemsize:
        raise source.damaged(f"{dataset.name} has chunks of {sizes}", fields.begin)
    n_bytes = math.prod(sizes)
    if sizes[1:-1] > [64] or n_bytes * (-(-dataset.shape[1] // sizes[1]) if rank > 1 else 1) > _CHUNK_BYTES_LIMIT:
        raise LimitExceeded(source.path, f"{dataset.name} has chunks of {sizes[0]:,} rows, {n_bytes:,} bytes")
    grid = ChunkGrid(dataset.shape, tuple(sizes[:-1]), n_bytes)
    if grid.n > source.size:
        raise LimitExceeded(source.path, f"{dataset.name} declares {grid.n:,} chunks in {source.size:,} bytes")
    if version == 3:
        places = tree_places(source, address, grid)
    elif index == SINGLE:
        size, skipped = fields.numbers(8, 4) if flags & 2 else (n_bytes, 0)
        places = ChunkPlaces.none(grid.n)
        if grid.n == 1 and (address := fields.number(8)) != UNDEFINED:
            places.put(0, address, size, skipped)
    else:
        fields.skip({3: 1, 4: 5, 5: 6}.get(index, 0))
        places = places_of(source, index, fields.number(8), grid)
    if flags & 1:
        _whole_at_the_edge(dataset, grid, places)
    if (places.at < 0).any():
        raise CorruptRecording(source.path, f"{dataset.name} declares {dataset.rows:,} rows; some were never written")
    dataset.grid, dataset.places = grid, places


def _whole_at_the_edge(dataset: Dataset, grid: ChunkGrid, places: ChunkPlaces) -> None:
    """Chunks that reach over the edge of the data are stored without filters where the layout says so."""
    counts = grid.counts
    rest = [size % part != 0 for size, part in zip(dataset.shape, grid.chunk, strict=True)]
    for number in range(grid.n) if any(rest) else ():
        if any(
            over and at == count - 1
            for over, at, count in zip(rest, np.unravel_index(number, counts), counts, strict=True)
        ):
            places.skipped[number] = 2**32 - 1
