"""The end of the data in a file: a long run of zero bytes at its end is room that no event was written to.

Recorders allocate files in advance, and a crash leaves a hole where blocks were not written yet. No camera sends the
event of pixel (0, 0) at time 0 so many times in a row that it fills `ZERO_TAIL_BYTES`.
"""

from pathlib import Path
from typing import BinaryIO

from spikecut.pipeline.drop_counts import DropCause, DropCounts
from spikecut.sources.formats.reading.files import open_binary

ZERO_TAIL_BYTES = 1024
_BLOCK_BYTES = 1 << 20


def data_end(file: BinaryIO, begin: int, size: int, record_bytes: int) -> int:
    """The byte at which a file of `size` bytes ends without its zero tail; `size` if it has none.

    The record that holds the last byte other than zero is left whole, wherever it begins: up to `record_bytes` - 1
    zero bytes of the tail lie before the end. What lies before byte `begin` is no data. The tail is read backwards a
    block at a time. Where it cannot be read, the reading of the events will say so.
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


def trailing(n_bytes: int, at: int) -> DropCounts:
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
    return begin
