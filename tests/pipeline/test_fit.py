"""Truths about fitting a sensor to the frames of a network: nothing twice, what is left out is counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import DropCause, EventBatch, SensorSize
from spikecut.pipeline.fit import Fit, Fits, FittedBinner, fit_for

FRAME = SensorSize(32, 32)


def batch_on(sensor: SensorSize, n: int = 500, seed: int = 0) -> EventBatch:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, 100, n))
    x, y = (rng.integers(0, side, n).astype(np.uint16) for side in (sensor.width, sensor.height))
    return EventBatch(t, x, y, rng.integers(0, 2, n).astype(np.uint8), 0, 100, sensor)


def naive(fit: Fit, batch: EventBatch) -> tuple[np.ndarray, int]:
    """The counts of all events in one frame, and how many fell outside."""
    frame, outside = np.zeros((2, fit.frame.height, fit.frame.width), int), 0
    (wx, wy, ww, wh), (px, py, pw, ph) = fit.window, fit.part
    for x, y, p in zip(batch.x.tolist(), batch.y.tolist(), batch.p.tolist(), strict=True):
        if wx <= x < wx + ww and wy <= y < wy + wh:
            frame[p, py + (y - wy) * ph // wh, px + (x - wx) * pw // ww] += 1
        else:
            outside += 1
    return frame, outside


SIZES = st.builds(SensorSize, st.integers(1, 90), st.integers(1, 90))


@given(SIZES, SIZES, st.sampled_from(["", "crop", "squeeze", "window"]), st.data())
def test_every_event_is_counted_where_the_fit_says_or_as_outside(
    sensor: SensorSize, frame: SensorSize, text: str, data: st.DataObject
) -> None:
    if text == "window":
        x, y = data.draw(st.integers(0, sensor.width - 1)), data.draw(st.integers(0, sensor.height - 1))
        width, height = data.draw(st.integers(1, sensor.width - x)), data.draw(st.integers(1, sensor.height - y))
        text = f"{x},{y},{width}x{height}"
    fit, batch = fit_for(text, sensor, frame), batch_on(sensor, 200)
    (seen,) = fit.binner(100).bins([batch])
    expected, outside = naive(fit, batch)
    assert np.array_equal(seen.pixels, expected)
    assert seen.n_events + outside == len(batch)
    assert seen.lost.events_by_cause() == ({"outside_crop": outside} if outside else {})
    assert not seen.lost.damage


@given(SIZES, SIZES, st.sampled_from(["crop", "squeeze"]))
def test_parts_lie_in_the_frame_and_nothing_is_enlarged(sensor: SensorSize, frame: SensorSize, text: str) -> None:
    fit = fit_for(text, sensor, frame)
    x, y, width, height = fit.part
    assert x >= 0 and x + width <= frame.width and y >= 0 and y + height <= frame.height  # noqa: PT018
    assert 1 <= width <= fit.window[2]
    assert 1 <= height <= fit.window[3]


@pytest.mark.parametrize("text", ["", "crop", "squeeze"])
@pytest.mark.parametrize("factor", [1, 2, 5])
def test_whole_multiples_are_merged_in_squares_as_ever(text: str, factor: int) -> None:
    sensor = SensorSize(32 * factor, 32 * factor)
    fit, batch = fit_for(text, sensor, FRAME), batch_on(sensor)
    assert str(fit) == ""
    assert fit.binner(10) == CountBinner(sensor, 10, downsample=factor)
    expected = CountBinner(sensor, 10, downsample=factor).bins([batch])
    for one, other in zip(fit.binner(10).bins([batch]), expected, strict=True):
        assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize(
    ("text", "sensor", "window", "part"),
    [
        ("crop", (240, 180), (40, 10, 160, 160), (0, 0, 32, 32)),
        ("squeeze", (240, 180), (0, 0, 240, 180), (0, 4, 32, 24)),
        ("crop", (640, 480), (80, 0, 480, 480), (0, 0, 32, 32)),
        ("squeeze", (640, 480), (0, 0, 640, 480), (0, 4, 32, 24)),
        ("crop", (1280, 720), (288, 8, 704, 704), (0, 0, 32, 32)),
        ("squeeze", (1280, 720), (0, 0, 1280, 720), (0, 7, 32, 18)),
        ("crop", (16, 10), (0, 0, 16, 10), (8, 11, 16, 10)),
        ("crop", (100, 10), (34, 0, 32, 10), (0, 11, 32, 10)),
        ("56,26,128x128", (240, 180), (56, 26, 128, 128), (0, 0, 32, 32)),
        ("0,0,20x10", (240, 180), (0, 0, 20, 10), (6, 11, 20, 10)),
    ],
)
def test_windows_and_parts_worked_out_by_hand(
    text: str, sensor: tuple[int, int], window: tuple[int, ...], part: tuple[int, ...]
) -> None:
    fit = fit_for(text, SensorSize(*sensor), FRAME)
    assert (fit.window, fit.part) == (window, part)


def test_a_squeezed_stream_does_not_depend_on_batches() -> None:
    sensor = SensorSize(240, 180)
    fit, batch = fit_for("squeeze", sensor, FRAME), batch_on(sensor)
    assert isinstance(fit.binner(10), FittedBinner)
    pieces = [batch.between(start, start + 7) for start in range(0, 100, 7)]
    pieces[-1] = batch.between(98, 100)
    for one, other in zip(fit.binner(10).bins(pieces), fit.binner(10).bins([batch]), strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert one.lost == other.lost


@pytest.mark.parametrize("text", ["zoom", "1,2,3", "-1,0,3x3", "0,0,0x4", "200,0,100x100"])
def test_what_is_no_fit_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="fit"):
        fit_for(text, SensorSize(240, 180), FRAME)


def test_fits_are_noted_once_and_whole_ones_not_at_all() -> None:
    fits = Fits()
    for size in (SensorSize(64, 64), SensorSize(240, 180), SensorSize(240, 180)):
        fits.add(fit_for("", size, FRAME))
    assert str(fits) == "crop 40,10,160x160 of 240x180 to 0,0,32x32 of 32x32"


def test_the_cause_of_a_fit_is_no_damage() -> None:
    assert not DropCause.outside_crop.is_damage
