"""The gutter of `spikecut why`: what is labelled, and one row for each rule with its stop and its answer."""

from typing import Final

from spikecut.tools.reports.why_window import Answer, Explanation
from spikecut.tools.time_unit import pace_of
from spikecut.tools.views.canvas import PAGE_WIDTH, Box, Font
from spikecut.tools.views.panels import Panel, draw_mark

_ROW: Final = 21.0
_HEAD: Final = 22.0
_MARGIN: Final = 20.0
_SIZE: Final = 12.5


def height_of_rows(explanation: Explanation) -> float:
    """The height of all rows: a head, the truth if it is known, and every answer."""
    return _HEAD + _ROW * (len(explanation.answers) + (explanation.window.truth is not None)) + 4


def draw_rows(panel: Panel, explanation: Explanation) -> None:
    """The head, the labelled spans, then the answers, that of the full window first."""
    canvas, box, style = panel
    truth = explanation.window.truth
    canvas.text("rule", _MARGIN, box.y + 10, Font(12, style.text, bold=True), room=120)
    against = "the full window" if truth is None else "the truth"
    words = f"against {against}"
    width = canvas.text("answer", box.right + 18, box.y + 10, Font(12, style.text, bold=True), room=60)
    canvas.text(words, box.right + 24 + width, box.y + 10, Font(12, style.muted), room=140)
    y = box.y + _HEAD
    if truth is not None:
        _draw_truth(panel, explanation, y + _ROW / 2)
        y += _ROW
    for answer in explanation.answers:
        _draw_answer(panel, explanation, answer, y + _ROW / 2)
        y += _ROW


def _draw_truth(panel: Panel, explanation: Explanation, middle: float) -> None:
    """The labelled stretches of the window; of a recording of one class that is all of it."""
    canvas, box, style = panel
    window, classes = explanation.window, explanation.card.classes
    truth = window.truth
    assert truth is not None
    canvas.text("truth", _MARGIN, middle, Font(_SIZE, style.text, bold=True), room=box.x - _MARGIN - 12)
    start_us = window.frames[0].start_us
    window_us = max(1, window.frames[-1].end_us - start_us)
    spans = [(one.label, one.start_us, one.end_us) for one in window.spans]
    for label, begins_us, ends_us in spans or [(truth, start_us, start_us + window_us)]:
        begins, ends = (min(max((one - start_us) / window_us, 0.0), 1.0) for one in (begins_us, ends_us))
        stretch = Box(box.x + begins * box.width, middle - 7, (ends - begins) * box.width, 14)
        canvas.fill(stretch, style.right)
        canvas.fill(Box(stretch.x + 1, stretch.y + 1, max(0.0, stretch.width - 2), 12), style.panel)
        if canvas.text_width(classes[label], 11) <= stretch.width - 12:
            canvas.text(classes[label], stretch.x + 6, middle, Font(11, style.right), room=stretch.width - 10)
    canvas.disc(box.right + 24, middle, 4.5, style.text, hollow=True)
    room = PAGE_WIDTH - _MARGIN - box.right - 36
    canvas.text(classes[truth], box.right + 36, middle, Font(_SIZE, style.text, bold=True), room=room)


def _draw_answer(panel: Panel, explanation: Explanation, answer: Answer, middle: float) -> None:
    """The time that a rule took as a bar, its stop, and on the right its answer with a mark."""
    canvas, box, style = panel
    truth, pace = explanation.window.truth, pace_of(explanation.card.spec)
    is_main = explanation.stops and answer.rule == explanation.rule
    is_good = answer.as_full if truth is None else answer.label == truth
    name = Font(_SIZE, style.text if is_main else style.muted, bold=is_main)
    canvas.text(answer.rule, _MARGIN, middle, name, room=box.x - _MARGIN - 12)
    width = box.width * answer.steps / len(explanation.totals)
    canvas.fill(Box(box.x, middle - 5, box.width, 10), style.panel)
    canvas.fill(Box(box.x, middle - 5, width, 10), style.worked)
    stop = style.accent if is_main else style.text if is_good else style.warning
    canvas.rule(box.x + width, Box(0, middle - 8, 0, 16), stop, 3)
    words = pace.whole(answer.steps)
    needed = canvas.text_width(words, 11) + 10
    left = box.x + width + 6 if width + needed <= box.width else box.x + width - needed + 2
    canvas.text(words, left, middle, Font(11, style.text), room=needed)
    draw_mark(canvas, box.right + 24, middle, style, is_good, 6)
    label = explanation.card.classes[answer.label]
    font = Font(_SIZE, style.text if is_main else style.muted if is_good else style.warning, bold=is_main)
    canvas.text(label, box.right + 36, middle, font, room=PAGE_WIDTH - _MARGIN - box.right - 36)
