"""AEDAT 2.0 of the DVS128 and of DAVIS cameras: text header, then big-endian 32-bit address and time in µs
(read as unsigned, so that a clock past 35 minutes does not turn negative).

The address of a DVS128 holds x in bits 1-7, y in bits 8-14 and the polarity in bit 0; bit 15 or 31 marks a signal of
the camera that is no event, bits 16-30 are never set. As in jAER (DVS128.java), x counts from the right, y
from the bottom and a set bit 0 means OFF. Seen on real files: so people stand on their feet, a mug is open
at the top and the print on it begins with its capital letter on the left; and the lone events that a
DVS128 leaks on a still scene, which are ON for physical reasons, have the bit clear (nine in ten of them
while a person lies still, tests/test_aedat2.py).

CIFAR10-DVS (Li et al., Frontiers in Neuroscience 11:309, 2017) is published in this format, to be shown by
jAER as a DVS128; its header need not name the chip. It is read as every DVS128 is. SpikingJelly's loader
exchanges the axes: its x is our y and its y is our x, polarity and time are the same. Which of the two has
the pictures upright was not tested.

The address of a DAVIS, where bit 31 is clear, holds y in bits 22-30, x in bits 12-21 and the polarity in bit 11 (set:
ON); bit 10 marks a trigger. With bit 31 set it is a pixel of a frame or an inertial sample, which is no event. As in
jAER (DavisBaseCamera.java, Davis346BaseCamera.java) x counts from the right and y from the bottom; Tonic's
`read_davis_346` mirrors both, too.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt32
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, CorruptRecording, UnsupportedVersion
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.aedat.aedat2_decoding import BYTES, decode_davis, decode_dvs128
from spikecut.sources.formats.aedat.cameras import sensor_of
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.decoding import WRAP_PAUSE_US
from spikecut.sources.formats.reading.files import first_bytes, open_binary, read_bytes
from spikecut.sources.formats.reading.fixed_records import chunks_of
from spikecut.sources.formats.reading.known_sensors import assumed
from spikecut.sources.formats.reading.ordering import REORDER_US, RESET_US, Chunk, in_order, nothing
from spikecut.sources.formats.reading.seeking import place_before
from spikecut.sources.formats.reading.zero_tail import data_end

MAGIC = b"#!AER-DAT"
DVS128 = SensorSize(128, 128)
_HEADER_LIMIT = 1 << 20
_END = b"End Of ASCII Header"
_HEADER = "#!AER-DAT2.0\r\n# AEChip: {}\r\n# Timestamps tick: 1 us\r\n"
_DVS128_CHIP = "ch.unizh.ini.jaer.chip.retina.DVS128"
_DAVIS_CHIPS = {
    SensorSize(240, 180): "eu.seebetter.ini.chips.davis.DAVIS240C",
    SensorSize(346, 260): "eu.seebetter.ini.chips.davis.Davis346red",
    SensorSize(640, 480): "eu.seebetter.ini.chips.davis.Davis640",
    SensorSize(208, 192): "eu.seebetter.ini.chips.davis.Davis208PixelParade",
}
_DAVIS_NAMES = ("DAVIS240", "DAVIS346", "DAVIS640", "DAVIS208", "DAVIS128")
_CIRCLE = 1 << 32
_PROBES = 65


@dataclass(frozen=True, slots=True)
class Aedat2Recording:
    """The events of one file, read in blocks of `batch_events`."""

    path: Path
    batch_events: int = 65_536
    sensor: SensorSize = DVS128
    format: str = "AEDAT 2.0"
    davis: bool = False

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self._chunks(), self.sensor, self.path)

    def from_time(self, time_us: int) -> Iterator[EventBatch] | None:
        """The batches from the event at `time_us` or somewhat before; None if its place cannot be known."""
        begin = read_header(self.path).size
        with open_binary(self.path) as file:
            size = os.fstat(file.fileno()).st_size
            end = data_end(file, begin, size, BYTES)
            n, left = divmod(end - begin, BYTES)
            clock = None if (left and end == size) or n < 1 else _Clock.of(file, self.path, begin, n)
            place = None if clock is None else place_before(time_us, n, clock.time_at)
            if clock is None or place is None:
                return None
            offset_us = clock.time_at(place) - clock.raw_at(place)
        chunks = self._from_byte(begin + place * BYTES)
        return in_order((replace(chunk, t=chunk.t + offset_us) for chunk in chunks), self.sensor, self.path)

    def _chunks(self) -> Iterator[Chunk]:
        header = read_header(self.path)
        if header.lost:
            yield nothing(header.lost)
        yield from self._from_byte(header.size)

    def _from_byte(self, begin: int) -> Iterator[Chunk]:
        kernel = decode_davis if self.davis else decode_dvs128
        return chunks_of(self.path, begin, BYTES, kernel, self.sensor, self.batch_events)


@dataclass(frozen=True, slots=True)
class _Clock:
    """The times of records in an open file, past the end of 32 bits, from probes spread evenly over it."""

    file: BinaryIO
    path: Path
    begin: int
    probes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, file: BinaryIO, path: Path, begin: int, n: int) -> "_Clock | None":
        """None if the clock was reset between two probes: then no time has one place."""
        clock = cls(file, path, begin, ())
        places = sorted({i * (n - 1) // (_PROBES - 1) for i in range(_PROBES)})
        probes = [(places[0], clock.raw_at(places[0]))]
        for place in places[1:]:
            before = probes[-1][1]
            time = before + _step(clock.raw_at(place), before)
            if time < before - REORDER_US:
                return None
            probes.append((place, max(time, before)))
        return replace(clock, probes=tuple(probes))

    def raw_at(self, place: int) -> int:
        """The 32 bits of a record."""
        self.file.seek(self.begin + place * BYTES + 4)
        return int.from_bytes(read_bytes(self.file, self.path, 4), "big")

    def time_at(self, place: int) -> int:
        """The time of a record, reckoned from the probe before it."""
        before = next(time for probe, time in reversed(self.probes) if probe <= place)
        return before + _step(self.raw_at(place), before)


def _step(raw: int, before_us: int) -> int:
    """How far the clock went to the 32 bits of a later record, as `step_from` does."""
    step = raw - before_us % _CIRCLE
    if step < WRAP_PAUSE_US - _CIRCLE:
        return step + _CIRCLE
    return step - _CIRCLE if before_us >= _CIRCLE and step > _CIRCLE - RESET_US else step


def open_aedat2(path: Path, options: ReadOptions = DEFAULTS) -> Aedat2Recording:
    """The recording in an AEDAT 2.0 file.

    Raises:
        UnsupportedVersion: if it is of another version, or of a camera that is neither a DVS128 nor a DAVIS.
        CorruptRecording: if its header does not end within 1 MiB.
    Warns (`SpikecutWarning`) where no camera is named and a DVS128 is assumed.
    """
    header = read_header(path)
    if not header.version.startswith("2."):
        raise UnsupportedVersion(path, f"AEDAT {header.version[:12]}; spikecut reads AEDAT 2.0, 3.1 and 4.0")
    if header.is_davis:
        return Aedat2Recording(path, options.batch_events, sensor_of(header.chip or "") or DVS128, davis=True)
    if header.chip and "DVS128" not in header.chip.upper():
        raise UnsupportedVersion(
            path,
            f"AEDAT 2.0 of the camera {header.chip.rsplit('.', 1)[-1]}; spikecut reads those of the DVS128 and of "
            f"{', '.join(_DAVIS_NAMES)}",
            hint="every camera packs its addresses in its own way",
        )
    if not header.chip and options.sensor is None:
        way = "--sensor 128x128 (sensor= in Python) confirms it; another camera must be named by the header (AEChip)"
        assumed(path, DVS128, "the header names no camera and", "that of a DVS128", way)
    return Aedat2Recording(path, options.batch_events)


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the events: its length in bytes, and what it says."""

    size: int
    version: str
    chip: str | None
    lost: DropCounts

    @property
    def is_davis(self) -> bool:
        return any(name in (self.chip or "").upper() for name in _DAVIS_NAMES)


def read_header(path: Path) -> Header:
    """The lines that begin with `#`, at most 1 MB of them.

    No event of a DVS128 begins with the byte of `#`: the first byte of its address is 0, or 128. A line
    with a zero byte is no text: there the line break was damaged, and the events begin at that byte. An event of a
    DAVIS may begin so; then its fourth byte is zero. The line "End Of ASCII Header" ends the header where it stands.

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
            at = at if text[at + 3 : at + 4] == b"\0" else zero
            break
        if _END in line[:64]:
            at = end or len(text)
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
    """Writes events of a DVS128 or of a DAVIS as AEDAT 2.0 and returns how many.

    Raises:
        ConfigError: if the sensor is that of another camera, or a time does not fit a 32-bit clock that
            starts below 2**32 us (71 min) and rests at most 10 minutes while it wraps.
    """
    n, last, segment = 0, 0, 0
    _check_sensor(path, sensor)
    davis = _DAVIS_CHIPS.get(sensor)
    with path.open("wb") as file:
        file.write(_HEADER.format(davis or _DVS128_CHIP).encode())
        file.write(b"#" + _END + b"\r\n" if davis else b"")
        for batch in batches:
            if batch.sensor != sensor:
                raise ConfigError(
                    f"{path}: AEDAT 2.0 of a {sensor} sensor cannot hold events of a {batch.sensor} sensor"
                )
            if not len(batch):
                continue
            if (wrong := _first_misfit(batch, last, n > 0 and batch.segment != segment)) is not None:
                raise ConfigError(
                    f"{path}: t = {wrong} us after {last} us does not fit the clock of AEDAT 2.0",
                    hint="write .h5 instead",
                )
            words = np.empty((len(batch), 2), ">u4")
            words[:, 0] = _davis_addresses(batch) if davis else _dvs128_addresses(batch)
            words[:, 1] = batch.t & 0xFFFFFFFF
            file.write(words.tobytes())
            n, last, segment = n + len(batch), int(batch.t[-1]), batch.segment
    return n


def _dvs128_addresses(batch: EventBatch) -> UInt32[ndarray, " N"]:
    x, y = 127 - batch.x.astype(np.uint32), 127 - batch.y.astype(np.uint32)
    return y << 8 | x << 1 | (1 - batch.p.astype(np.uint32))


def _davis_addresses(batch: EventBatch) -> UInt32[ndarray, " N"]:
    x = np.uint32(batch.sensor.width - 1) - batch.x.astype(np.uint32)
    y = np.uint32(batch.sensor.height - 1) - batch.y.astype(np.uint32)
    return y << 22 | x << 12 | batch.p.astype(np.uint32) << 11


def _check_sensor(path: Path, sensor: SensorSize) -> None:
    if sensor != DVS128 and sensor not in _DAVIS_CHIPS:
        known = ", ".join(str(size) for size in (DVS128, *_DAVIS_CHIPS))
        raise ConfigError(f"{path}: a {sensor} sensor; AEDAT 2.0 is written for {known}", hint="write .aedat4 instead")


def _first_misfit(batch: EventBatch, last: int, was_reset: bool) -> int | None:
    """The first time that would read back as another one, by the rule of `step_from`."""
    before = np.concatenate([[last], batch.t[:-1]])
    step = (batch.t & 0xFFFFFFFF) - (before & 0xFFFFFFFF)
    step += (step < WRAP_PAUSE_US - (1 << 32)).astype(np.int64) << 32
    wrong = (before + step != batch.t) | (batch.t < 0)
    wrong[0] |= was_reset and last - batch.t[0] <= RESET_US
    return int(batch.t[np.argmax(wrong)]) if wrong.any() else None
