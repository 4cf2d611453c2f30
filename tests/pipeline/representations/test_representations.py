"""Truths about representations: the published formulas, the same frames however the stream was cut."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import EventBatch, Frame, SensorSize
from spikecut.pipeline.filters.parsing import filter_from
from spikecut.pipeline.protocols import Binner
from spikecut.pipeline.representations import REPRESENTATIONS, representation
from spikecut.pipeline.representations.counts import SliceCounter
from spikecut.pipeline.representations.time_surface import TimeSurfaceBinner
from spikecut.pipeline.representations.transforms import EventTransform, FrameTransform, sensor_of
from spikecut.pipeline.representations.voxel import VoxelBinner

import naive
from streams import SENSOR, batch_of, batches, cuts

SLICES: list[dict[str, int]] = [{"step_us": 50}, {"n_events": 7}, {"n_events": 1}]


def as_values(frames: list[Frame]) -> list[tuple[object, ...]]:
    return [(f.index, f.segment, f.start_us, f.end_us, f.n_events, f.pixels.tobytes()) for f in frames]


@pytest.mark.parametrize("slices", SLICES, ids=str)
@pytest.mark.parametrize("name", REPRESENTATIONS)
@settings(max_examples=15)
@given(data=st.data(), whole=batches())
def test_frames_do_not_depend_on_how_the_stream_was_cut(
    name: str, slices: dict[str, int], data: st.DataObject, whole: EventBatch
) -> None:
    binner = representation(name, SENSOR, **slices)
    assert isinstance(binner, Binner)
    in_one = list(binner.bins([whole]))
    assert as_values(list(binner.bins(data.draw(cuts(whole))))) == as_values(in_one)
    assert sum(frame.n_events for frame in in_one) == len(whole)
    n_channels = {"voxel": 5, "voxel_split": 10}.get(name, 2)
    assert {frame.pixels.shape for frame in in_one} == {(n_channels, 5, 7)}


@given(whole=batches(), step_us=st.sampled_from([7, 50, 1000]))
def test_counts_by_time_are_those_of_the_binner(whole: EventBatch, step_us: int) -> None:
    for binary in (False, True):
        ours = SliceCounter(SENSOR, step_us=step_us, binary=binary).bins([whole])
        assert as_values(list(ours)) == as_values(list(CountBinner(SENSOR, step_us, binary=binary).bins([whole])))


@given(whole=batches(), n_events=st.integers(1, 70))
def test_slices_by_number_hold_so_many_events_and_tile_time(whole: EventBatch, n_events: int) -> None:
    frames = list(SliceCounter(SENSOR, n_events=n_events).bins([whole]))
    assert [frame.n_events for frame in frames[:-1]] == [n_events] * (len(frames) - 1)
    assert frames[0].start_us == whole.start_us
    assert all(one.end_us == other.start_us for one, other in pairwise(frames))
    assert all(int(frame.pixels.sum()) == frame.n_events for frame in frames)


@given(whole=batches(), bins=st.integers(1, 6))
def test_voxels_agree_with_the_formula(whole: EventBatch, bins: int) -> None:
    (frame,) = VoxelBinner(SENSOR, n_events=100, bins_per_slice=bins).bins([whole])
    first, last = int(whole.t[0]), int(whole.t[-1])
    expected = naive.voxel(whole.t, whole.x, whole.y, whole.p, (bins, 5, 7), first, last - first)
    np.testing.assert_allclose(frame.pixels, expected, atol=1e-5)
    (both,) = VoxelBinner(SENSOR, n_events=100, bins_per_slice=bins, polarity="split").bins([whole])
    np.testing.assert_allclose(both.pixels[bins:] - both.pixels[:bins], expected, atol=1e-5)
    np.testing.assert_allclose(both.pixels.sum(), len(whole), rtol=1e-5)
    assert frame.pixels.dtype == both.pixels.dtype == np.float32


def test_an_event_between_two_voxels_is_divided_by_its_distance() -> None:
    frames = list(VoxelBinner(SENSOR, step_us=100, bins_per_slice=3).bins([batch_of([0, 50, 60, 75], p=[1, 1, 0, 1])]))
    assert frames[0].pixels[:, 0, 0].tolist() == pytest.approx([1.0, 1.0 - 0.8 + 0.5, -0.2 + 0.5])


@given(whole=batches(), tau_us=st.sampled_from([1, 30, 5000]), linear=st.booleans())
def test_surfaces_agree_with_the_formula(whole: EventBatch, tau_us: int, linear: bool) -> None:
    decay: Any = "linear" if linear else "exponential"
    binner = TimeSurfaceBinner(SENSOR, step_us=40, tau_us=tau_us, decay=decay, max_silence_bins=10**6)
    for frame in binner.bins([whole]):
        before = whole.take(whole.t < frame.end_us)
        expected = naive.surface(before.t, before.x, before.y, before.p, (5, 7), frame.end_us, tau_us, linear)
        np.testing.assert_allclose(frame.pixels, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("slices", SLICES, ids=str)
def test_a_reset_of_the_clock_starts_anew(name: str, slices: dict[str, int]) -> None:
    one = batch_of([0, 5, 9, 30], [1, 1, 6, 2], [1, 1, 4, 0], [1, 0, 1, 1])
    frames = list(representation(name, SENSOR, **slices).bins([one, replace(one, segment=1)]))
    half = len(frames) // 2
    assert [f.pixels.tobytes() for f in frames[:half]] == [f.pixels.tobytes() for f in frames[half:]]
    assert [f.segment for f in frames] == [0] * half + [1] * half


@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("slices", SLICES, ids=str)
def test_events_outside_the_sensor_are_counted_and_written_nowhere(name: str, slices: dict[str, int]) -> None:
    stray = batch_of([0, 1, 2], [65_535, 7, 3], [4, 60_000, 1], [1, 0, 1])
    frames = list(representation(name, SENSOR, **slices).bins([stray]))
    assert sum(frame.n_events for frame in frames) == 1
    assert sum(frame.lost.total for frame in frames) == 2


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("voxels", {"step_us": 10}, "no representation 'voxels'"),
        ("voxel", {}, "expected one of them"),
        ("voxel", {"step_us": 10, "n_events": 10}, "expected one of them"),
        ("counts", {"step_us": 0}, "at least 1"),
        ("counts", {"n_events": -3}, "at least 1"),
        ("voxel", {"step_us": 10, "bins_per_slice": 0}, "expected 1 to 1000"),
        ("voxel", {"step_us": 10, "polarity": "both"}, "expected 'signed' or 'split'"),
        ("linear_surface", {"step_us": 10, "tau_us": 0}, "at least 1 us"),
        ("counts", {"step_us": 10, "tau": 0}, "unexpected keyword argument 'tau'"),
    ],
)
def test_a_representation_that_cannot_be_is_refused(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        representation(name, SENSOR, **options)


@pytest.mark.parametrize("like", ["tonic", "faery", "openeb", "evlib", "dv"])
def test_transforms_take_and_give_arrays_of_any_library(like: str) -> None:
    batch = batch_of([5, 9, 30], [1, 1, 6], [1, 1, 4], [1, 0, 1])
    events = batch.to_structured(like)
    untouched = events.copy()
    after = EventTransform(["refractory:10us", "flip:x"], SENSOR)(events)
    (expected,) = filter_from("flip:x").apply(filter_from("refractory:10us").apply([batch]))
    assert after.dtype == events.dtype
    assert np.array_equal(after, expected.to_structured(like))
    assert np.array_equal(events, untouched)
    frames = FrameTransform(CountBinner(SENSOR, 10))(events)
    assert frames.shape == (3, 2, 5, 7)
    assert frames.sum() == 3


def test_transforms_compose_with_those_of_tonic() -> None:
    transforms = pytest.importorskip("tonic.transforms")
    events = batch_of([5, 9, 30], [1, 1, 6], [1, 1, 4], [1, 0, 1]).to_structured()
    both = transforms.Compose(
        [EventTransform(["polarity:on"], (7, 5, 2)), FrameTransform(VoxelBinner(SENSOR, n_events=10))]
    )
    assert both(events).shape == (1, 5, 5, 7)
    assert both(events).sum() == pytest.approx(2)


def test_a_transform_without_a_sensor_or_events_gets_a_sentence() -> None:
    assert sensor_of((7, 5)) == SENSOR
    with pytest.raises(EventError, match="expected SensorSize"):
        EventTransform([], 7)(batch_of([5]).to_structured())  # type: ignore[arg-type]
    with pytest.raises(EventError, match="no frames"):
        FrameTransform(CountBinner(SensorSize(7, 5), 10))(batch_of([5]).to_structured()[:0])
