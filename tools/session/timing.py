"""Whether the loop kept pace, and whether every event is accounted for: as text and as an object for programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from spikecut.pipeline.drop_counts import DropCounts
from spikecut.sources.live.bin_queue import BinQueue
from spikecut.sources.live.pacing import Lag
from spikecut.tools.session.observing import Tally


@dataclass(frozen=True, slots=True)
class Timing:
    """The time of a run: `all_s` on the wall, of which the loop waited `waited_s` for bins.

    `speed` None is max; a `live` stream of that speed was taken as it came.
    """

    all_s: float
    waited_s: float
    sensor_us: int
    n_events: int
    speed: float | None
    lag: Lag
    live: bool = False

    @property
    def is_paced(self) -> bool:
        """Whether the stream had a pace, which the loop had to keep."""
        return self.live or self.speed is not None

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of work for one second of stream: below 1 the loop keeps pace. None if nothing was played."""
        return (self.all_s - self.waited_s) / (self.sensor_us / 1e6) if self.sensor_us else None

    @property
    def events_per_s(self) -> float:
        """Events used for one second on the wall."""
        return self.n_events / max(self.all_s, 1e-9)

    def as_object(self) -> dict[str, Any]:
        """The numbers that depend on the machine, which is why they are kept apart from the score."""
        factor, lag = self.real_time_factor, self.lag.percentiles()
        return {
            "wall_s": round(self.all_s, 3),
            "real_time_factor": None if factor is None else round(factor, 4),
            "events_per_s": round(self.events_per_s),
            "lag_ms": None if lag is None else {name: round(value, 3) for name, value in lag.items()},
        }

    def as_text(self) -> str:
        """One line for people, of a run at a pace."""
        work = "" if self.real_time_factor is None else f"; {self.real_time_factor:.2g} s of work for 1 s of stream"
        pace = "taken as it came" if self.speed is None else f"played at {self.speed:g} times the sensor's pace"
        return f"{pace}: {self.lag}{work}, {self.events_per_s:,.0f} events/s"


@dataclass(frozen=True, slots=True)
class Account:
    """Where every event that was read has gone: `read_events == used_events + dropped.total`; bins likewise.

    Of the dropped bins, `dropped_before` were missing in a file of kept bins already.
    """

    read_events: int
    used_events: int
    dropped: DropCounts
    read_bins: int
    used_bins: int
    dropped_bins: int
    unplayed_bins: int
    dropped_before: int = 0

    @classmethod
    def of(cls, tally: Tally, queue: BinQueue) -> "Account":
        """The account of a run whose queue is closed."""
        read, lost = queue.read, tally.lost + queue.left
        dropped = queue.n_dropped + read.n_dropped
        return cls(
            read.n_events,
            tally.n_events,
            lost,
            read.n_bins,
            tally.n_bins,
            dropped,
            queue.n_unplayed,
            dropped_before=read.n_dropped,
        )

    def as_object(self) -> dict[str, Any]:
        """The numbers for programs."""
        return {
            "read": self.read_events,
            "used": self.used_events,
            "dropped": self.dropped.events_by_cause(),
            "bins": {
                "read": self.read_bins,
                "used": self.used_bins,
                "queue_full": self.dropped_bins,
                "unplayed": self.unplayed_bins,
            },
        }

    def lines(self) -> Iterator[str]:
        """What was left out, for people."""
        if left_out := [(cause, loss) for cause, loss in self.dropped.losses.items() if not cause.is_damage]:
            yield "left out: " + ", ".join(f"{loss.events:,} {cause.value}" for cause, loss in left_out)
        if self.dropped_before:
            yield f"{self.dropped_before:,} of {self.read_bins:,} bins were dropped when this was recorded"
        if dropped := self.dropped_bins - self.dropped_before:
            yield (
                f"dropped {dropped:,} of {self.read_bins:,} bins: the loop was too slow for this pace "
                "(--when-full block waits for it, --queue N lets more bins wait)"
            )
