"""Prophesee DAT (`.dat`): a text header, the type and the size of the records in a byte each, then 8-byte records.

Types 0x0C ("CD") and 0x00 ("2d", as in N-CARS) hold pixel events: the time in µs as u32, then x (14 bits), y (14 bits)
and polarity (bit 28). Times that run over 32 bits are continued. x and y count from the top left, ON is 1.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import ConfigError, CorruptRecording, UnsupportedVersion
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.prophesee.dat_decoding import RECORD, decode_dat
from spikecut.sources.formats.prophesee.evt_writer import check_batch
from spikecut.sources.formats.prophesee.header import HEADER_LIMIT, parse_header
from spikecut.sources.formats.prophesee.sizes import ENTIRE, sensor_of
from spikecut.sources.formats.prophesee.words import WordStream
from spikecut.sources.formats.reading.files import file_size, first_bytes, open_binary, read_bytes
from spikecut.sources.formats.reading.ordering import in_order
from spikecut.sources.formats.reading.seeking import place_before
from spikecut.sources.formats.reading.zero_tail import data_bytes

_TYPES = {0x00: "2d", 0x0C: "CD"}
LARGEST = 1 << 14  # pixels each way
_HEADER = "% Data file containing CD events.\n% Version 2\n% Date 1970-01-01 00:00:00\n% Height {h}\n% Width {w}\n"


@dataclass(frozen=True, slots=True)
class DatRecording:
    """The events of one `.dat` file."""

    path: Path
    sensor: SensorSize
    stream: WordStream
    format: str = "Prophesee DAT"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self.stream.chunks(), self.sensor, self.path)

    def from_time(self, time_us: int) -> Iterator[EventBatch] | None:
        """The batches from the event at `time_us` or somewhat before; None if that place cannot be known."""
        begin = self.stream.begin
        n_records = data_bytes(self.path, begin, file_size(self.path), RECORD) // RECORD
        with open_binary(self.path) as file:

            def time_at(number: int) -> int:
                file.seek(self.stream.begin + number * RECORD)
                return int.from_bytes(read_bytes(file, self.path, 4), "little")

            number = place_before(time_us, n_records, time_at)
        if number is None:
            return None
        return in_order(self.stream.chunks(self.stream.begin + number * RECORD), self.sensor, self.path)


def open_dat(path: Path, options: ReadOptions = DEFAULTS) -> DatRecording:
    """The recording in a DAT file; without a size in its header and `sensor` the sensor is inferred, with a warning.

    Raises:
        CorruptRecording: if the header has no end within 64 kB, or nothing follows it.
        UnsupportedVersion: if its records are not the events of pixels, or of version 1.
    """
    head = first_bytes(path, HEADER_LIMIT + 2)
    header = parse_header(head[:HEADER_LIMIT])
    if header is None or header.end is None:
        raise CorruptRecording(path, "no Prophesee header that ends within 64 kB", offset=0)
    if header.fields.get("version", "2") not in ("2", "3"):
        raise UnsupportedVersion(path, f"DAT of version {header.fields['version']}; spikecut reads version 2")
    kind = head[header.end : header.end + 2]
    if len(kind) < 2:
        raise CorruptRecording(path, "the file ends before the type of its records", offset=header.end)
    if kind[0] not in _TYPES or kind[1] != RECORD:
        known = ", ".join(f"0x{number:02X} ({name})" for number, name in _TYPES.items())
        raise UnsupportedVersion(
            path, f"records of type 0x{kind[0]:02X} and {kind[1]} bytes; spikecut reads {known} of {RECORD} bytes"
        )
    begin = header.end + 2
    pixels = WordStream(path, begin, ENTIRE, options.batch_events, decode_dat, "<u8", RECORD)
    sensor = sensor_of(path, header, options.sensor, pixels.chunks())
    return DatRecording(path, sensor, WordStream(path, begin, sensor, options.batch_events, decode_dat, "<u8", RECORD))


def write_dat(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes events as DAT of type CD, and returns how many.

    Raises:
        ConfigError: if the sensor does not fit into 14 bits, a time is negative or takes more than 32 bits (71
            minutes), or there is a second segment, which the format cannot say.
    """
    if sensor.width > LARGEST or sensor.height > LARGEST:
        raise ConfigError(f"{path}: a {sensor} sensor; .dat holds up to {LARGEST}x{LARGEST}", hint="write .h5 instead")
    n = 0
    with path.open("wb") as file:
        file.write(_HEADER.format(w=sensor.width, h=sensor.height).encode() + bytes([0x0C, RECORD]))
        for batch in batches:
            if not len(batch):
                continue
            check_batch(path, batch, sensor, ("DAT", 1 << 32))
            records = np.empty((len(batch), 2), "<u4")
            records[:, 0] = batch.t
            records[:, 1] = (
                batch.x.astype(np.uint32) | batch.y.astype(np.uint32) << 14 | batch.p.astype(np.uint32) << 28
            )
            file.write(records.data)
            n += len(batch)
    return n
