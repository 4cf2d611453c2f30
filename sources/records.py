"""Files of equal-sized records, read in blocks, with the damaged stretches left out.

A record alone cannot be told from garbage, a row of them can: where bytes were lost or inserted, every
later record is read across its borders, its time jumps about and its pixel leaves the sensor. So the
records are judged in groups of 64; where more than a quarter of a group looks wrong the reader looks for
the next byte from which the records make sense again, and says what it passed over.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import SourceError, UnreadableSource
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts

GROUP = 64
_FEWEST = 8  # suspicious records below which a group is left alone
_SEARCH_BYTES = 65_536  # how far ahead to look for records that make sense again

Records = UInt8[ndarray, "n size"]


def read_blocks(
    path: Path, begin: int, size: int, block: int, suspicious: Callable[[Records], Bool[ndarray, " n"]]
) -> Iterator[tuple[Records, int, DropCounts]]:
    """Blocks of whole records from byte `begin` to the end of the file as it was when opened.

    Yields the records as bytes `(n, size)`, the byte where they start, and what was lost before them;
    the last block may be empty and only report a loss. `suspicious` marks records that cannot follow
    the one before them, or cannot be at all; the first of what it is given has nothing before it.
    """
    with open_binary(path) as file:
        end = os.fstat(file.fileno()).st_size
        at, lost = begin, NOTHING_LOST
        per_block = max(block // GROUP, 1) * GROUP * size
        while end - at >= size:
            file.seek(at)
            raw = np.frombuffer(file.read(min(per_block, (end - at) // size * size)), np.uint8)
            records = raw[: len(raw) // size * size].reshape(-1, size)
            if not len(records):  # the file shrank while it was read
                break
            sound = _sound(suspicious(records))
            if sound:
                yield records[:sound], at, lost
                lost = NOTHING_LOST
                at += sound * size
            if sound < len(records):
                skip = _skip_to_sense(file, at, end, size, suspicious)
                lost += DropCounts.of(DropCause.unreadable, -(-skip // size), skip, at)
                at += skip
        if at < end:
            lost += DropCounts.of(DropCause.cut_off, 1, end - at, at)
        if lost:
            yield np.empty((0, size), np.uint8), at, lost


def open_binary(path: Path):  # type: ignore[no-untyped-def]
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


def _sound(marks: Bool[ndarray, " n"]) -> int:
    """How many records come before the first group that looks wrong."""
    starts = np.arange(0, len(marks), GROUP)
    wrong = np.add.reduceat(marks, starts, dtype=np.int64)
    sizes = np.minimum(GROUP, len(marks) - starts)
    bad = np.flatnonzero(wrong >= np.maximum(_FEWEST, sizes // 4))
    return int(starts[bad[0]]) if len(bad) else len(marks)


def _skip_to_sense(
    file, at: int, end: int, size: int, suspicious: Callable[[Records], Bool[ndarray, " n"]]  # type: ignore[no-untyped-def]
) -> int:
    """How many bytes to pass over until a whole group of records looks right; else all that are left."""
    file.seek(at)
    window = np.frombuffer(file.read(min(_SEARCH_BYTES + GROUP * size, end - at)), np.uint8)
    for skip in range(1, len(window) - GROUP * size + 1):
        group = window[skip : skip + GROUP * size].reshape(-1, size)
        if suspicious(group).sum() == 0:
            return skip
    return end - at
