"""Names the stage that holds a run up: the source, the network, the output, or a view."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from spikecut.pipeline.errors import printable

STALLED_S = 2.0
_LOOK_S = 0.25

T = TypeVar("T")


@dataclass(slots=True)
class Lane:
    """What one thread is doing, and since when; the stage None is waiting for what is not due yet.

    Where a long stage may turn out to be no stall, `excused` says so once it is over; it is named only then.
    """

    stage: str | None = None
    since_s: float = 0.0
    excused: Callable[[], bool] | None = None

    def enter(self, stage: str | None) -> None:
        """The thread goes on to another stage."""
        self.since_s, self.stage = time.monotonic(), stage

    def over(self, items: Iterable[T], pulling: str | None, handling: str | None) -> Iterator[T]:
        """The same items; the thread is in stage `pulling` until one comes, and then in `handling`."""
        self.enter(pulling)
        for item in items:
            self.enter(handling)
            yield item
            self.enter(pulling)
        self.enter(None)

    def stalled_s(self) -> float:
        """For how long the stage has lasted; 0 while the thread waits."""
        return 0.0 if self.stage is None else time.monotonic() - self.since_s


@dataclass(slots=True)
class _Watched:
    """What was printed about a lane."""

    lane: Lane
    limit_s: float
    noted_s: float = -1.0  # since when the last long stage had lasted
    unnamed: str | None = None

    def look(self) -> None:
        """Names the stage if it takes long, or the one that took long and is over now."""
        lane, stage, since_s = self.lane, self.lane.stage, self.lane.since_s
        if self.unnamed is not None and since_s != self.noted_s:
            if lane.excused is None or not lane.excused():
                self._name(self.unnamed)
            self.unnamed = None
        if stage is None or since_s == self.noted_s or lane.stalled_s() <= self.limit_s:
            return
        self.noted_s = since_s
        if lane.excused is None:
            self._name(stage)
        else:
            self.unnamed = stage

    def _name(self, stage: str) -> None:
        print(printable(f"note: {stage} has taken more than {self.limit_s:g} s"), file=sys.stderr, flush=True)


@contextmanager
def watching(lanes: Sequence[Lane], limit_s: float = STALLED_S) -> Iterator[None]:
    """While it lasts, a note on stderr names each stage that takes longer than `limit_s`, once."""
    ended = threading.Event()

    def watch() -> None:
        watched = [_Watched(lane, limit_s) for lane in lanes]
        while not ended.wait(min(_LOOK_S, limit_s / 4)):
            for one in watched:
                one.look()

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
