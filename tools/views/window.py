"""The overlay in a window, while the recording plays."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, Unpack

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.results import Decision, Item
from spikecut.sources.live.controls import Controls, hints
from spikecut.sources.opencv import opencv
from spikecut.tools.views.base import Closed, Summary, ViewKind, ViewOptions, Wish
from spikecut.tools.views.canvas import PAGE_WIDTH, Canvas, Font
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.overlay_view import OverlayOptions, OverlayView, overlay_options

_IMAGES_PER_S = 25.0
_STRIP = 26  # the height of the line of keys, in units of a page
_ARROWS = {
    65361: "left", 65363: "right",  # X11
    2424832: "left", 2555904: "right", 63234: "left", 63235: "right",  # Windows, macOS
}  # fmt: skip
_HOW_TO_GET_ONE = "pip uninstall opencv-python-headless && pip install opencv-python"
_NO_WINDOWS = 9  # exit code of the trial below if OpenCV was built without windows
_TRIAL = f"""
import sys, cv2
try:
    cv2.namedWindow("spikecut")
except cv2.error:
    sys.exit({_NO_WINDOWS})
"""


class WindowSink(OverlayView):
    """A `View` that shows the overlay in a window: at most 25 images a second, every decision among them.

    Items that come faster than they can be drawn are skipped, so the window hardly slows the recognition. Its keys
    press `controls`; a line below the picture names them, and shows the `status`. The other keywords are those of
    `Overlay`.

    Raises:
        EnvironmentProblem: if this OpenCV has no windows.
        Closed: from `write`, once the window is closed or q is pressed.
    """

    def __init__(
        self,
        controls: Controls | None = None,
        status: Callable[[], str] | None = None,
        **drawing: Unpack[OverlayOptions],
    ) -> None:
        super().__init__(Overlay(**drawing))
        self._controls = controls or Controls()
        self._status = status or self._controls.__str__
        self._title = "spikecut"
        self._cv2: Any = opencv()
        self._drawn_s = 0.0

    def __enter__(self) -> Self:
        try:
            self._cv2.namedWindow(self._title, self._cv2.WINDOW_AUTOSIZE)
        except self._cv2.error as error:
            raise _without_windows() from error
        return self

    def write(self, item: Item) -> None:
        """Takes the next item, and draws it if there is time."""
        self.see(item)
        if self._is_time() or isinstance(item, Decision):
            self._show()

    def idle(self) -> None:
        """Listens to keys, and shows what they have changed."""
        if self._is_time():
            self._show()

    def _is_time(self) -> bool:
        return time.monotonic() - self._drawn_s >= 1 / _IMAGES_PER_S

    def _show(self) -> None:
        self._drawn_s = time.monotonic()
        self._cv2.imshow(self._title, np.vstack([self.draw(), self._strip()]))
        code = int(self._cv2.waitKeyEx(1))
        if code >= 0:
            self._controls.press(_ARROWS.get(code & 0x3FFFFF) or chr(code & 0xFF))
        if self._controls.stopped or self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) < 1:
            raise Closed("the window was closed")

    def _strip(self) -> UInt8[ndarray, "h w 3"]:
        """The line below the picture: the keys, and the state of playing."""
        style = self.overlay.style
        height = 2 * round(_STRIP * style.scale / 2)
        image = np.full((height, self.overlay.size_wh[0], 3), style.ground[::-1], np.uint8)
        canvas, middle = Canvas(image, style.scale), _STRIP / 2
        width = canvas.text(self._status(), PAGE_WIDTH - 20, middle, Font(12, style.text), room=420, right=True)
        canvas.text(hints(), 20, middle, Font(12, style.muted), room=PAGE_WIDTH - 60 - width)
        return image

    def finish(self, summary: Summary) -> None:
        """Closes the window; the score is on the terminal."""
        self._cv2.destroyAllWindows()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cv2.destroyAllWindows()


def has_display() -> bool:
    """Whether a window could be shown: always on Windows and macOS, elsewhere where a display is named."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def window_problem() -> EnvironmentProblem | None:
    """Why no window can be shown here, or None.

    Another process tries, because Qt ends a process whose display does not answer.
    """
    if not has_display():
        return EnvironmentProblem("no display here", hint="--save out.mp4 writes a video instead")
    try:
        opencv()
    except EnvironmentProblem as problem:
        return problem
    trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, check=False)
    if trial.returncode == _NO_WINDOWS:
        return _without_windows()
    if trial.returncode:
        return EnvironmentProblem(
            "OpenCV cannot open a window on this display", hint="does DISPLAY name a screen that is on?"
        )
    return None


def window_of(card: ModelCard, decider: CutoffDecider[Any]) -> WindowSink:
    """The overlay in a window, for one network and one cutoff."""
    return WindowSink(**overlay_options(card, decider))


def _without_windows() -> EnvironmentProblem:
    return EnvironmentProblem("this OpenCV shows no windows", hint=f"for one with windows: {_HOW_TO_GET_ONE}")


def _make_window(card: ModelCard, decider: CutoffDecider[Any], options: ViewOptions) -> WindowSink:
    return WindowSink(options.controls, options.status, **overlay_options(card, decider))


def _wish_window(options: ViewOptions) -> Wish:
    if options.window is None:
        return Wish.no if options.controls.speed is None else Wish.if_possible
    return Wish.yes if options.window else Wish.no


WINDOW = ViewKind(
    "the overlay in a window: --speed, --window on, or --view window",
    _make_window,
    wish=_wish_window,
    problem=window_problem,
)
