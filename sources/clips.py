"""Cutting a continuous recording where its labels say: one batch of events a gesture."""

from collections.abc import Iterable, Iterator

import numpy as np

from spikecut.pipeline.events import NOTHING_LOST, DropCounts, EventBatch, SensorSize
from spikecut.pipeline.protocols import EventSource
from spikecut.sources.gesture_labels import GestureSpan

_KINDS = (np.int64, np.uint16, np.uint16, np.uint8)
Columns = tuple[np.ndarray[tuple[int], np.dtype[np.generic]], ...]


def cut(recording: EventSource, spans: Iterable[GestureSpan]) -> Iterator[tuple[GestureSpan, EventBatch]]:
    """Every gesture with exactly the events of its time, in the order of time; spans must not overlap.

    One pass, and no more in memory than the longest gesture. Where the stream ends early, the gestures that
    are left come with what there was. A reset of the clock ends the gesture it falls into; the later ones are
    looked for after it. What was lost while reading is counted with the gesture in progress, or with the next.
    """
    waiting = iter(spans)
    span = next(waiting, None)
    parts: list[Columns] = []
    lost, segment = NOTHING_LOST, 0
    for batch in recording:
        if span is not None and parts and batch.segment != segment:
            yield span, _joined(span, parts, recording.sensor, lost)
            span, parts, lost = next(waiting, None), [], NOTHING_LOST
        if span is None:
            break
        segment = batch.segment
        lost += batch.lost
        while span is not None and batch.end_us > span.start_us:
            i, j = np.searchsorted(batch.t, (span.start_us, span.end_us))
            parts.append(tuple(column[i:j].copy() for column in (batch.t, batch.x, batch.y, batch.p)))
            if batch.end_us < span.end_us:
                break
            yield span, _joined(span, parts, recording.sensor, lost)
            span, parts, lost = next(waiting, None), [], NOTHING_LOST
    while span is not None:
        yield span, _joined(span, parts, recording.sensor, lost)
        span, parts, lost = next(waiting, None), [], NOTHING_LOST


def _joined(span: GestureSpan, parts: list[Columns], sensor: SensorSize, lost: DropCounts) -> EventBatch:
    columns = zip(*parts, strict=True) if parts else [()] * 4
    t, x, y, p = (np.concatenate([np.zeros(0, kind), *column]) for kind, column in zip(_KINDS, columns, strict=True))
    return EventBatch(t, x, y, p, span.start_us, span.end_us, sensor, 0, lost)
