"""Filters of event streams: each is one module, and one row of the table `FILTERS`.

A filter is a frozen value. `filter.apply(batches)` gives the filtered batches, `filter.output(sensor)` the sensor that
they are of. Its result does not depend on how the stream was cut into batches. Its memory ends where the clock was
reset. Every event that it drops is counted in `lost` by a cause of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spikecut.pipeline.filters import arguments


@dataclass(frozen=True, slots=True)
class FilterRow:
    """A filter: its name, its form on the command line, what it does, and `module:Class`, loaded when it is used.

    `argument` reads what follows the colon into the arguments of the class; without one, nothing may follow.
    """

    name: str
    form: str
    sentence: str
    home: str
    argument: Callable[[str], tuple[Any, ...]] = arguments.nothing


_HERE = "spikecut.pipeline.filters"
FILTERS: dict[str, FilterRow] = {
    row.name: row
    for row in (
        FilterRow("crop", "crop:X,Y,WxH", "keeps a rectangle of pixels", f"{_HERE}.crop:Crop", arguments.crop),
        FilterRow(
            "downsample",
            "downsample:N",
            "merges N x N pixels into one",
            f"{_HERE}.downsample:Downsample",
            arguments.whole,
        ),
        FilterRow(
            "flip", "flip:x", "mirrors left and right; flip:y top and bottom", f"{_HERE}.flip:Flip", arguments.word
        ),
        FilterRow(
            "rotate",
            "rotate:90",
            "turns the image clockwise by 90, 180 or 270",
            f"{_HERE}.rotate:Rotate",
            arguments.whole,
        ),
        FilterRow("transpose", "transpose", "exchanges x and y", f"{_HERE}.transpose:Transpose"),
        FilterRow("polarity", "polarity:on", "keeps one polarity", f"{_HERE}.polarity:Polarity", arguments.word),
        FilterRow(
            "refractory",
            "refractory:1ms",
            "silences a pixel for so long after an event",
            f"{_HERE}.refractory:Refractory",
            arguments.duration,
        ),
        FilterRow(
            "noise",
            "noise:5ms",
            "drops events whose 8 neighbours were silent for so long",
            f"{_HERE}.noise:Noise",
            arguments.duration,
        ),
        FilterRow(
            "hot_pixels",
            "hot_pixels",
            "silences pixels far busier than their neighbours; hot_pixels:X,Y+X,Y given ones",
            f"{_HERE}.hot_pixels:HotPixels",
            arguments.pixels,
        ),
        FilterRow(
            "rate_limit",
            "rate_limit:500k",
            "lets through so many events a second",
            f"{_HERE}.rate_limit:RateLimit",
            arguments.rate,
        ),
    )
}
