"""A long recording cut into pieces, and the pieces divided into parts; all times in µs of the recording's clock.

Neighbouring pieces of one stream are no independent recordings: the same hand holds the same thing in the same light.
So they are divided by time, and one piece is left out wherever the part changes. What follows then measures how a
network knows this thing a few seconds later, not how it knows others of its kind.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from spikecut.pipeline.clock import format_us
from spikecut.pipeline.errors import ConfigError, EmptyRecording
from spikecut.pipeline.events import NOTHING_LOST, DropCounts, EventBatch
from spikecut.sources.datasets.parts import Part
from spikecut.sources.formats.base import Recording

FEWEST = 5  # one for each part, and one between any two of them


@dataclass(frozen=True, slots=True)
class Stretch:
    """The longest time of a recording without a reset of its clock: `start_us <= t < end_us` in `segment`.

    It holds `n_events`; `n_elsewhere` lie in other segments, and `lost` is what reading all of it has cost.
    """

    segment: int
    start_us: int
    end_us: int
    n_events: int
    n_elsewhere: int
    lost: DropCounts


@dataclass(frozen=True, slots=True)
class Piece:
    """`start_us <= t < end_us` of a stretch, counted from 0; `None` is the part of one that is left out."""

    number: int
    start_us: int
    end_us: int
    part: Part | None


def longest_stretch(recording: Recording) -> Stretch:
    """Reads a recording once, in bounded memory, from its first event to its last.

    Raises:
        EmptyRecording: if it has no events.
        SourceError: if it cannot be read.
    """
    stretches: dict[int, tuple[int, int, int]] = {}
    lost = NOTHING_LOST
    for batch in recording:
        lost += batch.lost
        if len(batch):
            first, _, n = stretches.get(batch.segment, (int(batch.t[0]), 0, 0))
            stretches[batch.segment] = first, int(batch.t[-1]) + 1, n + len(batch)
    if not stretches:
        raise EmptyRecording(recording.path, "not one event")
    segment = max(stretches, key=lambda number: stretches[number][1] - stretches[number][0])
    start_us, end_us, n_events = stretches[segment]
    return Stretch(segment, start_us, end_us, n_events, sum(n for _, _, n in stretches.values()) - n_events, lost)


def planned(recording: Recording, stretch: Stretch, piece_us: int | None, skip_us: int) -> list[Piece]:
    """The whole pieces of a stretch after its first `skip_us`, in the order of time; without `piece_us` it is one.

    Of n pieces the first 60 % train, the next 20 % calibrate and the last 20 % test, to the nearest whole piece,
    without the two between the parts. A recording that stays whole is of part `all`: names divide it from others.

    Raises:
        ConfigError: if nothing is left after `skip_us`, or there are fewer pieces than parts and what lies between.
    """
    start_us = stretch.start_us + skip_us
    left_us = stretch.end_us - start_us
    if left_us <= 0:
        raise ConfigError(
            f"{recording.path}: lasts {format_us(stretch.end_us - stretch.start_us)}; "
            f"nothing is left after the first {format_us(skip_us)}",
            hint="a shorter --skip",
        )
    if piece_us is None:
        return [Piece(0, start_us, stretch.end_us, "all")]
    n = left_us // piece_us
    if n < FEWEST:
        raise ConfigError(
            f"{recording.path}: {n} pieces of {format_us(piece_us)} in {format_us(left_us)}; "
            f"it takes {FEWEST} to divide them by time",
            hint="a shorter --piece; or none, which takes recordings whole and divides them by their names",
        )
    edges = (start_us + number * piece_us for number in range(n))
    return [
        Piece(number, at, at + piece_us, part) for number, (at, part) in enumerate(zip(edges, parts_of(n), strict=True))
    ]


def parts_of(n: int) -> list[Part | None]:
    """The parts of n pieces in the order of time, with none for the two that are left out between them; n is 5 or more.

    >>> parts_of(7)
    ['train', 'train', 'train', None, 'calibration', None, 'test']
    """
    n_each = round((n - 2) / 5)
    shares: tuple[tuple[Part | None, int], ...] = (
        ("train", n - 2 - 2 * n_each),
        (None, 1),
        ("calibration", n_each),
        (None, 1),
        ("test", n_each),
    )
    return [part for part, count in shares for _ in range(count)]


def events_of(recording: Recording, stretch: Stretch, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, EventBatch]]:
    """The events of every piece, batch by batch, with times that begin at 0 with the piece; silent ones do not come."""
    at = 0
    for batch in recording:
        if batch.segment != stretch.segment or not len(batch):
            continue
        while at < len(pieces) and pieces[at].start_us <= batch.t[-1]:
            piece = pieces[at]
            part = batch.between(piece.start_us, piece.end_us)
            if len(t := part.t - piece.start_us):
                first_us, end_us = int(t[0]), int(t[-1]) + 1
                yield piece, replace(part, t=t, start_us=first_us, end_us=end_us, segment=0, lost=NOTHING_LOST)
            if piece.end_us > batch.t[-1]:
                break
            at += 1
