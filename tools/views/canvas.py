"""Text, boxes and lines on a picture: the drawing calls of OpenCV are here and nowhere else in the panels.

Sizes are in units of a page 960 wide and 540 high; `scale` is the number of pixels of a unit. Colours are RGB, the
picture is BGR, as OpenCV wants it. OpenCV 5 has a typeface (Rubik, outlines); OpenCV 4 has only stroke letters, of
ASCII.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Self

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from spikecut.sources.opencv import opencv

PAGE_WIDTH, PAGE_HEIGHT = 960, 540

Colour = tuple[int, int, int]

_ASCII = str.maketrans({"…": "...", "≥": ">=", "·": "|", "µ": "u", "–": "-", "—": "-", "×": "x"})
_CAP_HEIGHT = 0.7  # of the size of a letter; both typefaces
_HERSHEY_SIZE = 30.0  # the stroke letters' size at a font scale of 1


@cache
def _typeface() -> Any:
    """The typeface that ships inside OpenCV 5, or None."""
    cv2 = opencv()
    return cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None


class Box(NamedTuple):
    """A rectangle on the page; x runs right and y runs down."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


class Font(NamedTuple):
    """How text is written: size in units of the page, colour, weight."""

    size: float
    colour: Colour
    bold: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A picture while it is drawn; its array is written to."""

    image: UInt8[ndarray, "h w 3"]
    scale: float

    @classmethod
    def blank(cls, colour: Colour, scale: float, height: float = PAGE_HEIGHT) -> Self:
        """A page of one colour, with an even number of rows and columns: most video codecs drop an odd last one."""
        size_hw = 2 * round(height * scale / 2), 2 * round(PAGE_WIDTH * scale / 2)
        return cls(np.full((*size_hw, 3), colour[::-1], np.uint8), scale)

    def copy(self) -> "Canvas":
        return Canvas(self.image.copy(), self.scale)

    def png(self) -> bytes:
        """The picture as a PNG."""
        return bytes(opencv().imencode(".png", self.image)[1])

    def paste(self, picture: UInt8[ndarray, "H W 3"], box: Box) -> Box:
        """A BGR picture in the middle of a box, as large as it fits; the box that it takes."""
        height, width, _ = picture.shape
        factor = min(box.width * self.scale / width, box.height * self.scale / height)
        size_wh = max(1, round(width * factor)), max(1, round(height * factor))
        left = round((box.x + box.width / 2) * self.scale) - size_wh[0] // 2
        top = round((box.y + box.height / 2) * self.scale) - size_wh[1] // 2
        cv2 = opencv()
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
        self.image[top : top + size_wh[1], left : left + size_wh[0]] = cv2.resize(
            picture, size_wh, interpolation=method
        )
        return Box(*(pixels / self.scale for pixels in (left, top, *size_wh)))

    def fill(self, box: Box, colour: Colour) -> None:
        """Fills a box with a colour."""
        x0, x1, y0, y1 = (round(v * self.scale) for v in (box.x, box.right, box.y, box.bottom))
        self._fill_pixels(x0, x1, y0, y1, colour)

    def frame(self, box: Box, colour: Colour, thickness: float = 1.0) -> None:
        """The outline of a box, drawn just outside it."""
        t = max(1.0 / self.scale, thickness)
        self.fill(Box(box.x - t, box.y - t, box.width + 2 * t, t), colour)
        self.fill(Box(box.x - t, box.bottom, box.width + 2 * t, t), colour)
        self.fill(Box(box.x - t, box.y, t, box.height), colour)
        self.fill(Box(box.right, box.y, t, box.height), colour)

    def rule(self, x: float, box: Box, colour: Colour, thickness: float = 1.0) -> None:
        """A sharp vertical line centred on `x`, as high as the box, equally thick wherever it stands."""
        pixels = self._stroke(thickness)
        left = min(max(0, round(x * self.scale - pixels / 2)), self.image.shape[1] - pixels)
        y0, y1 = round(box.y * self.scale), round(box.bottom * self.scale)
        self._fill_pixels(left, left + pixels, y0, y1, colour)

    def line(self, points: list[tuple[float, float]], colour: Colour, thickness: float = 1.0) -> None:
        """A smooth line through all points."""
        self.lines([np.array(points, np.float64)], colour, thickness)

    def lines(self, lines: Sequence[Float64[ndarray, "N 2"]], colour: Colour, thickness: float = 1.0) -> None:
        """Smooth lines, each through all of its points."""
        cv2 = opencv()
        fine = [np.round(points * (self.scale * 16)).astype(np.int32) for points in lines]
        cv2.polylines(self.image, fine, False, colour[::-1], self._stroke(thickness), cv2.LINE_AA, 4)

    def disc(self, x: float, y: float, radius: float, colour: Colour, *, hollow: bool = False) -> None:
        cv2 = opencv()
        centre = round(x * self.scale * 16), round(y * self.scale * 16)
        stroke = self._stroke(1.0) if hollow else -1
        cv2.circle(self.image, centre, round(radius * self.scale * 16), colour[::-1], stroke, cv2.LINE_AA, 4)

    def text(self, text: str, x: float, middle: float, font: Font, *, room: float, right: bool = False) -> float:
        """One line of text whose capitals are centred on `middle`; returns its width.

        It begins at `x`, or ends there if `right`. Text that needs more than `room` gets smaller, down to
        three quarters of its size, and then loses its end to an ellipsis.
        """
        pixels, text = self._fitted(text, font, room)
        if not text:
            return 0.0
        width = self._pixels_wide(text, pixels, font.bold)
        left = round(x * self.scale) - (width if right else 0)
        baseline = round(middle * self.scale + pixels * _CAP_HEIGHT / 2)
        cv2, face, colour = opencv(), _typeface(), font.colour[::-1]
        if face is not None:
            cv2.putText(self.image, text, (left, baseline), colour, face, pixels, 650 if font.bold else 400)
        else:
            strokes, thickness = self._hershey(font.bold)
            scale = pixels / _HERSHEY_SIZE
            cv2.putText(self.image, text, (left, baseline), strokes, scale, colour, thickness, cv2.LINE_AA)
        return width / self.scale

    def text_width(self, text: str, size: float, *, bold: bool = False) -> float:
        """The width of text that is not made smaller."""
        return self._pixels_wide(_printable(text), self._letter(size), bold) / self.scale

    def _fill_pixels(self, x0: int, x1: int, y0: int, y1: int, colour: Colour) -> None:
        if x0 < x1 and y0 < y1:  # ten times faster than to assign a colour to a slice
            opencv().rectangle(self.image, (x0, y0), (x1 - 1, y1 - 1), colour[::-1], -1)

    def _fitted(self, text: str, font: Font, room: float) -> tuple[int, str]:
        """The size in pixels and the part of the text that fit into `room`."""
        text = _printable(text)
        limit, bold = room * self.scale, font.bold
        largest = self._letter(font.size)
        for pixels in range(largest, max(6, round(largest * 0.75)) - 1, -1):
            if self._pixels_wide(text, pixels, bold) <= limit:
                return pixels, text
        fits, too_long = 0, len(text)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            if self._pixels_wide(_shortened(text, middle), pixels, bold) <= limit:
                fits = middle
            else:
                too_long = middle
        return pixels, _shortened(text, fits) if fits else ""

    def _pixels_wide(self, text: str, pixels: int, bold: bool) -> int:
        if not text:
            return 0
        cv2, face = opencv(), _typeface()
        if face is not None:
            x, _, width, _ = cv2.getTextSize((1 << 20, 64), text, (0, 0), face, pixels, 650 if bold else 400)
            return int(x + width)
        font, stroke = self._hershey(bold)
        (width, _), _ = cv2.getTextSize(text, font, pixels / _HERSHEY_SIZE, stroke)
        return int(width)

    def _hershey(self, bold: bool) -> tuple[int, int]:
        cv2 = opencv()
        return cv2.FONT_HERSHEY_DUPLEX if bold else cv2.FONT_HERSHEY_SIMPLEX, self._stroke(1.0)

    def _letter(self, size: float) -> int:
        return max(6, round(size * self.scale))

    def _stroke(self, thickness: float) -> int:
        return max(1, round(thickness * self.scale))


def _printable(text: str) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if _typeface() is not None else text.translate(_ASCII)


def _shortened(text: str, length: int) -> str:
    return text[:length].rstrip() + ("…" if _typeface() is not None else "...")
