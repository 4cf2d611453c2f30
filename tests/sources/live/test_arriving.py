"""Truths about the schedule of a stream that keeps its own pace: delays show as lag, drifting clocks do not."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.events import Frame
from spikecut.sources.live.arriving import Arrivals
from spikecut.sources.live.controls import Controls
from spikecut.sources.live.inputs.waiting import Waiting
from spikecut.sources.live.playing import Player

from fakes import FakeClock, frames

STEP_S = 0.02


def bins(n: int, segment: int = 0) -> list[Frame]:
    return frames([0] * n, segment, step_us=round(1e6 * STEP_S))


@given(st.lists(st.floats(0, 3), min_size=1, max_size=40), st.floats(-1e5, 1e5))
def test_a_bin_is_late_by_what_it_lost_on_the_quickest(delays: list[float], offset_s: float) -> None:
    arrivals, quickest = Arrivals(), float("inf")
    for frame, delay_s in zip(bins(len(delays)), delays, strict=True):
        now_s = offset_s + frame.end_us * 1e-6 + delay_s
        quickest = min(quickest, delay_s)
        assert abs(now_s - arrivals.due_s(frame, now_s) - (delay_s - quickest)) < 1e-6


def test_a_stall_shows_in_every_bin_that_it_delays() -> None:
    """S04: the source was not read for 0.5 s; the bins that wait in it are late, not only the first."""
    arrivals, lags = Arrivals(), list[float]()
    for k, frame in enumerate(bins(100)):
        now_s = max(frame.end_us * 1e-6, 1.5) if k >= 50 else frame.end_us * 1e-6
        lags.append(now_s - arrivals.due_s(frame, now_s))
    assert max(lags[:50]) < 1e-9
    assert [round(lag, 2) for lag in lags[50:75]] == [round(0.48 - STEP_S * k, 2) for k in range(25)]
    assert max(lags[76:]) < 1e-9


def test_clocks_that_drift_apart_for_a_day_are_no_lag() -> None:
    """S08: a sensor whose clock is slow by 100 ppm, which makes 8.6 s a day."""
    arrivals = Arrivals()
    for k in range(0, 24 * 3600, 5):
        frame = Frame(k, 0, k * 1_000_000, k * 1_000_000 + 20_000, bins(1)[0].pixels, 0)
        now_s = frame.end_us * 1e-6 * 1.0001
        assert 0 <= now_s - arrivals.due_s(frame, now_s) < 0.013


def test_another_clock_begins_another_schedule() -> None:
    arrivals = Arrivals()
    assert arrivals.due_s(bins(1)[0], 7.0) == 7.0
    assert arrivals.due_s(bins(1, segment=1)[0], 9.0) == 9.0


def test_a_live_stream_is_handed_on_as_it_comes_and_can_only_be_left() -> None:
    """Nothing is waited for, nothing is read twice: no seeking, no loop, no pause."""
    controls, clock = Controls(None, live=True), FakeClock()
    assert [key for key in " .bf-+" if controls.press(key)] == []
    player = Player(lambda start_us: iter(bins(5)), clock, controls, arrivals=Arrivals())
    assert all(one.due_s is not None and one.due_s <= 100.0 for one in player)
    assert clock.slept == []
    assert controls.press("q")
    assert controls.stopped


@pytest.mark.parametrize("speed", [None, 1.0])
@given(st.lists(st.sampled_from([0.0, 0.005, 0.7, 3.0]), min_size=1, max_size=30), st.data())
def test_time_in_which_the_source_had_nothing_is_no_lag_and_time_of_the_loop_is(
    speed: float | None, pauses_s: list[float], data: st.DataObject
) -> None:
    """Bins that come late, bursts and silence at the end; then a loop that takes 0.5 s for one of them."""
    clock = FakeClock()
    waiting = Waiting(clock, silence_s=2.0)

    def source(start_us: int) -> Iterator[Frame]:
        for frame, pause_s in zip(bins(len(pauses_s) + 1), [*pauses_s, 5.0], strict=True):
            ready_s = clock.time_s + pause_s
            while clock.time_s < ready_s and waiting.goes_on():
                clock.time_s += 0.005
            waiting.came()
            yield frame

    controls = Controls(speed, live=True)
    player = Player(source, clock, controls, arrivals=Arrivals(), empty_until_s=lambda: waiting.empty_s)
    slow, lags = data.draw(st.integers(0, len(pauses_s))), list[float]()
    for k, one in enumerate(player):
        clock.time_s += 0.5 if k == slow else 0.0
        assert one.due_s is not None
        lags.append(clock.time_s - one.due_s)
    assert all(-1e-9 < lag < 1e-9 for lag in lags[:slow])
    assert lags[slow] == pytest.approx(0.5)
    assert all(-1e-9 < lag < 0.5 + 1e-9 for lag in lags[slow + 1 :])
