"""The protocol of a view, which shows a run item by item. The rows of `VIEWS` make views.

A view is opened by `with`, gets one `begin` a recording, then every item of the loop in its order, and one
`finish` at the end of a run without errors. It changes no item and has no influence on decisions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.metrics.session_score import Outcome, Score
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.results import Item
from spikecut.sources.live.controls import Controls


class Closed(Exception):
    """The viewer closed the view: `View.write` raises it with the reason, and the run ends there without an error."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run that is over: how much was read, what the network did, and the score where there are labels."""

    n_events: int
    n_bins: int
    n_steps: int
    n_decisions: int
    sensor_us: int
    score: Score | None = None
    n_rejected: int = 0

    def page(self) -> list[str]:
        """The last page, line by line; without a score there is none."""
        return [] if self.score is None else summary_card(self.score, self.n_steps, self.n_bins)


@runtime_checkable
class View(Protocol):
    """Shows a run: an overlay video, a window, a terminal, a list."""

    def __enter__(self) -> Self: ...

    def begin(self, title: str, truth: str | None) -> None:
        """A recording starts; `truth` is the name of its class, where that is known."""
        ...

    def expect(self, truth: str | None) -> None:
        """The true class of the next items, in a continuous recording; None where nothing is labelled."""
        ...

    def write(self, item: Item) -> None:
        """The next item of the loop.

        Raises:
            Closed: to end the run.
        """
        ...

    def finish(self, summary: Summary) -> None:
        """The run is over: a file is complete after this, a window closed."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the view. After an error an incomplete file does not get the final name."""
        ...


@runtime_checkable
class Listening(Protocol):
    """A view that also listens to keys."""

    def idle(self) -> None:
        """Called again and again while the loop waits for the next bin.

        Raises:
            Closed: to end the run.
        """
        ...


@runtime_checkable
class Judging(Protocol):
    """A view that also shows the verdict on answers in a labelled session."""

    def judge(self, outcome: Outcome, truth: str | None) -> None:
        """The verdict, as printed, on the decision that is written next, and the true class, if one is labelled."""
        ...


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """The options of views from the command line.

    `named` are the views of `--view NAME` or `--view NAME=TARGET`, with their target or None. `window` None is
    automatic. `web`, or an address HOST:PORT in `listen`, wants a web page. `controls` take the keys that a view
    listens to; their `speed` is None for as fast as possible. `status` gives the state of playing in a few words.
    `panes` are the parts of pictures that are shown, None for all, in the colours of a `palette`; None is dark, and in
    a web page what the browser prefers.
    """

    named: dict[str, Path | None] = field(default_factory=dict)
    save: Path | None = None
    overwrite: bool = False
    window: bool | None = None
    web: bool = False
    listen: str | None = None
    controls: Controls = field(default_factory=Controls)
    status: Callable[[], str] = str
    panes: tuple[str, ...] | None = None
    palette: str | None = None


class Wish(Enum):
    """Whether the options request a view."""

    no = "it is not shown"
    if_possible = "it is shown where that works; elsewhere a note says what is missing"
    yes = "it is shown, or the run ends with an error"


def only_if_named(options: ViewOptions) -> Wish:
    """The wish of views that only `--view NAME` requests."""
    return Wish.no


@dataclass(frozen=True, slots=True)
class ViewKind:
    """A row of `VIEWS`.

    `sentence` describes the view. `make` makes one for a network and its cutoff. A view that writes a file has the
    `suffixes` that this may have. `wish` decides from the other options whether the view is requested; `--view NAME`
    always requests it. `problem` gives the reason why it cannot be shown on this machine, or None.
    """

    sentence: str
    make: Callable[[ModelCard, CutoffDecider[Any], ViewOptions], View]
    suffixes: tuple[str, ...] = ()
    wish: Callable[[ViewOptions], Wish] = only_if_named
    problem: Callable[[], EnvironmentProblem | None] = lambda: None


def summary_card(score: Score, n_steps: int, n_bins: int) -> list[str]:
    """The last page of a labelled session: the first line is its title, a tab separates a name from its value."""
    page = [
        f"{score.right} of {score.n_labels} gestures named right",
        f"wrong, missed\t{score.wrong}, {score.missed}",
        f"false alarms\t{score.false_alarms} in {score.minutes:.1f} min",
        f"network steps\t{n_steps} in {n_bins} bins",
    ]
    if score.delays_us:
        page.insert(1, f"after the labelled onset (median)\t{np.median(score.delays_us) / 1000:.0f} ms")
    return page
