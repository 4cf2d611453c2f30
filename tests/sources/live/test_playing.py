"""Truths about playing: no pace changes what is played, no time drifts, and keys act before the next bin."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.events import Frame
from spikecut.sources.live.controls import KEYS, Controls, hints
from spikecut.sources.live.pacing import Schedule
from spikecut.sources.live.playing import Bin, Player

from fakes import FakeClock, frames

STEP_US = 10_000


def recording(n: int, segments: Iterable[int] = ()) -> list[Frame]:
    """Bins of 10 ms; before each of `segments`, an hour without events."""
    made, shift_us, segment = [], 0, 0
    gaps = set(segments)
    for k, one in enumerate(frames([0] * n)):
        if k in gaps:
            shift_us, segment = shift_us + 3_600_000_000, segment + 1
        start_us = k * STEP_US + shift_us
        made.append(Frame(k, segment, start_us, start_us + STEP_US, one.pixels, 1))
    return made


def player_of(stream: list[Frame], clock: FakeClock, controls: Controls, *, loops: bool = False) -> Player:
    """Plays a stream, which can be begun at any bin."""

    def read(start_us: int) -> Iterator[Frame]:
        return iter(stream[start_us // STEP_US :])

    return Player(read, clock, controls, loops)


def starts(bins: Iterable[Bin]) -> list[int]:
    return [one.frame.start_us // STEP_US for one in bins]


@pytest.mark.parametrize("speed", [None, 0.1, 0.25, 1.0, 40.0])
def test_every_pace_plays_the_same_bins_and_none_early(speed: float | None) -> None:
    clock, stream = FakeClock(), recording(7, segments=[3])
    got = []
    for k, one in enumerate(player_of(stream, clock, Controls(speed))):
        got.append(one.frame)
        if speed is None:
            assert one.due_s is None
        else:
            assert one.due_s == pytest.approx(100 + 0.01 * (k + 1) / speed)
            assert clock.time_s >= (one.due_s or 0.0) - 1e-9
    assert got == stream


@given(st.integers(0, 10**14), st.integers(1, 10**8), st.sampled_from([0.1, 0.3, 1.0, 7.0]))
def test_a_schedule_does_not_drift(start_us: int, step_us: int, speed: float) -> None:
    """The millionth bin is due when one multiplication says so."""
    schedule = Schedule(1000.0, start_us, speed)
    assert schedule.due_s(start_us + 10**6 * step_us) == pytest.approx(1000.0 + step_us / speed, rel=1e-12)


def test_a_thousand_gaps_and_a_slow_loop_do_not_move_the_schedule() -> None:
    """Each bin is worked on for 9 of its 10 ms; the clock of this test has rounding errors, the due times have none."""
    clock, n = FakeClock(), 3_000
    stream = recording(n, segments=range(3, n, 3))
    player = player_of(stream, clock, Controls(1.0))
    due_s = None
    for one in player:
        due_s = one.due_s
        clock.time_s += 0.009
    assert due_s == pytest.approx(100 + n * 0.01, abs=1e-6)
    assert clock.time_s == pytest.approx(100 + n * 0.01 + 0.009, abs=1e-6)
    assert player.n_gaps == n // 3 - 1
    assert player.skipped_us == player.n_gaps * 3_600_000_000


def test_a_late_loop_stays_late_behind_a_gap() -> None:
    """Lag is not forgiven: 1 s of work on the first bin is still 0.96 s behind at the fifth."""
    clock = FakeClock()
    behind = []
    for k, one in enumerate(player_of(recording(5, segments=[2]), clock, Controls(1.0))):
        assert one.due_s is not None
        behind.append(clock.time_s - one.due_s)
        clock.time_s += 1.0 if k == 0 else 0.0
    assert behind == pytest.approx([0, 0.99, 0.98, 0.97, 0.96])


def test_a_loop_is_a_new_segment_each_time_and_counts_on() -> None:
    stream = recording(3, segments=[1])
    got = []
    for one in player_of(stream, FakeClock(), Controls(None), loops=True):
        got.append((one.playing, one.frame.segment, one.frame.index, one.frame.start_us))
        if len(got) == 7:
            break
    times = [frame.start_us for frame in stream]
    segments = [0, 1, 1, 2, 3, 3, 4]
    assert got == [(k // 3, segments[k], k, times[k % 3]) for k in range(7)]


def test_a_loop_over_nothing_ends() -> None:
    assert list(player_of([], FakeClock(), Controls(1.0), loops=True)) == []


def test_pause_holds_the_next_bin_and_takes_no_time_of_the_schedule() -> None:
    clock, controls = FakeClock(), Controls(1.0)
    due = list[float]()
    player = player_of(recording(4), clock, controls)

    def idle() -> None:
        if controls.paused and clock.time_s > 160:
            controls.press(" ")

    player.idle = idle
    for k, one in enumerate(player):
        due.append(one.due_s or 0.0)
        if k == 1:
            controls.press(" ")
    assert due[:2] == pytest.approx([100.01, 100.02])
    assert due[2] == pytest.approx(160.03, abs=0.03)
    assert due[3] == pytest.approx(due[2] + 0.01)


def test_a_step_passes_one_bin_and_no_more() -> None:
    clock, controls = FakeClock(), Controls(1.0)
    player = player_of(recording(6), clock, controls)
    waited = [0]

    def idle() -> None:
        waited[0] += 1
        if waited[0] % 10 == 0:
            controls.press(".")

    controls.press(".")  # pauses
    assert controls.paused
    player.idle = idle
    passed = [waited[0] for _ in player]
    assert passed == [10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize(("keys", "place"), [("f", 503), ("ff", 1003), ("fb", 3), ("b", 0), ("right", 503)])
def test_keys_jump_from_where_it_is(keys: str, place: int) -> None:
    controls = Controls(1.0)
    player = player_of(recording(1100), FakeClock(), controls)
    got = []
    for one in player:
        got.append(one)
        if len(got) == 3:
            for key in [keys] if keys == "right" else keys:
                controls.press(key)
        if len(got) == 5:
            break
    assert starts(got) == [0, 1, 2, place, place + 1]
    assert [one.playing for one in got] == [0, 0, 0, 1, 1]
    assert got[3].frame.segment == got[2].frame.segment + 1
    assert player.n_jumps == 1


def test_a_jump_beyond_the_end_ends_and_a_loop_begins_again() -> None:
    for loops, more in ((False, []), (True, [0, 1])):
        controls = Controls(1.0)
        got = []
        for one in player_of(recording(100), FakeClock(), controls, loops=loops):
            got.append(one)
            if len(got) == 2:
                controls.press("f")
            if len(got) == 4:
                break
        assert starts(got) == [0, 1, *more]


def test_a_changed_speed_holds_from_the_next_bin_on() -> None:
    controls, due = Controls(1.0), []
    for one in player_of(recording(4), FakeClock(), controls):
        due.append(one.due_s)
        controls.press("-")
    assert due == pytest.approx([100.01, 100.03, 100.07, 100.15])


def test_q_ends_at_once() -> None:
    controls, got = Controls(1.0), []
    for one in player_of(recording(9), FakeClock(), controls, loops=True):
        got.append(one)
        if len(got) == 3:
            controls.press("Q")
    assert len(got) == 3


def test_every_key_is_named_and_does_something() -> None:
    for key in KEYS:
        controls = Controls(1.0)
        before = str(controls), controls.stopped, controls.wants_jump
        assert controls.press(key)
        assert (str(controls), controls.stopped, controls.wants_jump) != before
        assert ("space" if key == " " else key) in hints().split()
    assert not Controls(1.0).press("x")
