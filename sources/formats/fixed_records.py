"""Files of equal-sized records, read in blocks."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from spikecut.pipeline.errors import SourceError, UnreadableSource
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, SensorSize
from spikecut.sources.formats.decoding import (
    AHEAD,
    BAD,
    BAD_AT,
    BAD_BYTES,
    CONSUMED,
    OFFSET,
    OUTSIDE_AT,
    SIGNAL_AT,
    SIGNALS,
    STATE,
)
from spikecut.sources.formats.ordering import Chunk


def chunks_of(
    path: Path, begin: int, size: int, kernel: Callable[..., int], sensor: SensorSize, block: int
) -> Iterator[Chunk]:
    """The events of a file of `size`-byte records from byte `begin`, `block` records at a time.

    The file is read up to the size it had when it was opened. Only if what follows `begin` is no whole
    number of records were bytes added or lost, and only then may the kernel look for records elsewhere
    than it expects them. The result does not depend on `block`.
    """
    state = np.zeros(STATE, np.int64)
    state[[SIGNAL_AT, BAD_AT, OUTSIDE_AT]] = -1
    state[OFFSET] = begin
    with open_binary(path) as file:
        end = os.fstat(file.fileno()).st_size
        file.seek(begin)
        shift = (end - begin) % size != 0
        left, remaining = b"", max(0, end - begin)
        while remaining:
            try:
                read = file.read(min(remaining, max(block, AHEAD) * size))
            except OSError as error:
                raise unreadable(path, error) from error
            remaining = remaining - len(read) if read else 0  # the file may have become shorter meanwhile
            data = np.frombuffer(left + read, np.uint8)
            most = len(data) // size
            t, p = np.empty(most, np.int64), np.empty(most, np.uint8)
            x, y = np.empty(most, np.uint16), np.empty(most, np.uint16)
            n = kernel(data, remaining == 0, shift, sensor.width, sensor.height, state, t, x, y, p)
            left = data[state[CONSUMED] :].tobytes()
            state[OFFSET] += state[CONSUMED]
            lost = _losses(state, size)
            if left and not remaining:
                lost += DropCounts.of(DropCause.cut_off, 1, len(left), int(state[OFFSET]))
            outside_at = int(state[OUTSIDE_AT]) if state[OUTSIDE_AT] >= 0 else None
            state[[SIGNALS, BAD, BAD_BYTES]] = 0
            state[[SIGNAL_AT, BAD_AT, OUTSIDE_AT]] = -1
            yield Chunk(t[:n], x[:n], y[:n], p[:n], lost, outside_at)


def first_bytes(path: Path, n: int) -> bytes:
    """The beginning of a file, at most `n` bytes of it."""
    with open_binary(path) as file:
        try:
            return file.read(n)
        except OSError as error:
            raise unreadable(path, error) from error


def open_binary(path: Path) -> BinaryIO:
    """Opens a file for reading, or says in one sentence why not."""
    try:
        return path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> SourceError:
    """What the operating system said, with the file's name and no traceback."""
    reason = (error.strerror or str(error)).lower()
    hint = "check the name" if isinstance(error, FileNotFoundError) else None
    return UnreadableSource(path, reason, hint=hint)


def _losses(state: Int64[ndarray, " S"], size: int) -> DropCounts:
    if not state[SIGNALS] and not state[BAD_BYTES]:
        return NOTHING_LOST
    signals = int(state[SIGNALS])
    special = DropCounts.of(DropCause.special, signals, signals * size, int(state[SIGNAL_AT]))
    bad = DropCounts.of(DropCause.unreadable, int(state[BAD]), int(state[BAD_BYTES]), int(state[BAD_AT]))
    return special + bad
