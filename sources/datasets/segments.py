"""Cutting a continuous recording where its labels say, one batch of events a gesture; or taking it whole."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.pipeline.protocols import EventSource
from spikecut.sources.datasets.gesture_labels import GestureSpan


def cut(recording: EventSource, spans: Iterable[GestureSpan]) -> Iterator[tuple[GestureSpan, EventBatch]]:
    """Every gesture with exactly the events of its time, in the order of time; spans must not overlap.

    Each gesture is looked for in every segment of the clock, and has the events of the one where most are; those of a
    later segment are added where they continue it. One pass, and no more in memory than the longest gesture, unless
    one without events comes before it: such a gesture is only known at the end of the recording. What was lost while
    reading is counted with the gesture that is handed out next.
    """
    open_spans = [_Open(span) for span in spans]
    lost, segment = NOTHING_LOST, 0
    for batch in recording:
        lost += batch.lost
        if batch.segment != segment:
            for one in open_spans:
                one.end_segment()
            segment = batch.segment
        for one in open_spans:
            if one.span.start_us >= batch.end_us:
                break
            if not one.is_over and batch.start_us < one.span.end_us:
                one.parts.append(batch.between(one.span.start_us, one.span.end_us))
            one.is_over |= batch.end_us >= one.span.end_us and one.n_events > 0
        while open_spans and open_spans[0].is_over:
            yield open_spans.pop(0).joined(recording.sensor, lost)
            lost = NOTHING_LOST
        if not open_spans:
            return
    for one in open_spans:
        yield one.joined(recording.sensor, lost)
        lost = NOTHING_LOST


@dataclass(slots=True)
class _Open:
    """A gesture in progress: its parts in the segment that is read, and the best of the segments before."""

    span: GestureSpan
    parts: list[EventBatch] = field(default_factory=list)
    before: list[EventBatch] = field(default_factory=list)
    is_over: bool = False

    @property
    def n_events(self) -> int:
        return sum(map(len, self.parts)) + sum(map(len, self.before))

    def end_segment(self) -> None:
        if self.is_over:
            return
        parts = [replace(part, segment=0) for part in self.parts if len(part)]
        if self.before and parts and parts[0].t[0] >= self.before[-1].t[-1]:
            self.before += parts
        elif sum(map(len, parts)) > sum(map(len, self.before)):
            self.before = parts
        self.parts = []

    def joined(self, sensor: SensorSize, lost: DropCounts) -> tuple[GestureSpan, EventBatch]:
        self.is_over = False
        self.end_segment()
        return self.span, _joined(self.before, self.span.start_us, self.span.end_us, sensor, lost)


def whole(recording: EventSource) -> EventBatch:
    """All of a recording in one batch: a gesture that was cut already.

    If its clock was reset, the segment with most events; the events of the others are `late`.
    """
    parts = list(recording)
    n_events = dict.fromkeys((batch.segment for batch in parts), 0)
    for batch in parts:
        n_events[batch.segment] += len(batch)
    chosen = max(n_events, key=lambda segment: n_events[segment], default=0)
    own = [batch for batch in parts if batch.segment == chosen]
    lost = sum((batch.lost for batch in parts), NOTHING_LOST)
    lost += DropCounts.of(DropCause.late, sum(n_events.values()) - sum(map(len, own)))
    start_us, end_us = (own[0].start_us, own[-1].end_us) if own else (0, 0)
    return _joined(own, start_us, end_us, recording.sensor, lost)


def _joined(parts: list[EventBatch], start_us: int, end_us: int, sensor: SensorSize, lost: DropCounts) -> EventBatch:
    """The parts as one batch of a given time, which may begin before the first and end after the last."""
    tiled = [replace(part, start_us=int(part.t[0]), end_us=int(part.t[-1]) + 1) for part in parts if len(part)]
    for at, part in enumerate(tiled[1:]):
        tiled[at] = replace(tiled[at], end_us=part.start_us)
    events = EventBatch.concatenate(tiled) if tiled else EventBatch.empty(sensor)
    return replace(events, start_us=start_us, end_us=end_us, segment=0, lost=lost)
