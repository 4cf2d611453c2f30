"""A scene as lines of a terminal: the picture in half blocks, bars, the score against its threshold, past answers.

Colours are escape sequences (ECMA-48, SGR) of 24 bits, or the nearest of the 256 of xterm.
"""

from dataclasses import dataclass
from itertools import pairwise, zip_longest
from math import ceil, isfinite
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from spikecut.pipeline.clock import format_us
from spikecut.pipeline.errors import printable
from spikecut.pipeline.metrics.session_score import Outcome
from spikecut.sources.opencv import opencv
from spikecut.tools.views.canvas import Colour
from spikecut.tools.views.header import NO_GESTURE, operations_words, verdict_of
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.palette import paint_events, shades
from spikecut.tools.views.panels import MOST_BARS, shown_classes
from spikecut.tools.views.scene import Scene, softmax, white_level
from spikecut.tools.views.spikes import NOT_COUNTED

SMALLEST_WH: Final = 40, 12
_TALLEST = 24
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = " ▁▂▃▄▅▆▇█"
_MARKS: Final = {Outcome.right: "✓", Outcome.wrong: "✗", Outcome.repeated: "✓", Outcome.false_alarm: "!"}
_GOOD: Final = (Outcome.right, Outcome.repeated)
_PLAIN = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Ink:
    """How colours are written: with `deep` in 24 bits."""

    deep: bool = True

    def paint(
        self, text: str, colour: Colour | None = None, *, ground: Colour | None = None, bold: bool = False
    ) -> str:
        """Text in a colour, on a ground; the colours of the terminal follow."""
        codes = ["1"] if bold else []
        codes += [self._code(38, colour)] if colour is not None else []
        codes += [self._code(48, ground)] if ground is not None else []
        return f"\x1b[{';'.join(codes)}m{text}{_PLAIN}" if codes and text else text

    def _code(self, which: int, colour: Colour) -> str:
        if self.deep:
            return f"{which};2;{colour[0]};{colour[1]};{colour[2]}"
        red, green, blue = (round(value / 255 * 5) for value in colour)
        return f"{which};5;{16 + 36 * red + 6 * green + blue}"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of `size_wh` columns and rows, of the recordings that an overlay is made for."""

    overlay: Overlay
    size_wh: tuple[int, int]
    ink: Ink = Ink()

    def lines(self, scene: Scene, status: str, hints: str) -> list[str]:
        """The scene as lines that are no wider than the page."""
        width, height = self.size_wh
        body = min(height, _TALLEST) - 5
        style = self.overlay.style
        has_picture = scene.activity is not None and "picture" in style.panes
        n_columns = _columns(scene.activity, body, width // 2) if has_picture and scene.activity is not None else 0
        picture = self._picture(scene, body) if has_picture else []
        right = self._evidence(scene, width - n_columns - 2 * bool(n_columns), body)
        lines = [self._headline(scene), *self._beside(picture, right, n_columns, body)]
        lines += [self._timeline(scene, width)] if "timeline" in style.panes else []
        lines += [self._strip(scene, width)] if {"answers", "clock"} & {*style.panes} else []
        work = operations_words(scene) if "operations" in style.panes else ""
        state = "  ".join(words for words in (printable(status), work) if words)
        lines += [self.ink.paint(_cut(words, width), style.muted) for words in (state, hints)]
        return lines

    def _beside(self, left: list[str], right: list[str], n_columns: int, n_lines: int) -> list[str]:
        if not n_columns:
            return right[:n_lines]
        pairs = zip_longest(left, right[:n_lines], fillvalue="")
        return [f"{one or ' ' * n_columns}  {other}" for one, other in pairs]

    def _headline(self, scene: Scene) -> str:
        """The answer and its verdict, or what the network is doing."""
        style, width = self.overlay.style, self.size_wh[0]
        if scene.decision is None:
            doing = "deciding …" if scene.scores and not scene.resting else "watching …"
            return self.ink.paint(_cut(NO_GESTURE if scene.rejected else doing, width), style.muted, bold=True)
        verdict = verdict_of(scene)
        answer = self.overlay.names[scene.decision.label]
        after = (
            f"  after {scene.decision.steps} of {self.overlay.horizon} steps, {format_us(scene.decision.latency_us)}"
        )
        mark = "" if verdict is None else f"  {_MARKS[verdict]} {verdict.name.replace('_', ' ')}"
        after = _cut(after, width - len(mark) - min(len(answer), 16))
        answer = _cut(answer, width - len(after) - len(mark))
        shown = self.ink.paint(answer, style.accent, bold=True) + self.ink.paint(after, style.text)
        return shown + ("" if verdict is None else self._verdict(mark, verdict))

    def _verdict(self, words: str, verdict: Outcome) -> str:
        """Right in one colour, wrong in another; a false alarm on a ground of that colour."""
        style = self.overlay.style
        if verdict is Outcome.false_alarm:
            return self.ink.paint(words, style.ground, ground=style.warning, bold=True)
        return self.ink.paint(words, style.right if verdict in _GOOD else style.warning, bold=True)

    def _picture(self, scene: Scene, n_rows: int) -> list[str]:
        """The events: each character is two pixels, the upper one in its colour and the lower one in its ground."""
        if scene.activity is None:
            return []
        n_columns = _columns(scene.activity, n_rows, self.size_wh[0] // 2)
        small = _resized(scene.activity, n_columns, 2 * n_rows)
        image = paint_events(small, max(0.05, white_level(small)), shades(self.overlay.style), 1)
        return [self._half_blocks(image[row], image[row + 1]) for row in range(0, 2 * n_rows, 2)]

    def _half_blocks(self, upper: UInt8[ndarray, "w 3"], lower: UInt8[ndarray, "w 3"]) -> str:
        both = np.concatenate([upper, lower], 1)
        starts = [0, *(np.flatnonzero((both[1:] != both[:-1]).any(1)) + 1).tolist(), len(both)]
        words = ""
        for start, end in pairwise(starts):
            blue, green, red, below_blue, below_green, below_red = both[start].tolist()
            colour, ground = (red, green, blue), (below_red, below_green, below_blue)
            words += self.ink.paint("▀" * (end - start), colour, ground=ground)
        return words

    def _evidence(self, scene: Scene, width: int, n_lines: int) -> list[str]:
        """The bars, below them the score against its threshold, and the spikes of each layer."""
        panes = self.overlay.style.panes
        below = self._score(scene, width) if "evidence" in panes else []
        n_bars = min(len(self.overlay.names), MOST_BARS) + 1 if "bars" in panes else 0
        if self.overlay.shows_spikes(scene):
            below += self._spikes(scene, width, n_lines - len(below) - n_bars)
        if "bars" not in panes:
            return below
        bars = self._bars(scene, width, n_lines - len(below) - 1)
        return [*bars, "", *below] if below else bars

    def _spikes(self, scene: Scene, width: int, n_lines: int) -> list[str]:
        """A bar for each layer, or where there is no room for them a column for each in one line."""
        style, rows = self.overlay.style, scene.firing.rows()
        colour = style.dim if scene.resting or scene.decision is not None else style.worked
        if not rows:
            return [self.ink.paint(_cut(f"spikes {NOT_COUNTED}", width), style.muted)] if scene.scores else []
        if len(rows) + 1 > n_lines:
            columns = "".join(_LEVELS[ceil(8 * length)] for length, _, _ in rows)[: max(0, width - 14)]
            share, so_far = scene.firing.summary()
            long, room = f" {share} · {so_far} so far", width - 7 - len(columns)
            words = long if len(long) <= room else _cut(f" {share}", room)
            drawn = self.ink.paint(columns, colour, ground=style.panel)
            return [self.ink.paint("spikes ", style.muted) + drawn + self.ink.paint(words, style.muted)]
        lines = [self.ink.paint(_cut("spikes: last step, so far", width), style.muted)]
        for at, (length, last, so_far) in enumerate(rows, 1):
            number, words = (self.ink.paint(text, style.muted) for text in (f"{at:2} ", f"{last:>7} {so_far:>7}"))
            lines.append(number + self.ink.paint(_bar(length, width - 18), colour, ground=style.panel) + words)
        return lines

    def _bars(self, scene: Scene, width: int, n_lines: int) -> list[str]:
        """A bar for each class, dim while the network rests."""
        names, style = self.overlay.names, self.overlay.style
        total = scene.total if scene.total is not None else np.zeros(len(names), np.float32)
        probability = softmax(total)
        rests = scene.total is None or scene.resting
        leader = scene.decision.label if scene.decision else None if rests else int(np.argmax(total))
        shown = shown_classes(probability)
        if len(shown) > n_lines:
            shown = sorted(np.argsort(-probability, kind="stable")[: max(1, n_lines)].tolist())
        name_width = min(max(len(names[label]) for label in shown), width // 2)
        lines = list[str]()
        for label in shown:
            leads = label == leader
            colour = style.accent if leads else style.dim if rests else style.worked
            mark = "▸" if leads else "○" if label == scene.truth else " "
            name = _cut(names[label], name_width).ljust(name_width)
            bar = _bar(float(probability[label]), width - name_width - 9)
            lines.append(
                self.ink.paint(f"{mark} {name} ", style.text if leads else style.muted, bold=leads)
                + self.ink.paint(bar, colour, ground=style.panel)
                + self.ink.paint(f" {probability[label]:.2f}", style.text if leads else style.muted, bold=leads)
            )
        return lines

    def _score(self, scene: Scene, width: int) -> list[str]:
        """The score after every step as a line of columns, and in numbers beside its threshold."""
        style = self.overlay.style
        limit = self.overlay.threshold_after(len(scene.scores))
        if limit is None:
            words = "no cutoff"
        else:
            words = f"threshold {limit:.2f}" if isfinite(limit) else "cannot stop yet"
        words = f"score {scene.scores[-1]:.2f} · {words}" if scene.scores else f"score · {words}"
        finite = [score for score in scene.scores if isfinite(score)]
        full = max([*finite, limit if limit is not None and isfinite(limit) else 0.0, 1e-9])
        n_columns = min(width, self.overlay.horizon)
        columns = ""
        for at in range(n_columns):
            step = at * self.overlay.horizon // n_columns
            height = 0.0
            if step < len(scene.scores) and isfinite(scene.scores[step]):
                height = max(0.0, scene.scores[step] / full)
            columns += _LEVELS[min(8, max(step < len(scene.scores), round(height * 8)))]
        over = scene.decision is not None
        trace = self.ink.paint(columns, style.accent if over else style.text, ground=style.panel)
        return [self.ink.paint(_cut(words, width), style.muted), trace]

    def _timeline(self, scene: Scene, width: int) -> str:
        """The window from left to right: the steps that the network made, and those that it did not need."""
        style, window_us = self.overlay.style, self.overlay.step_us * self.overlay.horizon
        worked_us = scene.seen_us if scene.decision is None else scene.decision.latency_us
        worked = min(width, round(width * min(1.0, worked_us / window_us)))
        bar = self.ink.paint("━" * worked, style.worked)
        if scene.decision is not None and worked < width:
            unneeded = self.overlay.horizon - scene.decision.steps
            words = f" {unneeded} of {self.overlay.horizon} steps not needed " if unneeded > 0 else ""
            words = words if len(words) < width - worked - 1 else ""
            rest = self.ink.paint("╌" * (width - worked - 1 - len(words)), style.faint)
            return bar + self.ink.paint("┃", style.accent, bold=True) + self.ink.paint(words, style.muted) + rest
        return bar + self.ink.paint("─" * (width - worked), style.faint)

    def _strip(self, scene: Scene, width: int) -> str:
        """The clock, a mark for each answer so far, and how many were right."""
        style = self.overlay.style
        has_clock, has_answers = "clock" in style.panes, "answers" in style.panes
        clock = f"{(scene.now_us - scene.began_us) / 1e6:.2f} s  " if has_clock and scene.began_us is not None else ""
        n_right = sum(verdict is Outcome.right for verdict in scene.past)
        score = f" {n_right} right of {len(scene.past)} answers" if scene.past and has_answers else ""
        title = _cut(printable(scene.title if has_clock else ""), max(0, width - len(clock) - len(score) - 24))
        room = max(0, width - len(clock) - len(title) - 2 - len(score))
        past = scene.past[-room:] if room and has_answers else ()
        marks = "".join(self._verdict(_MARKS[verdict], verdict) for verdict in past)
        words = self.ink.paint(f"{title}  ", style.muted) + self.ink.paint(_cut(clock, width), style.text, bold=True)
        return words + marks + self.ink.paint(score, style.text)


def plain_line(overlay: Overlay, scene: Scene) -> str:
    """The state in one line without colours, for a log."""
    clock = f"{(scene.now_us - (scene.began_us or 0)) / 1e6:8.2f} s"
    if scene.decision is not None:
        return f"{clock}  {overlay.names[scene.decision.label]}, after {scene.decision.steps} steps"
    if scene.total is None or scene.resting or not scene.scores:
        return f"{clock}  the network is at rest"
    probability = softmax(scene.total)
    leader = int(np.argmax(probability))
    limit = overlay.threshold_after(len(scene.scores))
    against = f" of {limit:.2f}" if limit is not None and isfinite(limit) else ""
    return (
        f"{clock}  step {len(scene.scores)} of {overlay.horizon}: {overlay.names[leader]} {probability[leader]:.2f}, "
        f"score {scene.scores[-1]:.2f}{against}"
    )


def _columns(activity: Float32[ndarray, "2 H W"], n_rows: int, room: int) -> int:
    _, height, width = activity.shape
    return max(1, min(room, int(2 * n_rows * width / height)))


def _resized(activity: Float32[ndarray, "2 H W"], width: int, height: int) -> Float32[ndarray, "2 h w"]:
    cv2 = opencv()
    return np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in activity])


def _bar(share: float, width: int) -> str:
    """A bar in eighths of a character, as wide as its track.

    >>> _bar(0.5, 3), _bar(0.0, 2), _bar(1.0, 2)
    ('█▌ ', '  ', '██')
    """
    eighths = round(max(0.0, min(1.0, share)) * max(0, width) * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()).ljust(max(0, width))


def _cut(text: str, width: int) -> str:
    """Text that fits into so many columns.

    >>> _cut("hand clapping", 6)
    'hand …'
    """
    return text if len(text) <= width else text[: max(0, width - 1)] + "…" if width > 0 else ""
