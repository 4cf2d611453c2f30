"""Small line drawings of classes, as strokes that every view draws with its own means.

A row of `ICONS` is a class by its name, in whatever network. Points `(x, y)` lie on a square of 24 by 24, y down, as
the sensor sees them: the right hand of who faces it is on the left. A class without a row has no icon.
"""

from collections.abc import Mapping
from functools import cache
from math import cos, pi, sin
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.tools.views.canvas import Box, Canvas, Colour

SIDE: Final = 24.0
STROKE: Final = 1.1
SMALLEST_PIXELS: Final = 14.0  # smaller icons look all the same

Line = tuple[tuple[float, float], ...]


class Icon(NamedTuple):
    """Lines of a figure, and of what moves."""

    figure: tuple[Line, ...]
    motion: tuple[Line, ...] = ()

    def mirrored(self) -> "Icon":
        """The same with left and right exchanged."""
        return Icon(*(tuple(tuple((SIDE - x, y) for x, y in line) for line in lines) for lines in self))


def _arc(x: float, y: float, radius: float, start: float, end: float) -> Line:
    """Part of a circle, in degrees from the right, clockwise where `end` is larger."""
    n = max(2, round(abs(end - start) / 15))
    angles = [(start + (end - start) * k / n) * pi / 180 for k in range(n + 1)]
    return tuple((x + radius * cos(angle), y + radius * sin(angle)) for angle in angles)


def _barbs(x: float, y: float, along: float, length: float) -> Line:
    """The head of an arrow whose tip is at a point, in the direction of so many degrees."""
    one, other = ((along + turn) * pi / 180 for turn in (-37, 37))
    return (
        (x - length * cos(one), y - length * sin(one)),
        (x, y),
        (x - length * cos(other), y - length * sin(other)),
    )


def _turning(x: float, y: float, radius: float, start: float, end: float, barb: float) -> tuple[Line, Line]:
    """An arc with the head of an arrow at its end."""
    arc, sense = _arc(x, y, radius, start, end), 1 if end > start else -1
    return arc, _barbs(*arc[-1], end + sense * 70, barb)


def _head(x: float) -> Line:
    return _arc(x, 5, 3.4, 0, 360)


def _torso(x: float, end: float = 23) -> Line:
    return (x, 9), (x, end)


def _circling(sense: int) -> Icon:
    """The right arm, clockwise or not."""
    arm = (18.5, 12.0), (7.5, 12.0)
    return Icon((_head(18.5), _torso(18.5), arm), _turning(7.5, 12, 6.3, -35 * sense, 265 * sense, 4))


_WAVE = Icon(
    (_head(16.5), _torso(16.5), ((16.5, 11), (9, 14), (7, 6.5)), ((16.5, 11), (20.5, 12.5), (22, 20))),
    (_arc(7, 6.5, 4.6, 150, 215), _arc(7, 6.5, 4.6, -35, 30)),
)

ICONS: Final[Mapping[str, Icon]] = {
    "hand clapping": Icon(
        (_head(12), _torso(12, 11), ((12, 11), (3.5, 13), (10.8, 16.5)), ((12, 11), (20.5, 13), (13.2, 16.5))),
        (((8.2, 19), (6.5, 21.5)), ((12, 19.5), (12, 22.5)), ((15.8, 19), (17.5, 21.5))),
    ),
    "right hand wave": _WAVE,
    "left hand wave": _WAVE.mirrored(),
    "right arm clockwise": _circling(1),
    "right arm counter clockwise": _circling(-1),
    "left arm clockwise": _circling(-1).mirrored(),
    "left arm counter clockwise": _circling(1).mirrored(),
    "arm roll": Icon(
        (_head(12), ((3, 12), (12, 9), (21, 12))),
        (*_turning(12, 16.5, 5.5, 200, 330, 3.5), *_turning(12, 16.5, 5.5, 20, 150, 3.5)),
    ),
    "air drums": Icon(
        (
            _head(12),
            _torso(12),
            ((12, 11), (6, 13), (5, 8), (2.5, 2.5)),
            ((12, 11), (18, 13), (19.5, 17.5), (16, 21.5)),
        ),
        (((2.5, 12.5), (2.5, 20)), _barbs(2.5, 20, 90, 3), ((21.5, 14), (21.5, 6.5)), _barbs(21.5, 6.5, -90, 3)),
    ),
    "air guitar": Icon(
        (_head(12), _torso(12, 13), ((12, 10.5), (5.5, 12.5), (8, 17)), ((12, 10.5), (19, 13), (20.5, 9.5))),
        (_arc(9, 18, 4.2, 0, 360), ((12.2, 15.2), (22.5, 7.5))),
    ),
    "other gestures": Icon((_arc(12, 8, 5.5, 180, 405), ((15.9, 11.9), (12, 15), (12, 17)), ((12, 21), (12, 22)))),
    "no gesture": Icon((_head(12), _torso(12), ((12, 11), (8, 12.5), (6.5, 20)), ((12, 11), (16, 12.5), (17.5, 20)))),
}


def icon_of(name: str) -> Icon | None:
    """The icon of a class, or None.

    >>> icon_of("air drums") is not None, icon_of("7")
    (True, None)
    """
    return ICONS.get(name)


def draw_icon(canvas: Canvas, icon: Icon, box: Box, figure: Colour, motion: Colour) -> None:
    """An icon in a square box."""
    unit = box.width / SIDE
    corner = np.array([box.x, box.y])
    for lines, colour in zip(_arrays(icon), (figure, motion), strict=True):
        canvas.lines([corner + unit * line for line in lines], colour, STROKE * unit)


@cache
def _arrays(icon: Icon) -> tuple[list[Float64[ndarray, "N 2"]], ...]:
    return tuple([np.array(line, np.float64) for line in lines] for lines in icon)
