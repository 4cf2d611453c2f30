"""Cutting a continuous recording where its labels say, one batch of events a gesture; or taking it whole."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.pipeline.protocols import EventSource
from spikecut.sources.datasets.gesture_labels import GestureSpan


def cut(recording: EventSource, spans: Iterable[GestureSpan]) -> Iterator[tuple[GestureSpan, EventBatch]]:
    """Every gesture with exactly the events of its time, in the order of time; spans must not overlap.

    One pass, and no more in memory than the longest gesture. Where the stream ends early, the gestures that
    are left come with what there was. A reset of the clock ends the gesture it falls into; the later ones are
    looked for after it. What was lost while reading is counted with the gesture in progress, or with the next.
    """
    waiting = iter(spans)
    span = next(waiting, None)
    parts: list[EventBatch] = []
    lost, segment = NOTHING_LOST, 0
    for batch in recording:
        if span is not None and parts and batch.segment != segment:
            yield span, _joined(parts, span.start_us, span.end_us, recording.sensor, lost)
            span, parts, lost = next(waiting, None), [], NOTHING_LOST
        if span is None:
            break
        segment = batch.segment
        lost += batch.lost
        while span is not None and batch.end_us > span.start_us:
            parts.append(batch.between(span.start_us, span.end_us))
            if batch.end_us < span.end_us:
                break
            yield span, _joined(parts, span.start_us, span.end_us, recording.sensor, lost)
            span, parts, lost = next(waiting, None), [], NOTHING_LOST
    while span is not None:
        yield span, _joined(parts, span.start_us, span.end_us, recording.sensor, lost)
        span, parts, lost = next(waiting, None), [], NOTHING_LOST


def whole(recording: EventSource) -> EventBatch:
    """All of a recording in one batch: a gesture that was cut already. What follows a reset of the clock is late."""
    parts = list(recording)
    first = [batch for batch in parts if not batch.segment]
    lost = sum((batch.lost for batch in parts), NOTHING_LOST)
    lost += DropCounts.of(DropCause.late, sum(len(batch) for batch in parts[len(first) :]))
    start_us, end_us = (first[0].start_us, first[-1].end_us) if first else (0, 0)
    return _joined(first, start_us, end_us, recording.sensor, lost)


def _joined(parts: list[EventBatch], start_us: int, end_us: int, sensor: SensorSize, lost: DropCounts) -> EventBatch:
    """The parts as one batch of a given time, which may begin before the first and end after the last."""
    events = EventBatch.concatenate(parts) if parts else EventBatch.empty(sensor)
    return replace(events, start_us=start_us, end_us=end_us, segment=0, lost=lost)
