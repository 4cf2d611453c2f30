"""Parts of batches, batches put together, and values that travel to other processes."""

import copy
import itertools
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import CorruptRecording, EventError, SpikecutError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, Frame, SensorSize

from streams import batch_of, batches, cuts

LOST = DropCounts.of(DropCause.late, 3) + DropCounts.of(DropCause.invalid, 2, 16, 40)


def same(one: EventBatch, other: EventBatch) -> bool:
    plain = ("start_us", "end_us", "sensor", "segment", "lost")
    columns = ("t", "x", "y", "p")
    return all(getattr(one, name) == getattr(other, name) for name in plain) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in columns
    )


@st.composite
def parted(draw: st.DrawFn) -> tuple[EventBatch, list[EventBatch]]:
    """A batch with losses in any segment, and its parts between any times."""
    batch = replace(draw(batches()), lost=LOST, segment=draw(st.integers(0, 3)))
    margin = 200
    times = st.integers(batch.start_us - margin, batch.end_us + margin)
    edges = [batch.start_us - margin, *sorted(draw(st.lists(times, max_size=8))), batch.end_us + margin]
    return batch, [batch.between(one, other) for one, other in itertools.pairwise(edges)]


@given(parted())
def test_parts_between_times_tile_a_batch_and_concatenate_to_it_again(
    both: tuple[EventBatch, list[EventBatch]],
) -> None:
    batch, parts = both
    assert same(EventBatch.concatenate(parts), batch)
    assert sum(bool(part.lost) for part in parts) == 1
    assert {part.segment for part in parts} == {batch.segment}


@given(st.data())
def test_a_stream_that_was_cut_anyhow_concatenates_to_itself(data: st.DataObject) -> None:
    batch = data.draw(batches())
    assert same(EventBatch.concatenate(data.draw(cuts(batch))), batch)


@given(batches(), st.integers(-50, 400), st.integers(0, 400))
def test_a_part_holds_exactly_the_events_of_its_time(batch: EventBatch, late_us: int, length_us: int) -> None:
    start_us = batch.start_us + late_us
    part = batch.between(start_us, start_us + length_us)
    inside = (batch.t >= start_us) & (batch.t < start_us + length_us)
    assert part.t.tolist() == batch.t[inside].tolist()
    assert part.x.tolist() == batch.take(inside).x.tolist()
    assert not np.shares_memory(part.t, batch.t)


@given(batches(), st.data())
def test_events_are_taken_by_mask_as_by_their_places(batch: EventBatch, data: st.DataObject) -> None:
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(batch), max_size=len(batch))), bool)
    assert same(batch.take(mask), batch.take(np.flatnonzero(mask)))
    assert batch.take(mask).to_structured().tolist() == batch.to_structured()[mask].tolist()
    assert batch.take(mask).end_us == batch.end_us


def test_losses_of_batches_put_together_add_up() -> None:
    one, other = (replace(batch_of([t], start_us=t, end_us=t + 10), lost=LOST) for t in (0, 10))
    assert EventBatch.concatenate([one, other]).lost == LOST + LOST


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"start_us": 11, "end_us": 20}, "a batch starts at 11 us where 10 us was due"),
        ({"segment": 1}, "segment 1 of a 7x5 sensor after segment 0"),
        ({"sensor": SensorSize(9, 9)}, "of a 9x9 sensor after"),
    ],
)
def test_batches_that_do_not_follow_one_another_are_refused(change: dict[str, Any], said: str) -> None:
    first, second = batch_of([0], end_us=10), batch_of([15], start_us=10, end_us=20)
    with pytest.raises(EventError, match=said):
        EventBatch.concatenate([first, replace(second, **change)])


def test_no_batches_and_times_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(EventError, match="no batch"):
        EventBatch.concatenate([])
    with pytest.raises(EventError, match="before its start"):
        batch_of([0, 5]).between(4, 3)


def values() -> list[Any]:
    batch = replace(batch_of([3, 4, 8], [1, 2, 3], [0, 1, 2], [1, 0, 1], end_us=30), lost=LOST, segment=2)
    (frame, *_) = CountBinner(batch.sensor, 10).bins([batch])
    return [DropCounts(), LOST, batch, frame]


def contents(value: EventBatch | Frame | DropCounts) -> list[Any]:
    """All fields, arrays with their type and content."""
    fields = [getattr(value, name) for name in value.__slots__]
    return [(one.dtype.str, one.tolist()) if isinstance(one, np.ndarray) else one for one in fields]


def returned(value: Any) -> Any:
    return value


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_and_pickles_are_equal_to_the_value(how: Any) -> None:
    for value in values():
        assert contents(how(value)) == contents(value)
        assert type(how(value)) is type(value)
    with pytest.raises(TypeError):
        how(LOST).losses[DropCause.late] = None  # the copy cannot be written to either
    assert not how(NOTHING_LOST)


def test_values_and_errors_come_back_whole_from_another_process() -> None:
    errors = [CorruptRecording("a.bin", "ends", offset=7, hint="look"), SpikecutError("no")]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for value, back in zip(values(), pool.map(returned, values()), strict=True):
            assert contents(back) == contents(value)
        for error, back in zip(errors, pool.map(returned, errors), strict=True):
            assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))
