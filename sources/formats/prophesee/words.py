"""Reads a file of 2, 4 or 8-byte words in blocks through a compiled decoder that keeps its place in an array."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from spikecut.pipeline.events import DropCause, DropCounts, SensorSize
from spikecut.sources.formats.prophesee.evt_decoding import (
    AHEAD_BYTES,
    BAD,
    CONSUMED,
    FULL,
    LEAPS,
    OFFSET,
    OUTSIDE_AT,
    SPECIAL,
    STATE,
)
from spikecut.sources.formats.reading.files import file_size, open_binary, unreadable
from spikecut.sources.formats.reading.ordering import Chunk, empty_columns

_CAUSES = ((BAD, DropCause.unreadable), (SPECIAL, DropCause.special), (LEAPS, DropCause.leap))


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
        state = np.zeros(STATE, np.int64)
        state[: len(self.start)] = self.start
        _forget(state)
        shift = max(0, file_size(self.path) - self.begin) % self.record_bytes != 0
        at = self.begin if from_byte is None else from_byte
        buffer = np.empty(max(self.batch_events * self.record_bytes, 2 * AHEAD_BYTES) + 64, np.uint8)
        with open_binary(self.path) as file:
            remaining = max(0, os.fstat(file.fileno()).st_size - at)
            file.seek(at)
            n_left, progress = 0, True
            while remaining or (progress and n_left >= self.record_bytes):
                room = buffer.data[n_left:][:remaining]
                n_read = _read_into(file, self.path, room)
                remaining = remaining - n_read if n_read or not room else 0  # the file may have become shorter
                n_bytes, done = n_left + n_read, 0
                for chunk in self._decoded(buffer[:n_bytes], at, (remaining == 0, shift), state):
                    done += int(state[CONSUMED])
                    yield chunk
                n_left, at, progress = n_bytes - done, at + done, done > 0
                buffer[:n_left] = buffer[done:n_bytes].copy()
        if n_left:
            yield Chunk(*empty_columns(0), DropCounts.of(DropCause.cut_off, 1, n_left, at))

    def _decoded(self, data: Any, at: int, flags: tuple[bool, bool], state: Int64[ndarray, " S"]) -> Iterator[Chunk]:
        """Decodes until the bytes at hand are used up, more are needed, or the step of the words changes."""
        done, state[FULL] = 0, 1
        width = np.dtype(self.word).itemsize
        size = np.array([self.sensor.width, self.sensor.height])
        while state[FULL] and done % width == 0:
            rest = data[done:]
            words = rest[: len(rest) // width * width].view(self.word)
            t, x, y, p = empty_columns(self.batch_events + self.most)
            state[OFFSET] = at + done
            n = self.kernel(rest, words, *flags, size, state, t, x, y, p)
            done += int(state[CONSUMED])
            outside_at = int(state[OUTSIDE_AT]) if state[OUTSIDE_AT] >= 0 else None
            lost = _losses(state)
            yield Chunk(t[:n], x[:n], y[:n], p[:n], lost, outside_at)


def _losses(state: Int64[ndarray, " S"]) -> DropCounts:
    """What the last block has lost; the counters begin anew."""
    counts = [
        DropCounts.of(cause, int(state[first]), int(state[first + 1]), int(state[first + 2]))
        for first, cause in _CAUSES
        if state[first] or state[first + 1]
    ]
    _forget(state)
    return sum(counts, DropCounts())


def _forget(state: Int64[ndarray, " S"]) -> None:
    for first, _ in _CAUSES:
        state[first : first + 3] = 0, 0, -1
    state[OUTSIDE_AT] = -1


def _read_into(file: BinaryIO, path: Path, buffer: memoryview) -> int:
    try:
        return file.readinto(buffer) or 0  # type: ignore[attr-defined]
    except OSError as error:
        raise unreadable(path, error) from error
