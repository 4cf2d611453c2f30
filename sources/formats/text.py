"""Text: one event a line. The column order must be given (`TextLayout`), and the sensor, too.

`39 112 140 1` is x, y, t, p in the text copies of MNIST-DVS; `0.003811 96 133 0` is t, x, y, p with t in seconds in
the Event-Camera Dataset (Mueggler et al., IJRR 2017, arXiv 1610.08336). Numbers are parted by blanks, tabs or a comma
and may be written as 1.2e+01; x and y are whole and count from 0 at the top left; polarity is 0 and 1 or -1 and 1.
`#` begins a comment.

A line that is no such row is counted as `unreadable`, a last line that ends too early as `cut_off`. Times that run
back are judged as everywhere (`ordering`). A wrong digit is not detected: a time that it
moves ahead makes the events after it late.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, CorruptRecording
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.base import ReadOptions, TextLayout
from spikecut.sources.formats.reading.blocks import decoded_blocks
from spikecut.sources.formats.reading.files import open_binary
from spikecut.sources.formats.reading.ordering import Chunk, empty_columns, in_order
from spikecut.sources.formats.text_kernels import (
    BAD,
    BAD_AT,
    BAD_BYTES,
    BAD_LINE,
    CONSUMED,
    OFFSET,
    OUTSIDE,
    OUTSIDE_AT,
    STATE,
    decode_text,
)

_ROW_BYTES, _SHORTEST = 16, 8  # of a usual line; of `0 0 0 0` and its break
_DECIMALS = {"us": 0, "s": 6}
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class TextRecording:
    """The events of one text file, read in blocks of about `batch_events` lines."""

    path: Path
    sensor: SensorSize
    layout: TextLayout
    batch_events: int = 65_536

    @property
    def format(self) -> str:
        return f"text ({' '.join(self.layout.columns)}, t in {self.layout.time_unit})"

    def __iter__(self) -> Iterator[EventBatch]:
        return in_order(self._chunks(), self.sensor, self.path)

    def _chunks(self) -> Iterator[Chunk]:
        order = np.array(["xytp".index(name) for name in self.layout.columns])
        decimals, size = _DECIMALS[self.layout.time_unit], self.sensor
        state = np.zeros(STATE, np.int64)
        n_read, first_bad = 0, None

        def decode(data: UInt8[ndarray, " n"], at: int, final: bool) -> tuple[Chunk, int]:
            nonlocal n_read, first_bad
            state[OFFSET] = at
            t, x, y, p = empty_columns(len(data) // _SHORTEST + 1)
            n = decode_text(data, final, order, decimals, size.width, size.height, state, t, x, y, p)
            if state[BAD] and first_bad is None:
                first_bad = int(state[BAD_LINE]), int(state[BAD_AT])
            n_read += n
            return Chunk(t[:n], x[:n], y[:n], p[:n], _losses(state)), int(state[CONSUMED])

        yield from decoded_blocks(self.path, 0, self.batch_events * _ROW_BYTES, decode)
        if first_bad is not None and not n_read:
            raise self._no_event(*first_bad)

    def _no_event(self, number: int, at_byte: int) -> CorruptRecording:
        """Where not one line is an event: what stands in the first that cannot be one."""
        with open_binary(self.path) as file:
            file.seek(at_byte)
            line = file.readline(_SHOWN + 1).decode("latin-1").strip()
        shown = f"{line[:_SHOWN]}…" if len(line) > _SHOWN else line
        unit = "whole us" if self.layout.time_unit == "us" else self.layout.time_unit
        return CorruptRecording(
            self.path,
            f"line {number}: {shown!r}; expected {' '.join(self.layout.columns)}, with t in {unit}; "
            f"no other line is an event of a {self.sensor} sensor either",
            hint="--columns txyp is another order; --time-unit s is for times with fractions",
        )


def open_text(path: Path, options: ReadOptions) -> TextRecording:
    """The recording in a text file; none of it is read yet.

    Raises:
        ConfigError: if sensor or layout are not given; the file does not state them.
    """
    if options.sensor is None or options.text is None:
        raise ConfigError(f"{path}: text does not state its sensor and columns", hint="give --sensor and --columns")
    return TextRecording(path, options.sensor, options.text, options.batch_events)


def _losses(state: Int64[ndarray, " S"]) -> DropCounts:
    """What the last block has lost; the counters begin anew."""
    lost = DropCounts.of(DropCause.unreadable, int(state[BAD]), int(state[BAD_BYTES]), int(state[BAD_AT]))
    lost += DropCounts.of(DropCause.outside_sensor, int(state[OUTSIDE]), at_byte=int(state[OUTSIDE_AT]))
    state[[BAD, BAD_BYTES, OUTSIDE]] = 0
    return lost
