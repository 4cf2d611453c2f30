"""AEDAT 2.0 of the DVS128: text header, then big-endian 32-bit address and time in µs
(read as unsigned, so that a clock past 35 minutes does not turn negative).

The address holds x in bits 1-7, y in bits 8-14 and the polarity in bit 0; bit 15 or 31 marks a signal of
the camera that is no event, bits 16-30 are never set. As in jAER (DVS128.java), x counts from the right, y
from the bottom and a set bit 0 means OFF. Seen on real files: so people stand on their feet, a mug is open
at the top and the print on it begins with its capital letter on the left; and the lone events that a
DVS128 leaks on a still scene, which are ON for physical reasons, have the bit clear (nine in ten of them
while a person lies still, tests/test_aedat2.py).

CIFAR10-DVS (Li et al., Frontiers in Neuroscience 11:309, 2017) is published in this format, to be shown by
jAER as a DVS128; its header need not name the chip. It is read as every DVS128 is. SpikingJelly's loader
exchanges the axes: its x is our y and its y is our x, polarity and time are the same. Which of the two has
the pictures upright was not tested.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import ConfigError, CorruptRecording, UnsupportedVersion
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.decoding import DVS128_BYTES, WRAP_PAUSE_US, decode_dvs128
from spikecut.sources.formats.reading.files import first_bytes
from spikecut.sources.formats.reading.fixed_records import chunks_of
from spikecut.sources.formats.reading.ordering import RESET_US, Chunk, in_order, nothing

MAGIC = b"#!AER-DAT"
DVS128 = SensorSize(128, 128)
_HEADER_LIMIT = 1 << 20
_HEADER = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n# Timestamps tick: 1 us\r\n"


@dataclass(frozen=True, slots=True)
class Aedat2Recording:
    """The events of one file, read in blocks of `batch_events`."""

    path: Path
    batch_events: int = 65_536
    sensor: SensorSize = DVS128
    format: str = "AEDAT 2.0"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self._chunks(), self.sensor, self.path)

    def _chunks(self) -> Iterator[Chunk]:
        header = read_header(self.path)
        if header.lost:
            yield nothing(header.lost)
        yield from chunks_of(self.path, header.size, DVS128_BYTES, decode_dvs128, DVS128, self.batch_events)


def open_aedat2(path: Path, options: ReadOptions = DEFAULTS) -> Aedat2Recording:
    """The recording in an AEDAT 2.0 file.

    Raises:
        UnsupportedVersion: if it is of another version, or of another camera than the DVS128.
        CorruptRecording: if its header does not end within 1 MiB.
    """
    header = read_header(path)
    if not header.version.startswith("2."):
        raise UnsupportedVersion(
            path,
            f"AEDAT {header.version[:12]}; spikecut reads AEDAT 2.0 and 3.1",
        )
    if header.chip and "DVS128" not in header.chip.upper():
        raise UnsupportedVersion(
            path,
            f"AEDAT 2.0 of the camera {header.chip.rsplit('.', 1)[-1]}; spikecut reads those of the DVS128",
            hint="every camera packs its addresses in its own way",
        )
    return Aedat2Recording(path, options.batch_events)


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the events: its length in bytes, and what it says."""

    size: int
    version: str
    chip: str | None
    lost: DropCounts


def read_header(path: Path) -> Header:
    """The lines that begin with `#`, at most 1 MB of them.

    No event of a DVS128 begins with the byte of `#`: the first byte of its address is 0, or 128. A line
    with a zero byte is no text: there the line break was damaged, and the events begin at that byte.

    Raises:
        CorruptRecording: if the header does not end within 1 MiB.
    """
    text = first_bytes(path, _HEADER_LIMIT)
    at, lost, chip = 0, NOTHING_LOST, None
    while text[at : at + 1] == b"#":
        end = text.find(b"\n", at) + 1
        zero = text.find(b"\0", at, end or len(text))
        line = text[at : end or len(text)]
        if b"AEChip:" in line and chip is None:
            chip = line.split(b"AEChip:", 1)[1].split(b"\0")[0].decode("latin-1").strip()
        if zero >= 0:
            at = zero
            break
        if not end:
            if len(text) == _HEADER_LIMIT:
                raise CorruptRecording(path, f"the header does not end within {_HEADER_LIMIT} bytes", offset=0)
            lost = DropCounts.of(DropCause.cut_off, 0, len(text) - at, at)
            at = len(text)
        else:
            at = end
    version = text[len(MAGIC) :].splitlines()[0] if len(text) > len(MAGIC) else b""
    return Header(at, version[:16].decode("latin-1").strip() or "of no number", chip, lost)


def write_aedat2(path: Path, batches: Iterable[EventBatch], sensor: SensorSize = DVS128) -> int:
    """Writes events of a 128 x 128 sensor as AEDAT 2.0 and returns how many.

    Raises:
        ConfigError: if the sensor is another one, or a time does not fit a 32-bit clock that
            starts below 2**32 us (71 min) and rests at most 10 minutes while it wraps.
    """
    n, last, segment = 0, 0, 0
    _check_sensor(path, sensor)
    with path.open("wb") as file:
        file.write(_HEADER)
        for batch in batches:
            _check_sensor(path, batch.sensor)
            if not len(batch):
                continue
            if (wrong := _first_misfit(batch, last, n > 0 and batch.segment != segment)) is not None:
                raise ConfigError(
                    f"{path}: t = {wrong} us after {last} us does not fit the clock of AEDAT 2.0",
                    hint="write .h5 instead",
                )
            words = np.empty((len(batch), 2), ">u4")
            x, y = 127 - batch.x.astype(np.uint32), 127 - batch.y.astype(np.uint32)
            words[:, 0] = y << 8 | x << 1 | (1 - batch.p.astype(np.uint32))
            words[:, 1] = batch.t & 0xFFFFFFFF
            file.write(words.tobytes())
            n, last, segment = n + len(batch), int(batch.t[-1]), batch.segment
    return n


def _check_sensor(path: Path, sensor: SensorSize) -> None:
    if sensor != DVS128:
        raise ConfigError(
            f"{path}: a {sensor} sensor; AEDAT 2.0 is written for the DVS128 (128x128)", hint="write .h5 instead"
        )


def _first_misfit(batch: EventBatch, last: int, was_reset: bool) -> int | None:
    """The first time that would read back as another one, by the rule of `step_from`."""
    before = np.concatenate([[last], batch.t[:-1]])
    step = (batch.t & 0xFFFFFFFF) - (before & 0xFFFFFFFF)
    step += (step < WRAP_PAUSE_US - (1 << 32)).astype(np.int64) << 32
    wrong = (before + step != batch.t) | (batch.t < 0)
    wrong[0] |= was_reset and last - batch.t[0] <= RESET_US
    return int(batch.t[np.argmax(wrong)]) if wrong.any() else None
