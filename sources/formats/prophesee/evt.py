"""Prophesee EVT2, EVT2.1 and EVT3, the `.raw` files of its cameras: a text header, then words of 4, 8 or 2 bytes.

A word has its type in the top four bits. Time is in µs; TIME_HIGH words carry its upper bits (28 above the lower 6 in
EVT2 and EVT2.1, 12 above the lower 12 in EVT3) and wrap; the wraps are counted. x and y count from the top left, ON
is 1. A file that goes on after a clock reset of EVT3 looks like a wrap. (Prophesee's published encoding formats; wraps,
and TIME_LOW as 0 after a new TIME_HIGH, as in OpenEB 5.)
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import CorruptRecording, UnsupportedVersion
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.prophesee.evt2_decoding import RUN, decode_evt2, decode_evt21
from spikecut.sources.formats.prophesee.evt_decoding import MISSING, decode_evt3
from spikecut.sources.formats.prophesee.header import HEADER_LIMIT, Header, parse_header
from spikecut.sources.formats.prophesee.sizes import ENTIRE, sensor_of
from spikecut.sources.formats.prophesee.words import WordStream
from spikecut.sources.formats.reading.files import first_bytes, open_binary, read_bytes
from spikecut.sources.formats.reading.ordering import REORDER_US, Chunk, in_order
from spikecut.sources.formats.reading.seeking import place_before
from spikecut.sources.formats.reading.zero_tail import data_end

_PROBE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class EvtRecording:
    """The CD events of a `.raw` file; triggers and other signals are counted as `special`."""

    path: Path
    sensor: SensorSize
    stream: WordStream
    format: str

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self.stream.chunks(), self.sensor, self.path)

    def from_time(self, time_us: int) -> Iterator[EventBatch] | None:
        """The batches from the event at `time_us` or somewhat before; None if that place cannot be known.

        TIME_HIGH of EVT3 wraps every 16.8 s: events are decoded from the beginning and skipped.
        """
        if self.stream.record_bytes == 2:
            return in_order(_from(self.stream.chunks(), time_us - REORDER_US), self.sensor, self.path)
        first = next((int(chunk.t[0]) for chunk in self.stream.chunks() if len(chunk.t)), None)
        if first is None or first >> 34:
            return None
        place = self._place(time_us)
        return None if place is None else in_order(self.stream.chunks(place), self.sensor, self.path)

    def _place(self, time_us: int) -> int | None:
        """The byte of a TIME_HIGH such that all events at `time_us` or later follow it."""
        stream = self.stream
        with open_binary(self.path) as file:

            def next_high(number: int) -> tuple[int, int] | None:
                file.seek(stream.begin + number * stream.record_bytes)
                data = read_bytes(file, self.path, _PROBE_BYTES)
                words = np.frombuffer(data[: len(data) // stream.record_bytes * stream.record_bytes], stream.word)
                upper = words >> np.uint64(32) if stream.record_bytes == 8 and not stream.start[_LOW] else words
                highs = np.flatnonzero((upper >> upper.dtype.type(28)) & upper.dtype.type(15) == 8)
                return (int(highs[0]), int(upper[highs[0]]) & 0xFFFFFFF) if len(highs) else None

            def time_at(number: int) -> int | None:
                high = next_high(number)
                return None if high is None else high[1] << 6

            size = os.fstat(file.fileno()).st_size
            n_words = (data_end(file, stream.begin, size, stream.record_bytes) - stream.begin) // stream.record_bytes
            number = place_before(time_us, n_words, time_at)
            high = None if number is None else next_high(number)
            return None if number is None or high is None else stream.begin + (number + high[0]) * stream.record_bytes


_LOW = 6
_START = (0, 0, 0, MISSING, 0, MISSING, 0, MISSING, MISSING, 0)


def open_evt2(path: Path, options: ReadOptions = DEFAULTS) -> EvtRecording:
    """The recording in an EVT2 file.

    Raises:
        CorruptRecording: if the header has no end within 64 kB.
        UnsupportedVersion: if it states another encoding than EVT2, 2.1 and 3.
    """
    return _opened(path, options, "evt2")


def open_evt21(path: Path, options: ReadOptions = DEFAULTS) -> EvtRecording:
    """The recording in an EVT2.1 file; raises as `open_evt2`."""
    return _opened(path, options, "evt21")


def open_evt3(path: Path, options: ReadOptions = DEFAULTS) -> EvtRecording:
    """The recording in an EVT3 file; raises as `open_evt2`."""
    return _opened(path, options, "evt3")


def _opened(path: Path, options: ReadOptions, name: str) -> EvtRecording:
    header = parse_header(first_bytes(path, HEADER_LIMIT))
    if header is None or header.end is None:
        raise CorruptRecording(path, "no Prophesee header that ends within 64 kB", offset=0)
    if header.encoding != name:
        raise UnsupportedVersion(
            path,
            f"the header states {header.encoding.upper() if header.encoding else 'no encoding'}; "
            "spikecut reads EVT2, EVT2.1 and EVT3",
            hint="a line such as `% evt 3.0` names the encoding",
        )
    stream = _stream(path, header, name, ENTIRE, options.batch_events)
    sensor = sensor_of(path, header, options.sensor, stream.chunks())
    stream = _stream(path, header, name, sensor, options.batch_events)
    names = {"evt2": "Prophesee EVT2", "evt21": "Prophesee EVT2.1", "evt3": "Prophesee EVT3"}
    return EvtRecording(path, sensor, stream, names[name])


def _stream(path: Path, header: Header, name: str, sensor: SensorSize, batch_events: int) -> WordStream:
    begin = header.end or 0
    if name == "evt2":
        return WordStream(path, begin, sensor, batch_events, decode_evt2, "<u4", 4, RUN, _START)
    if name == "evt3":
        return WordStream(path, begin, sensor, batch_events, decode_evt3, "<u2", 2, 12, _START)
    swapped = _is_swapped(path, header)
    start = (*_START[:_LOW], int(swapped), *_START[_LOW + 1 :])
    return WordStream(path, begin, sensor, batch_events, decode_evt21, "<u8", 8, 32, start)


def _is_swapped(path: Path, header: Header) -> bool:
    """Whether the half of EVT2.1 words with the type is the lower one, as the IMX636 writes them ("legacy").

    A header that does not state it leaves it to the TIME_HIGH words: the other half of them is 0.
    """
    if header.endianness is not None:
        return header.endianness == "legacy"
    head = first_bytes(path, (header.end or 0) + _PROBE_BYTES)[header.end :]
    words = np.frombuffer(head[: len(head) // 8 * 8], "<u4").reshape(-1, 2)
    lower, upper = (int(((words[:, half] >> np.uint32(28) == 8) & (words[:, 1 - half] == 0)).sum()) for half in (0, 1))
    return lower >= upper


def _from(chunks: Iterator[Chunk], time_us: int) -> Iterator[Chunk]:
    """The chunks from the first that reaches `time_us`."""
    for chunk in chunks:
        if len(chunk.t) and chunk.t.max() >= time_us:
            yield chunk
            yield from chunks
