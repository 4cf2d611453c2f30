"""Event stream (`.es`) version 2, pixel events ("DVS"): a format of faery.

The file begins with `Event Stream`, the version in three bytes, the type in one (0 generic, 1 DVS, 2 ATIS, 4 colour),
and for DVS the width and the height as u16. Times are µs from 0; rows count from the bottom, which the reader turns: y
runs down here. Each event's time is a difference to the one before, so a file can only be read from its beginning.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import ConfigError, CorruptRecording, UnsupportedVersion
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.es.decoding import (
    AHEAD_BYTES,
    BAD,
    BAD_AT,
    BAD_BYTES,
    CONSUMED,
    EVENT_BYTES,
    OFFSET,
    STATE,
    STEP,
    decode_es,
    encode_es,
    n_moves,
)
from spikecut.sources.formats.reading.blocks import decoded_blocks
from spikecut.sources.formats.reading.files import first_bytes
from spikecut.sources.formats.reading.ordering import Chunk, empty_columns, in_order
from spikecut.sources.formats.signatures import EVENT_STREAM

_TYPES = {0: "generic", 1: "DVS", 2: "ATIS", 4: "colour"}
_HEADER_BYTES = 20
_MOVES_LIMIT = 1 << 26  # for one batch: 64 MB, two and a half hours of silence


@dataclass(frozen=True, slots=True)
class EsRecording:
    """The events of one `.es` file."""

    path: Path
    sensor: SensorSize
    batch_events: int = 65_536
    format: str = "event stream"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self._chunks(), self.sensor, self.path)

    def _chunks(self) -> Iterator[Chunk]:
        state = np.zeros(STATE, np.int64)
        state[BAD_AT] = -1
        size = np.array([self.sensor.width, self.sensor.height])
        block = max(self.batch_events, AHEAD_BYTES) * EVENT_BYTES

        def decode(data: np.ndarray, at: int, final: bool) -> tuple[Chunk, int]:
            t, x, y, p = empty_columns(len(data) // EVENT_BYTES + 1)
            state[OFFSET] = at
            n = decode_es(data, final, size, state, t, x, y, p)
            lost = DropCounts.of(DropCause.unreadable, int(state[BAD]), int(state[BAD_BYTES]), int(state[BAD_AT]))
            state[[BAD, BAD_BYTES, BAD_AT]] = 0, 0, -1
            return Chunk(t[:n], x[:n], y[:n], p[:n], lost), int(state[CONSUMED])

        yield from decoded_blocks(self.path, _HEADER_BYTES, block, decode, EVENT_BYTES)


def open_es(path: Path, options: ReadOptions = DEFAULTS) -> EsRecording:
    """The recording in an event stream.

    Raises:
        UnsupportedVersion: if it is of another version than 2, or holds other events than those of pixels.
        CorruptRecording: if the file ends in the header, or the sensor has no pixels.
    """
    head = first_bytes(path, _HEADER_BYTES)
    version, kind = head[12:15], head[15:16]
    if len(head) >= 16 and (version[0] != 2 or kind[0] != 1):
        known = _TYPES.get(kind[0], f"type {kind[0]}")
        raise UnsupportedVersion(
            path,
            f"an event stream of version {'.'.join(map(str, version))} with {known} events; "
            "spikecut reads DVS events of version 2",
        )
    if len(head) < _HEADER_BYTES:
        raise CorruptRecording(path, "the file ends inside its header", offset=len(head))
    width, height = (int.from_bytes(head[at : at + 2], "little") for at in (16, 18))
    if not (width and height):
        raise CorruptRecording(path, f"a sensor of {width} x {height} pixels", offset=16)
    return EsRecording(path, SensorSize(width, height), options.batch_events)


def write_es(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes events as an event stream, and returns how many.

    Raises:
        ConfigError: if the sensor does not fit into 16 bits, a time is negative or takes more than two hours of
            silence, or there is a second segment, which the format cannot say.
    """
    if sensor.width > 0xFFFF or sensor.height > 0xFFFF:
        raise ConfigError(f"{path}: a {sensor} sensor; .es holds up to 65535x65535")
    n = clock = 0
    with path.open("wb") as file:
        file.write(EVENT_STREAM + bytes([2, 0, 0, 1]))
        file.write(np.array([sensor.width, sensor.height], "<u2").tobytes())
        for batch in batches:
            if not len(batch):
                continue
            if batch.segment > 0 or batch.t[0] < 0 or batch.sensor != sensor:
                raise ConfigError(
                    f"{path}: .es of a {sensor} sensor cannot hold a clock reset, a time before 0 or another sensor",
                    hint="write .h5 instead",
                )
            moves = n_moves(batch.t, clock)
            if moves > _MOVES_LIMIT:
                raise ConfigError(
                    f"{path}: up to t = {batch.t[-1]} us it takes {moves:,} bytes of silence ({STEP} us each)",
                    hint="write .h5 instead",
                )
            data = np.empty(moves + len(batch) * EVENT_BYTES, np.uint8)
            encode_es(batch.t, batch.x, batch.y, batch.p, clock, sensor.height, data)
            file.write(data.data)
            n, clock = n + len(batch), int(batch.t[-1])
    return n
