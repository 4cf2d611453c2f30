"""Reads a file of 2, 4 or 8-byte words in blocks through a compiled decoder that keeps its place in an array."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, SensorSize
from spikecut.sources.formats.incoming import Incoming
from spikecut.sources.formats.prophesee.evt_decoding import (
    AHEAD_BYTES,
    BAD,
    CHECKED,
    CONSUMED,
    DISORDER,
    FULL,
    LEAPS,
    OFFSET,
    OUTSIDE_AT,
    SPECIAL,
    STATE,
)
from spikecut.sources.formats.reading.column_pool import ColumnPool
from spikecut.sources.formats.reading.files import open_binary, unreadable
from spikecut.sources.formats.reading.ordering import Chunk, empty_columns
from spikecut.sources.formats.reading.wanted_order import SORTER
from spikecut.sources.formats.reading.zero_tail import data_end, trailing

_BLOCK_BYTES = 16 * AHEAD_BYTES  # read at a time: most of what is decoded from it stays in the cache of a core
_CAUSES = ((BAD, DropCause.unreadable), (SPECIAL, DropCause.special), (LEAPS, DropCause.leap))

_NOTHING = np.array([0, 0, -1] * 3)


@dataclass(frozen=True, slots=True)
class WordStream:
    """The events of a file from byte `begin`: words of type `word`, decoded by `kernel`, `record_bytes` an event.

    `kernel(data, words, final, shift, size, state, t, x, y, p)` returns how many events it wrote, at most `most` beyond
    the room for `batch_events`. `shift` says that the bytes from `begin` on are no whole number of records, so that
    bytes were added or lost: only then may it look for records elsewhere than it expects them. `start` is the state at
    `begin`.
    """

    path: Path
    begin: int
    sensor: SensorSize
    batch_events: int
    kernel: Callable[..., int]
    word: str
    record_bytes: int
    most: int = 1
    start: tuple[int, ...] = ()

    def chunks(self, from_byte: int | None = None) -> Iterator[Chunk]:
        """The events in the order of the file, from a byte on that begins a record; the result does not depend on
        `batch_events`.

        Raises:
            UnreadableSource: if the file is missing or cannot be read.
        """
        state = self._first_state()
        if isinstance(self.path, Incoming):
            yield from self._coming_chunks(self.path, state)
            return
        at = self.begin if from_byte is None else from_byte
        item_bytes = np.dtype(self.word).itemsize
        buffer, output = np.empty(_BLOCK_BYTES, np.uint8), _Output(self.batch_events, self.most)
        with open_binary(self.path) as file:
            size = os.fstat(file.fileno()).st_size
            end = data_end(file, self.begin, size, self.record_bytes)
            shift = end == size > self.begin and (size - self.begin) % self.record_bytes != 0
            tail, remaining = size - max(end, at), max(0, end - at)
            file.seek(at)
            n_left, missing, progress = 0, 0, True
            while remaining or (progress and n_left >= self.record_bytes):
                room = buffer.data[n_left:][:remaining]
                n_read = _read_into(file, self.path, room)
                missing += 0 if n_read or not room else remaining  # the file has become shorter
                remaining = 0 if missing else remaining - n_read
                n_bytes, done, n_before = n_left + n_read, 0, output.n
                state[FULL] = 1
                while state[FULL] and done % item_bytes == 0:
                    state[OFFSET] = at + done
                    self._decode(buffer[done:n_bytes], (remaining == 0, shift), state, output)
                    done += int(state[CONSUMED])
                    if state[FULL] or output.is_full(output.n - n_before):
                        yield output.chunk()
                        n_before = 0
                n_left, at, progress = n_bytes - done, at + done, done > 0
                if n_left:
                    buffer[:n_left] = buffer[done:n_bytes].copy()
        yield output.chunk()
        if tail > 0 and not (missing or buffer[:n_left].any()):
            tail, n_left = tail + n_left, 0
        if tail > 0:
            yield Chunk(*empty_columns(0), trailing(tail, size - tail))
        if n_left + missing:
            yield Chunk(*empty_columns(0), DropCounts.of(DropCause.cut_off, 1, n_left + missing, at))

    def _first_state(self) -> Int64[ndarray, " S"]:
        state = np.zeros(STATE, np.int64)
        state[: len(self.start)] = self.start
        state[DISORDER] = SORTER.get() is not None
        state[BAD : LEAPS + 3], state[OUTSIDE_AT] = _NOTHING, -1
        return state

    def _coming_chunks(self, path: Incoming, state: Int64[ndarray, " S"]) -> Iterator[Chunk]:
        """The events of bytes that come, as they come; what is added to or lost from them is not looked for."""
        left, at, output = bytearray(), self.begin, _Output(self.batch_events, self.most)
        for block in path.blocks(self.begin, _BLOCK_BYTES, self.record_bytes):
            left += block
            done, state[FULL] = 0, 1
            while state[FULL]:
                state[OFFSET] = at + done
                self._decode(np.frombuffer(left, np.uint8)[done:], (not block, False), state, output)
                done += int(state[CONSUMED])
                yield output.chunk()
            left, at = left[done:], at + done
        if path.trailing:
            n_zeros, left = path.trailing + (0 if any(left) else len(left)), left if any(left) else bytearray()
            yield Chunk(*empty_columns(0), trailing(n_zeros, at + len(left)))
        if left:
            yield Chunk(*empty_columns(0), DropCounts.of(DropCause.cut_off, 1, len(left), at))

    def _decode(self, data: Any, flags: tuple[bool, bool], state: Int64[ndarray, " S"], output: "_Output") -> None:
        """Decodes into `output` until it is full, the bytes are used up, more are needed, or words begin elsewhere."""
        item_bytes = np.dtype(self.word).itemsize
        words = data[: len(data) // item_bytes * item_bytes].view(self.word)
        columns = [column[output.n :] for column in output.columns] if output.n else output.columns
        state[CHECKED] = 0
        output.n += self.kernel(data, words, *flags, (self.sensor.width, self.sensor.height), state, *columns)
        output.take(state.tolist())
        state[BAD : LEAPS + 3], state[OUTSIDE_AT] = _NOTHING, -1


class _Output:
    """Columns for `n_events` events, and `more` that a kernel may need, that fill up; and what was lost meanwhile."""

    def __init__(self, n_events: int, more: int) -> None:
        self.n_events, self.pool = n_events, ColumnPool(n_events + more)
        self._renew()

    def _renew(self) -> None:
        self.columns, self.n = self.pool.columns(), 0
        self.lost, self.checked = NOTHING_LOST, True
        self.outside_at: int | None = None

    def take(self, state: list[int]) -> None:
        """Notes what a kernel says about the events that it has just put into the columns."""
        self.checked = self.checked and bool(state[CHECKED])
        if state[OUTSIDE_AT] >= 0 and self.outside_at is None:
            self.outside_at = state[OUTSIDE_AT]
        for first, cause in _CAUSES:
            if state[first] or state[first + 1]:
                self.lost += DropCounts.of(cause, *state[first : first + 3])

    def is_full(self, n_next: int) -> bool:
        """Whether it is time for new columns: at least half are used, and `n_next` more events would not fit."""
        return 2 * self.n >= self.n_events < self.n + n_next

    def chunk(self) -> Chunk:
        """What came together; the columns begin anew."""
        t, x, y, p = (column[: self.n] for column in self.columns)
        chunk = Chunk(t, x, y, p, self.lost, self.outside_at, checked=self.checked)
        self._renew()
        return chunk


def _read_into(file: BinaryIO, path: Path, buffer: memoryview) -> int:
    try:
        return file.readinto(buffer) or 0  # type: ignore[attr-defined]
    except OSError as error:
        raise unreadable(path, error) from error
