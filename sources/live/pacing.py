"""Playing a recording at the pace of its sensor, or any other, and saying by how much that failed."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame


class Clock(Protocol):
    """What passes on the wall; tests bring one that they can advance."""

    def now_s(self) -> float: ...

    def sleep_s(self, seconds: float) -> None: ...


class WallClock:
    """The real one."""

    def now_s(self) -> float:
        return time.monotonic()

    def sleep_s(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(slots=True)
class Lag:
    """How late every bin was handled, against the schedule of the sensor and not against when we got to it.

    Percentiles are over the last 65,536 bins; below 0 is impossible, for nothing is handed on early.
    """

    behind_ms: deque[float] = field(default_factory=lambda: deque(maxlen=65_536))
    most_ms: float = -np.inf

    def add(self, behind_ms: float) -> None:
        self.behind_ms.append(behind_ms)
        self.most_ms = max(self.most_ms, behind_ms)

    def __str__(self) -> str:
        if not self.behind_ms:
            return "nothing was played"
        p50, p99 = np.percentile(self.behind_ms, (50, 99))
        return f"lag {p50:.1f} ms (p99 {p99:.1f}, most {self.most_ms:.1f}, at the end {self.behind_ms[-1]:.1f})"


def paced(frames: Iterable[Frame], speed: float, clock: Clock, lag: Lag) -> Iterator[Frame]:
    """Every bin, not before its end has come on a clock that runs `speed` times as fast as the sensor's.

    A delay does not grow: the next bins come at once until the schedule is met again, and
    `lag` gets for each bin how long after its due time it had been dealt with. A reset of the recording's
    clock, or a gap in it, starts a new schedule. The frames are the same at every speed.

    Raises:
        ConfigError: if the speed is not above 0.
    """
    if not speed > 0:
        raise ConfigError(f"a speed of {speed}; expected a factor above 0: 1 is the pace of the sensor")
    origin_s = 0.0
    origin_us: int | None = None
    expected = None
    for frame in frames:
        if origin_us is None or (frame.segment, frame.start_us) != expected:
            origin_s, origin_us = clock.now_s(), frame.start_us
        expected = frame.segment, frame.end_us
        due_s = origin_s + (frame.end_us - origin_us) * 1e-6 / speed
        if (early_s := due_s - clock.now_s()) > 0:
            clock.sleep_s(early_s)
        yield frame
        lag.add((clock.now_s() - due_s) * 1000)
