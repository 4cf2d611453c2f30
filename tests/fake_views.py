"""A window without a screen, in the place of the process that shows one, and a view that is stuck."""

import json
import os
import threading
import time
from typing import Any

from spikecut.tools.views import window_process
from spikecut.tools.views.live_view import LiveView
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.scene import Scene


class FakeScreen:
    """OpenCV's windows, without a screen."""

    WINDOW_AUTOSIZE = WND_PROP_VISIBLE = 1
    WINDOW_GUI_NORMAL = 16
    error = RuntimeError

    def __init__(self, key: int = -1, visible: float = 1.0, works: bool = True) -> None:
        self.shown: list[Any] = []
        self.key, self.visible, self.works, self.is_open = key, visible, works, False

    def namedWindow(self, title: str, kind: int) -> None:
        if not self.works:
            raise RuntimeError("The function is not implemented")
        self.is_open = True

    def imshow(self, title: str, image: Any) -> None:
        self.shown.append(image)

    def waitKeyEx(self, ms: int) -> int:
        time.sleep(ms / 1000)
        key, self.key = self.key, -1
        return key

    def getWindowProperty(self, title: str, which: int) -> float:
        return self.visible

    def destroyAllWindows(self) -> None:
        self.is_open = False


class ViewerThread:
    """The process of a window as a thread, on a screen of `window_process.opencv`."""

    def __init__(self) -> None:
        (read_in, write_in), (read_out, write_out) = os.pipe(), os.pipe()
        self.stdin, self.stdout = os.fdopen(write_in, "wb"), os.fdopen(read_out, "rb")
        self._ends = os.fdopen(read_in, "rb"), os.fdopen(write_out, "wb", buffering=0)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        incoming, outgoing = self._ends

        def say(word: str) -> None:
            outgoing.write(json.dumps(word).encode() + b"\n")

        window_process.serve(incoming, say)
        outgoing.close()
        while incoming.read(1 << 16):  # as the system takes what a process has not read
            pass
        incoming.close()

    def wait(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        assert not self._thread.is_alive()
        self.stdout.close()


class Stuck(LiveView):
    """Its first picture takes until `free` is set."""

    def __init__(self, overlay: Overlay) -> None:
        super().__init__(overlay)
        self.free, self.draws = threading.Event(), threading.Event()
        self.shown: list[Scene] = []

    def show(self, scene: Scene) -> None:
        self.shown.append(scene)
        self.draws.set()
        self.free.wait()
