"""The base of views that show live: a thread of their own draws the newest picture, so the loop never waits for it.

The loop hands over what has changed and goes on. The thread takes in all changes and shows the last state; states in
between are not shown. Nothing grows: where the thread is more than `MOST_PENDING` changes behind, the loop takes in
the oldest ones itself, which is cheap beside drawing.
"""

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from spikecut.pipeline.results import Item
from spikecut.tools.views.base import Summary
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.overlay_view import OverlayView
from spikecut.tools.views.scene import Scene

IMAGES_PER_S: Final = 25.0
MOST_PENDING: Final = 256
_LAST_PICTURE_S: Final = 1.0  # how long the end of a run waits for it


class LiveView(OverlayView, ABC):
    """A `View` whose `show` gets the newest scene, at most 25 times a second, in a thread of its own.

    What `show` raises ends the thread, and is raised in the loop by the next `write` or `idle`; so is `Closed`, with
    which a viewer ends the run.
    """

    def __init__(self, overlay: Overlay) -> None:
        super().__init__(overlay)
        self._pending: deque[Callable[[Scene], Scene]] = deque()
        self._taking_in = threading.Lock()
        self._changed, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._draw_beside, name=f"{type(self).__name__}", daemon=True)

    @abstractmethod
    def show(self, scene: Scene) -> None:
        """Draws a scene. It may take as long as it wants.

        Raises:
            Closed: to end the run.
        """

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def write(self, item: Item) -> None:
        """Takes the next item, and returns at once."""
        self.raise_what_came()
        self.see(item)

    def idle(self) -> None:
        """Has the state of playing drawn anew, which keys may have changed."""
        self.raise_what_came()
        self._changed.set()

    def finish(self, summary: Summary) -> None:
        """Shows the last state, if that takes less than a second."""
        self.end(_LAST_PICTURE_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(0.0 if error is not None else _LAST_PICTURE_S)

    def end(self, wait_s: float) -> None:
        """The thread shows the last state and ends; it is waited for so long."""
        self._ended.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(wait_s)

    def stop_with(self, error: BaseException) -> None:
        """Ends the run with an error, from whatever thread."""
        self._error = error

    def raise_what_came(self) -> None:
        """Raises what ended the thread, once."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _change(self, change: Callable[[Scene], Scene]) -> None:
        self._pending.append(change)
        if len(self._pending) > MOST_PENDING:
            self._take_in()
        self._changed.set()

    def _take_in(self) -> bool:
        """Applies the oldest change; False if there is none."""
        with self._taking_in:
            if not self._pending:
                return False
            self._scene = self._pending.popleft()(self._scene)
            return True

    def _draw_beside(self) -> None:
        try:
            is_last = False
            while not is_last:
                self._changed.wait()
                self._changed.clear()
                is_last = self._ended.is_set()
                while self._take_in():
                    pass
                self.show(self._scene)
                self._ended.wait(1 / IMAGES_PER_S)
        except BaseException as error:  # the loop must hear of it
            self._error = error
