"""Streams for the tests: random ones for Hypothesis, and the scissors that cut them into batches."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from spikecut.pipeline.events import EventBatch, SensorSize

SENSOR = SensorSize(7, 5)


def batch_of(
    t: Sequence[int],
    x: Sequence[int] | None = None,
    y: Sequence[int] | None = None,
    p: Sequence[int] | None = None,
    *,
    sensor: SensorSize = SENSOR,
    start_us: int | None = None,
    end_us: int | None = None,
    segment: int = 0,
) -> EventBatch:
    """One batch from plain lists; missing columns are zeros."""
    zeros = [0] * len(t)
    return EventBatch(
        t=np.array(t, np.int64),
        x=np.array(x or zeros, np.uint16),
        y=np.array(y or zeros, np.uint16),
        p=np.array(p or zeros, np.uint8),
        start_us=start_us if start_us is not None else t[0],
        end_us=end_us if end_us is not None else t[-1] + 1,
        sensor=sensor,
        segment=segment,
    )


@st.composite
def batches(draw: st.DrawFn, max_events: int = 60, max_pause_us: int = 80) -> EventBatch:
    """A whole stream in one batch, with pauses, simultaneous events and a silent end."""
    n = draw(st.integers(1, max_events))
    pauses = draw(st.lists(st.integers(0, max_pause_us), min_size=n, max_size=n))
    first = draw(st.integers(-(10**6), 10**15))
    t = first + np.cumsum([0, *pauses[1:]])

    def column(highest: int) -> list[int]:
        return draw(st.lists(st.integers(0, highest), min_size=n, max_size=n))

    return batch_of(
        t.tolist(),
        column(SENSOR.width - 1),
        column(SENSOR.height - 1),
        column(1),
        start_us=int(t[0]),
        end_us=int(t[-1]) + draw(st.integers(1, 3 * max_pause_us)),
    )


def cut(batch: EventBatch, times: Sequence[int]) -> list[EventBatch]:
    """The same stream as several batches, cut at `times`; some of them may be empty."""
    edges = [batch.start_us, *sorted(times), batch.end_us]
    pieces = []
    for start_us, end_us in pairwise(edges):
        part = slice(*np.searchsorted(batch.t, [start_us, end_us]).tolist())
        columns = {name: getattr(batch, name)[part].copy() for name in "txyp"}
        pieces.append(
            EventBatch(**columns, start_us=start_us, end_us=end_us, sensor=batch.sensor, segment=batch.segment)
        )
    return pieces


@st.composite
def cuts(draw: st.DrawFn, batch: EventBatch) -> list[EventBatch]:
    """Any way of cutting a stream into batches."""
    return cut(batch, draw(st.lists(st.integers(batch.start_us, batch.end_us), max_size=8)))
