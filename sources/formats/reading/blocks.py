"""Reading a file block by block, in bounded memory: for formats whose events follow each other in the file."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.events import DropCause, DropCounts
from spikecut.sources.formats.incoming import Incoming
from spikecut.sources.formats.reading.files import open_binary, read_bytes
from spikecut.sources.formats.reading.ordering import Chunk, nothing
from spikecut.sources.formats.reading.zero_tail import data_end, trailing

Decode = Callable[[UInt8[ndarray, " n"], int, bool], tuple[Chunk, int]]


def decoded_blocks(
    path: Path, begin: int, block_bytes: int, decode: Decode, record_bytes: int | None = None
) -> Iterator[Chunk]:
    """The events of a file from byte `begin`, read `block_bytes` at a time.

    `decode` gets the bytes at hand, the place of the first in the file, and whether the file ends with them. It
    returns the events in them and how many bytes these took; the rest is handed to it again, with more behind. What is
    left at the end of the file counts as one event, `cut_off`, as does what goes missing while it is read. The file is
    read up to the size it had when it was opened; with `record_bytes`, the most that an event takes, without a tail of
    zeros (`zero_tail`), which is counted as `trailing`. Bytes that come (`Incoming`) are decoded as they come.

    Raises:
        UnreadableSource: if the file is missing or cannot be read.
    """
    if isinstance(path, Incoming):
        yield from _coming_blocks(path, begin, block_bytes, decode, record_bytes)
        return
    with open_binary(path) as file:
        size = os.fstat(file.fileno()).st_size
        end = size if record_bytes is None else data_end(file, begin, size, record_bytes)
        remaining = max(0, end - begin)
        file.seek(begin)
        left, at, tail = b"", begin, size - end
        while remaining:
            block = read_bytes(file, path, min(remaining, block_bytes))
            missing = 0 if block else remaining  # the file has become shorter
            remaining -= len(block) + missing
            chunk, n_bytes = decode(np.frombuffer(left + block, np.uint8), at, remaining == 0)
            left, at = (left + block)[n_bytes:], at + n_bytes
            if tail and not (remaining or missing or any(left)):
                tail, left = tail + len(left), b""
            if (left or missing) and not remaining:
                chunk = replace(chunk, lost=chunk.lost + DropCounts.of(DropCause.cut_off, 1, len(left) + missing, at))
            yield chunk
        if tail:
            yield nothing(trailing(tail, size - tail))


def _coming_blocks(
    path: Incoming, begin: int, block_bytes: int, decode: Decode, record_bytes: int | None
) -> Iterator[Chunk]:
    """The same of bytes that come: that they end is known after the last of them."""
    left, at = b"", begin
    for block in path.blocks(begin, block_bytes, record_bytes):
        chunk, n_bytes = decode(np.frombuffer(left + block, np.uint8), at, not block)
        left, at = (left + block)[n_bytes:], at + n_bytes
        yield chunk
    if path.trailing:
        n_zeros = path.trailing + (0 if any(left) else len(left))
        left = left if any(left) else b""
        yield nothing(trailing(n_zeros, at + len(left)))
    if left:
        yield nothing(DropCounts.of(DropCause.cut_off, 1, len(left), at))
