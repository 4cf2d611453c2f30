"""The panels of the overlay, one function each: bars, trace, timeline, ticks, and the mark for right and wrong."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.pipeline.clock import format_us
from spikecut.pipeline.results import Decision, StopReason
from spikecut.tools.views.canvas import Box, Canvas, Font
from spikecut.tools.views.icons import SMALLEST_PIXELS, draw_icon, icon_of
from spikecut.tools.views.palette import OverlayStyle

MOST_BARS = 20
_TOP_BARS = 12


class Panel(NamedTuple):
    """A part of the page: where it is drawn, and in which colours."""

    canvas: Canvas
    box: Box
    style: OverlayStyle


def shown_classes(probability: Float32[ndarray, " K"]) -> list[int]:
    """The classes that get a bar: all up to 20, else the top 12, always in the order of the labels."""
    if len(probability) <= MOST_BARS:
        return list(range(len(probability)))
    return sorted(np.argsort(-probability, kind="stable")[:_TOP_BARS].tolist())


def draw_bars(
    panel: Panel,
    names: Sequence[str],
    probability: Float32[ndarray, " K"],
    leader: int | None,
    decided: bool,
    truth: int | None,
) -> None:
    """One bar a class; the leader in the accent colour, bold, and with an arrow; the truth with a ring.

    Classes get the icon that they have, where there is room. Without a leader, while the network rests, bars are dim.
    """
    canvas, box, style = panel
    shown = shown_classes(probability)
    row = box.height / len(shown)
    size = min(15.0, max(10.5, row * 0.7))
    widest = max(canvas.text_width(names[label], size, bold=True) for label in shown)
    side = _icon_side(canvas, [names[label] for label in shown], row)
    gutter, value_room, gap = 18.0 + (side and side + 10), 38.0, 12.0
    name_room = min(widest + 2, box.width * 0.42)
    bar = Box(box.x + gutter + name_room + gap, 0, box.width - gutter - name_room - value_room - 2 * gap, 0)
    for at, label in enumerate(shown):
        middle = box.y + (at + 0.5) * row
        leads = label == leader
        thick = min(16.0, row * 0.62)
        track = Box(bar.x, middle - thick / 2, bar.width, thick)
        if leads and decided:
            canvas.fill(Box(box.x, middle - row / 2, box.width, row), style.panel)
            canvas.fill(Box(box.x, middle - row / 2, 3, row), style.accent)
        font = Font(size, style.text if leads else style.muted, leads)
        if leads:
            _arrow(canvas, box.x + 9, middle, style)
        elif label == truth:
            canvas.disc(box.x + 9, middle, 3.5, style.text, hollow=True)
        if side and (icon := icon_of(names[label])) is not None:
            place = Box(box.x + 20, middle - side / 2, side, side)
            draw_icon(canvas, icon, place, font.colour, style.accent if leads else font.colour)
        canvas.text(names[label], box.x + gutter, middle, font, room=name_room)
        canvas.fill(track, style.ground if leads and decided else style.panel)
        width = max(1.5, float(probability[label]) * track.width)
        canvas.fill(
            track._replace(width=width), style.accent if leads else style.dim if leader is None else style.faint
        )
        canvas.text(f"{probability[label]:.2f}", box.right - 4, middle, font, room=value_room, right=True)


def draw_trace(
    panel: Panel,
    scores: Sequence[float],
    thresholds: Sequence[float] | None,
    horizon: int,
    decided: bool,
) -> None:
    """The decider's score after every step, and over each step the threshold it has to exceed."""
    canvas, box, style = panel
    canvas.fill(box, style.panel)
    limits = list(thresholds or ())
    finite = [value for value in (*limits, *scores) if isfinite(value)]
    low, high = min([0.0, *finite]), max([0.0, *finite])
    span = (high - low or 1.0) * 1.1
    step_width = box.width / horizon

    def height_of(value: float) -> float:
        return box.bottom - 6 - (value - low) / span * (box.height - 12)

    open_from = next((at for at, limit in enumerate(limits) if isfinite(limit)), len(limits))
    if open_from:
        closed = Box(box.x, box.y, open_from * step_width, box.height)
        canvas.fill(closed, style.closed)
        if closed.width > 100:
            canvas.text("cannot stop yet", box.x + 8, box.y + 12, Font(11, style.muted), room=closed.width - 12)
    for at, limit in enumerate(limits):
        if isfinite(limit):
            x, y = box.x + at * step_width, height_of(limit)
            canvas.line([(x + step_width * 0.15, y), (x + step_width * 0.85, y)], style.muted, 1.5)
    points = [
        (box.x + (at + 0.5) * step_width, height_of(score))
        for at, score in enumerate(scores[:horizon])
        if isfinite(score)
    ]
    if not points:
        return
    x, y = points[-1]
    if decided:
        canvas.rule(x, box, style.accent, 2)
    canvas.line([points[0], *points], style.text, 2.0)
    canvas.disc(x, y, 5.0 if decided else 4.0, style.accent)


def draw_timeline(
    panel: Panel,
    seen_us: int,
    step_us: int,
    horizon: int,
    decision: Decision | None,
) -> None:
    """The window as a bar from left to right: the steps read, the decision, and the steps saved."""
    canvas, box, style = panel
    window_us = step_us * horizon

    def place(time_us: int) -> float:
        return box.x + box.width * min(time_us / window_us, 1.0)

    canvas.fill(box, style.panel)
    worked = place(seen_us if decision is None else decision.latency_us)
    canvas.fill(box._replace(width=worked - box.x), style.worked)
    if box.width / horizon >= 5:
        for step in range(1, horizon):
            x = box.x + box.width * step / horizon
            if decision is None or x < worked:
                canvas.rule(x, box, style.ground)
    if decision is None:
        canvas.rule(worked, Box(box.x, box.y - 4, 0, box.height + 8), style.text, 2)
        return
    canvas.fill(Box(worked, box.bottom - 2, place(seen_us) - worked, 2), style.muted)
    canvas.rule(worked, Box(box.x, box.y - 6, 0, box.height + 12), style.accent, 3)
    unneeded = horizon - decision.steps
    if decision.reason is not StopReason.cutoff or unneeded <= 0:
        return
    room = box.right - worked - 20
    for words in (f"network at rest: {unneeded} of {horizon} steps not needed", f"{unneeded} not needed"):
        if canvas.text_width(words, 13) <= room:
            canvas.text(words, worked + 12, box.y + box.height / 2 - 1, Font(13, style.text), room=room)
            return


def draw_ticks(panel: Panel, window_us: int) -> None:
    """Round times under the timeline, four to eight of them."""
    canvas, box, style = panel
    every = next(step * 10**power for power in range(12) for step in (1, 2, 5) if window_us / (step * 10**power) <= 8)
    for time_us in range(0, window_us + 1, every):
        x = box.x + box.width * time_us / window_us
        words = format_us(time_us)
        width = canvas.text_width(words, 11)
        left = min(max(x - width / 2, box.x), box.right - width)
        canvas.text(words, left, box.y + box.height / 2, Font(11, style.muted), room=width + 1)


def draw_mark(canvas: Canvas, x: float, y: float, style: OverlayStyle, right: bool, radius: float = 11) -> None:
    """A check mark or a cross on a disc: they differ in shape, not only in colour."""
    canvas.disc(x, y, radius, style.right if right else style.warning)
    tick = [[(-5.0, 0.5), (-1.5, 4.5), (5.5, -4.0)]]
    cross = [[(-4.2, -4.2), (4.2, 4.2)], [(-4.2, 4.2), (4.2, -4.2)]]
    for stroke in tick if right else cross:
        points = [(x + dx * radius / 11, y + dy * radius / 11) for dx, dy in stroke]
        canvas.line(points, style.ground, 2.6 * radius / 11)


def short(number: float) -> str:
    """A number in three digits or so.

    >>> short(86_400), short(2_310_000), short(950)
    ('86 k', '2.3 M', '950')
    """
    if number >= 999_500:
        return f"{number / 1e6:.1f} M"
    return f"{number / 1e3:.0f} k" if number >= 1_000 else f"{number:.0f}"


def _icon_side(canvas: Canvas, names: Sequence[str], row: float) -> float:
    """How large icons beside bars are; 0 where no class has one, or rows are too low."""
    side = min(row - 3, 24.0)
    return side if side * canvas.scale >= SMALLEST_PIXELS and any(map(icon_of, names)) else 0.0


def _arrow(canvas: Canvas, x: float, y: float, style: OverlayStyle) -> None:
    canvas.line([(x - 2, y - 4), (x + 3, y), (x - 2, y + 4)], style.accent, 2.0)
