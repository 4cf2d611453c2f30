"""The overlay in a window, while the recording plays."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.results import Decision, Rest, Step
from spikecut.sources.opencv import opencv
from spikecut.tools.views.overlay import Overlay

_IMAGES_PER_S = 25.0
_QUIT = (ord("q"), 27)  # q or Escape


class Closed(Exception):
    """The window was closed, or q was pressed."""


class WindowSink:
    """A `Sink` that shows the overlay in a window: at most 25 images a second, every decision among them.

    What comes faster than it can be drawn is skipped, so the window hardly slows the recognition.

    Raises:
        EnvironmentProblem: if this OpenCV has no windows.
        Closed: from `write`, once somebody closes the window or presses q.
    """

    def __init__(
        self, *, names: Sequence[str], horizon: int, step_us: int, thresholds: Sequence[float] | None = None
    ) -> None:
        self._overlay = Overlay(names, horizon=horizon, step_us=step_us, thresholds=thresholds)
        self._scene = self._overlay.begin()
        self._title = "spikecut"
        self._cv2: Any = opencv()
        self._drawn_s = 0.0

    def __enter__(self) -> Self:
        try:
            self._cv2.namedWindow(self._title, self._cv2.WINDOW_AUTOSIZE)
        except self._cv2.error as error:
            raise EnvironmentProblem(
                "this OpenCV shows no windows",
                hint="pip uninstall opencv-python-headless, then pip install 'spikecut[window]'; or --save out.mp4",
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cv2.destroyAllWindows()

    def begin(self, title: str = "", truth: int | None = None) -> None:
        """The next recording starts; the picture begins anew."""
        self._scene = self._overlay.begin(title, truth)

    def expect(self, truth: int | None) -> None:
        """The right label of what comes next, where that is known; the picture goes on."""
        self._scene = replace(self._scene, truth=truth)

    def write(self, item: Step | Decision | Rest) -> None:
        """What comes next, drawn if there is time for it."""
        self._scene = self._overlay.see(self._scene, item)
        now = time.monotonic()
        if now - self._drawn_s < 1 / _IMAGES_PER_S and not isinstance(item, Decision):
            return
        self._drawn_s = now
        self._cv2.imshow(self._title, self._overlay.draw(self._scene))
        pressed = self._cv2.waitKey(1) & 0xFF
        if pressed in _QUIT or self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) < 1:
            raise Closed


def has_display() -> bool:
    """Whether a window could be shown: always on Windows and macOS, elsewhere where a display is named."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
