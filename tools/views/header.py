"""The text above and below an overlay: the answer with its reason, the truth, and the numbers of the recording."""

from collections.abc import Sequence
from typing import Final

from spikecut.pipeline.clock import format_us
from spikecut.pipeline.metrics.session_score import Outcome
from spikecut.pipeline.results import Decision
from spikecut.tools.views.canvas import Box, Font
from spikecut.tools.views.icons import SMALLEST_PIXELS, draw_icon, icon_of
from spikecut.tools.views.panels import Panel, draw_mark, short
from spikecut.tools.views.scene import Scene

NO_GESTURE: Final = "movement, no gesture"
_HEADLINE: Final = 28.0  # the middle of a line, in units of the page below the panel's top
_SUBLINE: Final = 56.0
_FOOTLINE: Final = 16.0
_ICON, _ABOVE_ICON = 52.0, 14.0
_ROOM_BESIDE_TRUTH: Final = 600.0
_GOOD: Final = (Outcome.right, Outcome.repeated)
_ROOM_OF_TITLE: Final = 230.0
_PITCH: Final = 16.0  # of the marks of past answers
_ROOM_OF_SCORE: Final = 150.0


def draw_header(panel: Panel, scene: Scene, names: Sequence[str], horizon: int) -> None:
    """Left the answer, its time and its reason, or how far the network is; right the truth, if it is known."""
    room = panel.box.width if scene.truth is None and scene.verdict is None else _ROOM_BESIDE_TRUTH
    if scene.decision is None:
        _draw_progress(panel, scene, horizon, room)
    else:
        _draw_answer(panel, scene.decision, names, horizon, room)
    if scene.truth is not None:
        _draw_truth(panel, names[scene.truth], verdict_of(scene))
    elif scene.decision is not None and scene.verdict is not None:
        _draw_truth(panel, "", verdict_of(scene))


def draw_footer(panel: Panel, scene: Scene, note: str) -> None:
    """The recording's title and moment, the verdicts so far; its events, rate and losses; and how fast it is played."""
    canvas, box, style = panel
    rate = scene.n_events / scene.seen_us * 1e6 if scene.seen_us else 0.0
    work = operations_words(scene) if "operations" in style.panes else ""
    right, middle = box.right, box.y + _FOOTLINE
    has_clock = "clock" in style.panes
    pieces = [
        (f"{scene.n_events:,} events", Font(13, style.muted)),
        (f"{short(rate)} events/s", Font(13, style.muted)),
        (f"{scene.n_lost:,} dropped" if scene.n_lost else "", Font(13, style.warning, bold=True)),
        (note, Font(13, style.text)),
    ]
    for words, font in reversed([(work, Font(13, style.muted)), *(pieces if has_clock else ())]):
        if not words:
            continue
        right -= canvas.text(words, right, middle, font, room=200, right=True) + 22
    left = box.x
    clock = "" if scene.began_us is None else f"{(scene.now_us - scene.began_us) / 1e6:.2f} s"
    titles = ((scene.title, Font(13, style.muted)), (clock, Font(13, style.text, bold=True)))
    for words, font in titles if has_clock else ():
        left += canvas.text(words, left, middle, font, room=_ROOM_OF_TITLE) + 14
    if "answers" in style.panes:
        _draw_past(panel, scene.past, left, right, middle)


def _draw_progress(panel: Panel, scene: Scene, horizon: int, room: float) -> None:
    canvas, box, style = panel
    n_steps = len(scene.scores)
    if scene.resting:
        words = f"no new answer after step {n_steps}; the network is at rest"
    elif n_steps:
        words = f"{format_us(scene.seen_us)} · step {n_steps} of {horizon}"
    else:
        words = "the network is at rest" if scene.seen_us else ""
    deciding = (n_steps or not scene.seen_us) and not scene.resting
    doing = "deciding …" if deciding else "watching …"
    if scene.rejected:
        doing = NO_GESTURE
    canvas.text(doing, box.x, box.y + _HEADLINE, Font(30, style.muted), room=room)
    canvas.text(words, box.x, box.y + _SUBLINE, Font(15, style.muted), room=room)


def _draw_answer(panel: Panel, decision: Decision, names: Sequence[str], horizon: int, room: float) -> None:
    canvas, box, style = panel
    answer = names[decision.label]
    if (icon := icon_of(answer)) is not None and _ICON * canvas.scale >= SMALLEST_PIXELS:
        draw_icon(canvas, icon, Box(box.x, box.y + _ABOVE_ICON, _ICON, _ICON), style.text, style.accent)
        box, room = box._replace(x=box.x + _ICON + 12), room - _ICON - 12
    canvas.text(answer, box.x, box.y + _HEADLINE, Font(30, style.accent, bold=True), room=room)
    words = f"DECIDED at {format_us(decision.latency_us)} · step {decision.steps} of {horizon}"
    middle = box.y + _SUBLINE
    width = canvas.text(words, box.x, middle, Font(15, style.text, bold=True), room=room)
    left = box.x + width + 12
    canvas.text(decision.reason.value, left, middle, Font(15, style.muted), room=box.x + room - left)


def verdict_of(scene: Scene) -> Outcome | None:
    """That of the session; without labels of a session, whether the answer is the true class."""
    if scene.decision is None or scene.verdict is not None:
        return None if scene.decision is None else scene.verdict
    return Outcome.right if scene.decision.label == scene.truth else Outcome.wrong


def _draw_past(panel: Panel, past: Sequence[Outcome], left: float, right: float, middle: float) -> None:
    """A mark for each answer so far, the last ones where there is not room for all, and how many are right."""
    if not past:
        return
    canvas, _, style = panel
    room = max(0, int((right - left - _ROOM_OF_SCORE) / _PITCH))
    for verdict in past[-room:] if room else ():
        draw_mark(canvas, left + _PITCH / 2, middle, style, verdict in _GOOD, 6)
        left += _PITCH
    n_right = sum(verdict is Outcome.right for verdict in past)
    words = f"{n_right} right of {len(past)} answers"
    if canvas.text_width(words, 13) <= right - left - 8:
        canvas.text(words, left + 6, middle, Font(13, style.text), room=right - left - 8)


def _draw_truth(panel: Panel, name: str, verdict: Outcome | None) -> None:
    """The true class, if one is labelled, and a mark for the verdict on the answer, if there is one."""
    canvas, box, style = panel
    right, middle = box.right, box.y + _HEADLINE
    if verdict is not None:
        good = verdict in _GOOD
        draw_mark(canvas, right - 11, middle, style, good)
        font = Font(15, style.right if good else style.warning, bold=True)
        canvas.text(verdict.name.replace("_", " "), right, box.y + _SUBLINE, font, room=120, right=True)
        right -= 32
    if not name:
        canvas.text("nothing labelled", right, middle, Font(15, style.muted), room=140, right=True)
        return
    name_room = right - box.x - _ROOM_BESIDE_TRUTH - 70
    width = canvas.text(name, right, middle, Font(18, style.text, bold=True), room=name_room, right=True)
    canvas.text("truth", right - width - 8, middle, Font(15, style.muted), room=50, right=True)


def operations_words(scene: Scene) -> str:
    """The synaptic operations so far; at least so many where an engine did not count all steps, nothing if none."""
    if not scene.n_counted:
        return ""
    return f"{'≥ ' if scene.n_uncounted else ''}{short(scene.n_operations)} operations"
