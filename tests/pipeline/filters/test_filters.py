"""Truths about filters: nothing is lost without a cause, and the result does not depend on how the stream was cut."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.drop_counts import DropCause, DropCounts
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.filters import FILTERS
from spikecut.pipeline.filters.base import Filter
from spikecut.pipeline.filters.hot_pixels import HotPixels, find_hot_pixels
from spikecut.pipeline.filters.parsing import filter_from, filtered, filters_from

import naive
from streams import SENSOR, batch_of, batches, cuts

EXAMPLES = (
    "crop:1,2,4x3",
    "downsample:2",
    "flip:x",
    "flip:y",
    "rotate:90",
    "rotate:180",
    "rotate:270",
    "transpose",
    "polarity:on",
    "polarity:off",
    "refractory:40us",
    "noise:60us",
    "hot_pixels:3,2+0,0",
    "hot_pixels",
    "rate_limit:20k",
)


class Source:
    """Batches that can be read again."""

    def __init__(self, parts: list[EventBatch]) -> None:
        self.parts, self.sensor = parts, parts[0].sensor

    def __iter__(self) -> Any:
        return iter(self.parts)


def through(one: Filter, parts: list[EventBatch]) -> list[EventBatch]:
    return list(filtered(Source(parts), [one]))


def columns(parts: list[EventBatch]) -> list[list[int]]:
    return [[value for part in parts for value in getattr(part, name).tolist()] for name in "txyp"]


def lost(parts: list[EventBatch]) -> dict[str, int]:
    return sum((part.lost for part in parts), DropCounts()).events_by_cause()


def test_every_filter_of_the_table_has_an_example() -> None:
    assert {text.partition(":")[0] for text in EXAMPLES} == set(FILTERS)


@pytest.mark.parametrize("text", EXAMPLES)
@settings(max_examples=20)
@given(data=st.data(), whole=batches())
def test_filtered_events_do_not_depend_on_how_the_stream_was_cut(
    text: str, data: st.DataObject, whole: EventBatch
) -> None:
    one = filter_from(text)
    untouched = columns([whole])
    in_one, in_parts = through(one, [whole]), through(one, data.draw(cuts(whole)))
    assert columns(in_parts) == columns(in_one)
    assert lost(in_parts) == lost(in_one)
    assert columns([whole]) == untouched


@pytest.mark.parametrize("text", EXAMPLES)
@settings(max_examples=20)
@given(data=st.data(), whole=batches())
def test_every_event_is_kept_or_dropped_with_the_cause_of_its_filter(
    text: str, data: st.DataObject, whole: EventBatch
) -> None:
    parts = data.draw(cuts(replace(whole, lost=DropCounts.of(DropCause.late, 3))))
    parts[0] = replace(parts[0], lost=DropCounts.of(DropCause.late, 3))
    one = filter_from(text)
    assert isinstance(one, Filter)
    after = through(one, parts)
    assert sum(len(part) for part in after) + sum(lost(after).values()) == len(whole) + 3
    own = {"crop": "outside_crop", "hot_pixels": "hot_pixel"}.get(one_name := text.partition(":")[0], one_name)
    assert set(lost(after)) <= {"late", own}
    assert not any(DropCause(cause).is_damage for cause in set(lost(after)) - {"late"})
    assert [(part.start_us, part.end_us, part.segment) for part in after] == [
        (part.start_us, part.end_us, part.segment) for part in parts
    ]
    assert {part.sensor for part in after} == {one.output(whole.sensor)}
    for part in after:
        assert (part.x < part.sensor.width).all()
        assert (part.y < part.sensor.height).all()


@pytest.mark.parametrize("text", EXAMPLES)
@settings(max_examples=20)
@given(whole=batches())
def test_a_reset_of_the_clock_ends_what_a_filter_remembers(text: str, whole: EventBatch) -> None:
    """Twice the same stream, in two segments: twice the same result. Found pixels are those of the whole stream."""
    one = filter_from(text)
    if one == HotPixels():
        one = HotPixels(((0, 0),))
    first, again = through(one, [whole, replace(whole, segment=1)])
    assert columns([first]) == columns([again])


@given(whole=batches(), period_us=st.integers(1, 200))
def test_refractory_and_noise_agree_with_their_naive_twins(whole: EventBatch, period_us: int) -> None:
    for text, mask in (
        (f"refractory:{period_us}us", naive.refractory(whole.t, whole.x, whole.y, period_us)),
        (f"noise:{period_us}us", naive.background(whole.t, whole.x, whole.y, period_us)),
    ):
        assert columns(through(filter_from(text), [whole])) == columns([whole.take(np.array(mask))])


@given(whole=batches(), rate=st.sampled_from([1, 700, 20_000, 333_333, 10**6, 10**12]))
def test_a_rate_limit_agrees_with_its_naive_twin(whole: EventBatch, rate: int) -> None:
    mask = np.array(naive.rate_limit(whole.t, rate, 10_000))
    assert columns(through(filter_from(f"rate_limit:{rate}"), [whole])) == columns([whole.take(mask)])


def test_in_the_long_run_a_rate_limit_lets_through_its_rate() -> None:
    flood = batch_of(list(range(0, 1_000_000, 10)))
    (part,) = through(filter_from("rate_limit:2k"), [flood])
    assert len(part) == 2_000 + 20 - 1  # and what 10 ms hold at the beginning
    assert lost([part]) == {"rate_limit": 100_000 - 2_019}


def test_an_event_exactly_one_period_later_passes_and_one_exactly_as_old_as_the_window_supports() -> None:
    twice = batch_of([0, 10], [3, 3], [2, 2])
    assert columns(through(filter_from("refractory:10us"), [twice]))[0] == [0, 10]
    assert columns(through(filter_from("refractory:11us"), [twice]))[0] == [0]
    beside = batch_of([0, 10], [3, 4], [2, 3])
    assert columns(through(filter_from("noise:10us"), [beside]))[0] == [10]
    assert columns(through(filter_from("noise:9us"), [beside]))[0] == []
    assert columns(through(filter_from("noise:1s"), [twice]))[0] == []  # a pixel does not support itself


def test_geometry_moves_each_pixel_to_its_place() -> None:
    corner = batch_of([0], [5], [1], [1])  # on 7 x 5
    places = {
        "crop:4,1,3x2": (1, 0, SensorSize(3, 2)),
        "downsample:2": (2, 0, SensorSize(4, 3)),
        "flip:x": (1, 1, SENSOR),
        "flip:y": (5, 3, SENSOR),
        "rotate:90": (3, 5, SensorSize(5, 7)),
        "rotate:180": (1, 3, SENSOR),
        "rotate:270": (1, 1, SensorSize(5, 7)),
        "transpose": (1, 5, SensorSize(5, 7)),
    }
    for text, (x, y, sensor) in places.items():
        (part,) = through(filter_from(text), [corner])
        assert (part.x.tolist(), part.y.tolist(), part.sensor) == ([x], [y], sensor), text


@given(whole=batches())
def test_geometry_is_that_of_the_image(whole: EventBatch) -> None:
    def image(parts: list[EventBatch]) -> Any:
        binner = CountBinner(parts[0].sensor, 10**6, counter="uint16")
        return np.sum([frame.pixels for frame in binner.bins(parts)], axis=0)

    plain = image([whole])
    for text, turned in (
        ("flip:x", plain[:, :, ::-1]),
        ("flip:y", plain[:, ::-1]),
        ("rotate:90", np.rot90(plain, -1, (1, 2))),
        ("rotate:270", np.rot90(plain, 1, (1, 2))),
        ("transpose", plain.transpose(0, 2, 1)),
        ("crop:1,2,4x3", plain[:, 2:5, 1:5]),
    ):
        np.testing.assert_array_equal(image(through(filter_from(text), [whole])), turned)


@given(whole=batches())
def test_turning_four_times_changes_nothing(whole: EventBatch) -> None:
    assert columns(list(filtered(Source([whole]), filters_from(["rotate:90"] * 4)))) == columns([whole])


@pytest.mark.parametrize("text", EXAMPLES)
def test_events_outside_the_sensor_stay_outside(text: str) -> None:
    """A reader drops them; where one is left, no filter brings it back or writes beyond its memory."""
    stray = batch_of([0, 1], [65_535, 9], [4, 60_000], [1, 0])
    for part in through(filter_from(text), [stray]):
        inside = (part.x < part.sensor.width) & (part.y < part.sensor.height)
        assert not inside.any()


def test_a_hot_pixel_is_busier_than_its_neighbours() -> None:
    rng = np.random.default_rng(3)
    n = 3_000
    t = np.sort(rng.integers(0, 2_000_000, 2 * n))
    x, y = rng.integers(0, 7, 2 * n), rng.integers(0, 5, 2 * n)
    x[::2], y[::2] = 4, 1  # half of all events
    x[1:60:2], y[1:60:2] = 0, 0
    stream = batch_of(t.tolist(), x.tolist(), y.tolist(), [1] * 2 * n)
    assert find_hot_pixels([stream]) == ((4, 1),)
    (part,) = HotPixels().apply([stream])
    assert not ((part.x == 4) & (part.y == 1)).any()
    assert lost([part]) == {"hot_pixel": int(((x == 4) & (y == 1)).sum())}
    assert find_hot_pixels([stream], least_hz=2_000) == ()
    assert find_hot_pixels([]) == ()


def test_hot_pixels_of_a_stream_that_passes_once_must_be_given() -> None:
    stream = batch_of([0, 1], [0, 1], [0, 1])
    with pytest.raises(ConfigError, match="can be read only once"):
        HotPixels().apply(iter([stream]))
    (part,) = HotPixels(((1, 1),)).apply(iter([stream]))
    assert part.t.tolist() == [0]
    with pytest.raises(EventError, match="sensor after one of"):
        find_hot_pixels([stream, batch_of([3], sensor=SensorSize(9, 9))])


def test_a_single_pixel_has_no_neighbours() -> None:
    sensor = SensorSize(1, 1)
    assert find_hot_pixels([batch_of(list(range(100)), sensor=sensor)]) == ((0, 0),)


def test_filters_act_in_their_order_on_a_source_that_can_be_read_again() -> None:
    source = filtered(Source([batch_of([0, 5, 9], [1, 1, 6], [1, 1, 4])]), filters_from(["crop:1,1,6x4", "rotate:90"]))
    assert source.sensor == SensorSize(4, 6)
    assert columns(list(source)) == columns(list(source)) == [[0, 5, 9], [3, 3, 0], [0, 0, 5], [0, 0, 0]]
    with pytest.raises(ConfigError, match="does not lie on a 4x6 sensor"):
        filtered(source, filters_from(["crop:0,0,5x5"]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("refractoryy:1ms", "no filter 'refractoryy'"),
        ("refractory", "expected refractory:1ms"),
        ("refractory:1", "expected refractory:1ms"),
        ("refractory:0us", "at least 1 us"),
        ("noise:-5ms", "expected noise:5ms"),
        ("crop:1,2,3", "expected crop:X,Y,WxH"),
        ("crop:1,2,0x4", "expected pixels of a sensor"),
        ("downsample:two", "expected downsample:N"),
        ("downsample:0", "from 1 to 65535"),
        ("flip:z", "expected x"),
        ("flip", "expected flip:x"),
        ("rotate:45", "expected 90, 180 or 270"),
        ("transpose:1", "expected transpose"),
        ("polarity:both", "expected on or off"),
        ("hot_pixels:1;2", "expected hot_pixels"),
        ("rate_limit:0", "expected 1 to"),
        ("rate_limit:fast", "expected rate_limit:500k"),
        ("rate_limit:9999999999G", "expected 1 to"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_with_its_form(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        filter_from(text)


@pytest.mark.parametrize("text", ["crop:5,0,3x1", "downsample:6", "hot_pixels:7,0"])
def test_a_filter_that_does_not_fit_the_sensor_is_refused_before_a_batch_is_read(text: str) -> None:
    with pytest.raises(ConfigError, match="7x5 sensor"):
        filtered(Source([batch_of([0])]), [filter_from(text)])


def test_empty_batches_pass_and_consecutive_ones_still_tile() -> None:
    silence = [batch_of([], start_us=at, end_us=at + 10) for at in range(0, 50, 10)]
    for text in EXAMPLES:
        after = through(filter_from(text), silence)
        assert all(one.end_us == other.start_us for one, other in pairwise(after))
