"""The event pictures of `spikecut why`: what the sensor saw at a few moments, each joined to the time axis."""

from collections.abc import Sequence
from math import ceil
from typing import Final

from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Rest
from spikecut.tools.reports.why_window import Explanation
from spikecut.tools.time_unit import pace_of
from spikecut.tools.views.canvas import Box, Canvas, Font
from spikecut.tools.views.palette import OverlayStyle, paint_events, shades
from spikecut.tools.views.panels import Panel
from spikecut.tools.views.scene import Scene

MOST: Final = 6
_GAP: Final = 10.0
_SMALL: Final = 240  # pixels


def moments(n_steps: int, stop: int, most: int = MOST) -> list[int]:
    """The steps that are shown, from 1: evenly through the window up to its end, one of them the stop.

    >>> moments(75, 45), moments(3, 2), moments(30, 30)
    ([12, 25, 38, 45, 62, 75], [1, 2, 3], [5, 10, 15, 20, 25, 30])
    """
    even = sorted({max(1, round(n_steps * (i + 1) / most)) for i in range(most)})
    if stop not in even:
        movable = even[:-1] if len(even) > 1 else even
        even[min(range(len(movable)), key=lambda i: abs(movable[i] - stop))] = stop
    return sorted(set(even))


def draw_thumbnails(panel: Panel, bridge: Box, plot: Box, explanation: Explanation) -> None:
    """A row of pictures, and from each a line to its moment on the axis; of a still picture there is one."""
    canvas, box, style = panel
    frames, n_steps, pace = explanation.window.frames, len(explanation.totals), pace_of(explanation.card.spec)
    width = (box.width - (MOST - 1) * _GAP) / MOST
    if len(frames[0].pixels) == 3:
        picture = frames[0].pixels.transpose(1, 2, 0)[..., ::-1]
        canvas.paste(picture.copy(), box)
        return
    steps = moments(n_steps, explanation.main.steps)
    first = box.x + (box.width - len(steps) * (width + _GAP) + _GAP) / 2
    _, sensor_height, sensor_width = frames[0].pixels.shape
    height = min(box.height, width * sensor_height / sensor_width)
    slots = [Box(first + i * (width + _GAP), box.bottom - height, width, height) for i in range(len(steps))]
    pictures = event_pictures(frames, steps, slots[0], style)
    for step, slot, picture in zip(steps, slots, pictures, strict=True):
        is_stop = explanation.stops and step == explanation.main.steps
        colour = style.accent if is_stop else style.muted
        taken = canvas.paste(picture, slot)
        if is_stop:
            canvas.frame(taken, style.accent, 2)
        words = f"{pace.whole(step)} · {'end' if step == n_steps else 'stop'}" if is_stop else pace.whole(step)
        middle = slot.x + slot.width / 2
        left = middle - canvas.text_width(words, 12, bold=is_stop) / 2
        canvas.text(words, left, slot.bottom + 9, Font(12, colour, bold=is_stop), room=slot.width)
        x = plot.x + plot.width * step / n_steps
        canvas.line([(middle, bridge.y), (x, bridge.bottom)], style.accent if is_stop else style.faint, 1)


def thumbnail(frames: Sequence[Frame], step: int, style: OverlayStyle | None = None) -> bytes:
    """A PNG of the events until a step, 240 pixels wide or a little more; of a still picture that."""
    style = style or OverlayStyle()
    _, height, width = frames[0].pixels.shape
    slot = Box(0, 0, _SMALL / style.scale, _SMALL / style.scale * height / width)
    if len(frames[0].pixels) == 3:
        return Canvas(frames[0].pixels.transpose(1, 2, 0)[..., ::-1].copy(), 1.0).png()
    return Canvas(event_pictures(frames, [min(step, len(frames))], slot, style)[0], 1.0).png()


def event_pictures(
    frames: Sequence[Frame], steps: Sequence[int], slot: Box, style: OverlayStyle
) -> list[UInt8[ndarray, "h w 3"]]:
    """The fading events after each of the steps, BGR, at least as large as a slot of the page."""
    room_wh = round(slot.width * style.scale), round(slot.height * style.scale)
    scene, table, pictures = Scene(), shades(style), []
    for at, frame in enumerate(frames[: max(steps)]):
        scene = scene.after(Rest(frame), tau_us=style.tau_us, room_wh=room_wh)
        assert scene.activity is not None
        if at + 1 in steps:
            _, height, width = scene.activity.shape
            magnify = max(1, min(ceil(room_wh[0] / width), ceil(room_wh[1] / height)))
            pictures.append(paint_events(scene.activity, scene.white, table, magnify))
    return pictures
