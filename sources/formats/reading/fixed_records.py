"""Files of equal-sized records, read in blocks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from spikecut.pipeline.events import DropCause, DropCounts, SensorSize
from spikecut.sources.formats.incoming import Incoming
from spikecut.sources.formats.reading.blocks import decoded_blocks
from spikecut.sources.formats.reading.decoding import (
    AHEAD,
    BAD,
    BAD_AT,
    BAD_BYTES,
    CONSUMED,
    DISORDER,
    OFFSET,
    OUTSIDE_AT,
    SIGNAL_AT,
    SIGNALS,
    STATE,
)
from spikecut.sources.formats.reading.files import file_size
from spikecut.sources.formats.reading.ordering import Chunk, empty_columns
from spikecut.sources.formats.reading.wanted_order import SORTER
from spikecut.sources.formats.reading.zero_tail import data_bytes


def chunks_of(
    path: Path, begin: int, size: int, kernel: Callable[..., int], sensor: SensorSize, block: int
) -> Iterator[Chunk]:
    """The events of a file of `size`-byte records from byte `begin`, `block` records at a time.

    Only if what follows `begin` is no whole number of records were bytes added or lost, and only then may the kernel
    look for records elsewhere than it expects them; not in a file with a tail of zeros, whose length says nothing, and
    not in bytes that come, whose length is not known. The result does not depend on `block`.
    """
    state = np.zeros(STATE, np.int64)
    state[[SIGNAL_AT, BAD_AT, OUTSIDE_AT]] = -1
    state[DISORDER] = SORTER.get() is not None

    def decode(data: UInt8[ndarray, " n"], at: int, final: bool) -> tuple[Chunk, int]:
        state[OFFSET] = at
        t, x, y, p = empty_columns(len(data) // size)
        n = kernel(data, final, shift, sensor.width, sensor.height, state, t, x, y, p)
        outside_at = int(state[OUTSIDE_AT]) if state[OUTSIDE_AT] >= 0 else None
        lost = _losses(state, size)
        return Chunk(t[:n], x[:n], y[:n], p[:n], lost, outside_at), int(state[CONSUMED])

    shift = not isinstance(path, Incoming) and _was_shifted(path, begin, size)
    yield from decoded_blocks(path, begin, max(block, AHEAD) * size, decode, size)


def _was_shifted(path: Path, begin: int, size: int) -> bool:
    """Whether bytes were added to a file or lost from it, by its length."""
    n_bytes = max(0, file_size(path) - begin)
    return n_bytes % size != 0 and data_bytes(path, begin, begin + n_bytes, size) == n_bytes


def _losses(state: Int64[ndarray, " S"], size: int) -> DropCounts:
    """What the last block has lost; the counters begin anew."""
    signals = int(state[SIGNALS])
    special = DropCounts.of(DropCause.special, signals, signals * size, int(state[SIGNAL_AT]))
    bad = DropCounts.of(DropCause.unreadable, int(state[BAD]), int(state[BAD_BYTES]), int(state[BAD_AT]))
    state[[SIGNALS, BAD, BAD_BYTES]] = 0
    state[[SIGNAL_AT, BAD_AT, OUTSIDE_AT]] = -1
    return special + bad
