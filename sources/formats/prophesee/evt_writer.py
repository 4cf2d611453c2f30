"""Writes `.raw` files of Prophesee EVT2, EVT2.1 and EVT3."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.prophesee.encoding_kernels import (
    EVT2_STEP,
    EVT3_STEP,
    HIGH,
    encode_evt2,
    encode_evt3,
    encode_evt21,
)

LARGEST = 2_048  # pixels each way: 11 bits
TIME_LIMIT_US = 1 << 40
_PART = 1 << 17  # events that are encoded at a time
_HEADER = "% Date 1970-01-01 00:00:00\n% evt {}\n% format {};height={h};width={w}{}\n% geometry {w}x{h}\n% end\n"


@dataclass(frozen=True, slots=True)
class Encoding:
    """One of the three: its version and name in the header, its words, and the bits and the step of TIME_HIGH."""

    version: str
    name: str
    word: str
    kernel: Callable[..., int]
    time_bits: int
    step: int
    options: str = ""


EVT2 = Encoding("2.0", "EVT2", "<u4", encode_evt2, 6, EVT2_STEP)
EVT21 = Encoding("2.1", "EVT21", "<u8", encode_evt21, 6, EVT2_STEP, ";endianness=legacy")
EVT3 = Encoding("3.0", "EVT3", "<u2", encode_evt3, 12, EVT3_STEP)


def write_evt2(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes events as EVT2, and returns how many.

    Raises:
        ConfigError: if the sensor is larger than 2048x2048, a time is negative or 2^40 us (12 days) and more, or there
            is a second segment, which the format cannot say.
    """
    return _write(path, batches, sensor, EVT2)


def write_evt21(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes events as EVT2.1, in the word order of the IMX636 ("legacy"); returns and raises as `write_evt2`."""
    return _write(path, batches, sensor, EVT21)


def write_evt3(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes events as EVT3, neighbours in a row as vectors; returns and raises as `write_evt2`."""
    return _write(path, batches, sensor, EVT3)


def _write(path: Path, batches: Iterable[EventBatch], sensor: SensorSize, encoding: Encoding) -> int:
    if sensor.width > LARGEST or sensor.height > LARGEST:
        raise ConfigError(
            f"{path}: a {sensor} sensor; {encoding.name} holds up to {LARGEST}x{LARGEST}", hint="write .h5 instead"
        )
    n, state = 0, np.array([-1, -1, -1, 0])
    with path.open("wb") as file:
        file.write(
            _HEADER.format(encoding.version, encoding.name, encoding.options, h=sensor.height, w=sensor.width).encode()
        )
        for batch in batches:
            if not len(batch):
                continue
            check_batch(path, batch, sensor, (encoding.name, TIME_LIMIT_US))
            for begin in range(0, len(batch), _PART):
                t, x, y, p = (getattr(batch, column)[begin : begin + _PART] for column in "txyp")
                silence = ((int(t[-1]) >> encoding.time_bits) - max(0, int(state[HIGH]))) // encoding.step
                words = np.empty(6 * len(t) + silence + silence // 8 + 16, encoding.word)  # wraps take up to two more
                n_words = encoding.kernel(t, x, y, p, sensor.width, state, words)
                file.write(words[:n_words].data)
            n += len(batch)
    return n


def check_batch(path: Path, batch: EventBatch, sensor: SensorSize, limit: tuple[str, int]) -> None:
    """Refuses what the format (its name and the first time that it cannot hold, in us) cannot hold.

    Raises:
        ConfigError: if it cannot hold the segment, the sensor or a time of the batch.
    """
    name, time_limit_us = limit
    if batch.segment > 0 or batch.sensor != sensor:
        raise ConfigError(
            f"{path}: {name} of a {sensor} sensor cannot hold a clock reset or a {batch.sensor} sensor",
            hint="write .h5 instead",
        )
    if batch.t[0] < 0 or batch.t[-1] >= time_limit_us:
        raise ConfigError(
            f"{path}: events from {batch.t[0]} to {batch.t[-1]} us; "
            f"{name} holds times from 0 to {time_limit_us - 1} us",
            hint="write .h5 instead",
        )
