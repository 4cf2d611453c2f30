"""The picture of `spikecut why`: events above, evidence and a rule's score below, one row for each rule, the truth.

The style is that of the overlays, amber marks the answer of one rule, the network's default. All panels share one
time axis. Sizes are in units of a page 960 wide; the page is as high as its rows.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.pipeline.evidence.probability import softmax
from spikecut.tools.reports.why_rows import draw_rows, height_of_rows
from spikecut.tools.reports.why_thumbnails import draw_thumbnails
from spikecut.tools.reports.why_window import Explanation
from spikecut.tools.time_unit import Pace, pace_of
from spikecut.tools.views.canvas import PAGE_WIDTH, Box, Canvas, Colour, Font
from spikecut.tools.views.palette import OverlayStyle
from spikecut.tools.views.panels import Panel, draw_mark

MOST_NAMED: Final = 6
_SCALE: Final = 1.25  # 1200 pixels wide
_MARGIN: Final = 20.0
_PLOT: Final = Box(156, 0, 574, 0)
_HEADER: Final = Box(_MARGIN, 0, PAGE_WIDTH - 2 * _MARGIN, 76)
_THUMBNAILS: Final = Box(_MARGIN, 80, PAGE_WIDTH - 2 * _MARGIN, 146)
_BRIDGE: Final = Box(_MARGIN, 244, PAGE_WIDTH - 2 * _MARGIN, 22)  # from each thumbnail to its moment
_EVIDENCE: Final = _PLOT._replace(y=266, height=170)
_SCORE: Final = _PLOT._replace(y=448, height=92)
_AXIS_HEIGHT, _FOOTER_HEIGHT = 22.0, 34.0
_PITCH: Final = 17.0  # of names beside lines
_OTHERS: Final[tuple[Colour, ...]] = (
    (226, 146, 196),
    (132, 156, 255),
    (116, 204, 142),
    (190, 152, 112),
    (176, 184, 200),
    (236, 232, 150),
)


class Line(NamedTuple):
    """A class whose probability is drawn: its label, its colour, and the thickness of its line."""

    label: int
    colour: Colour
    thickness: float


def picture(explanation: Explanation, style: OverlayStyle | None = None) -> bytes:
    """A PNG, 1200 pixels wide: event pictures, probabilities, a score against its threshold, the stop of each rule."""
    style = style or OverlayStyle(scale=_SCALE)
    rows_height = height_of_rows(explanation)
    panels = (_EVIDENCE, _SCORE) if explanation.trace else (_EVIDENCE,)
    rows = _PLOT._replace(y=panels[-1].bottom + 16, height=rows_height)
    canvas = Canvas.blank(style.ground, style.scale, rows.bottom + _AXIS_HEIGHT + _FOOTER_HEIGHT)
    n_steps, main = len(explanation.totals), explanation.main
    _draw_header(Panel(canvas, _HEADER, style), explanation)
    draw_thumbnails(Panel(canvas, _THUMBNAILS, style), _BRIDGE, _PLOT, explanation)
    for box in panels:
        canvas.fill(box, style.panel)
    axis = Box(_PLOT.x, rows.bottom, _PLOT.width, _AXIS_HEIGHT)
    _draw_axis(Panel(canvas, axis, style), panels, n_steps, pace_of(explanation.card.spec))
    _draw_evidence(Panel(canvas, _EVIDENCE, style), explanation)
    _draw_score(Panel(canvas, _SCORE, style), explanation)
    draw_rows(Panel(canvas, rows, style), explanation)
    if explanation.stops:
        for box in panels:
            canvas.rule(place(_PLOT, main.steps, n_steps), box, style.accent, 1.5)
    middle = axis.bottom + _FOOTER_HEIGHT / 2
    canvas.text(explanation.window.title, _MARGIN, middle, Font(13, style.muted), room=560)
    network = f"network {explanation.card.name}"
    canvas.text(network, PAGE_WIDTH - _MARGIN, middle, Font(13, style.muted), room=320, right=True)
    return canvas.png()


def place(box: Box, step: float, n_steps: int) -> float:
    """Where on the time axis a step has ended."""
    return box.x + box.width * step / n_steps


def spread(wanted: Sequence[float], pitch: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones, in their order, at least `pitch` apart and from `low` to `high`, if that has room.

    >>> spread([10, 10, 50], 17, 0, 100)
    [1.5, 18.5, 50.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[tuple[float, list[int]]] = []  # the middle of each, and its members
    for i in order:
        middle, members = float(wanted[i]), [i]
        while True:
            half = pitch * (len(members) - 1) / 2
            middle = min(max(middle, low + half), high - half) if high - low >= 2 * half else (low + high) / 2
            if not groups or middle - half - (groups[-1][0] + pitch * (len(groups[-1][1]) - 1) / 2) >= pitch:
                break
            _, before = groups.pop()
            members = before + members
            middle = sum(wanted[j] for j in members) / len(members)
        groups.append((middle, members))
    placed = [0.0] * len(wanted)
    for middle, members in groups:
        for at, i in enumerate(members):
            placed[i] = middle + pitch * (at - (len(members) - 1) / 2)
    return placed


def lines_of(explanation: Explanation, probability: Float32[ndarray, "T K"], style: OverlayStyle) -> list[Line]:
    """The classes that are drawn and named: the leading few, the answers among them, and the truth, the answer last."""
    answer, truth = explanation.main.label, explanation.window.truth
    wanted = [answer, *(() if truth is None else (truth,)), explanation.answers[0].label]
    leading = np.argsort(-probability.max(axis=0), kind="stable").tolist()
    shown = list(dict.fromkeys([*wanted, *leading]))[: min(MOST_NAMED, len(leading))]
    others = iter(_OTHERS)
    lines = []
    for label in shown:
        colour = style.accent if label == answer else style.right if label == truth else next(others)
        lines.append(Line(label, colour, 2.5 if label in (answer, truth) else 1.5))
    return lines[::-1]


def _draw_header(panel: Panel, explanation: Explanation) -> None:
    """Left the answer of the rule and its time, right the truth with a mark."""
    canvas, box, style = panel
    classes, main, truth = explanation.card.classes, explanation.main, explanation.window.truth
    n_steps, pace = len(explanation.totals), pace_of(explanation.card.spec)
    canvas.text(classes[main.label], box.x, box.y + 28, Font(30, style.accent, bold=True), room=560)
    words = f"{main.rule} stops after {pace.whole(main.steps)} · step {main.steps} of {n_steps}"
    if main.steps == n_steps:
        no_stop = "" if not explanation.stops else "does not stop before the end, "
        words = f"{main.rule} {no_stop}after {pace.whole(n_steps)} · {n_steps} steps"
    width = canvas.text(words, box.x, box.y + 56, Font(15, style.text, bold=True), room=560)
    full = classes[explanation.answers[0].label]
    font = Font(15, style.muted if main.as_full else style.warning)
    left = box.x + width + 12
    if explanation.stops:
        canvas.text(f"full window: {full}", left, box.y + 56, font, room=box.x + 700 - left)
    if truth is None:
        canvas.text("nothing labelled", box.right, box.y + 28, Font(15, style.muted), room=200, right=True)
        return
    is_right = main.label == truth
    draw_mark(canvas, box.right - 11, box.y + 28, style, is_right)
    font = Font(15, style.right if is_right else style.warning, bold=True)
    canvas.text("right" if is_right else "wrong", box.right, box.y + 56, font, room=120, right=True)
    name = Font(18, style.text, bold=True)
    width = canvas.text(classes[truth], box.right - 32, box.y + 28, name, room=230, right=True)
    canvas.text("truth", box.right - 40 - width, box.y + 28, Font(15, style.muted), room=50, right=True)


def _draw_evidence(panel: Panel, explanation: Explanation) -> None:
    """The probabilities of the leading classes after every step, each named beside the end of its line."""
    canvas, box, style = panel
    probability = np.asarray(softmax(explanation.totals), np.float32)
    n_steps, n_classes = probability.shape
    lines = lines_of(explanation, probability, style)

    def height_of(value: float) -> float:
        return box.bottom - 6 - value * (box.height - 12)

    _caption(panel, "evidence", "confidence", f"{len(lines)} of {n_classes} classes" if len(lines) < n_classes else "")
    for value in (0.0, 0.5, 1.0):
        y = height_of(value)
        canvas.line([(box.x, y), (box.right, y)], style.faint, 0.6)
        canvas.text(f"{value:g}", box.x - 6, y, Font(11, style.muted), room=30, right=True)
    ends = [height_of(float(probability[-1, line.label])) for line in lines]
    names = spread(ends, _PITCH, box.y + 8, box.bottom - 8)
    for line, end, name_y in zip(lines, ends, names, strict=True):
        curve = [(place(box, t + 1, n_steps), height_of(float(p))) for t, p in enumerate(probability[:, line.label])]
        canvas.line([curve[0], *curve], line.colour, line.thickness)
        canvas.line([(box.right, end), (box.right + 12, name_y)], line.colour, 1.0)
        x = box.right + 18
        if line.label == explanation.window.truth:
            canvas.disc(x + 4, name_y, 3.5, style.text, hollow=True)
            x += 14
        font = Font(13, line.colour, bold=line.thickness > 2)
        canvas.text(explanation.card.classes[line.label], x, name_y, font, room=PAGE_WIDTH - _MARGIN - x)


def _draw_score(panel: Panel, explanation: Explanation) -> None:
    """The rule's score after every step, and over each step the threshold to exceed."""
    canvas, box, style = panel
    trace = explanation.trace
    if trace is None:
        return
    n_steps, limits = len(trace.scores), trace.thresholds or ()
    finite = [value for value in (*limits, *trace.scores) if isfinite(value)]
    low, high = min([0.0, *finite]), max([0.0, *finite])

    def height_of(value: float) -> float:
        return box.bottom - 6 - (value - low) / ((high - low or 1.0) * 1.1) * (box.height - 12)

    _caption(panel, "score", trace.rule, "" if limits else "it has no threshold")
    first_open = next((t for t, limit in enumerate(limits) if isfinite(limit)), len(limits))
    closed = box._replace(width=place(box, first_open, n_steps) - box.x)
    if first_open:
        canvas.fill(closed, style.closed)
    for t, limit in enumerate(limits):
        if isfinite(limit):
            y = height_of(limit)
            canvas.line([(place(box, t + 0.1, n_steps), y), (place(box, t + 1, n_steps), y)], style.muted, 1.5)
    points = [(place(box, t + 1, n_steps), height_of(s)) for t, s in enumerate(trace.scores) if isfinite(s)]
    if points:
        canvas.line([points[0], *points], style.text, 2.0)
    if closed.width > 110:
        canvas.text("cannot stop yet", box.x + 8, box.y + 12, Font(11, style.muted), room=closed.width - 12)
    at_stop = explanation.main.steps - 1
    score = trace.scores[at_stop]
    if isfinite(score):
        canvas.disc(place(box, at_stop + 1, n_steps), height_of(score), 4.5, style.accent)
    moment = "end" if at_stop + 1 == n_steps else "stop"
    words = [(f"score at the {moment} {_figure(score)}", style.accent)]
    if limits and isfinite(limits[at_stop]):
        words.append((f"threshold {_figure(limits[at_stop])}", style.muted))
    for at, (text, colour) in enumerate(words):
        canvas.text(text, box.right + 18, box.y + 14 + _PITCH * at, Font(13, colour), room=PAGE_WIDTH - box.right - 38)


def _draw_axis(panel: Panel, panels: Sequence[Box], n_steps: int, pace: Pace) -> None:
    """Round times below everything, and faint lines through the panels."""
    canvas, box, style = panel
    total = n_steps * pace.factor
    every = next(step * 10.0**power for power in range(-1, 12) for step in (1, 2, 5) if total <= 8 * step * 10.0**power)
    every = max(every, 1.0) if pace.unit == "steps" else every
    for number in range(int(total / every + 1e-9) + 1):
        x = box.x + box.width * number * every / total
        for above in panels:
            canvas.rule(x, above, style.ground, 1)
        canvas.rule(x, Box(x, box.y - 2, 0, 6), style.faint, 1)
        words = f"{number * every:g}" + (f" {pace.unit}" if number == 0 else "")
        left = x - canvas.text_width(f"{number * every:g}", 11) / 2
        canvas.text(words, left, box.y + 13, Font(11, style.muted), room=80)


def _caption(panel: Panel, name: str, *lines: str) -> None:
    """The name of a panel in the gutter on its left, and words on it below."""
    canvas, box, style = panel
    canvas.text(name, _MARGIN, box.y + 8, Font(12, style.text, bold=True), room=box.x - _MARGIN - 30)
    for at, words in enumerate(lines):
        canvas.text(words, _MARGIN, box.y + 25 + 16 * at, Font(12, style.muted), room=box.x - _MARGIN - 30)


def _figure(value: float) -> str:
    """A score in three digits or so.

    >>> _figure(0.98765), _figure(12.3456), _figure(0.99995)
    ('0.988', '12.3', '1.00')
    """
    return f"{value:.3g}" if abs(value) < 0.9995 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
