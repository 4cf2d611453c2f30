"""Where the chunks of a dataset lie: the indexes of HDF5 that grow in one dimension, and the tree of version 1.

An index gives, for each chunk: its place in the grid of chunks as a linear number, its byte, its stored size, and which
filters were left out for it.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from spikecut.pipeline.errors import UnsupportedVersion
from spikecut.sources.formats.hdf5_files.structure import UNDEFINED, Fields, Hdf5Bytes

_DEPTH = 16
SINGLE, IMPLICIT, FIXED, EXTENSIBLE = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class ChunkGrid:
    """How a dataset is cut into chunks: sizes in values, and the number of bytes of a whole chunk."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    n_bytes: int

    @property
    def counts(self) -> tuple[int, ...]:
        """How many chunks there are in each dimension."""
        return tuple(-(-size // part) for size, part in zip(self.shape, self.chunk, strict=True))

    @property
    def n(self) -> int:
        return math.prod(self.counts)


@dataclass(frozen=True, slots=True, eq=False)
class ChunkPlaces:
    """Of each chunk of the grid: the byte where it begins (-1: never written), its size, filters left out."""

    at: Int64[ndarray, " n"]
    size: Int64[ndarray, " n"]
    skipped: Int64[ndarray, " n"]

    @classmethod
    def none(cls, n: int) -> "ChunkPlaces":
        return cls(np.full(n, -1, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64))

    def put(self, number: int, at: int, size: int, skipped: int) -> None:
        if at < 2**62 and size < 2**62:
            self.at[number], self.size[number], self.skipped[number] = at, size, skipped


def tree_places(source: Hdf5Bytes, tree: int, grid: ChunkGrid) -> ChunkPlaces:
    """The chunks in a B-tree of version 1 (layout version 3)."""
    places = ChunkPlaces.none(grid.n)
    if tree != UNDEFINED:
        _tree_node(source, tree, grid, places, 0)
    return places


def _tree_node(source: Hdf5Bytes, at: int, grid: ChunkGrid, places: ChunkPlaces, depth: int) -> None:
    rank = len(grid.shape)
    head = Fields(source, source.read(source.visit(at), 24), at)
    signature, kind, level, n = head.bytes(4), *head.numbers(1, 1, 2)
    if signature != b"TREE" or kind != 1 or depth > _DEPTH:
        raise source.damaged("no tree of chunks", at)
    size = 8 + 8 * (rank + 1) + 8
    entries = np.frombuffer(source.read(at + 24, size * n), np.uint8).reshape(n, size)
    lengths = np.ascontiguousarray(entries[:, :8]).view("<u4")
    offsets = np.ascontiguousarray(entries[:, 8 : 8 + 8 * rank]).view("<u8")
    children = np.ascontiguousarray(entries[:, size - 8 :]).view("<u8")[:, 0]
    if level:
        for child in children.tolist():
            _tree_node(source, child, grid, places, depth + 1)
        return
    chunk = np.array(grid.chunk, np.uint64)
    where = offsets // chunk
    good = (offsets % chunk == 0).all(1) & (where < np.array(grid.counts, np.uint64)).all(1) & (children < 2**62)
    number = np.zeros(n, np.int64)
    for axis, count in enumerate(grid.counts):
        number = number * count + where[:, axis].astype(np.int64) * good
    places.at[number[good]] = children[good].astype(np.int64)
    places.size[number[good]] = lengths[good, 0]
    places.skipped[number[good]] = lengths[good, 1]


def implicit_places(source: Hdf5Bytes, at: int, grid: ChunkGrid) -> ChunkPlaces:
    """Chunks without filters that follow one another."""
    places = ChunkPlaces.none(grid.n)
    if at != UNDEFINED and at + grid.n * grid.n_bytes <= source.size:
        places.at[:] = at + np.arange(grid.n) * grid.n_bytes
        places.size[:] = grid.n_bytes
    return places


def _entries(fields: Fields, n: int, size: int, grid: ChunkGrid, places: ChunkPlaces, first: int) -> None:
    """Elements of an array of chunks, of 8 bytes without filters, of more with them."""
    n = min(n, grid.n - first)
    if n <= 0:
        return
    rows = np.frombuffer(fields.bytes(n * size), np.uint8).reshape(n, size)
    at = np.ascontiguousarray(rows[:, :8]).view("<u8")[:, 0]
    good = at < 2**62
    places.at[first : first + n] = np.where(good, at, 0).astype(np.int64) - ~good
    if size == 8:
        places.size[first : first + n] = grid.n_bytes
        return
    width = size - 12
    lengths = np.zeros((n, 8), np.uint8)
    lengths[:, :width] = rows[:, 8 : 8 + width]
    places.size[first : first + n] = np.minimum(lengths.view("<u8")[:, 0], 2**62).astype(np.int64)
    places.skipped[first : first + n] = np.ascontiguousarray(rows[:, 8 + width :]).view("<u4")[:, 0]


def _element_size(fields: Fields, filtered: int, size: int) -> int:
    if size != 8 if not filtered else not 13 <= size <= 20:
        raise fields.source.damaged(f"an index of chunks with elements of {size} bytes", fields.begin)
    return size


def fixed_places(source: Hdf5Bytes, address: int, grid: ChunkGrid) -> ChunkPlaces:
    """The chunks in a fixed array: of a dataset that does not grow."""
    places = ChunkPlaces.none(grid.n)
    if address == UNDEFINED:
        return places
    head = source.block(address, 28, b"FAHD")
    _, filtered, size, page_bits = head.numbers(1, 1, 1, 1)
    n, block = head.numbers(8, 8)
    _element_size(head, filtered, size)
    if block == UNDEFINED:
        return places
    if n < grid.n or page_bits > 32:
        raise source.damaged(f"an index of {n} chunks where there are {grid.n}", address)
    per_page = 1 << page_bits
    if n <= per_page:
        body = source.block(block, 14 + n * size + 4, b"FADB")
        body.skip(10)
        _entries(body, n, size, grid, places, 0)
        return places
    n_pages = -(-n // per_page)
    n_map = (n_pages + 7) // 8
    prefix = source.block(block, 14 + n_map + 4, b"FADB")
    prefix.skip(10)
    written = np.unpackbits(np.frombuffer(prefix.bytes(n_map), np.uint8))
    at = block + 14 + n_map + 4
    for page in range(-(-grid.n // per_page)):
        n_here = min(per_page, n - page * per_page)
        if written[page]:
            body = source.block(at, n_here * size + 4, b"")
            _entries(body, n_here, size, grid, places, page * per_page)
        at += per_page * size + 4
    return places


@dataclass(frozen=True, slots=True)
class _Extensible:
    """An extensible array while it is read: the parameters in its header, and the places to be filled."""

    source: Hdf5Bytes
    grid: ChunkGrid
    places: ChunkPlaces
    size: int
    max_bits: int
    in_index: int
    block_min: int
    pointers_min: int
    page_bits: int

    @property
    def offset_bytes(self) -> int:
        return (self.max_bits + 7) // 8

    def take(self, fields: Fields, n: int, first: int) -> None:
        _entries(fields, n, self.size, self.grid, self.places, first)

    def super_block(self, number: int) -> tuple[int, int]:
        """How many data blocks a super block has, and how many elements each."""
        return 1 << (number // 2), (1 << ((number + 1) // 2)) * self.block_min

    def read_index(self, at: int) -> None:
        """The index block: elements, addresses of data blocks, addresses of super blocks."""
        n_supers = 1 + self.max_bits - (self.block_min.bit_length() - 1)
        direct = min(n_supers, 2 * (self.pointers_min.bit_length() - 1))
        n_addresses = 2 * (self.pointers_min - 1) + n_supers - direct
        body = self.source.block(at, 14 + self.in_index * self.size + 8 * n_addresses + 4, b"EAIB")
        body.skip(10)
        self.take(body, self.in_index, 0)
        body.at = 14 + self.in_index * self.size
        first = self.in_index
        for number in range(n_supers):
            n_blocks, n_elements = self.super_block(number)
            if first >= self.grid.n:
                return
            for _ in range(n_blocks if number < direct else 0):
                self.read_data(body.number(8), n_elements, b"", first)
                first += n_elements
            if number >= direct:
                self.read_super(body.number(8), number, first)
                first += n_blocks * n_elements

    def read_super(self, at: int, number: int, first: int) -> None:
        """A super block: which pages were written, and addresses of data blocks."""
        if at == UNDEFINED:
            return
        n_blocks, n_elements = self.super_block(number)
        n_map = ((n_elements >> self.page_bits) + 7) // 8 if n_elements > 1 << self.page_bits else 0
        body = self.source.block(at, 14 + self.offset_bytes + n_blocks * (n_map + 8) + 4, b"EASB")
        body.skip(10 + self.offset_bytes)
        for written in [body.bytes(n_map) for _ in range(n_blocks)]:
            if first >= self.grid.n:
                return
            self.read_data(body.number(8), n_elements, written, first)
            first += n_elements

    def read_data(self, at: int, n: int, written: bytes, first: int) -> None:
        """A data block of `n` elements, or its pages as far as they were written."""
        if at == UNDEFINED or first >= self.grid.n:
            return
        prefix = 14 + self.offset_bytes
        if not written:
            body = self.source.block(at, prefix + n * self.size + 4, b"EADB")
            body.skip(10 + self.offset_bytes)
            self.take(body, n, first)
            return
        self.source.block(at, prefix + 4, b"EADB")
        pages, per_page = np.unpackbits(np.frombuffer(written, np.uint8)), 1 << self.page_bits
        for page in range(n // per_page):
            page_at = at + prefix + 4 + page * (per_page * self.size + 4)
            if pages[page] and first + page * per_page < self.grid.n:
                self.take(self.source.block(page_at, per_page * self.size + 4, b""), per_page, first + page * per_page)


def extensible_places(source: Hdf5Bytes, address: int, grid: ChunkGrid) -> ChunkPlaces:
    """The chunks in an extensible array: of a dataset that grows in one dimension."""
    places = ChunkPlaces.none(grid.n)
    if address == UNDEFINED:
        return places
    head = source.block(address, 12 + 6 * 8 + 8 + 4, b"EAHD")
    _, filtered, size, max_bits, in_index, block_min, pointers_min, page_bits = head.numbers(*[1] * 8)
    head.skip(48)
    index = head.number(8)
    _element_size(head, filtered, size)
    powers = all(value and not value & (value - 1) for value in (block_min, pointers_min))
    if not powers or not 1 <= max_bits <= 64 or page_bits > 32 or block_min.bit_length() > max_bits:
        raise source.damaged("the parameters of an index of chunks", address)
    if index != UNDEFINED:
        _Extensible(source, grid, places, size, max_bits, in_index, block_min, pointers_min, page_bits).read_index(
            index
        )
    return places


def places_of(source: Hdf5Bytes, index: int, address: int, grid: ChunkGrid) -> ChunkPlaces:
    """The chunks by an index of layout version 4.

    Raises:
        UnsupportedVersion: for a tree of version 2: of a dataset that grows in several dimensions.
        CorruptRecording: if the index is damaged.
    """
    readers = {IMPLICIT: implicit_places, FIXED: fixed_places, EXTENSIBLE: extensible_places}
    if index not in readers:
        raise UnsupportedVersion(
            source.path,
            f"a dataset whose chunks have an index of kind {index}",
            hint="h5repack in.h5 out.h5 stores it in the usual way",
        )
    return readers[index](source, address, grid)
