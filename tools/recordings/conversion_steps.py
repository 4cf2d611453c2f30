"""What `convert` does to the batches on their way: crop, split, shift, progress."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import groupby, pairwise
from typing import Any, Literal

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, SensorSize
from spikecut.tools.recordings.label_files import LabelCopies

Shift = int | Literal["zero"]
_SHIFT_LIMIT_S = 10**11  # three thousand years


@dataclass(frozen=True, slots=True)
class Crop:
    """The part of a sensor of `size` whose first pixel is (`x`, `y`)."""

    x: int
    y: int
    size: SensorSize

    def of(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        """The events in the part, counted from its first pixel; the others are lost as `outside_crop`."""
        for batch in batches:
            inside = (batch.x >= self.x) & (batch.x - self.x < self.size.width)
            inside &= (batch.y >= self.y) & (batch.y - self.y < self.size.height)
            part = batch.take(inside)
            lost = batch.lost + DropCounts.of(DropCause.outside_crop, len(batch) - len(part))
            yield replace(part, x=part.x - self.x, y=part.y - self.y, sensor=self.size, lost=lost)


def parse_crop(text: str, sensor: SensorSize) -> Crop:
    """A part of a sensor from a command line.

    Raises:
        ConfigError: if it is none, or reaches beyond the sensor.

    >>> parse_crop("10,20,64x32", SensorSize(128, 128))
    Crop(x=10, y=20, size=SensorSize(width=64, height=32))
    """
    numbers = text.lower().replace("x", ",").split(",")
    if len(numbers) != 4 or not all(one.strip().isdecimal() and len(one) < 10 for one in numbers):
        raise ConfigError(
            f"--crop {text!r} is no part of a sensor", hint="write X,Y,WIDTHxHEIGHT, such as 56,26,128x128"
        )
    x, y, width, height = map(int, numbers)
    if not (width and height and x + width <= sensor.width and y + height <= sensor.height):
        raise ConfigError(f"--crop {text} is no part of the sensor of {sensor}")
    return Crop(x, y, SensorSize(width, height))


def parse_shift(text: str) -> Shift:
    """A shift from a command line, in µs.

    Raises:
        ConfigError: if it is neither a number of seconds nor the word zero.

    >>> parse_shift("-12.5"), parse_shift("zero")
    (-12500000, 'zero')
    """
    if text == "zero":
        return "zero"
    try:
        seconds = Decimal(text)
    except InvalidOperation:
        seconds = Decimal("nan")
    if not seconds.is_finite() or abs(seconds) > _SHIFT_LIMIT_S:
        raise ConfigError(f"--shift {text!r} is no shift", hint="write seconds, such as --shift=-12.5, or zero")
    return round(seconds * 10**6)


def split_us(seconds: Iterable[float]) -> tuple[int, ...]:
    """The times of splitting in µs.

    Raises:
        ConfigError: if they do not increase from above 0.
    """
    times = tuple(round(one * 1e6) for one in seconds)
    if times and (times[0] < 1 or any(after <= before for before, after in pairwise(times))):
        raise ConfigError(
            f"--split-at {' '.join(f'{one:g}' for one in seconds)}: times must increase from above 0",
            hint="in seconds from the first event, such as --split-at 10 20",
        )
    return times


def split(batches: Iterable[EventBatch], times_us: tuple[int, ...]) -> Iterator[tuple[int, EventBatch]]:
    """Every batch with the number of its part, cut at times that count from the first event as it is played.

    Segments of the clock follow one another; those of a part count from 0.
    """
    part, part_segment = 0, None
    segment, origin_us, played_us, end_us = None, 0, 0, 0
    for batch in batches:
        if segment is None:
            segment, origin_us = batch.segment, batch.start_us
        elif batch.segment != segment:
            played_us += end_us - origin_us
            segment, origin_us = batch.segment, batch.start_us
        end_us, rest = batch.end_us, batch
        while part < len(times_us) and rest.end_us > (bound := origin_us - played_us + times_us[part]):
            if rest.start_us < bound:
                part_segment = segment if part_segment is None else part_segment
                yield part, replace(rest.between(rest.start_us, bound), segment=segment - part_segment)
                rest = replace(rest.between(bound, rest.end_us))
            part, part_segment = part + 1, None
        part_segment = segment if part_segment is None else part_segment
        yield part, replace(rest, segment=segment - part_segment)


def shifted(batch: EventBatch, shift_us: int) -> EventBatch:
    """The same events at other times."""
    if not shift_us:
        return batch
    return replace(batch, t=batch.t + shift_us, start_us=batch.start_us + shift_us, end_us=batch.end_us + shift_us)


class Passing:
    """The batches on their way into one file or several, shifted; the label files learn what each file holds."""

    def __init__(
        self, batches: Iterable[EventBatch], times_us: tuple[int, ...], shift: Shift, labels: LabelCopies
    ) -> None:
        self.batches, self.times_us, self.labels = batches, times_us, labels
        self._shift_us = None if shift == "zero" else shift

    @property
    def shift_us(self) -> int:
        return self._shift_us or 0

    def parts(self) -> Iterator[Iterator[EventBatch]]:
        """The batches of one file after the other; each must be used up before the next."""
        groups = groupby(split(self.batches, self.times_us), key=lambda pair: pair[0])
        pending = next(groups, None)
        for part in range(len(self.times_us) + 1):
            if pending is None or pending[0] != part:
                yield iter(())
                continue
            yield self._shifted(pending[1])
            pending = next(groups, None)

    def _shifted(self, pairs: Iterable[tuple[int, EventBatch]]) -> Iterator[EventBatch]:
        for part, batch in pairs:
            if self._shift_us is None and len(batch):
                self._shift_us = -int(batch.t[0])
            self.labels.watch(part, batch)
            yield shifted(batch, self.shift_us)


@contextmanager
def progress(what: str) -> Iterator[Any]:
    """A function for the batches that shows how far they are, on a terminal; else they pass as they are."""
    if not sys.stderr.isatty():
        yield lambda batches: batches
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def watched(batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
            n, first_us = 0, None
            for batch in batches:
                first_us = batch.start_us if first_us is None else first_us
                n += len(batch)
                seconds = max(0, batch.end_us - first_us) / 1e6
                bar.update(task, description=f"{what}: {n:,} events, {seconds:.1f} s of the recording")
                yield batch

        yield watched
