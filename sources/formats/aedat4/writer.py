"""Writing AEDAT4: one camera's events in packets of about 10 ms, with the table at the end that DV looks for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.aedat4.compression import Compression, pack
from spikecut.sources.formats.aedat4.flatbuffers import ENTRY, EVENT, TABLE_AT_FIELD, data_table, event_packet, header
from spikecut.sources.formats.aedat4.header import VERSION_LINE
from spikecut.sources.formats.reading.ordering import RESET_US

PACKET_US, FEWEST, MOST = 10_000, 64, 4_096
_LARGEST_SIDE = 1 << 15
_CAMERAS = {(128, 128): "DVS128", (240, 180): "DAVIS240", (346, 260): "DAVIS346", (320, 240): "DVXplorer_Lite"}
_NAMES = {
    Compression.none: "NONE",
    Compression.lz4: "LZ4",
    Compression.lz4_high: "LZ4_HIGH",
    Compression.zstd: "ZSTD",
    Compression.zstd_high: "ZSTD_HIGH",
}
_TEXT = """<dv version="2.0">
    <node name="outInfo" path="/mainloop/Recorder/outInfo/">
        <node name="0" path="/mainloop/Recorder/outInfo/0/">
            <attr key="compression" type="string">{compression}</attr>
            <attr key="originalModuleName" type="string">spikecut</attr>
            <attr key="originalOutputName" type="string">events</attr>
            <attr key="typeDescription" type="string">Array of events (polarity ON/OFF).</attr>
            <attr key="typeIdentifier" type="string">EVTS</attr>
            <node name="info" path="/mainloop/Recorder/outInfo/0/info/">
                <attr key="sizeX" type="int">{sensor.width}</attr>
                <attr key="sizeY" type="int">{sensor.height}</attr>
                <attr key="source" type="string">{source}</attr>
            </node>
        </node>
    </node>
</dv>
"""


def write_aedat4(
    path: Path, batches: Iterable[EventBatch], sensor: SensorSize, *, compression: Compression = Compression.lz4
) -> int:
    """Writes events as AEDAT4 and returns how many.

    A packet spans about 10 ms, and holds 64 to 4,096 events. Compressed ones get a checksum, so that damage shows.

    Raises:
        ConfigError: if the sensor does not fit into 15 bits each way or changes, or a clock reset steps back by less
            than a second, which no reader would notice.
    """
    if max(sensor.width, sensor.height) > _LARGEST_SIDE:
        raise ConfigError(f"{path}: a {sensor} sensor; AEDAT4 holds x and y below {_LARGEST_SIDE}")
    source = escape(_CAMERAS.get((sensor.width, sensor.height), "camera"))
    text = _TEXT.format(compression=_NAMES[compression], sensor=sensor, source=source).encode()
    with path.open("wb") as file:
        file.write(VERSION_LINE + header(compression, text))
        out = _Packets(file, compression)
        for records in _runs(path, batches, sensor):
            out.add(records)
        out.flush()
        table_at = file.tell()
        if out.entries:
            file.write(pack(data_table(np.concatenate(out.entries)), compression))
            file.seek(len(VERSION_LINE) + TABLE_AT_FIELD)
            file.write(table_at.to_bytes(8, "little"))
    return out.n


@dataclass(slots=True)
class _Packets:
    """The packets of a file that is being written; events wait until their packet is complete."""

    file: BinaryIO
    compression: Compression
    n: int = 0
    waiting: Shaped[ndarray, " N"] = field(default_factory=lambda: np.empty(0, EVENT))
    entries: list[Shaped[ndarray, " 1"]] = field(default_factory=list)

    def add(self, records: Shaped[ndarray, " N"] | None) -> None:
        """More events, or None for a reset of the clock."""
        if records is None:
            self.flush()
            return
        records = np.concatenate([self.waiting, records])
        bounds = _bounds(records["t"])
        for begin, end in pairwise(bounds):
            self._write(records[begin:end])
        self.waiting = records[bounds[-1] :]

    def flush(self) -> None:
        """The events that wait, as the last packet before a reset or the end."""
        if len(self.waiting):
            self._write(self.waiting)
        self.waiting = self.waiting[:0]

    def _write(self, records: Shaped[ndarray, " N"]) -> None:
        packed = pack(event_packet(records), self.compression)
        self.file.write((0).to_bytes(4, "little") + len(packed).to_bytes(4, "little"))
        span = int(records["t"][0]), int(records["t"][-1])
        entry = (0, 0, len(packed), self.file.tell(), len(records), *span, 0)
        self.entries.append(np.array([entry], ENTRY))
        self.file.write(packed)
        self.n += len(records)


def _bounds(t: Shaped[ndarray, " N"]) -> list[int]:
    """Where packets begin whose end is certain, from 0 on; the last bound is where the next begins."""
    bounds = [0]
    while bounds[-1] + FEWEST < len(t):
        begin = bounds[-1]
        span = int(np.searchsorted(t[begin : begin + MOST], t[begin] + PACKET_US))
        end = begin + max(FEWEST, span)
        if end >= len(t) and span < MOST:
            break
        bounds.append(end)
    return bounds


def _runs(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> Iterator[Shaped[ndarray, " N"] | None]:
    """The events as records, with None where the clock was reset."""
    last, segment, begun = 0, 0, False
    for batch in batches:
        if batch.sensor != sensor:
            raise ConfigError(f"{path}: AEDAT4 of a {sensor} sensor cannot hold events of a {batch.sensor} sensor")
        if not len(batch):
            continue
        if begun and batch.segment != segment:
            if last - batch.t[0] <= RESET_US:
                raise ConfigError(
                    f"{path}: AEDAT4 cannot hold a clock reset from {last} to {batch.t[0]} us",
                    hint="write .h5 instead",
                )
            yield None
        last, segment, begun = int(batch.t[-1]), batch.segment, True
        records = np.zeros(len(batch), EVENT)
        for name in "txyp":
            records[name] = getattr(batch, name)
        yield records
