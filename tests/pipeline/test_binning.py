"""Truths about frames: nothing is lost, nothing is counted twice, time always passes."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.drop_counts import DropCause, DropCounts
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import EventBatch, Frame, SensorSize
from spikecut.pipeline.kernels import count_events, first_at

import naive
from streams import SENSOR, batch_of, batches, cut, cuts


def frames_of(pieces: list[EventBatch], step_us: int = 50, **options: object) -> list[Frame]:
    return list(CountBinner(SENSOR, step_us, **options).bins(pieces))  # type: ignore[arg-type]


def as_values(frames: list[Frame]) -> list[tuple[object, ...]]:
    return [
        (f.index, f.segment, f.start_us, f.end_us, f.n_events, f.pixels.tobytes(), f.lost.events_by_cause())
        for f in frames
    ]


@given(st.data(), batches(), st.sampled_from([1, 7, 50, 1000]), st.integers(1, 40))
def test_frames_do_not_depend_on_how_the_stream_was_cut(
    data: st.DataObject, whole: EventBatch, step_us: int, max_silence_bins: int
) -> None:
    options = {"step_us": step_us, "max_silence_bins": max_silence_bins}
    in_one = frames_of([whole], **options)
    assert as_values(frames_of(data.draw(cuts(whole)), **options)) == as_values(in_one)


@given(batches(), st.sampled_from([1, 7, 50, 1000]), st.sampled_from(["uint8", "uint16", "float32"]))
def test_frames_hold_what_a_plain_count_holds(whole: EventBatch, step_us: int, counter: str) -> None:
    frames = frames_of([whole], step_us, counter=counter, max_silence_bins=10**6)
    expected = naive.frames_of(whole.t, whole.x, whole.y, whole.p, step_us, SENSOR.height, SENSOR.width)
    got = np.stack([f.pixels for f in frames])
    assert got.dtype == counter
    np.testing.assert_array_equal(got[: len(expected)], expected)
    assert not got[len(expected) :].any()


@given(batches(), st.integers(1, 3), st.sampled_from([None, (0, 0, 7, 5), (1, 2, 3, 3), (6, 4, 1, 1)]))
def test_every_event_is_counted_once_or_dropped_with_a_cause(
    whole: EventBatch, downsample: int, crop: tuple[int, int, int, int] | None
) -> None:
    frames = frames_of([whole], 50, crop=crop, downsample=downsample, counter="uint16")
    counted = sum(f.n_events for f in frames)
    assert counted == sum(int(f.pixels.sum()) for f in frames)
    assert counted + sum(f.lost.total for f in frames) == len(whole)


@given(batches())
def test_bins_tile_time_within_a_segment(whole: EventBatch) -> None:
    frames = frames_of([whole], 50, max_silence_bins=2)
    assert [f.index for f in frames] == list(range(len(frames)))
    for before, after in itertools.pairwise(frames):
        if before.segment == after.segment:
            assert before.end_us == after.start_us
        else:
            assert after.start_us > before.end_us


def test_an_empty_scene_still_closes_bins_on_time() -> None:
    silence = [batch_of([], start_us=at, end_us=at + 10) for at in range(0, 100, 10)]
    seen: list[int] = []
    for frame in CountBinner(SENSOR, 50).bins(iter(silence)):
        seen.append(frame.end_us)
    assert seen == [50, 100]


def test_a_bin_closes_as_soon_as_its_time_has_passed() -> None:
    binner = CountBinner(SENSOR, 50)
    read: list[int] = []

    def source() -> Iterator[EventBatch]:
        for at in range(0, 200, 25):
            read.append(at)
            yield batch_of([at], start_us=at, end_us=at + 25)

    frames = binner.bins(source())
    next(frames)
    assert read == [0, 25]


@pytest.mark.parametrize("jump_us", [10**6, 10**12, 10**17])
def test_a_jump_in_time_costs_no_more_than_the_longest_silence(jump_us: int) -> None:
    frames = frames_of([batch_of([0, 60, 60 + jump_us])], 50, max_silence_bins=20)
    assert len(frames) <= 25
    assert sum(f.n_events for f in frames) == 3
    assert frames[-1].segment == frames[0].segment + 1
    assert frames[-1].start_us == 60 + jump_us


def test_a_clock_reset_starts_a_new_grid_at_once() -> None:
    frames = frames_of([batch_of([1000, 1010]), batch_of([3], segment=1)], 50)
    assert [(f.segment, f.start_us, f.n_events) for f in frames] == [(0, 1000, 2), (1, 3, 1)]


def test_an_event_on_the_edge_belongs_to_the_later_bin() -> None:
    frames = frames_of([batch_of([0, 49, 50, 99, 100])], 50)
    assert [f.n_events for f in frames] == [2, 2, 1]


def test_narrow_counters_stop_at_their_limit_and_still_count_every_event() -> None:
    many = batch_of([0] * 300)
    (frame,) = frames_of([many])
    assert frame.pixels[0, 0, 0] == 255
    assert frame.n_events == 300
    (binary,) = frames_of([many], binary=True)
    assert binary.pixels[0, 0, 0] == 1


def test_pixels_are_p_then_y_then_x() -> None:
    (frame,) = frames_of([batch_of([0], [6], [3], [1])])
    assert frame.pixels.shape == (2, 5, 7)
    assert np.argwhere(frame.pixels).tolist() == [[1, 3, 6]]


def test_downsampling_keeps_the_last_incomplete_square() -> None:
    (frame,) = frames_of([batch_of([0], [6], [4], [0])], downsample=2)
    assert frame.pixels.shape == (2, 3, 4)
    assert np.argwhere(frame.pixels).tolist() == [[0, 2, 3]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.booleans())
def test_the_kernel_agrees_with_its_naive_twin(seed: int, factor: int, narrow: bool) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 1300))
    x, y = rng.integers(0, 65_536, (2, n)).astype(np.uint16)
    if narrow:
        x, y = x % 40, y % 40
    p = rng.integers(0, 3, n).astype(np.uint8)
    x0, y0, width, height = (int(v) for v in rng.integers(1, 30, 4))
    size = 2 * -(-width // factor) * -(-height // factor) + 1
    fast, slow = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    limit = np.uint8(rng.integers(1, 255))
    inside = count_events(fast, limit, x, y, p, x0, y0, width, height, factor)
    assert inside == naive.count_events(slow, int(limit), x, y, p, x0, y0, width, height, factor)
    np.testing.assert_array_equal(fast, slow)


@given(st.lists(st.integers(0, 50), max_size=200), st.integers(0, 60), st.data())
def test_an_edge_divides_events_where_the_first_later_one_is(times: list[int], edge: int, data: st.DataObject) -> None:
    """The search gallops over thousands of events; here each time stands for 40 events."""
    t = np.repeat(np.sort(np.array(times, np.int64)), 40)
    first = data.draw(st.integers(0, int(np.searchsorted(t, edge))))
    assert first_at(t, first, edge) == np.searchsorted(t, edge)


def test_events_outside_are_spread_over_all_spare_counters() -> None:
    counts = np.zeros(2 + 16, np.uint8)
    x = np.ones(160, np.uint16)
    assert count_events(counts, np.uint8(255), x, x, np.zeros(160, np.uint8), 0, 0, 1, 1, 1) == 0
    assert counts.tolist() == [0, 0] + [10] * 16


@pytest.mark.parametrize("factor", [2, 3, 5, 7, 127, 4096, 65_535])
def test_downsampling_divides_exactly_wherever_the_pixel_is(factor: int) -> None:
    x = np.arange(65_536, dtype=np.uint16)
    zeros = np.zeros(65_536, np.uint16)
    counts = np.zeros(2 * -(-65_536 // factor) + 1, np.float32)
    count_events(counts, np.float32(2**24), x, zeros, zeros.astype(np.uint8), 0, 0, 65_536, 1, factor)
    expected = np.bincount(np.arange(65_536) // factor)
    np.testing.assert_array_equal(counts[: len(expected)], expected)


def test_a_gap_between_batches_is_refused() -> None:
    with pytest.raises(EventError, match="90 us where 60 us was due"):
        frames_of([batch_of([0], end_us=60), batch_of([90])])


def test_events_of_another_sensor_are_refused() -> None:
    with pytest.raises(EventError, match="9x9 sensor in a binner for 7x5"):
        frames_of([batch_of([0], sensor=SensorSize(9, 9))])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_us": 0}, "at least 1 us"),
        ({"crop": (5, 0, 3, 1)}, "does not lie on"),
        ({"downsample": 6}, "downsample by 6"),
    ],
)
def test_a_binner_that_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CountBinner(SENSOR, **{"step_us": 10, **options})  # type: ignore[arg-type]


def test_the_rest_of_a_cut_recording_is_not_forgotten() -> None:
    whole = batch_of([0, 10, 20], end_us=50)
    frames = frames_of(cut(whole, [15]), 50)
    assert [f.n_events for f in frames] == [3]


@pytest.mark.parametrize(("next_us", "starts"), [(40, [0, 10, 20, 40]), (29, [0, 10, 20])])
def test_a_stream_is_interrupted_after_exactly_so_many_silent_bins(next_us: int, starts: list[int]) -> None:
    """Three bins of 10 us without an event since the one at 0; at 29 us the third one is not over."""
    binner = CountBinner(SENSOR, step_us=10, max_silence_bins=3)
    whole = batch_of([0, next_us], end_us=next_us + 1)
    assert [frame.start_us for frame in binner.bins([whole])] == starts


def test_after_an_interruption_the_next_event_starts_a_new_grid() -> None:
    binner = CountBinner(SENSOR, step_us=10, max_silence_bins=3)
    frames = list(binner.bins([batch_of([0, 1_007], end_us=1_008)]))
    assert [(frame.start_us, frame.segment) for frame in frames] == [(0, 0), (10, 0), (20, 0), (1_007, 1)]


def test_silence_at_the_beginning_is_counted_from_the_beginning() -> None:
    binner = CountBinner(SENSOR, step_us=10, max_silence_bins=3)
    frames = list(binner.bins([batch_of([2_000], start_us=1_000, end_us=2_001)]))
    assert [frame.start_us for frame in frames] == [1_000, 1_010, 1_020, 2_000]


def test_what_a_batch_lost_comes_out_with_a_frame_even_if_nothing_else_is_in_it() -> None:
    """Once before the end of a bin, once before a reset of the clock, once before the end of the stream."""
    lost = DropCounts.of(DropCause.late, 2)
    stream = [
        replace(batch_of([5], start_us=0, end_us=12), lost=lost),
        replace(batch_of([], start_us=12, end_us=15), lost=lost),
        replace(batch_of([], start_us=0, end_us=3, segment=1), lost=lost),
    ]
    frames = list(CountBinner(SENSOR, step_us=10).bins(stream))
    assert [(frame.segment, frame.start_us, frame.n_events, frame.lost.total) for frame in frames] == [
        (0, 0, 1, 2),
        (0, 10, 0, 2),
        (1, 0, 0, 2),
    ]


def test_events_outside_are_dropped_by_the_crop_or_by_the_sensor() -> None:
    whole = batch_of([0, 1], x=[0, 3], y=[0, 1], end_us=10)
    (cropped,) = CountBinner(SENSOR, step_us=10, crop=(2, 0, 2, 2)).bins([whole])
    assert cropped.n_events == 1
    assert list(cropped.lost.losses) == [DropCause.outside_crop]


def test_a_crop_that_ends_with_the_sensor_lies_on_it_and_one_pixel_more_does_not() -> None:
    for more_x, more_y in ((0, 0), (1, 0), (0, 1)):
        crop = (1, 1, SENSOR.width - 1 + more_x, SENSOR.height - 1 + more_y)
        if more_x or more_y:
            with pytest.raises(ConfigError, match="does not lie on"):
                CountBinner(SENSOR, step_us=10, crop=crop)
        else:
            assert CountBinner(SENSOR, step_us=10, crop=crop).frame_size.width == SENSOR.width - 1
