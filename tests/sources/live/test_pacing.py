"""Truths about playing at a pace: never early, honest about being late, and the frames are the same."""

import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame
from spikecut.sources.live.pacing import Lag, paced

from fakes import FakeClock, frames


def ten_ms(n: int, segment: int = 0, first_us: int = 0) -> list[Frame]:
    return [
        Frame(k, segment, first_us + k * 10_000, first_us + (k + 1) * 10_000, f.pixels, 1)
        for k, f in enumerate(frames([0] * n))
    ]


@pytest.mark.parametrize("speed", [0.25, 1.0, 40.0])
def test_no_bin_is_handed_on_before_its_time_and_none_is_changed(speed: float) -> None:
    clock, lag, wanted = FakeClock(), Lag(), ten_ms(5)
    got, times = [], []
    for frame in paced(wanted, speed, clock, lag):
        got.append(frame)
        times.append(clock.time_s - 100)
    assert got == wanted
    assert times == pytest.approx([0.01 * (k + 1) / speed for k in range(5)])
    assert list(lag.behind_ms) == pytest.approx([0] * 5, abs=1e-6)


@pytest.mark.parametrize("segment", [0, 3])
def test_lag_is_counted_against_the_schedule_and_caught_up(segment: int) -> None:
    """Bin 0 takes 25 ms of work: bins 1 and 2 are already due and come at once, 15 and 5 ms late."""
    clock, lag = FakeClock(), Lag()
    for frame in paced(ten_ms(5, segment), 1.0, clock, lag):
        clock.time_s += 0.025 if frame.index == 0 else 0.0
    assert list(lag.behind_ms) == pytest.approx([25, 15, 5, 0, 0], abs=1e-6)
    assert lag.most_ms == pytest.approx(25)
    assert "most 25.0, at the end 0.0" in str(lag)


def test_a_jump_of_the_recordings_clock_is_not_slept_through() -> None:
    clock = FakeClock()
    stream = [*ten_ms(2), *ten_ms(2, segment=1, first_us=3_600_000_000), *ten_ms(1, segment=1, first_us=10**13)]
    list(paced(stream, 1.0, clock, Lag()))
    assert sum(clock.slept) == pytest.approx(0.05)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_must_be_above_0(speed: float) -> None:
    with pytest.raises(ConfigError, match="1 is the pace of the sensor"):
        list(paced(ten_ms(1), speed, FakeClock(), Lag()))
