"""ATIS `.bin`: the files of N-MNIST and N-Caltech101 (Orchard et al. 2015, arXiv 1507.07629).

Five bytes an event: x; y; polarity in the top bit and time bits 22-16; time bits 15-8; time bits 7-0.
Time is in µs. A record with y = 240 is no event: it says that 2**13 µs have passed that the 23 bits
cannot hold, and every later time grows by them. The file names no sensor: without `sensor` it is the
smallest of 34x34 (N-MNIST), 240x180 (N-Caltech101) and 304x240 (the whole ATIS) that holds 99 % of the
pixels.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numba import njit
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.ordering import Chunk, in_order
from spikecut.sources.records import Records, read_blocks

RECORD = 5
OVERFLOW_Y = 240
OVERFLOW_US = 1 << 13
TIME_LIMIT_US = 1 << 23
SENSORS = (SensorSize(34, 34), SensorSize(240, 180), SensorSize(304, 240))


@dataclass(frozen=True, slots=True)
class AtisRecording:
    """The events of one `.bin` file, read in blocks of `batch_events`."""

    path: Path
    sensor: SensorSize
    batch_events: int = 65_536
    format: str = "ATIS bin"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self._chunks(), self.sensor)

    def _chunks(self) -> Iterator[Chunk]:
        passed_us = 0
        for records, _, lost in _blocks(self.path, self.sensor, self.batch_events):
            columns = Chunk(
                np.empty(len(records), np.int64),
                *(np.empty(len(records), np.uint16) for _ in "xy"),
                np.empty(len(records), np.uint8),
                lost,
            )
            n, passed_us = decode(records, passed_us, columns.t, columns.x, columns.y, columns.p)
            yield Chunk(columns.t[:n], columns.x[:n], columns.y[:n], columns.p[:n], lost)


def open_atis(path: Path, sensor: SensorSize | None, batch_events: int = 65_536) -> AtisRecording:
    """The recording in a `.bin` file; the sensor is worked out from its pixels if it is not given."""
    return AtisRecording(path, sensor or infer_sensor(path), batch_events)


def infer_sensor(path: Path) -> SensorSize:
    """The smallest sensor of `SENSORS` that holds 99 % of a file's pixels; the first if it has none."""
    held, n = np.zeros(len(SENSORS), np.int64), 0
    for records, _, _ in _blocks(path, SENSORS[-1], 65_536):
        x, y = records[:, 0], records[:, 1]
        n += int((y != OVERFLOW_Y).sum())
        held += [int(((x < s.width) & (y < min(s.height, OVERFLOW_Y))).sum()) for s in SENSORS]
    return next((s for s, inside in zip(SENSORS, held.tolist(), strict=True) if inside >= 0.99 * n), SENSORS[-1])


def write_atis(path: Path, batches: Iterable[EventBatch]) -> int:
    """Writes events as `.bin` and returns how many.

    Times above 23 bits get as many overflow markers as bring them back below; they are absolute, as
    in the data sets, so a clock that starts late costs markers.

    Raises:
        ConfigError: if the sensor does not fit into a byte each way and below the marker, time is
            negative, or there is a second segment, which the format cannot say.
    """
    n, passed_us = 0, 0
    with path.open("wb") as file:
        for batch in batches:
            if batch.sensor.width > 304 or batch.sensor.height > OVERFLOW_Y or (batch.x > 255).any():
                raise ConfigError(
                    f"{path}: a {batch.sensor} sensor; .bin holds x below 256 and y below {OVERFLOW_Y}",
                    hint="write .h5 instead",
                )
            if batch.segment > 0 or (len(batch) and batch.t[0] < 0):
                raise ConfigError(
                    f"{path}: .bin cannot hold a clock reset or a time before 0", hint="write .h5 instead"
                )
            markers = -(-(batch.t - passed_us - TIME_LIMIT_US + 1) // OVERFLOW_US).clip(max=None, min=0)
            before = np.maximum.accumulate(markers) if len(batch) else markers
            size = len(batch) + (int(before[-1]) if len(batch) else 0)
            raw = np.empty((size, RECORD), np.uint8)
            encode(batch.t - passed_us, batch.x, batch.y, batch.p, before, raw)
            file.write(raw.tobytes())
            n += len(batch)
            passed_us += OVERFLOW_US * (size - len(batch))
    return n


@njit(cache=True, nogil=True)
def decode(records: Any, passed_us: int, t: Any, x: Any, y: Any, p: Any) -> tuple[int, int]:
    """Fills columns from records `(n, 5)`; returns the number of events and the overflow time so far."""
    n = np.uint64(0)
    one = np.uint64(1)
    for i in range(np.uint64(records.shape[0])):
        if records[i, 1] == OVERFLOW_Y:
            passed_us += OVERFLOW_US
            continue
        high = np.int64(records[i, 2])
        t[n] = passed_us + ((high & 127) << 16 | np.int64(records[i, 3]) << 8 | np.int64(records[i, 4]))
        x[n] = records[i, 0]
        y[n] = records[i, 1]
        p[n] = high >> 7
        n += one
    return int(n), passed_us


@njit(cache=True, nogil=True)
def encode(t: Any, x: Any, y: Any, p: Any, markers_before: Any, raw: Any) -> None:
    """Writes records; `markers_before[i]` overflow markers stand before event i in all."""
    n = 0
    written = 0
    for i in range(t.shape[0]):
        while written < markers_before[i]:
            raw[n, 0], raw[n, 1], raw[n, 2], raw[n, 3], raw[n, 4] = 0, OVERFLOW_Y, 0, 0, 0
            n += 1
            written += 1
        time = t[i] - OVERFLOW_US * written
        raw[n, 0] = x[i]
        raw[n, 1] = y[i]
        raw[n, 2] = (p[i] << 7) | ((time >> 16) & 127)
        raw[n, 3] = (time >> 8) & 255
        raw[n, 4] = time & 255
        n += 1


def _blocks(path: Path, sensor: SensorSize, block: int):  # type: ignore[no-untyped-def]
    def suspicious(records: Records) -> Bool[ndarray, " n"]:
        time = _times(records)
        marker = records[:, 1] == OVERFLOW_Y
        wrong = (records[:, 0] >= sensor.width) | (records[:, 1] >= sensor.height)
        wrong[1:] |= (time[1:] < time[:-1]) & ~marker[:-1]
        return np.asarray(wrong & ~marker)

    return read_blocks(path, 0, RECORD, block, suspicious)


def _times(records: UInt8[ndarray, "n 5"]) -> Any:
    high = records[:, 2].astype(np.int32) & 127
    return high << 16 | records[:, 3].astype(np.int32) << 8 | records[:, 4]
