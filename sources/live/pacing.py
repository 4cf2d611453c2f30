"""The schedule of playing: when each moment of a recording is due, and by how much playing was late."""

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

    def percentiles(self) -> dict[str, float] | None:
        """The lag in ms: median, 95 and 99 % of the bins, the most, and that of the last; None if nothing was paced."""
        if not self.behind_ms:
            return None
        p50, p95, p99 = np.percentile(self.behind_ms, (50, 95, 99)).tolist()
        return {"p50": p50, "p95": p95, "p99": p99, "max": self.most_ms, "end": self.behind_ms[-1]}

    def __str__(self) -> str:
        if (ms := self.percentiles()) is None:
            return "nothing was played"
        return (
            f"lag {ms['p50']:.1f} ms (p95 {ms['p95']:.1f}, p99 {ms['p99']:.1f}, most {ms['max']:.1f}, "
            f"at the end {ms['end']:.1f})"
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """The wall-clock time of every moment of the sensor's clock: `origin_us` is due at `origin_s`.

    Each time is computed from the origin, never from the time before: rounding does not add up, so a stream of a day
    does not drift.

    Raises:
        ConfigError: if the speed is not above 0.

    >>> Schedule(origin_s=10.0, origin_us=1_000_000, speed=0.5).due_s(1_200_000)
    10.4
    """

    origin_s: float
    origin_us: int
    speed: float

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise ConfigError(f"a speed of {self.speed}; expected a factor above 0: 1 is the pace of the sensor")

    def due_s(self, time_us: int) -> float:
        """When a moment is due, in seconds of the wall clock."""
        return self.origin_s + (time_us - self.origin_us) * 1e-6 / self.speed

    def skipped(self, from_us: int, to_us: int) -> "Schedule":
        """The schedule that goes on at `to_us` when `from_us` is due: what lies between takes no time."""
        return Schedule(self.due_s(from_us), to_us, self.speed)

    def at_speed(self, speed: float, time_us: int) -> "Schedule":
        """The schedule that changes its speed at a moment."""
        return Schedule(self.due_s(time_us), time_us, speed)


def paced(frames: Iterable[Frame], speed: float, clock: Clock, lag: Lag) -> Iterator[Frame]:
    """Every bin, not before its end has come on a clock that runs `speed` times as fast as the sensor's.

    A delay does not grow: the next bins come at once until the schedule is met again, and
    `lag` gets for each bin how long after its due time it had been dealt with. A reset of the recording's
    clock, or a gap in it, takes no time. The frames are the same at every speed.

    Raises:
        ConfigError: if the speed is not above 0.
    """
    schedule = Schedule(clock.now_s(), 0, speed)
    before: Frame | None = None
    for frame in frames:
        if before is None:
            schedule = Schedule(clock.now_s(), frame.start_us, speed)
        elif (frame.segment, frame.start_us) != (before.segment, before.end_us):
            schedule = schedule.skipped(before.end_us, frame.start_us)
        before = frame
        due_s = schedule.due_s(frame.end_us)
        if (early_s := due_s - clock.now_s()) > 0:
            clock.sleep_s(early_s)
        yield frame
        lag.add((clock.now_s() - due_s) * 1000)


def parse_speed(text: str) -> float | None:
    """`max` is None, as fast as possible; a number is a factor of the sensor's pace.

    Raises:
        ConfigError: if it is neither.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ConfigError(f"a speed of {text!r}", hint="1 is the pace of the sensor, 0.25 a quarter of it, or max")
    return speed
