"""Colours, and the rendering of decaying events as an image.

The ground and the colours of events follow OpenEB's dark palette: ON is white, OFF is blue, so that
nothing depends on red against green. Amber marks the answer, and nothing else. The light palette has the same meanings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.sources.opencv import opencv
from spikecut.tools.views.canvas import Colour

PANES: Final = ("picture", "bars", "evidence", "timeline", "answers", "clock", "operations", "spikes")
_SHADES = 32  # of either polarity


@dataclass(frozen=True, slots=True)
class OverlayStyle:
    """How an overlay looks: its size, how fast events fade, its colours as RGB.

    `scale` 1 is 960 x 540 pixels. An event has faded to 1/e after `tau_us` of the recording's time. `panes` are the
    parts that are shown, some of `PANES`; the answer is always among them.
    """

    scale: float = 1.0
    tau_us: int = 30_000
    ground: Colour = (15, 18, 27)
    panel: Colour = (30, 37, 52)
    on: Colour = (255, 255, 255)
    off: Colour = (80, 146, 226)
    text: Colour = (236, 239, 245)
    muted: Colour = (142, 151, 171)
    faint: Colour = (76, 88, 114)
    closed: Colour = (22, 27, 39)
    worked: Colour = (88, 110, 150)
    accent: Colour = (255, 176, 32)
    right: Colour = (86, 196, 214)
    warning: Colour = (255, 112, 86)
    panes: tuple[str, ...] = PANES

    def __post_init__(self) -> None:
        if not 0.25 <= self.scale <= 4.0:
            raise ConfigError(f"a scale of {self.scale:g}; expected 0.25 to 4", hint="1 is 960 x 540 pixels")
        if self.tau_us <= 0:
            raise ConfigError(f"events cannot fade within {self.tau_us} us; tau_us has to be positive")
        for name in self.panes:
            if name not in PANES:
                hint = did_you_mean(name, PANES, otherwise=f"known are {', '.join(PANES)}")
                raise ConfigError(f"there is no pane {name!r}", hint=hint)

    @property
    def dim(self) -> Colour:
        """The colour of bars while the network rests."""
        red, green, blue = ((one + other) // 2 for one, other in zip(self.faint, self.panel, strict=True))
        return red, green, blue


PALETTES: Final[Mapping[str, OverlayStyle]] = {
    "dark": OverlayStyle(),
    "light": OverlayStyle(
        ground=(246, 247, 250),
        panel=(226, 231, 240),
        on=(16, 20, 31),
        off=(47, 116, 208),
        text=(23, 28, 40),
        muted=(84, 94, 115),
        faint=(150, 162, 184),
        closed=(236, 239, 245),
        worked=(122, 150, 203),
        accent=(170, 84, 0),
        right=(0, 105, 120),
        warning=(186, 42, 10),
    ),
}


def shades(style: OverlayStyle) -> UInt8[ndarray, "1024 3"]:
    """The colour of every pair of ON and OFF, BGR: entry `32 * on + off` for shades of 0 to 31.

    The stronger polarity has the pixel to itself: mixed colours would look like neither.
    """
    level = np.linspace(0.0, 1.0, _SHADES)[:, None] ** 0.5  # the eye sees a single event, too
    ground, on, off = (np.array(colour[::-1], float) for colour in (style.panel, style.on, style.off))
    lit_on, lit_off = ground + level * (on - ground), ground + level * (off - ground)
    on_wins = np.arange(_SHADES)[:, None] >= np.arange(_SHADES)
    table = np.where(on_wins[..., None], lit_on[:, None], lit_off[None])
    return np.asarray(np.round(table).astype(np.uint8).reshape(-1, 3))


def paint_events(
    activity: Float32[ndarray, "2 H W"], white: float, table: UInt8[ndarray, "1024 3"], magnify: int
) -> UInt8[ndarray, "h w 3"]:
    """Events as a picture, every pixel a square of `magnify` pixels; an activity of `white` is full colour.

    >>> dark = np.zeros((2, 3, 4), np.float32)
    >>> paint_events(dark, 1.0, shades(OverlayStyle()), 2).shape
    (6, 8, 3)
    """
    shade = np.minimum(activity * np.float32((_SHADES - 1) / white) + np.float32(0.5), _SHADES - 1)
    off, on = shade.astype(np.uint16)
    picture: UInt8[ndarray, "H W 3"] = np.take(table, on * _SHADES + off, axis=0)
    if magnify == 1:
        return picture
    cv2 = opencv()
    size_wh = picture.shape[1] * magnify, picture.shape[0] * magnify
    return np.asarray(cv2.resize(picture, size_wh, interpolation=cv2.INTER_NEAREST))
