"""The end of the data in a file: a long run of zero bytes at its end is room that no event was written to.

Recorders allocate files in advance, and a crash leaves a hole where blocks were not written yet. No camera sends the
event of pixel (0, 0) at time 0 so many times in a row that it fills `ZERO_TAIL_BYTES`.
"""

import errno
import os
from pathlib import Path
from typing import BinaryIO

from spikecut.pipeline.drop_counts import DropCause, DropCounts
from spikecut.sources.formats.incoming import ZERO_TAIL_BYTES
from spikecut.sources.formats.reading.files import open_binary

_BLOCK_BYTES = 1 << 20


def data_end(file: BinaryIO, begin: int, size: int, record_bytes: int) -> int:
    """The byte at which a file of `size` bytes ends without its zero tail; `size` if it has none.

    The record that holds the last byte other than zero is left whole, wherever it begins: up to `record_bytes` - 1
    zero bytes of the tail lie before the end. What lies before byte `begin` is no data. The tail is read backwards a
    block at a time, a hole not at all. Where it cannot be read, the reading of the events will say so.
    """
    if size - begin < ZERO_TAIL_BYTES:
        return size
    try:
        zeros_from = _zeros_from(file, begin, size)
    except OSError:
        return size
    return size if size - zeros_from < ZERO_TAIL_BYTES else zeros_from + record_bytes - 1


def data_bytes(path: Path, begin: int, size: int, record_bytes: int) -> int:
    """How many bytes of a file of `size` bytes lie from `begin` to the end of its data (`data_end`).

    Raises:
        UnreadableSource: if the file is missing or cannot be opened.
    """
    with open_binary(path) as file:
        return max(0, data_end(file, begin, size, record_bytes) - begin)


def trailing(n_bytes: int, at: int | None) -> DropCounts:
    """The loss of a zero tail that begins at byte `at`: no events, only bytes."""
    return DropCounts.of(DropCause.trailing, 0, n_bytes, at)


def _zeros_from(file: BinaryIO, begin: int, size: int) -> int:
    """The byte behind the last one that is not zero, at least `begin`."""
    zeros, n_bytes = bytes(_BLOCK_BYTES), ZERO_TAIL_BYTES
    while size > begin:
        n_bytes = min(n_bytes, size - begin)
        file.seek(size - n_bytes)
        block = file.read(n_bytes)
        if block != zeros[:n_bytes]:
            return size - n_bytes + len(block.rstrip(b"\0"))
        size, n_bytes = size - n_bytes, _BLOCK_BYTES
        if size - begin > _BLOCK_BYTES:
            size = max(begin, _hole_from(file.fileno(), size))
    return begin


def _hole_from(descriptor: int, size: int) -> int:
    """A byte from which on nothing was written up to byte `size`, within a block of the first; at worst `size`.

    The file system is asked (SEEK_DATA), where there is one that knows. The file's position stays.
    """
    if not hasattr(os, "SEEK_DATA"):
        return size
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    low, high, step = size, size, _BLOCK_BYTES
    try:
        while low == high and high > 0:
            low = max(0, high - step)
            if _is_hole(descriptor, low, size):
                high, step = low, 2 * step
        while high - low > _BLOCK_BYTES:
            middle = (low + high) // 2
            low, high = (low, middle) if _is_hole(descriptor, middle, size) else (middle, high)
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)
    return high


def _is_hole(descriptor: int, begin: int, end: int) -> bool:
    """Whether nothing was written from one byte to another; False where that is not known."""
    try:
        return os.lseek(descriptor, begin, os.SEEK_DATA) >= end
    except OSError as error:
        return error.errno == errno.ENXIO  # nothing follows
