"""Events that were read but not used: why, how many, and where in the file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

OnDamage = Literal["salvage", "refuse"]


class DropCause(StrEnum):
    """Why an event was not used. The value is the word in every report; `sentence` explains it."""

    cut_off = "cut_off"
    unreadable = "unreadable"
    outside_sensor = "outside_sensor"
    outside_crop = "outside_crop"
    late = "late"
    invalid = "invalid"
    special = "special"
    leap = "leap"
    stale = "stale"
    trailing = "trailing"
    polarity = "polarity"
    refractory = "refractory"
    noise = "noise"
    hot_pixel = "hot_pixel"
    rate_limit = "rate_limit"
    filtered = "filtered"
    queue_full = "queue_full"
    unplayed = "unplayed"
    lost = "lost"
    repeated = "repeated"
    foreign = "foreign"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]

    @property
    def is_damage(self) -> bool:
        """Whether it is a fault of the recording: no signal of the camera, and not what a filter or a crop removes."""
        return self not in _NO_DAMAGE


_SENTENCES = {
    DropCause.cut_off: "the file ends inside a record",
    DropCause.unreadable: "a stretch of the file could not be decoded",
    DropCause.outside_sensor: "the pixel lies outside the sensor",
    DropCause.outside_crop: "the pixel lies outside the crop",
    DropCause.late: "its time lies further back than events are put in order again",
    DropCause.invalid: "the camera itself marked the event as invalid",
    DropCause.special: "a trigger or another signal of the camera, not the event of a pixel",
    DropCause.leap: "its time leaps away from the times around it",
    DropCause.stale: "left over from another clock, before the recording begins",
    DropCause.trailing: "bytes behind the last event that belong to none",
    DropCause.polarity: "the filter keeps the other polarity",
    DropCause.refractory: "the filter takes it for a repetition: its pixel has just fired",
    DropCause.noise: "the filter takes it for noise: no neighbour fired before it",
    DropCause.hot_pixel: "the filter takes its pixel for a hot one",
    DropCause.rate_limit: "more events a second than the filter lets through",
    DropCause.filtered: "a filter without a cause of its own drops it",
    DropCause.queue_full: "its bin waited for the loop, which was too slow, and was dropped",
    DropCause.unplayed: "its bin waited for the loop when the run was ended",
    DropCause.lost: "its datagram did not arrive, or too late",
    DropCause.repeated: "its datagram had arrived before",
    DropCause.foreign: "its datagram is of another sender, or of another sensor",
}
_NO_DAMAGE = {
    DropCause.special,
    DropCause.outside_crop,
    DropCause.polarity,
    DropCause.refractory,
    DropCause.noise,
    DropCause.hot_pixel,
    DropCause.rate_limit,
    DropCause.filtered,
    DropCause.queue_full,
    DropCause.unplayed,
    DropCause.repeated,
    DropCause.foreign,
}


@dataclass(frozen=True, slots=True)
class Loss:
    """What one cause took: `events` (an incomplete record counts as one), `bytes` of the file, first place."""

    events: int
    bytes: int = 0
    at_byte: int | None = None

    def __add__(self, other: "Loss") -> "Loss":
        places = [place for place in (self.at_byte, other.at_byte) if place is not None]
        return Loss(self.events + other.events, self.bytes + other.bytes, min(places, default=None))


@dataclass(frozen=True, slots=True)
class DropCounts:
    """Events that were read but not used, by cause. `read = used + total` holds everywhere.

    >>> two = DropCounts.of(DropCause.late, events=2) + DropCounts.of(DropCause.late, events=1)
    >>> two.total, two.events_by_cause()
    (3, {'late': 3})
    """

    losses: Mapping[DropCause, Loss] = field(default_factory=lambda: MappingProxyType({}))

    def __reduce__(self) -> tuple[Callable[..., "DropCounts"], tuple[dict[DropCause, Loss]]]:
        """Copies and pickles hold the counts themselves: a read-only view of them has no pickle."""
        return _counts, (dict(self.losses),)

    @classmethod
    def of(cls, cause: DropCause, events: int, bytes: int = 0, at_byte: int | None = None) -> "DropCounts":
        """A count with one cause; with neither events nor bytes it is empty."""
        return cls(MappingProxyType({cause: Loss(events, bytes, at_byte)})) if events or bytes else NOTHING_LOST

    @property
    def total(self) -> int:
        return sum(loss.events for loss in self.losses.values())

    @property
    def damage(self) -> "DropCounts":
        """The counts of the causes that are damage."""
        return _counts({cause: loss for cause, loss in self.losses.items() if cause.is_damage})

    def __bool__(self) -> bool:
        return bool(self.losses)

    def __add__(self, other: "DropCounts") -> "DropCounts":
        if not self.losses or not other.losses:
            return self if self.losses else other
        merged = dict(self.losses)
        for cause, loss in other.losses.items():
            merged[cause] = merged[cause] + loss if cause in merged else loss
        return DropCounts(MappingProxyType(merged))

    def events_by_cause(self) -> dict[str, int]:
        """Plain words and numbers, for JSON and for people."""
        return {cause.value: loss.events for cause, loss in self.losses.items()}


NOTHING_LOST = DropCounts()


def _counts(losses: dict[DropCause, Loss]) -> DropCounts:
    return DropCounts(MappingProxyType(losses))
