"""Ctrl-C and SIGTERM while a stream plays: the first one ends the loop between two items, not inside native code."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

_SAME_S = 0.5  # `timeout` sends a signal to the process and to its group: that is one


@dataclass(slots=True)
class End:
    """What ends several streams before they do: a signal, a closed pipe, or `q`."""

    reason: BaseException | None = None
    quit: bool = False

    def __bool__(self) -> bool:
        return self.quit or self.reason is not None

    def check(self) -> None:
        """Raises the reason, in the thread of a stream.

        Raises:
            BaseException: of the kind that came.
        """
        if self.reason is not None:
            raise type(self.reason)(*self.reason.args)


@contextmanager
def between_items() -> Iterator[Callable[[], None]]:
    """While it lasts, a signal waits for the next call of the function that is yielded, which then raises for it.

    A second one, half a second later or more, acts at once. Other threads than the main one get no signals.
    """
    former: dict[int, Any] = {}
    came: list[tuple[int, float]] = []

    def keep(number: int, frame: FrameType | None) -> None:
        now_s = time.monotonic()
        if not came:
            came.append((number, now_s))
        elif now_s - came[0][1] >= _SAME_S:
            former[number](number, frame)

    def act() -> None:
        if came:
            number, _ = came[0]
            former[number](number, None)

    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        former.update({number: handler for number, handler in handlers.items() if callable(handler)})
    for number in former:
        signal.signal(number, keep)
    try:
        yield act
        act()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
