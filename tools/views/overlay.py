"""The overlay of a run: events, evidence, the score against the threshold, and the time of the decision.

A `Scene` is the state that is shown, an `Overlay` draws it, and neither changes:

    scene = overlay.begin("seven.bin", truth=7)
    scene = overlay.see(scene, item)       # a Step, a Decision, a Rejection, or a Rest
    image = overlay.draw(scene)            # a fresh BGR image
"""

from collections.abc import Sequence
from math import isfinite
from typing import Final

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.results import Item, Rest
from spikecut.tools.views.canvas import PAGE_HEIGHT, PAGE_WIDTH, Box, Canvas, Font
from spikecut.tools.views.header import draw_footer, draw_header
from spikecut.tools.views.palette import PANES, OverlayStyle, paint_events, shades
from spikecut.tools.views.panels import (
    MOST_BARS,
    Panel,
    draw_bars,
    draw_ticks,
    draw_timeline,
    draw_trace,
    shown_classes,
)
from spikecut.tools.views.scene import Scene, softmax
from spikecut.tools.views.spikes import caption_words, draw_spikes

_MARGIN: Final = 20.0
_MAIN: Final = Box(_MARGIN, 76, PAGE_WIDTH - 2 * _MARGIN, 384)
_WIDEST_VIEW: Final = 480.0
_TIMELINE: Final = Box(_MARGIN, 472, PAGE_WIDTH - 2 * _MARGIN, 20)
_TICKS: Final = Box(_MARGIN, 494, PAGE_WIDTH - 2 * _MARGIN, 14)
_HEADER: Final = Box(_MARGIN, 0, PAGE_WIDTH - 2 * _MARGIN, 76)
_FOOTER: Final = Box(_MARGIN, 508, PAGE_WIDTH - 2 * _MARGIN, 32)
_CAPTION: Final = 18.0
_TALLEST_ROW, _BARS_HEIGHT = 32.0, 252.0
_SHARE_OF_SCORE: Final = 0.58  # of the room that it has together with the spikes


class Overlay:
    """How recordings of one model are shown: `names` of the classes, `horizon` steps of `step_us` each.

    `thresholds` holds the score to exceed at every step, infinite where stopping is not allowed yet; None
    if there is no cutoff. `note` is a word on the playback, such as "slow motion 1/4".

    Raises:
        ConfigError: no class, no step, or not one threshold a step.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        horizon: int,
        step_us: int,
        thresholds: Sequence[float] | None = None,
        note: str = "",
        style: OverlayStyle | None = None,
    ) -> None:
        if not names:
            raise ConfigError("an overlay without a class; expected the name of every class")
        if horizon < 1 or step_us < 1:
            raise ConfigError(f"a window of {horizon} steps of {step_us} us; both have to be positive")
        if thresholds is not None and len(thresholds) != horizon:
            raise ConfigError(f"{len(thresholds)} thresholds for {horizon} steps; expected one a step")
        self.names = tuple(names)
        self.horizon = horizon
        self.step_us = step_us
        self.thresholds = None if thresholds is None else tuple(float(value) for value in thresholds)
        self.note = note
        self.style = style or OverlayStyle()
        self._shades = shades(self.style)
        self._ground = Canvas.blank(self.style.ground, self.style.scale)
        if "timeline" in self.style.panes:
            draw_ticks(Panel(self._ground, _TICKS, self.style), horizon * step_us)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of every image, in pixels."""
        height, width, _ = self._ground.image.shape
        return width, height

    def begin(self, title: str = "", truth: int | None = None) -> Scene:
        """The empty scene of a recording called `title` whose right label is `truth`, if that is known.

        Raises:
            ConfigError: if no class has that label.
        """
        if truth is not None and not 0 <= truth < len(self.names):
            raise ConfigError(f"truth {truth} is no label; expected 0 to {len(self.names) - 1}")
        return Scene(title, truth)

    def see(self, scene: Scene, item: Item) -> Scene:
        """The scene one item later.

        Raises:
            ModelError: if the network has not as many classes as there are names.
        """
        if not isinstance(item, Rest) and len(item.total) != len(self.names):
            raise ModelError(f"the network has {len(item.total)} classes, the overlay {len(self.names)} names")
        room_wh = round(_WIDEST_VIEW * self.style.scale), round(_MAIN.height * self.style.scale)
        return scene.after(item, tau_us=self.style.tau_us, room_wh=room_wh)

    def draw(self, scene: Scene) -> UInt8[ndarray, "h w 3"]:
        """The scene as an image of its own memory."""
        canvas = self._ground.copy()
        left = self._draw_events(canvas, scene).right + _MARGIN if "picture" in self.style.panes else _MARGIN
        column = Box(left, _MAIN.y, _MAIN.right - left, _MAIN.height)
        self._draw_evidence(canvas, scene, column)
        draw_header(Panel(canvas, _HEADER, self.style), scene, self.names, self.horizon)
        if "timeline" in self.style.panes:
            timeline = Panel(canvas, _TIMELINE, self.style)
            draw_timeline(timeline, scene.seen_us, self.step_us, self.horizon, scene.decision)
        draw_footer(Panel(canvas, _FOOTER, self.style), scene, self.note)
        return canvas.image

    def card(self, lines: Sequence[str]) -> UInt8[ndarray, "h w 3"]:
        """A page of text: the first line is large; a tab separates a name from its value."""
        return summary_card(lines, self.style)

    def _draw_events(self, canvas: Canvas, scene: Scene) -> Box:
        """The fading events, magnified by a whole number, and the box they took."""
        if scene.activity is None:
            view = self._placed(_MAIN.height)
            canvas.fill(view, self.style.panel)
            return view
        _, height, width = scene.activity.shape
        room = round(_WIDEST_VIEW * canvas.scale), round(_MAIN.height * canvas.scale)
        magnify = max(1, min(room[0] // width, room[1] // height))
        view = self._placed(max(_MAIN.height, width * magnify / canvas.scale))
        canvas.fill(view, self.style.panel)
        picture = paint_events(scene.activity, scene.white, self._shades, magnify)
        left = round((view.x + view.width / 2) * canvas.scale) - picture.shape[1] // 2
        top = round((view.y + view.height / 2) * canvas.scale) - picture.shape[0] // 2
        canvas.image[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        if scene.decision is not None:
            canvas.frame(view, self.style.accent, 2)
        return view

    def _placed(self, width: float) -> Box:
        """The box of the picture: on the left of what is beside it, in the middle if nothing is."""
        is_alone = not {"bars", "evidence", "spikes"} & {*self.style.panes}
        return _MAIN._replace(x=(PAGE_WIDTH - width) / 2 if is_alone else _MAIN.x, width=width)

    def _draw_evidence(self, canvas: Canvas, scene: Scene, column: Box) -> None:
        """The right-hand side: probabilities above; below the score, the spikes, or both."""
        below = column
        if "bars" in self.style.panes:
            bottom = self._draw_bars(canvas, scene, column)
            below = Box(column.x, bottom + 12, column.width, column.bottom - bottom - 12)
        boxes = self._divided(below, scene)
        if "evidence" in boxes:
            trace = self._captioned(canvas, boxes["evidence"], "score", self._score_words(scene))
            draw_trace(trace, scene.scores, self.thresholds, self.horizon, scene.decision is not None)
        if "spikes" in boxes:
            words = caption_words(scene.firing, boxes["spikes"].height - _CAPTION)
            rows = self._captioned(canvas, boxes["spikes"], "spikes", words)
            draw_spikes(rows, scene.firing, rests=scene.resting or scene.decision is not None)

    def _divided(self, box: Box, scene: Scene) -> dict[str, Box]:
        """The boxes of score and spikes, of those that are shown: beside one another where bars are above them."""
        is_shown = {"evidence": "evidence" in self.style.panes, "spikes": self.shows_spikes(scene)}
        shown = [pane for pane in is_shown if is_shown[pane]]
        if len(shown) < 2:
            return dict.fromkeys(shown, box)
        if "bars" in self.style.panes:
            width = (box.width - _MARGIN) * _SHARE_OF_SCORE
            rest = box._replace(x=box.x + width + _MARGIN, width=box.width - width - _MARGIN)
            return {"evidence": box._replace(width=width), "spikes": rest}
        height = (box.height - _MARGIN) * _SHARE_OF_SCORE
        rest = box._replace(y=box.y + height + _MARGIN, height=box.height - height - _MARGIN)
        return {"evidence": box._replace(height=height), "spikes": rest}

    def _captioned(self, canvas: Canvas, box: Box, left: str, right: str) -> Panel:
        """The panel below a caption."""
        self._caption(canvas, box, box.y + 5, left, right)
        return Panel(canvas, box._replace(y=box.y + _CAPTION, height=box.height - _CAPTION), self.style)

    def _draw_bars(self, canvas: Canvas, scene: Scene, column: Box) -> float:
        """A bar for each class, and where they end."""
        total = scene.total if scene.total is not None else np.zeros(len(self.names), np.float32)
        probability = softmax(total)
        shown = shown_classes(probability)
        decision = scene.decision
        rests = scene.total is None or scene.resting  # then no bar stands out
        leader = decision.label if decision else None if rests else int(np.argmax(total))
        is_alone = not {"evidence", "spikes"} & {*self.style.panes}
        room = column.height - _CAPTION if is_alone else _BARS_HEIGHT
        rows = min(_TALLEST_ROW * len(shown), room)
        bars = Box(column.x, column.y + _CAPTION, column.width, rows)
        few = "" if len(self.names) <= MOST_BARS else f"top {len(shown)} of {len(self.names)} classes · "
        self._caption(canvas, column, column.y + 5, "evidence", few + "confidence")
        panel = Panel(canvas, bars, self.style)
        draw_bars(panel, self.names, probability, leader, decision is not None, scene.truth)
        return bars.bottom

    def shows_spikes(self, scene: Scene) -> bool:
        """Whether there is a pane of spikes: not where none were counted, unless panes were chosen."""
        return "spikes" in self.style.panes and (bool(scene.firing.total) or self.style.panes != PANES)

    def threshold_after(self, n_steps: int) -> float | None:
        """The threshold of the last of so many steps, infinite where it could not stop; None without a cutoff."""
        return None if self.thresholds is None else self.thresholds[max(1, min(n_steps, self.horizon)) - 1]

    def _score_words(self, scene: Scene) -> str:
        value = self.threshold_after(len(scene.scores))
        if value is None:
            limit = "no cutoff"
        else:
            limit = f"threshold {value:.2f}" if isfinite(value) else "cannot stop yet"
        return f"{scene.scores[-1]:.2f}  ·  {limit}" if scene.scores else limit

    def _caption(self, canvas: Canvas, column: Box, middle: float, left: str, right: str) -> None:
        canvas.text(left, column.x, middle, Font(12, self.style.text, bold=True), room=column.width * 0.3)
        canvas.text(right, column.right, middle, Font(12, self.style.muted), room=column.width * 0.68, right=True)


def summary_card(lines: Sequence[str], style: OverlayStyle | None = None) -> UInt8[ndarray, "h w 3"]:
    """A page of text: the first line is large; a tab separates a name from its value."""
    style = style or OverlayStyle()
    canvas = Canvas.blank(style.ground, style.scale)
    head, *rest = lines or ("",)
    pitch = min(40.0, (PAGE_HEIGHT - 200) / max(1, len(rest)))
    y = (PAGE_HEIGHT - 64 - pitch * len(rest)) / 2 + 20
    left, room = 120.0, PAGE_WIDTH - 240.0
    canvas.text(head, left, y, Font(36, style.accent, bold=True), room=room)
    y += 64
    size = min(20.0, pitch * 0.6)
    for line in rest:
        name, tab, value = line.partition("\t")
        if tab:
            canvas.text(name, left, y, Font(size, style.muted), room=room * 0.56)
            canvas.text(value, left + room, y, Font(size, style.text, bold=True), room=room * 0.4, right=True)
        else:
            canvas.text(line, left, y, Font(size, style.text), room=room)
        y += pitch
    return canvas.image
