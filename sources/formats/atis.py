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

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.decoding import ATIS_BYTES, MARK_ROW, MARK_US, decode_atis
from spikecut.sources.formats.reading.fixed_records import chunks_of
from spikecut.sources.formats.reading.known_sensors import assumed
from spikecut.sources.formats.reading.ordering import Chunk, in_order

TIME_LIMIT_US = 1 << 23
MARKS_LIMIT = 1 << 22  # for one batch: nine hours of silence
SENSORS = (SensorSize(34, 34), SensorSize(240, 180), SensorSize(304, 240))


@dataclass(frozen=True, slots=True)
class AtisRecording:
    """The events of one `.bin` file, read in blocks of `batch_events`."""

    path: Path
    sensor: SensorSize
    batch_events: int = 65_536
    format: str = "ATIS bin"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self._chunks(), self.sensor, self.path)

    def _chunks(self) -> Iterator[Chunk]:
        return chunks_of(self.path, 0, ATIS_BYTES, decode_atis, self.sensor, self.batch_events)


def open_atis(path: Path, options: ReadOptions = DEFAULTS) -> AtisRecording:
    """The recording in a `.bin` file; without `sensor` it is inferred from its pixels, with a warning."""
    reason = "the smallest of 34x34, 240x180 and 304x240 that holds 99 % of its pixels"
    sensor = options.sensor or assumed(path, infer_sensor(path), "an ATIS .bin file", reason)
    return AtisRecording(path, sensor, options.batch_events)


def infer_sensor(path: Path) -> SensorSize:
    """The smallest sensor of `SENSORS` that holds 99 % of a file's pixels; the first if it has none."""
    n_inside, n = np.zeros(len(SENSORS), np.int64), 0
    for chunk in chunks_of(path, 0, ATIS_BYTES, decode_atis, SENSORS[-1], 65_536):
        n += len(chunk.t)
        n_inside += [int(((chunk.x < s.width) & (chunk.y < s.height)).sum()) for s in SENSORS]
    return next((s for s, inside in zip(SENSORS, n_inside.tolist(), strict=True) if inside >= 0.99 * n), SENSORS[-1])


def write_atis(path: Path, batches: Iterable[EventBatch], sensor: SensorSize | None = None) -> int:
    """Writes events as `.bin` and returns how many.

    Times above 23 bits get as many overflow markers as bring them back below; they are absolute, as
    in the data sets, so a clock that starts late costs markers: an hour takes 439,454 of them (2 MB).

    Raises:
        ConfigError: if the sensor does not fit into a byte each way and below the marker, time is
            negative or takes more than nine hours of markers at once, or there is a second segment,
            which the format cannot say.
    """
    n, marks = 0, 0
    if sensor is not None:
        _check_sensor(path, sensor)
    with path.open("wb") as file:
        for batch in batches:
            _check_sensor(path, batch.sensor, int(batch.x.max(initial=0)))
            if batch.segment > 0 or (len(batch) and batch.t[0] < 0):
                raise ConfigError(
                    f"{path}: .bin cannot hold a clock reset or a time before 0", hint="write .h5 instead"
                )
            if len(batch):
                needed = np.maximum(0, -((TIME_LIMIT_US - 1 - batch.t) // MARK_US))
                marks_before = np.maximum(marks, needed)
                if marks_before[-1] - marks > MARKS_LIMIT:
                    raise ConfigError(
                        f"{path}: up to t = {batch.t[-1]} us it takes {marks_before[-1] - marks:,} markers",
                        hint="write .h5 instead",
                    )
                file.write(_encoded(batch, marks_before, marks).tobytes())
                n, marks = n + len(batch), int(marks_before[-1])
    return n


def _check_sensor(path: Path, sensor: SensorSize, highest_x: int = 0) -> None:
    if sensor.width > 304 or sensor.height > MARK_ROW or highest_x > 255:
        raise ConfigError(
            f"{path}: a {sensor} sensor; .bin holds x below 256 and y below {MARK_ROW}", hint="write .h5 instead"
        )


def _encoded(batch: EventBatch, marks_before: Int64[ndarray, " N"], marks: int) -> UInt8[ndarray, "n 5"]:
    """Records with `marks_before[i]` markers before event i in the whole file, `marks` of them written."""
    records = np.zeros((len(batch) + int(marks_before[-1]) - marks, ATIS_BYTES), np.uint8)
    records[:, 1] = MARK_ROW
    time = batch.t - marks_before * MARK_US
    place = np.arange(len(batch)) + marks_before - marks
    columns = (batch.x, batch.y, batch.p.astype(np.int64) << 7 | time >> 16, time >> 8 & 255, time & 255)
    for number, column in enumerate(columns):
        records[place, number] = column
    return records
