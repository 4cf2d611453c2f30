"""Faults of time (rows T of the list of faults), over all formats that can hold them."""

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, Frame
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.simulation.drawn_digits import DrawnDigit
from spikecut.tools.cli import main
from spikecut.tools.recordings.info import info

from source_contract import DVS128, WRITERS, check_source, opened, recording, write_text

HOURS_1000_US = 3_600_000_000_000
CLOCKS_OF_64_BITS = ("aedat3", "aedat4", "hdf5", "npy", "npz", "text", "tonic_npy")
SIGNED_CLOCKS = ("aedat4", "hdf5", "npy", "npz", "text", "tonic_npy")
BURST = np.arange(300) * 100


def events(t: Sequence[int] | np.ndarray, segment: int = 0) -> EventBatch:
    """Events at given times, in ascending order of their pixels, ON and OFF by turns."""
    times = np.asarray(t, np.int64)
    place = np.arange(len(times))
    x, y = (place % 128).astype(np.uint16), (place // 128 % 128).astype(np.uint16)
    return EventBatch(times, x, y, (place % 2).astype(np.uint8), int(times[0]), int(times[-1]) + 1, DVS128, segment)


def frames_of(path: Path, step_us: int = 1_000) -> list[Frame]:
    return list(CountBinner(DVS128, step_us).bins(opened(path)))


@pytest.mark.parametrize("name", CLOCKS_OF_64_BITS)
def test_a_gap_of_a_thousand_hours_costs_no_more_than_the_longest_silence(tmp_path: Path, name: str) -> None:
    """T05: in batches, in bins and in memory."""
    path = recording(tmp_path, name, [events(np.r_[BURST, HOURS_1000_US + BURST])])
    assert sum(1 for _ in opened(path)) <= 4
    n_frames, n_events = 0, 0
    tracemalloc.start()
    for frame in CountBinner(DVS128, 1_000).bins(opened(path)):
        n_frames, n_events = n_frames + 1, n_events + frame.n_events
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_events == 600
    assert n_frames <= 1_000 + 2 * 31
    assert peak < 20_000_000


@pytest.mark.parametrize("name", sorted(set(WRITERS) - set(CLOCKS_OF_64_BITS)))
def test_a_time_that_a_clock_cannot_hold_is_not_written(tmp_path: Path, name: str) -> None:
    """T05, T06: 10^15 us."""
    with pytest.raises(ConfigError, match=f"{10**15}|{10**15 + 29_900}"):
        recording(tmp_path, name, [events(10**15 + BURST)])


def test_a_run_over_a_gap_of_a_thousand_hours_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """T05: the same digit before and after."""
    write_atis(tmp_path / "seven.bin", DrawnDigit(7, seed=1))
    digit = list(DrawnDigit(7, seed=1))
    later = [
        EventBatch(
            one.t + HOURS_1000_US, one.x, one.y, one.p, one.start_us + HOURS_1000_US, one.end_us + HOURS_1000_US,
            one.sensor,
        )
        for one in digit
    ]  # fmt: skip
    write_text(tmp_path / "seven.txt", [*digit, *later])
    words = ["run", str(tmp_path / "seven.txt"), "--columns", "xytp", "--sensor", "34x34", "--model", "nmnist"]
    assert main([*words, "--json"]) == 0
    decisions = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    decisions = [one for one in decisions if "label" in one or "name" in one]
    assert 2 <= len(decisions) < 100


@pytest.mark.parametrize("first_us", [0, 7])
@pytest.mark.parametrize("name", WRITERS)
def test_events_at_one_time_are_one_frame(tmp_path: Path, name: str, first_us: int) -> None:
    """T06."""
    path = recording(tmp_path, name, [events([first_us] * 300)])
    assert check_source(opened(path)).t.tolist() == [first_us] * 300
    (frame,) = frames_of(path)
    assert (frame.n_events, int(frame.pixels.sum())) == (300, 300)
    about = info(path, DVS128)
    assert (about.n_events, about.t_first_us, about.t_last_us) == (300, first_us, first_us)
    assert np.isfinite(about.rate_hz)


@pytest.mark.parametrize("name", CLOCKS_OF_64_BITS)
def test_a_recording_may_begin_at_any_time(tmp_path: Path, name: str) -> None:
    """T06: frames are the same at 0 and at 10^15 us."""
    at_0, late = (recording(tmp_path, name, [events(begin + BURST)], f"at_{begin}") for begin in (0, 10**15))
    assert (check_source(opened(late)).t - 10**15).tolist() == BURST.tolist()
    for one, other in zip(frames_of(at_0), frames_of(late), strict=True):
        assert other.start_us - one.start_us == 10**15
        assert (one.pixels == other.pixels).all()


@pytest.mark.parametrize("name", SIGNED_CLOCKS)
def test_times_before_zero_are_times(tmp_path: Path, name: str) -> None:
    """T07: a recording that begins before 0 crosses it."""
    path = recording(tmp_path, name, [events(-5_000 + BURST)])
    read = check_source(opened(path))
    assert read.t.tolist() == (-5_000 + BURST).tolist()
    assert not read.lost
    assert [frame.start_us for frame in frames_of(path)] == list(range(-5_000, 25_000, 1_000))


@pytest.mark.parametrize("name", SIGNED_CLOCKS)
def test_a_fall_below_zero_is_a_reset_of_the_clock(tmp_path: Path, name: str) -> None:
    """T04, T07."""
    path = recording(tmp_path, name, [events(5_000_000 + BURST), events(-5_000_000 + BURST, 1)])
    read = check_source(opened(path))
    assert read.segment.tolist() == [0] * 300 + [1] * 300
    assert not read.lost
    frames = frames_of(path)
    assert [frame.n_events for frame in frames] == [10] * 60
    assert {frame.segment for frame in frames} == {0, 1}


@pytest.mark.parametrize("name", sorted(set(WRITERS) - set(SIGNED_CLOCKS)))
def test_a_time_before_zero_that_a_clock_cannot_hold_is_not_written(tmp_path: Path, name: str) -> None:
    """T07."""
    with pytest.raises(ConfigError, match=r"-5000|before 0"):
        recording(tmp_path, name, [events(-5_000 + BURST)])


@pytest.mark.parametrize("name", ["aedat2", *CLOCKS_OF_64_BITS])
def test_a_burst_of_another_clock_before_the_recording_costs_itself(tmp_path: Path, name: str) -> None:
    """T08: the own HDF5 marks its resets, so there they are believed."""
    sound = np.arange(0, 2_000_000, 500)
    path = recording(tmp_path, name, [events(10**9 + np.arange(50) * 10), events(sound, 1)])
    read = check_source(opened(path))
    if name == "hdf5":
        assert read.segment.tolist() == [0] * 50 + [1] * 4_000
    else:
        assert read.t.tolist() == sound.tolist()
        assert read.lost.events_by_cause() == {"stale": 50}
