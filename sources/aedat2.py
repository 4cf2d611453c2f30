"""AEDAT 2.0 of the DVS128: text header, then big-endian 32-bit address and time in µs
(read as unsigned, so that a clock past 35 minutes does not turn negative).

The address holds x in bits 1-7, y in bits 8-14 and the polarity in bit 0; bit 15 marks what is no event.
As in jAER, x counts from the right, y from the bottom and a set bit 0 means OFF. Seen on real files: so
people stand on their feet, and the lone events that a DVS128 leaks on a still scene, which are ON for
physical reasons, have the bit clear (three in four of them, tests/test_aedat2.py).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, CorruptRecording, UnsupportedVersion
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.ordering import Chunk, in_order
from spikecut.sources.records import Records, open_binary, read_blocks

MAGIC = b"#!AER-DAT"
DVS128 = SensorSize(128, 128)
RECORD = 8
_HEADER_LIMIT = 1 << 20
_HEADER = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n# Timestamps tick: 1 us\r\n"


@dataclass(frozen=True, slots=True)
class Aedat2Recording:
    """The events of one file, read in blocks of `batch_events`; `begin` is the byte after the header."""

    path: Path
    begin: int
    batch_events: int = 65_536
    sensor: SensorSize = DVS128
    format: str = "AEDAT 2.0"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self._chunks(), self.sensor)

    def _chunks(self) -> Iterator[Chunk]:
        wraps, before = 0, 0
        for records, _, lost in read_blocks(self.path, self.begin, RECORD, self.batch_events, _suspicious):
            words = records.view(">u4")
            address, time = words[:, 0], words[:, 1].astype(np.int64)
            event = (address & 0x8000) == 0
            address, time = address[event], time[event]
            if len(time):  # the 32-bit clock runs over every 71 minutes
                fell = np.diff(time, prepend=before if wraps or before else time[0]) < -(1 << 31)
                turns = wraps + np.cumsum(fell)
                wraps, before = int(turns[-1]), int(time[-1])
                time = time + (turns << 32)
            yield Chunk(
                t=time,
                x=(127 - (address >> 1 & 127)).astype(np.uint16),
                y=(127 - (address >> 8 & 127)).astype(np.uint16),
                p=(1 - (address & 1)).astype(np.uint8),
                lost=lost,
            )


def open_aedat2(path: Path, batch_events: int = 65_536) -> Aedat2Recording:
    """The recording in an AEDAT 2.0 file.

    Raises:
        UnsupportedVersion: if it is of another version, or of another camera than the DVS128.
        CorruptRecording: if its header does not end within 1 MiB.
    """
    with open_binary(path) as file:
        head = file.read(_HEADER_LIMIT)
    version = head[len(MAGIC) :].split(b"\n", 1)[0].strip().decode("ascii", "replace")
    if not version.startswith("2."):
        raise UnsupportedVersion(
            path,
            f"AEDAT {version[:12]}; spikecut reads AEDAT 2.0",
            hint="jAER converts between versions",
        )
    begin, lines = 0, []
    while head[begin : begin + 1] == b"#" and (newline := head.find(b"\n", begin)) >= 0:
        line = head[begin:newline]
        if any(byte < 9 for byte in line):  # binary already: a first address that looks like '#'
            break
        lines.append(line.decode("latin-1").strip())
        begin = newline + 1
    if begin == 0 or (len(head) == _HEADER_LIMIT and begin > _HEADER_LIMIT - 65_536):
        raise CorruptRecording(path, "the header has no end", offset=begin, hint="is this an AEDAT file?")
    chips = [line.split(":", 1)[1].strip() for line in lines if "AEChip:" in line]
    if chips and "DVS128" not in chips[0].upper():
        raise UnsupportedVersion(
            path,
            f"AEDAT 2.0 of the camera {chips[0].rsplit('.', 1)[-1]}; spikecut reads those of the DVS128",
            hint="every camera packs its addresses in its own way",
        )
    return Aedat2Recording(path, begin, batch_events)


def write_aedat2(path: Path, batches: Iterable[EventBatch]) -> int:
    """Writes events of a 128 x 128 sensor as AEDAT 2.0 and returns how many.

    Raises:
        ConfigError: if the sensor is another one. Times are kept to 32 bits, as jAER does; a reader
            that counts the turns of the clock, such as ours, gets differences back exactly.
    """
    n = 0
    with path.open("wb") as file:
        file.write(_HEADER)
        for batch in batches:
            if batch.sensor != DVS128:
                raise ConfigError(
                    f"{path}: a {batch.sensor} sensor; AEDAT 2.0 is written for the DVS128 (128x128)",
                    hint="write .h5 instead",
                )
            words = np.empty((len(batch), 2), ">u4")
            x, y = 127 - batch.x.astype(np.uint32), 127 - batch.y.astype(np.uint32)
            words[:, 0] = y << 8 | x << 1 | (1 - batch.p.astype(np.uint32))
            words[:, 1] = batch.t & 0xFFFFFFFF
            file.write(words.tobytes())
            n += len(batch)
    return n


def _suspicious(records: Records) -> Bool[ndarray, " n"]:
    words: Any = records.view(">u4")
    time = words[:, 1]
    wrong = np.asarray(words[:, 0] >> 16 != 0)
    wrong[1:] |= time[1:] < time[:-1]
    return wrong
