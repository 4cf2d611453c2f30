"""Any sensor on any network: which window of a sensor is shown in which part of a network's frame.

All arithmetic is in whole numbers: pixel `x` of a window of `w` columns is column `x * columns // w` of its part of the
frame. So a window that is a whole multiple of the frame is merged in squares, as `CountBinner` merges them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, Frame, SensorSize

Box = tuple[int, int, int, int]  # x, y, width, height in pixels

_WINDOW = re.compile(r"(\d{1,5}),(\d{1,5}),(\d{1,5})x(\d{1,5})")
_NOWHERE = 65_535  # no sensor has that many columns or rows


@dataclass(frozen=True, slots=True)
class Fit:
    """The `window` of a `sensor` that is shown in the `part` of a `frame`; the rest of the frame stays empty.

    `kind` is `whole` (the sensor is the frame or a whole multiple of it), `crop`, `squeeze` or `window`.
    """

    kind: str
    sensor: SensorSize
    frame: SensorSize
    window: Box
    part: Box

    def __str__(self) -> str:
        """The fit as text, which identifies it in files; empty where nothing is reshaped."""
        if self.kind == "whole":
            return ""
        x, y, width, height = self.window
        left, top, columns, rows = self.part
        return f"{self.kind} {x},{y},{width}x{height} of {self.sensor} to {left},{top},{columns}x{rows} of {self.frame}"

    @property
    def factor(self) -> int:
        """The side of the squares of pixels that are merged into the whole frame; 0 if they are no squares."""
        factor = self.window[2] // self.frame.width
        whole = self.part == (0, 0, self.frame.width, self.frame.height)
        sizes = (self.frame.width * factor, self.frame.height * factor)
        return factor if whole and self.window[2:] == sizes else 0

    def binner(self, step_us: int) -> "CountBinner | FittedBinner":
        """What counts the events of the sensor into frames."""
        if not self.factor:
            return FittedBinner(self, step_us)
        crop = None if self.kind == "whole" else self.window
        return CountBinner(self.sensor, step_us, crop=crop, downsample=self.factor)


@dataclass(frozen=True, slots=True)
class FittedBinner:
    """Moves events from the window of a sensor to pixels of the frame, and counts them there.

    Events outside the window are counted as dropped (`outside_crop`), which is no damage.
    """

    fit: Fit
    step_us: int
    max_silence_bins: int = 1_000

    @property
    def frame_size(self) -> SensorSize:
        """Width and height of the frames."""
        return self.fit.frame

    def bins(self, batches: Iterable[EventBatch]) -> Iterator[Frame]:
        """The frames of a stream, as `CountBinner.bins`.

        Raises:
            EventError: if a batch comes from another sensor, or leaves a gap to the batch before it.
        """
        binner = CountBinner(self.fit.frame, self.step_us, max_silence_bins=self.max_silence_bins)
        return binner.bins(self._moved(batches))

    def _moved(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        fit = self.fit
        columns = _table(fit.sensor.width, fit.window[0], fit.window[2], fit.part[0], fit.part[2])
        rows = _table(fit.sensor.height, fit.window[1], fit.window[3], fit.part[1], fit.part[3])
        for batch in batches:
            x, y = columns[batch.x], rows[batch.y]
            inside = (x != _NOWHERE) & (y != _NOWHERE)
            t, p, lost = batch.t, batch.p, batch.lost
            if not inside.all():
                lost += DropCounts.of(DropCause.outside_crop, len(inside) - int(inside.sum()))
                t, x, y, p = t[inside], x[inside], y[inside], p[inside]
            yield EventBatch(t, x, y, p, batch.start_us, batch.end_us, fit.frame, batch.segment, lost)


@dataclass(slots=True)
class Fits:
    """The fits that were used in reading, each once."""

    used: dict[str, Fit] = field(default_factory=dict)

    def add(self, fit: Fit) -> None:
        """Keeps a fit that reshapes something."""
        if text := str(fit):
            self.used[text] = fit

    def __str__(self) -> str:
        return "; ".join(sorted(self.used))


def check_fit(text: str) -> None:
    """Refuses what is neither `crop`, `squeeze` nor a window `X,Y,WxH`; empty text is the default.

    Raises:
        ConfigError: naming what is expected.
    """
    if text not in ("", "crop", "squeeze") and not _WINDOW.fullmatch(text):
        raise ConfigError(f"fit {text!r}; expected crop, squeeze or a window X,Y,WxH", hint="such as 56,26,128x128")


def fit_for(text: str, sensor: SensorSize, frame: SensorSize) -> Fit:
    """How a sensor is shown to a network whose frames have another size.

    `crop`, the default, takes the central window that is the largest whole multiple of the frame; a side that is
    shorter than the frame's is centred. `squeeze` maps the whole sensor and keeps its proportions: the frame is empty
    above and below, or left and right. `X,Y,WxH` is a window of the sensor, squeezed likewise. Nothing is enlarged.
    A sensor that is a whole multiple of the frame is merged in squares by all but a window.

    Raises:
        ConfigError: if the text is no fit, or the window does not lie on the sensor.

    >>> str(fit_for("crop", SensorSize(240, 180), SensorSize(32, 32)))
    'crop 40,10,160x160 of 240x180 to 0,0,32x32 of 32x32'
    >>> str(fit_for("squeeze", SensorSize(240, 180), SensorSize(32, 32)))
    'squeeze 0,0,240x180 of 240x180 to 0,4,32x24 of 32x32'
    """
    check_fit(text)
    whole = (0, 0, sensor.width, sensor.height)
    if match := _WINDOW.fullmatch(text):
        x, y, width, height = map(int, match.groups())
        if min(width, height) < 1 or x + width > sensor.width or y + height > sensor.height:
            raise ConfigError(f"fit {text!r}: the window does not lie on a {sensor} sensor", hint="X,Y,WxH in pixels")
        return Fit("window", sensor, frame, (x, y, width, height), _centred(width, height, frame))
    factor = min(sensor.width // frame.width, sensor.height // frame.height)
    if factor and (sensor.width, sensor.height) == (frame.width * factor, frame.height * factor):
        return Fit("whole", sensor, frame, whole, (0, 0, frame.width, frame.height))
    if text == "squeeze":
        return Fit("squeeze", sensor, frame, whole, _centred(sensor.width, sensor.height, frame))
    factor = max(factor, 1)
    width, height = min(sensor.width, frame.width * factor), min(sensor.height, frame.height * factor)
    columns, rows = width // factor, height // factor
    window = ((sensor.width - width) // 2, (sensor.height - height) // 2, width, height)
    part = ((frame.width - columns) // 2, (frame.height - rows) // 2, columns, rows)
    return Fit("crop", sensor, frame, window, part)


def _centred(width: int, height: int, frame: SensorSize) -> Box:
    """The part of a frame for a window that keeps its proportions and is not enlarged."""
    columns, rows = min(width, frame.width), min(height, frame.height)
    if columns * height > rows * width:
        columns = max(1, rows * width // height)
    else:
        rows = max(1, columns * height // width)
    return (frame.width - columns) // 2, (frame.height - rows) // 2, columns, rows


def _table(n: int, first: int, width: int, left: int, columns: int) -> Any:
    """For every column (or row) of a sensor its column in the frame, or `_NOWHERE`."""
    table = np.full(n, _NOWHERE, np.uint16)
    table[first : first + width] = left + np.arange(width) * columns // width
    return table
