"""Names the stage that holds a run up: the source, the network, the output, or a view."""

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from spikecut.pipeline.errors import printable

STALLED_S = 2.0
_LOOK_S = 0.25

T = TypeVar("T")


@dataclass(slots=True)
class Lane:
    """What one thread is doing, and since when; the stage None is waiting for what is not due yet."""

    stage: str | None = None
    since_s: float = 0.0

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


@contextmanager
def watching(lanes: Sequence[Lane], limit_s: float = STALLED_S) -> Iterator[None]:
    """While it lasts, a note on stderr names each stage that takes longer than `limit_s`, once."""
    ended = threading.Event()

    def watch() -> None:
        noted = [-1.0] * len(lanes)
        while not ended.wait(min(_LOOK_S, limit_s / 4)):
            for place, lane in enumerate(lanes):
                stage, since_s = lane.stage, lane.since_s
                if lane.stalled_s() > limit_s and stage is not None and noted[place] != since_s:
                    noted[place] = since_s
                    print(printable(f"note: {stage} has taken more than {limit_s:g} s"), file=sys.stderr, flush=True)

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
