"""The process that shows a window: `python -m spikecut.tools.views.window_process`, started by `WindowSink`.

It reads pickles from standard input: first the options of the overlay, then scenes, each with the state of playing and
the keys in words. It draws the newest one, and writes lines of JSON: `"open"` or `"no windows"` first, then the keys
that are pressed, and `"closed"` when the window is. It ends with its input. A process, because windows belong to the
main thread on some systems, where the loop is; because some stop their thread while they are moved; and because Qt may
abort.
"""

import json
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO, Final

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.sources.opencv import opencv
from spikecut.tools.views.canvas import PAGE_WIDTH, Canvas, Font
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.scene import Scene
from spikecut.tools.views.window import CLOSED, NO_WINDOWS, OPEN

TITLE: Final = "spikecut"
_STRIP = 26  # the height of the line of keys, in units of a page
_WAIT_MS = 20  # for keys, between two looks at the input
_ARROWS = {
    65361: "left", 65363: "right",  # X11
    2424832: "left", 2555904: "right", 63234: "left", 63235: "right",  # Windows, macOS
}  # fmt: skip


def serve(incoming: BinaryIO, say: Callable[[str], None]) -> None:
    """Shows what comes until the input ends, or the window is closed."""
    cv2 = opencv()
    overlay = Overlay(**pickle.load(incoming))
    try:
        cv2.namedWindow(TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
    except cv2.error:
        say(NO_WINDOWS)
        return
    say(OPEN)
    newest = _Newest(incoming)
    while not newest.is_over:
        if (message := newest.take()) is not None:
            scene, status, keys = message
            cv2.imshow(TITLE, np.vstack([overlay.draw(scene), strip(overlay, status, keys)]))
        code = int(cv2.waitKeyEx(_WAIT_MS))
        if code >= 0:
            say(_ARROWS.get(code & 0x3FFFFF) or chr(code & 0xFF))
        if newest.has_come and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            say(CLOSED)
            break
    cv2.destroyAllWindows()


def strip(overlay: Overlay, status: str, keys: str) -> UInt8[ndarray, "h w 3"]:
    """The line below the picture: the keys, and the state of playing."""
    style = overlay.style
    height = 2 * round(_STRIP * style.scale / 2)
    image = np.full((height, overlay.size_wh[0], 3), style.ground[::-1], np.uint8)
    canvas, middle = Canvas(image, style.scale), _STRIP / 2
    width = canvas.text(status, PAGE_WIDTH - 20, middle, Font(12, style.text), room=420, right=True)
    canvas.text(keys, 20, middle, Font(12, style.muted), room=PAGE_WIDTH - 60 - width)
    return image


class _Newest:
    """The last message of the input, which a thread reads at all times; those before it are forgotten."""

    def __init__(self, incoming: BinaryIO) -> None:
        self.is_over = self.has_come = False
        self._incoming = incoming
        self._message: tuple[Scene, str, str] | None = None
        threading.Thread(target=self._read, daemon=True).start()

    def take(self) -> tuple[Scene, str, str] | None:
        """The last message, once."""
        message, self._message = self._message, None
        self.has_come = self.has_come or message is not None
        return message

    def _read(self) -> None:
        try:
            while True:
                self._message = pickle.load(self._incoming)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):  # the run has ended, perhaps within a message
            self.is_over = True


def main() -> None:
    """The run decides when it is over, also after Ctrl-C, which reaches every process of a terminal."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    outgoing: Any = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no key

    def say(word: str) -> None:
        outgoing.write(json.dumps(word) + "\n")
        outgoing.flush()

    try:
        serve(sys.stdin.buffer, say)
    except BrokenPipeError:  # the run has ended
        sys.stderr.close()


if __name__ == "__main__":
    main()
