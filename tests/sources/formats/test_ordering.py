"""Time as it comes out of a file, put in order."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.reading import ordering
from spikecut.sources.formats.reading.ordering import Chunk, in_order, nothing

SENSOR = SensorSize(6, 5)
PATH = Path("recording")
MS = 1_000


Event = tuple[int, int, int, int]


def chunk_of(
    t: Sequence[int],
    x: Sequence[int] | None = None,
    y: Sequence[int] | None = None,
    p: Sequence[int] | None = None,
    new_segment: bool = False,
) -> Chunk:
    n = len(t)
    return Chunk(
        np.array(t, np.int64),
        np.array(x if x is not None else [0] * n, np.uint16),
        np.array(y if y is not None else [0] * n, np.uint16),
        np.array(p if p is not None else [0] * n, np.uint8),
        new_segment=new_segment,
    )


def columns(events: Sequence[Event]) -> tuple[list[int], list[int], list[int], list[int]]:
    t, x, y, p = (list(column) for column in zip(*events, strict=True))
    return t, x, y, p


def ordered(chunks: Iterable[Chunk]) -> tuple[list[Any], dict[str, int]]:
    """Events with their segment, and what was lost, after checking that batches tile time."""
    events, lost, before = [], DropCounts(), None
    for batch in in_order(chunks, SENSOR, PATH):
        assert isinstance(batch, EventBatch)
        if before is not None and batch.segment == before.segment:
            assert batch.start_us == before.end_us
        columns = (batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist())
        events += [(batch.segment, *event) for event in zip(*columns, strict=True)]
        lost, before = lost + batch.lost, batch
    return events, lost.events_by_cause()


def plainly(events: Sequence[Event]) -> tuple[list[Any], dict[str, int]]:
    """The rules, one event at a time. When this and ordering.py disagree, this one is right."""
    segments: list[list[Any]] = [[]]
    newest, dropped = None, {"outside_sensor": 0, "late": 0}
    for event in events:
        t, x, y, _ = event
        if x >= SENSOR.width or y >= SENSOR.height:
            dropped["outside_sensor"] += 1
        elif newest is not None and t < newest - 1_000_000:
            segments.append([event])
            newest = t
        elif newest is not None and t < newest - 10_000:
            dropped["late"] += 1
        else:
            segments[-1].append(event)
            newest = t if newest is None else max(newest, t)
    put = [(number, *event) for number, part in enumerate(segments) for event in sorted(part, key=lambda e: e[0])]
    return put, {cause: n for cause, n in dropped.items() if n}


steps = st.one_of(st.integers(-12 * MS, 30 * MS), st.integers(-1_200 * MS, 1_200 * MS), st.just(0))


@st.composite
def raw_events(draw: st.DrawFn) -> list[Event]:
    moves = draw(st.lists(steps, min_size=1, max_size=60))
    t = draw(st.integers(-(10**6), 10**15)) + np.cumsum(moves)
    pixel = st.tuples(st.integers(0, 7), st.integers(0, 5), st.integers(0, 1))
    return [(int(ti), *draw(pixel)) for ti in t]


@given(raw_events(), st.lists(st.integers(0, 60), max_size=8))
def test_order_does_not_depend_on_how_the_file_was_cut(events: list[Event], cuts: list[int]) -> None:
    edges = sorted({0, len(events), *(min(cut, len(events)) for cut in cuts)})
    chunks = [chunk_of(*columns(events[a:b])) for a, b in itertools.pairwise(edges)]
    assert ordered(chunks) == plainly(events)


@given(raw_events())
def test_every_event_read_is_delivered_or_counted(events: list[Event]) -> None:
    delivered, dropped = ordered([chunk_of(*columns(events))])
    assert len(events) == len(delivered) + sum(dropped.values())


def test_ten_milliseconds_behind_are_sorted_in_and_one_microsecond_more_is_late() -> None:
    events, dropped = ordered([chunk_of([20_000, 10_000, 9_999, 21_000])])
    assert [event[1] for event in events] == [10_000, 20_000, 21_000]
    assert dropped == {"late": 1}


def test_a_second_behind_is_late_and_more_is_a_reset_of_the_clock() -> None:
    events, dropped = ordered([chunk_of([2_000_000, 1_000_000, 999_999, 1_000_005])])
    assert [event[:2] for event in events] == [(0, 2_000_000), (1, 999_999), (1, 1_000_005)]
    assert dropped == {"late": 1}


def test_events_of_one_microsecond_keep_their_order() -> None:
    events, _ = ordered([chunk_of([5, 7, 5, 5], x=[0, 1, 2, 3])])
    assert [event[2] for event in events] == [0, 2, 3, 1]


def test_a_reset_at_the_start_of_a_chunk_makes_one_segment() -> None:
    events, _ = ordered([chunk_of([5_000_000]), chunk_of([0, 5])])
    assert [event[0] for event in events] == [0, 1, 1]


def test_a_segment_marked_by_the_file_begins_even_where_time_goes_on() -> None:
    events, _ = ordered([chunk_of([10, 20]), chunk_of([30], new_segment=True)])
    assert [event[0] for event in events] == [0, 0, 1]


def test_a_jump_of_a_thousand_hours_costs_one_batch_more() -> None:
    batches = list(in_order([chunk_of([0, 3_600_000_000_000, 3_600_000_000_001])], SENSOR, PATH))
    assert sum(len(batch) for batch in batches) == 3
    assert len(batches) <= 3


def test_memory_is_bounded_when_time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "WAITING_LIMIT", 1_000)
    with pytest.raises(LimitExceeded, match="within 10 ms"):
        ordered([chunk_of([7] * 400)] * 3)


def test_damage_that_lets_nothing_through_is_an_error_and_names_the_place() -> None:
    damage = nothing(DropCounts.of(DropCause.unreadable, 3, 24, at_byte=512))
    with pytest.raises(CorruptRecording, match="byte 512") as caught:
        ordered([damage])
    assert caught.value.offset == 512


def test_a_loss_after_the_last_event_is_still_reported() -> None:
    events, dropped = ordered([chunk_of([1, 2]), nothing(DropCounts.of(DropCause.cut_off, 1, 3, 16))])
    assert len(events) == 2
    assert dropped == {"cut_off": 1}


def test_no_events_and_no_loss_are_no_batches() -> None:
    assert list(in_order([], SENSOR, PATH)) == []
