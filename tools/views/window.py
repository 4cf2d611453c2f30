"""The overlay in a window, while the recording plays; the window is shown by `window_process`."""

import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self, Unpack, cast

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.sources.live.controls import Controls, hints
from spikecut.sources.opencv import opencv
from spikecut.tools.views.base import Closed, Summary, ViewKind, ViewOptions, Wish
from spikecut.tools.views.live_view import LiveView
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.overlay_view import OverlayOptions, overlay_options
from spikecut.tools.views.scene import Scene

OPEN, NO_WINDOWS, CLOSED = "open", "no windows", "closed"  # words of the process
_CLOSING_S: Final = 2.0
_HOW_TO_GET_ONE = "pip uninstall opencv-python-headless && pip install opencv-python"
_EXIT_NO_WINDOWS = 9  # exit code of the trial below if OpenCV was built without windows
_TRIAL = f"""
import sys, cv2
try:
    cv2.namedWindow("spikecut")
except cv2.error:
    sys.exit({_EXIT_NO_WINDOWS})
"""


class WindowSink(LiveView):
    """A `View` that shows the overlay in a window, which belongs to a process of its own and never delays the loop.

    Its keys press `controls`; a line below the picture names them, and shows the `status`. The other keywords are those
    of `Overlay`. If the process ends by itself, the run goes on without a window.

    Raises:
        EnvironmentProblem: from `with`, if this OpenCV has no windows.
        Closed: from `write` and `idle`, once the window was closed.
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
        self._drawing = drawing
        self._viewer: Viewer | None = None
        self._is_closing = False

    def __enter__(self) -> Self:
        viewer = start_viewer()
        with suppress(BrokenPipeError):
            pickle.dump(self._drawing, viewer.stdin)
            viewer.stdin.flush()
        if (word := next(_words(viewer), None)) != OPEN:
            with suppress(BrokenPipeError):
                viewer.stdin.close()
            viewer.wait(_CLOSING_S)
            raise _without_windows() if word == NO_WINDOWS else _without_display()
        self._viewer = viewer
        threading.Thread(target=self._listen, args=(viewer,), daemon=True).start()
        return super().__enter__()

    def show(self, scene: Scene) -> None:
        """Sends a scene to the process."""
        if self._viewer is not None:
            with suppress(BrokenPipeError):  # the listener says why
                pickle.dump((scene, self._status(), hints(self._controls.keys)), self._viewer.stdin)
                self._viewer.stdin.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def finish(self, summary: Summary) -> None:
        """Closes the window; the score is on the terminal."""
        self.close()

    def close(self) -> None:
        """Closes the window, and waits until it is."""
        self._is_closing = True
        self.end(_CLOSING_S)
        viewer, self._viewer = self._viewer, None
        if viewer is not None:
            if self._thread.is_alive():  # the process takes no more, and a pipe cannot be closed meanwhile
                viewer.wait(0.0)
            with suppress(BrokenPipeError):
                viewer.stdin.close()
            viewer.wait(_CLOSING_S)

    def _listen(self, viewer: "Viewer") -> None:
        """Presses the keys that the process names, until it ends."""
        for word in _words(viewer):
            if word == CLOSED:
                self.stop_with(Closed("the window was closed"))
                return
            self._controls.press(word)
            if self._controls.stopped:
                self.stop_with(Closed("stopped with q"))
        if not self._is_closing:
            print("note: the window has ended unexpectedly: playing without one", file=sys.stderr)


class Viewer(Protocol):
    """The process of a window: scenes go in, keys come out."""

    stdin: BinaryIO
    stdout: BinaryIO

    def wait(self, timeout_s: float) -> None:
        """Waits for its end; after that time it is killed."""


class _Process:
    """A `Viewer` with OpenCV."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "spikecut.tools.views.window_process"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.stdin = cast(BinaryIO, self._process.stdin)
        self.stdout = cast(BinaryIO, self._process.stdout)

    def wait(self, timeout_s: float) -> None:
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.stdout.close()


def _words(viewer: Viewer) -> Iterator[str]:
    """What the process says, line by line."""
    return (json.loads(line) for line in viewer.stdout)


def start_viewer() -> Viewer:
    """Starts the process of a window."""
    return _Process()


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
    if trial.returncode == _EXIT_NO_WINDOWS:
        return _without_windows()
    if trial.returncode:
        return _without_display()
    return None


def window_of(card: ModelCard, decider: CutoffDecider[Any]) -> WindowSink:
    """The overlay in a window, for one network and one cutoff."""
    return WindowSink(**overlay_options(card, decider))


def _without_display() -> EnvironmentProblem:
    return EnvironmentProblem(
        "OpenCV cannot open a window on this display", hint="does DISPLAY name a screen that is on?"
    )


def _without_windows() -> EnvironmentProblem:
    return EnvironmentProblem("this OpenCV shows no windows", hint=f"for one with windows: {_HOW_TO_GET_ONE}")


def _make_window(card: ModelCard, decider: CutoffDecider[Any], options: ViewOptions) -> WindowSink:
    return WindowSink(options.controls, options.status, **overlay_options(card, decider, options))


def _wish_window(options: ViewOptions) -> Wish:
    if options.window is None:
        return Wish.if_possible if options.controls.is_paced else Wish.no
    return Wish.yes if options.window else Wish.no


WINDOW = ViewKind(
    "the overlay in a window: --speed, --window on, or --view window",
    _make_window,
    wish=_wish_window,
    problem=window_problem,
)
