"""The pane of spikes: for each spiking layer how many of its cells fired, in the last step and in the window so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from spikecut.pipeline.results import Step
from spikecut.tools.views.canvas import Box, Font
from spikecut.tools.views.panels import Panel, short

NOT_COUNTED: Final = "not counted by this network"
_SCALES: Final = (0.05, 0.1, 0.25, 0.5, 1.0)  # shares of the cells that a full bar may stand for
_TALLEST_ROW, _LEAST_ROW = 20.0, 12.0


@dataclass(frozen=True, slots=True)
class Firing:
    """The spikes of a window so far: of each layer the `last` step's and the `total`, and the `cells` that it has.

    `last` is empty where the last step was not counted. `n_uncounted` are such steps of the window. `peak` is the
    largest share of a layer's cells that fired in a step of the run.
    """

    cells: tuple[int, ...] = ()
    last: tuple[int, ...] = ()
    total: tuple[int, ...] = ()
    n_uncounted: int = 0
    peak: float = 0.0

    def after(self, step: Step) -> "Firing":
        """The spikes one step later; step 0 begins a window."""
        before = Firing(self.cells, peak=self.peak) if step.index == 0 else self
        if step.spikes is None or step.cells is None:
            return Firing(before.cells, (), before.total, before.n_uncounted + 1, before.peak)
        total = before.total or (0,) * len(step.spikes)
        total = tuple(so_far + fired for so_far, fired in zip(total, step.spikes, strict=True))
        peak = max([before.peak, *shares(step.spikes, step.cells)])
        return Firing(step.cells, step.spikes, total, before.n_uncounted, peak)

    @property
    def full(self) -> float:
        """The share of a layer's cells that a full bar stands for: it grows with the peak, so that bars can be seen."""
        return next(scale for scale in _SCALES if self.peak <= scale)

    def rows(self) -> list[tuple[float, str, str]]:
        """For each layer the length of its bar, 0 to 1, and in words the share of the last step and the total."""
        last = shares(self.last, self.cells) if self.last else [None] * len(self.total)
        return [
            ((share or 0.0) / self.full, "" if share is None else _percent(share), self._so_far(fired))
            for share, fired in zip(last, self.total, strict=True)
        ]

    def summary(self) -> tuple[str, str]:
        """All layers together: the share of the last step and the total, in words."""
        share = _percent(sum(self.last) / max(1, sum(self.cells))) if self.last else ""
        return share, self._so_far(sum(self.total))

    def _so_far(self, n: int) -> str:
        return f"{'≥ ' if self.n_uncounted else ''}{short(n)}"


NO_SPIKES: Final = Firing()


def shares(spikes: Sequence[int], cells: Sequence[int]) -> list[float]:
    """The share of each layer's cells that fired.

    >>> shares((2, 0), (8, 4))
    [0.25, 0.0]
    """
    return [fired / max(1, size) for fired, size in zip(spikes, cells, strict=True)]


def draw_spikes(panel: Panel, firing: Firing, *, rests: bool) -> None:
    """A row for each layer, its number, its bar and its numbers; bars alone where rows are too low for words."""
    canvas, box, style = panel
    rows = firing.rows()
    if not rows:
        words = NOT_COUNTED if firing.n_uncounted else ""
        canvas.text(words, box.x, box.y + 9, Font(12, style.muted), room=box.width)
        return
    row = min(_TALLEST_ROW, box.height / len(rows))
    has_words = row >= _LEAST_ROW
    number, share, total = (22.0, 48.0, 50.0) if has_words else (0.0, 0.0, 0.0)
    bar = Box(box.x + number, 0, box.width - number - share - total, min(12.0, row * (0.62 if has_words else 0.75)))
    font = Font(min(12.0, row * 0.75), style.muted)
    for at, (length, last, so_far) in enumerate(rows):
        middle = box.y + (at + 0.5) * row
        track = bar._replace(y=middle - bar.height / 2)
        canvas.fill(track, style.panel)
        canvas.fill(track._replace(width=length * bar.width), style.dim if rests else style.worked)
        if has_words:
            canvas.text(str(at + 1), box.x, middle, font, room=number)
            canvas.text(last, bar.right + share - 2, middle, font, room=share - 4, right=True)
            canvas.text(so_far, box.right, middle, font, room=total - 4, right=True)


def caption_words(firing: Firing, height: float) -> str:
    """What stands above the rows, which take so much height: of which steps the numbers are, or all layers' numbers."""
    if not firing.total:
        return ""
    if height / len(firing.total) >= _LEAST_ROW:
        return "last step · so far"
    return " · ".join(words for words in firing.summary() if words) + " so far"


def _percent(share: float) -> str:
    """A share in three digits or so.

    >>> _percent(0.1234), _percent(0.00312), _percent(1.0)
    ('12 %', '0.3 %', '100 %')
    """
    return f"{share:.0%}".replace("%", " %") if share >= 0.0995 else f"{100 * share:.1f} %"
