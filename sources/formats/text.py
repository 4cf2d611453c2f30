"""Text: one event a line. A header line says the column order and the unit, or they are given (`TextLayout`).

`39 112 140 1` is x, y, t, p in the text copies of MNIST-DVS; `0.003811 96 133 0` is t, x, y, p with t in seconds in
the Event-Camera Dataset (Mueggler et al., IJRR 2017, arXiv 1610.08336). Numbers are parted by blanks, tabs, a comma or
a semicolon and may be written as 1.2e+01; x and y are whole and count from 0 at the top left; polarity is 0 and 1, -1
and 1, true and false, or on and off. Times in s, ms or ns are exact decimal numbers, rounded to the nearest µs, halves
away from 0. `#` begins a comment. What stands before the first event, `text_layout/header.py` says.

A line that is no such row is counted as `unreadable`, a last line that ends too early as `cut_off`. Times that run
back are judged as everywhere (`ordering`). A wrong digit is not detected: a time that it
moves ahead makes the events after it late.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import CorruptRecording, SpikecutWarning, printable
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.base import DEFAULTS, ReadOptions, TextLayout
from spikecut.sources.formats.reading.blocks import decoded_blocks
from spikecut.sources.formats.reading.files import file_size, open_binary, read_bytes
from spikecut.sources.formats.reading.known_sensors import smallest_known
from spikecut.sources.formats.reading.ordering import Chunk, empty_columns, in_order
from spikecut.sources.formats.reading.seeking import place_before
from spikecut.sources.formats.text_kernels import (
    BAD,
    BAD_AT,
    BAD_BYTES,
    BAD_LINE,
    CONSUMED,
    LINE,
    LINE_LIMIT,
    OFFSET,
    OUTSIDE,
    OUTSIDE_AT,
    STATE,
    count_pixels,
    decode_text,
)
from spikecut.sources.formats.text_layout.header import Preamble, layout_of, read_preamble

_ROW_BYTES, _SHORTEST = 16, 8  # of a usual line; of `0 0 0 0` and its break
_DECIMALS = {"us": 0, "ms": 3, "s": 6, "ns": -3}
_SHOWN = 60
_LARGEST = SensorSize(1 << 16, 1 << 16)
_NOTHING = Preamble()


@dataclass(frozen=True, slots=True)
class TextRecording:
    """The events of one text file, read in blocks of about `batch_events` lines.

    `layout` has both its columns and its unit. `notes` says what was inferred.
    """

    path: Path
    sensor: SensorSize
    layout: TextLayout
    batch_events: int = 65_536
    preamble: Preamble = _NOTHING
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        columns = " ".join(self.layout.columns or "")
        return f"text ({columns}, t in {self.layout.time_unit}{', sensor inferred' if self.notes else ''})"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self._chunks(), self.sensor, self.path)

    def from_time(self, time_us: int) -> Iterator[EventBatch] | None:
        """The batches from the event at `time_us` or somewhat before; None if its place cannot be known."""
        begin = self.preamble.size
        place = place_before(time_us, file_size(self.path) - begin, lambda at: self._event_at(begin + at)[1])
        if place is None:
            return None
        at, _ = self._event_at(begin + place)
        return in_order(self._chunks(at), self.sensor, self.path)

    def _event_at(self, at: int) -> tuple[int, int | None]:
        """The first line that begins behind byte `at` (at it, if that is the first of all), and the time in it."""
        with open_binary(self.path) as file:
            file.seek(at)
            data = np.frombuffer(read_bytes(file, self.path, 2 * LINE_LIMIT), np.uint8)
        if at > self.preamble.size:
            breaks = np.flatnonzero(data == ord("\n"))
            n_bytes = int(breaks[0]) + 1 if len(breaks) else len(data)
            data, at = data[n_bytes:], at + n_bytes
        chunk, _ = self._decoded(data, np.zeros(STATE, np.int64), final=False)
        return at, int(chunk.t[0]) if len(chunk.t) else None

    def _chunks(self, begin: int | None = None) -> Iterator[Chunk]:
        state = np.zeros(STATE, np.int64)
        state[LINE] = self.preamble.n_lines
        n_read, first_bad = 0, None

        def decode(data: UInt8[ndarray, " n"], at: int, final: bool) -> tuple[Chunk, int]:
            nonlocal n_read, first_bad
            state[OFFSET] = at
            chunk, n_bytes = self._decoded(data, state, final=final)
            if state[BAD] and first_bad is None:
                first_bad = int(state[BAD_LINE]), int(state[BAD_AT])
            n_read += len(chunk.t)
            return Chunk(chunk.t, chunk.x, chunk.y, chunk.p, _losses(state)), n_bytes

        begin = self.preamble.size if begin is None else begin
        yield from decoded_blocks(self.path, begin, self.batch_events * _ROW_BYTES, decode)
        if first_bad is not None and not n_read:
            raise self._no_event(*first_bad)

    def _decoded(self, data: UInt8[ndarray, " n"], state: Int64[ndarray, " S"], *, final: bool) -> tuple[Chunk, int]:
        """The events in a block, and how many bytes they took; losses are in `state`."""
        assert self.layout.columns is not None
        assert self.layout.time_unit is not None
        order = np.array(["xytp_".index(name) for name in self.layout.columns])
        decimals, size = _DECIMALS[self.layout.time_unit], self.sensor
        t, x, y, p = empty_columns(len(data) // _SHORTEST + 1)
        n = decode_text(
            data, final, order, decimals, self.preamble.separator, size.width, size.height, state, t, x, y, p
        )
        return Chunk(t[:n], x[:n], y[:n], p[:n]), int(state[CONSUMED])

    def _no_event(self, number: int, at_byte: int) -> CorruptRecording:
        """Where not one line is an event: what stands in the first that cannot be one."""
        with open_binary(self.path) as file:
            file.seek(at_byte)
            line = file.readline(_SHOWN + 1).decode("latin-1").strip()
        shown = f"{line[:_SHOWN]}…" if len(line) > _SHOWN else line
        columns, unit = self.layout.columns or "", self.layout.time_unit
        more = len(line.replace(",", " ").replace(";", " ").split()) - len(columns)
        hint = (
            f"a line has {more + len(columns)} values; _ is skipped, such as in --columns {'_' * more}{columns}"
            if 0 < more < _SHOWN
            else "--columns txyp is another order; --time-unit s is for times with fractions"
        )
        return CorruptRecording(
            self.path,
            f"line {number}: {shown!r}; expected {' '.join(columns)}, with t in "
            f"{f'whole {unit}' if unit in ('us', 'ns') else unit}; "
            f"no other line is an event of a {self.sensor} sensor either",
            hint=hint,
        )


def open_text(path: Path, options: ReadOptions = DEFAULTS) -> TextRecording:
    """The recording in a text file. Without a sensor in the file or the options, all of it is read once to infer one,
    and a `SpikecutWarning` says so.

    Raises:
        UnknownFormat: if neither a header nor the options say columns and unit; the message shows the first lines.
        ConfigError: if the two contradict one another.
    """
    preamble = read_preamble(path, None if options.text is None else options.text.columns)
    layout = layout_of(path, options.text, preamble)
    if (sensor := preamble.sensor or options.sensor) is not None:
        return TextRecording(path, sensor, layout, options.batch_events, preamble)
    sensor = infer_sensor(TextRecording(path, _LARGEST, layout, options.batch_events, preamble))
    note = (
        f"{printable(path.name)} does not state its sensor: {sensor} is inferred from its pixels; --sensor says another"
    )
    warnings.warn(note, SpikecutWarning, stacklevel=2)
    return TextRecording(path, sensor, layout, options.batch_events, preamble, (note,))


def infer_sensor(recording: TextRecording) -> SensorSize:
    """The sensor by the pixels of all events (`known_sensors.smallest_known`)."""
    columns, rows = np.zeros(1 << 16, np.int64), np.zeros(1 << 16, np.int64)
    for chunk in recording._chunks():
        count_pixels(chunk.x, chunk.y, columns, rows)
    return smallest_known(columns, rows)


def _losses(state: Int64[ndarray, " S"]) -> DropCounts:
    """What the last block has lost; the counters begin anew."""
    lost = DropCounts.of(DropCause.unreadable, int(state[BAD]), int(state[BAD_BYTES]), int(state[BAD_AT]))
    lost += DropCounts.of(DropCause.outside_sensor, int(state[OUTSIDE]), at_byte=int(state[OUTSIDE_AT]))
    state[[BAD, BAD_BYTES, OUTSIDE]] = 0
    return lost
