"""The one queue between a source and the loop: bounded, so that nothing grows, and every bin that it drops is counted.

A thread reads the source and puts bins, each when it is due; the loop takes them. `read = used + dropped` holds for
events and for bins at every moment after `close`.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts
from spikecut.sources.live.playing import Bin

WhenFull = Literal["block", "drop-oldest", "drop-newest", "latest"]
_LISTEN_S = 0.04  # how often the loop looks after keys while it waits


@dataclass(slots=True)
class Read:
    """What the source has handed over: bins, and events with those that it lost.

    Bins that come from a file of kept ones may have `n_dropped` before them, which were read then and not used.
    """

    n_bins: int = 0
    n_events: int = 0
    n_dropped: int = 0

    def add(self, one: Bin) -> None:
        self.n_bins += 1 + one.n_dropped
        self.n_dropped += one.n_dropped
        self.n_events += one.frame.n_events + one.frame.lost.total

    def over(self, bins: Iterable[Bin]) -> Iterator[Bin]:
        """The same bins, each counted before it is handed on."""
        for one in bins:
            self.add(one)
            yield one


@dataclass(slots=True)
class BinQueue:
    """At most `size` bins that wait for the loop.

    When it is full, `block` makes the source wait, so playing lags and nothing is lost; `drop-oldest` and `drop-newest`
    drop one whole bin, `latest` all that wait. What a dropped bin held is counted as `queue_full` in the `lost` of the
    bin that follows it, which also says how many bins were dropped before it. `left` is what the loop did not take,
    after `close`.

    Raises:
        ConfigError: if the size is below 1.
    """

    size: int
    when_full: WhenFull = "block"
    read: Read = field(default_factory=Read)
    n_dropped: int = 0
    n_unplayed: int = 0
    waited_s: float = 0.0
    left: DropCounts = NOTHING_LOST
    _bins: deque[Bin] = field(default_factory=deque)
    _dropped: tuple[DropCounts, int] = (NOTHING_LOST, 0)  # after the last bin that waits
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _is_closed: bool = False
    _is_over: bool = False
    _error: BaseException | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"a queue of {self.size} bins; expected 1 or more")

    def put(self, one: Bin) -> bool:
        """Takes a bin from the source; False once the loop has ended, and then the bin was not taken."""
        with self._changed:
            while self.when_full == "block" and len(self._bins) >= self.size and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return False
            self.read.add(one)
            if len(self._bins) >= self.size:
                self._make_room(one)
            if self.when_full != "drop-newest" or len(self._bins) < self.size:
                self._bins.append(_after(one, *self._dropped))
                self._dropped = NOTHING_LOST, 0
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float) -> Bin | None:
        """The oldest bin that waits, or None if none comes within that time.

        Raises:
            EOFError: if the source is over and every bin was taken.
            BaseException: what the source raised, after its last bin.
        """
        with self._changed:
            if not self._bins and not self._is_over:
                self._changed.wait(timeout_s)
            if self._bins:
                one = self._bins.popleft()
                self._changed.notify_all()
                return one
            if not self._is_over:
                return None
            if self._error is not None:
                raise self._error
            raise EOFError

    def end(self, error: BaseException | None = None) -> None:
        """The source is over, by itself or because of an error."""
        with self._changed:
            self._is_over, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """The loop has ended: the source is not waited for any more, and what the loop did not take is `left`."""
        with self._changed:
            self._is_closed = True
            self.left += self._dropped[0]
            for one in self._bins:
                self.left += one.frame.lost + DropCounts.of(DropCause.unplayed, one.frame.n_events)
            self.n_unplayed += len(self._bins)
            self._bins.clear()
            self._dropped = NOTHING_LOST, 0
            self._changed.notify_all()

    def _make_room(self, newest: Bin) -> None:
        """Drops what the policy says, and counts it where the next bin to be taken after the gap will say so."""
        if self.when_full == "drop-newest":
            self._dropped = _with(self._dropped, newest)
            self.n_dropped += 1
            return
        dropped: tuple[DropCounts, int] = NOTHING_LOST, 0
        while len(self._bins) >= self.size or (self.when_full == "latest" and self._bins):
            dropped = _with(dropped, self._bins.popleft())
            self.n_dropped += 1
        if self._bins:
            self._bins[0] = _after(self._bins[0], *dropped)
        else:
            self._dropped = self._dropped[0] + dropped[0], self._dropped[1] + dropped[1]


def taken(queue: BinQueue, idle: Callable[[], None]) -> Iterator[Bin]:
    """The bins of a queue as they come; `idle` is called again and again while there is none."""
    while True:
        started_s = time.perf_counter()
        try:
            one = queue.get(_LISTEN_S)
        except EOFError:
            return
        finally:
            queue.waited_s += time.perf_counter() - started_s
        if one is None:
            idle()
        else:
            yield one


@contextmanager
def feeding(bins: Iterable[Bin], queue: BinQueue) -> Iterator[None]:
    """While it lasts, a thread puts bins into a queue; what they raise is raised where the queue is read."""

    def feed() -> None:
        error: BaseException | None = None
        try:
            for one in bins:
                if not queue.put(one):
                    break
        except BaseException as raised:  # whatever it is, the loop must hear of it
            error = raised
        queue.end(error)

    thread = threading.Thread(target=feed, name="source", daemon=True)
    thread.start()
    try:
        yield
    finally:
        queue.close()
        thread.join(timeout=1.0)


def _with(dropped: tuple[DropCounts, int], one: Bin) -> tuple[DropCounts, int]:
    """What was dropped, and one more bin."""
    lost = dropped[0] + one.frame.lost + DropCounts.of(DropCause.queue_full, one.frame.n_events)
    return lost, dropped[1] + 1 + one.n_dropped


def _after(one: Bin, lost: DropCounts, n_dropped: int) -> Bin:
    """A bin that follows dropped ones."""
    if not n_dropped:
        return one
    return replace(one, n_dropped=one.n_dropped + n_dropped, frame=replace(one.frame, lost=lost + one.frame.lost))
