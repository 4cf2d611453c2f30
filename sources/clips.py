"""Cutting a continuous recording where its labels say: one batch of events a gesture."""

from collections.abc import Iterable, Iterator

import numpy as np

from spikecut.pipeline.events import NOTHING_LOST, DropCounts, EventBatch, SensorSize
from spikecut.pipeline.protocols import EventSource
from spikecut.sources.gesture_labels import GestureSpan


def cut(recording: EventSource, spans: Iterable[GestureSpan]) -> Iterator[tuple[GestureSpan, EventBatch]]:
    """Every gesture with exactly the events of its time, in the order of time; spans must not overlap.

    One pass, and no more in memory than the longest gesture. Where the stream ends early, the gestures that
    are left come with what there was. Labels know one clock: what follows its reset is not looked at.
    What was lost while reading is counted with the gesture in progress, or with the next.
    """
    waiting = iter(spans)
    span = next(waiting, None)
    parts: list[EventBatch] = []
    lost = NOTHING_LOST
    for batch in recording:
        if span is None or batch.segment:
            break
        lost += batch.lost
        while span is not None and batch.end_us > span.start_us:
            parts.append(batch)
            if batch.end_us < span.end_us:
                break
            yield span, _within(span, parts, recording.sensor, lost)
            span, parts, lost = next(waiting, None), [], NOTHING_LOST
    while span is not None:
        yield span, _within(span, parts, recording.sensor, lost)
        span, parts, lost = next(waiting, None), [], NOTHING_LOST


def _within(span: GestureSpan, parts: list[EventBatch], sensor: SensorSize, lost: DropCounts) -> EventBatch:
    columns: list[list[np.ndarray[tuple[int], np.dtype[np.generic]]]] = [[], [], [], []]
    for batch in parts:
        i, j = np.searchsorted(batch.t, (span.start_us, span.end_us))
        for column, values in zip(columns, (batch.t, batch.x, batch.y, batch.p), strict=True):
            column.append(values[i:j])
    kinds = (np.int64, np.uint16, np.uint16, np.uint8)
    t, x, y, p = (np.concatenate([np.zeros(0, kind), *column]) for kind, column in zip(kinds, columns, strict=True))
    return EventBatch(t, x, y, p, span.start_us, span.end_us, sensor, 0, lost)
