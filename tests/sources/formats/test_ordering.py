"""Time as it comes out of a file, put in order."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.formats.reading import chunks as chunks_module
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
    inside = [event for event in events if event[1] < SENSOR.width and event[2] < SENSOR.height]
    dropped = Counter({"outside_sensor": len(events) - len(inside)})
    segments: list[list[Event]] = []
    late_until = 0
    for i, event in enumerate(inside):
        t, after = event[0], [later[0] for later in inside[i + 1 :]]
        newest = max(one[0] for one in segments[-1]) if segments else None
        if i < late_until:
            dropped["late"] += 1
        elif newest is None:
            if two_behind(t, after, 1_000 * MS):
                dropped["leap"] += 1
            else:
                segments.append([event])
        elif abs(t - newest) <= 10 * MS:
            segments[-1].append(event)
        elif t > newest:
            near = after[:32]
            nearer_before = sum(abs(u - newest) < abs(u - t) for u in near)
            if 2 * nearer_before > len(near) or two_behind(t, after, t - newest + 10 * MS):
                dropped["leap"] += 1
            else:
                segments[-1].append(event)
        elif is_reset(t, newest, after):
            segments.append([event])
        else:
            back = next((j for j, u in enumerate(after) if u >= newest - 10 * MS), None)
            fallen = next((j for j, u in enumerate(after[:-1]) if u < newest - 1_000 * MS), len(after))
            late_until = i + 1 + (fallen if back is None else back)
            dropped["late"] += 1
    segments, n_stale = without_stale(segments)
    dropped["stale"] = n_stale
    put = [(number, *event) for number, part in enumerate(segments) for event in sorted(part, key=lambda e: e[0])]
    return put, {cause: n for cause, n in dropped.items() if n}


def two_behind(t: int, after: Sequence[int], most: int) -> bool:
    """Whether the next two events are more than 10 ms behind a time, and not more than `most`."""
    return len(after) >= 2 and all(10 * MS < t - u <= most for u in after[:2])


def is_reset(t: int, newest: int, after: Sequence[int]) -> bool:
    """Whether a clock that fell goes on where it fell to."""
    far_back, clock, went = newest - t > 1_000 * MS, t, 0
    for count, u in enumerate(after, start=2):
        if u >= newest - 10 * MS:
            return False
        continuous = abs(u - clock) <= 10 * MS
        went += max(0, u - clock) if continuous else 0
        clock = max(u, clock) if continuous else u
        if count >= 32 and (far_back or went >= 20 * MS):
            return True
    return far_back and len(after) > 0


def without_stale(segments: list[list[Event]]) -> tuple[list[list[Event]], int]:
    """Segments of at most 10 ms before the first longer one are stale, if they are few."""
    lengths = [max(part)[0] - min(part)[0] for part in segments]
    n_short = next((number for number, length in enumerate(lengths) if length > 10 * MS), 0)
    n_short = n_short if n_short <= 8 else 0
    return segments[n_short:], sum(map(len, segments[:n_short]))


steps = st.one_of(st.integers(-12 * MS, 30 * MS), st.integers(-1_200 * MS, 1_200 * MS), st.just(0))


@st.composite
def raw_events(draw: st.DrawFn) -> list[Event]:
    moves = draw(st.lists(st.one_of(steps, st.integers(0, 2 * MS)), min_size=1, max_size=150))
    if draw(st.booleans()):  # a long calm part in between, long enough for a clock to be believed
        at = draw(st.integers(0, len(moves)))
        moves[at:at] = draw(st.lists(st.integers(0, 1 * MS), min_size=30, max_size=80))
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


def test_many_chunks_of_one_time_are_not_sorted_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    joined = list[int]()
    join = chunks_module.joined

    def counted(parts: list[Chunk]) -> Chunk:
        joined.append(sum(map(len, parts)))
        return join(parts)

    monkeypatch.setattr(ordering, "joined", counted)
    monkeypatch.setattr(chunks_module, "joined", counted)
    chunks = [chunk_of([0, 20_000, 20_041])] + [chunk_of([20_000] * 50)] * 100
    events, dropped = ordered(chunks)
    assert [t for _, t, *_ in events] == [0] + [20_000] * 5_001 + [20_041]
    assert not dropped
    assert sum(joined) < 4 * 5_003


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
