"""The base of all views that draw overlays: the scene so far, and its image."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.session_score import Outcome
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.results import Item
from spikecut.tools.views.base import ViewOptions
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.palette import PALETTES, OverlayStyle
from spikecut.tools.views.scene import Scene


class OverlayOptions(TypedDict):
    """The keywords of `Overlay` that its views take, too."""

    names: Sequence[str]
    horizon: int
    step_us: int
    thresholds: NotRequired[Sequence[float] | None]
    style: NotRequired[OverlayStyle | None]


class OverlayView:
    """A view's scene: `begin` and `expect` as in `View`, `see` takes the items, `draw` gives the picture."""

    def __init__(self, overlay: Overlay) -> None:
        self.overlay = overlay
        self._scene = overlay.begin()

    def begin(self, title: str = "", truth: str | None = None) -> None:
        """The next recording starts; the picture begins anew.

        Raises:
            ConfigError: if no class is called `truth`.
        """
        start = self.overlay.begin(title, self._label(truth))
        # played again, or from elsewhere: its clock goes on counting from its first moment
        self._change(lambda scene: replace(start, began_us=scene.began_us if title and title == scene.title else None))

    def expect(self, truth: str | None) -> None:
        """The true class of the next items, if known; the scene continues.

        Raises:
            ConfigError: if no class is called `truth`.
        """
        label = self._label(truth)
        self._change(lambda scene: scene.expecting(label))

    def judge(self, outcome: Outcome, truth: str | None) -> None:
        """The verdict on the decision that is seen next.

        Raises:
            ConfigError: if no class is called `truth`.
        """
        label = self._label(truth)
        self._change(lambda scene: scene.judged(outcome, label))

    def see(self, item: Item) -> None:
        """Adds an item to the scene."""
        self._change(lambda scene: self.overlay.see(scene, item))

    def draw(self) -> UInt8[ndarray, "h w 3"]:
        """The scene as a BGR image of its own memory."""
        return self.overlay.draw(self._scene)

    def _change(self, change: Callable[[Scene], Scene]) -> None:
        """Brings the scene up to date: here at once."""
        self._scene = change(self._scene)

    def _label(self, truth: str | None) -> int | None:
        if truth is None:
            return None
        if truth not in self.overlay.names:
            raise ConfigError(f"no class is called {truth!r}", hint=f"known are {', '.join(self.overlay.names)}")
        return self.overlay.names.index(truth)


def overlay_options(card: ModelCard, decider: CutoffDecider[Any], options: ViewOptions | None = None) -> OverlayOptions:
    """How recordings are drawn for one network and one cutoff; rules without thresholds get none drawn.

    Raises:
        ConfigError: if the options name a pane that there is not.
    """
    style = PALETTES["dark" if options is None or options.palette is None else options.palette]
    if options is not None and options.panes is not None:
        style = replace(style, panes=options.panes)
    levels: Float64[ndarray, " T"] | None = getattr(decider, "thresholds", None)
    return OverlayOptions(
        names=card.classes,
        horizon=card.horizon,
        step_us=card.spec.step_us,
        thresholds=None if levels is None or not np.isfinite(levels).any() else levels.tolist(),
        style=style,
    )
