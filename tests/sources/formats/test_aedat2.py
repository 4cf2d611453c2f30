"""AEDAT 2.0 of the DVS128."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, CorruptRecording, UnsupportedVersion
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats.aedat2 import write_aedat2

from source_contract import DVS128, Collected, check_source, pattern

HEADER = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n"


def file_of(folder: Path, *records: tuple[int, int], header: bytes = HEADER) -> Path:
    path = folder / "hand.aedat"
    path.write_bytes(header + b"".join(struct.pack(">II", address, time) for address, time in records))
    return path


def times_of(folder: Path, *times: int) -> Collected:
    return check_source(open_recording(file_of(folder, *((0, t) for t in times))))


def test_eight_bytes_worked_out_by_hand(tmp_path: Path) -> None:
    # y bits 2 -> row 125, x bits 1 -> column 126, bit 0 clear -> ON; then the other corner, OFF
    path = tmp_path / "hand.aedat"
    path.write_bytes(HEADER + bytes([0, 0, 2, 2, 0, 0, 1, 0]) + bytes([0, 0, 0x7F, 0xFF, 0, 0, 1, 4]))
    found = check_source(open_recording(path))
    assert found.lists()[:4] == [[256, 260], [126, 0], [125, 0], [1, 0]]


@st.composite
def dvs_streams(draw: st.DrawFn) -> EventBatch:
    n = draw(st.integers(1, 80))
    pauses = draw(st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2 * 10**7)), min_size=n, max_size=n))
    t = draw(st.integers(0, 2**32 - 1)) + np.cumsum([0, *pauses[1:]])
    column: dict[str, Any] = {"min_size": n, "max_size": n}
    x, y = (draw(st.lists(st.integers(0, 127), **column)) for _ in "xy")
    p = draw(st.lists(st.integers(0, 1), **column))
    columns = (np.array(x, np.uint16), np.array(y, np.uint16), np.array(p, np.uint8))
    return EventBatch(t.astype(np.int64), *columns, int(t[0]), int(t[-1]) + 1, DVS128)


@given(batch=dvs_streams(), batch_events=st.integers(1, 100))
def test_what_is_written_is_read_back_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, batch: EventBatch, batch_events: int
) -> None:
    path = tmp_path_factory.mktemp("aedat") / "a.aedat"
    assert write_aedat2(path, [batch]) == len(batch)
    found = check_source(open_recording(path, batch_events=batch_events))
    assert found.lists()[:4] == [batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist()]
    assert not found.lost


def test_the_clock_goes_on_when_32_bits_are_full(tmp_path: Path) -> None:
    wrap = 2**32
    assert times_of(tmp_path, wrap - 5, 3, 8).t.tolist() == [wrap - 5, wrap + 3, wrap + 8]


def test_the_sign_bit_of_the_time_is_no_sign(tmp_path: Path) -> None:
    assert times_of(tmp_path, 2**31 - 2, 2**31 + 1).t.tolist() == [2**31 - 2, 2**31 + 1]


def test_an_event_from_before_the_wrap_may_come_after_it(tmp_path: Path) -> None:
    wrap = 2**32
    found = times_of(tmp_path, wrap - 10, 3, wrap - 2, 8, 12)
    assert found.t.tolist() == [wrap - 10, wrap - 2, wrap + 3, wrap + 8, wrap + 12]


def test_a_reset_far_from_the_wrap_is_no_wrap(tmp_path: Path) -> None:
    found = times_of(tmp_path, 2_500_000_000, 2_500_000_005, 0, 7)
    assert found.t.tolist() == [2_500_000_000, 2_500_000_005, 0, 7]
    assert found.segment.tolist() == [0, 0, 1, 1]


def test_half_a_millisecond_of_disorder_is_no_damage(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    t = np.sort(rng.integers(0, 10**6, 3_000)) + rng.integers(0, 500, 3_000)
    found = times_of(tmp_path, *t.tolist())
    assert found.t.tolist() == sorted(t.tolist())
    assert not found.lost


def test_signals_of_the_camera_are_counted_and_are_no_events(tmp_path: Path) -> None:
    path = file_of(tmp_path, (2, 10), (0x8000, 11), (0x80000001, 12), (4, 13))
    found = check_source(open_recording(path))
    assert found.t.tolist() == [10, 13]
    assert found.lost.events_by_cause() == {"special": 2}


def test_one_slip_of_the_clock_costs_one_event(tmp_path: Path) -> None:
    t = list(range(0, 4_000, 10))
    t[200] += 2**29
    found = times_of(tmp_path, *t)
    assert len(found.t) == 399
    assert found.lost.events_by_cause() == {"unreadable": 1}


@pytest.mark.parametrize("n", range(1, 8))
def test_after_missing_bytes_the_next_whole_event_is_found(tmp_path: Path, n: int) -> None:
    path = tmp_path / "short.aedat"
    write_aedat2(path, [pattern(2_000)])
    whole = set(zip(*check_source(open_recording(path)).lists()[:4], strict=True))
    data = path.read_bytes()
    path.write_bytes(data[:5_003] + data[5_003 + n :])
    found = check_source(open_recording(path))
    delivered = set(zip(*found.lists()[:4], strict=True))
    assert len(whole - delivered) <= 2
    assert len(delivered - whole) <= 1  # a record whose two halves belong to two events
    assert found.lost.total >= 1


def test_header_bytes_need_not_be_utf8(tmp_path: Path) -> None:
    path = file_of(tmp_path, (2, 10), header=HEADER + b"# user: \xff\xfe M\xfcller\r\n")
    assert len(check_source(open_recording(path)).t) == 1


def test_a_damaged_line_break_before_the_events_costs_none(tmp_path: Path) -> None:
    path = file_of(tmp_path, (0x2302, 10), (4, 12), header=HEADER[:-1] + b"\x0b")
    assert check_source(open_recording(path)).t.tolist() == [10, 12]


def test_a_header_without_events_is_an_empty_recording(tmp_path: Path) -> None:
    assert list(open_recording(file_of(tmp_path))) == []


def test_a_header_without_end_is_refused_within_a_megabyte(tmp_path: Path) -> None:
    path = tmp_path / "endless.aedat"
    path.write_bytes(HEADER + b"# " + b"a" * 2_000_000)
    with pytest.raises(CorruptRecording, match="does not end"):
        open_recording(path)


@pytest.mark.parametrize("version", ["1.0", "5.0", "9.9"])
def test_another_version_is_refused_by_name(tmp_path: Path, version: str) -> None:
    path = tmp_path / "other.aedat"
    path.write_bytes(f"#!AER-DAT{version}\r\n".encode())
    with pytest.raises(UnsupportedVersion, match=version):
        open_recording(path)


def test_another_camera_is_refused_by_name(tmp_path: Path) -> None:
    path = file_of(tmp_path, header=b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.DavisRGBW640\r\n")
    with pytest.raises(UnsupportedVersion, match="DavisRGBW640"):
        open_recording(path)


@pytest.mark.parametrize("times", [[-1, 5], [2**32], [5, 2**32 + 2**31], [2**32 - 700_000_000, 2**32 + 1]])
def test_a_time_that_32_bits_cannot_tell_is_not_written(tmp_path: Path, times: list[int]) -> None:
    n = len(times)
    column = np.zeros(n, np.uint16)
    t = np.array(times, np.int64)
    batch = EventBatch(t, column, column, np.zeros(n, np.uint8), times[0], times[-1] + 1, DVS128)
    with pytest.raises(ConfigError, match="does not fit the clock"):
        write_aedat2(tmp_path / "a.aedat", [batch])


def test_a_larger_sensor_is_not_written(tmp_path: Path) -> None:
    zero = np.zeros(1, np.uint16)
    batch = EventBatch(np.zeros(1, np.int64), zero, zero, np.zeros(1, np.uint8), 0, 1, SensorSize(240, 180))
    with pytest.raises(ConfigError, match="240x180"):
        write_aedat2(tmp_path / "a.aedat", [batch])


def test_real_recordings_are_sound_and_in_order(real_data: Path) -> None:
    files = sorted(real_data.glob("dvs128_*/*.aedat"))
    assert len(files) == 12
    counts = {}
    for path in files:
        batches = list(open_recording(path))
        counts[path.name] = sum(len(batch) for batch in batches)
        assert not any(batch.lost for batch in batches)
        assert {batch.segment for batch in batches} == {0}
    assert counts["mug.aedat"] == 351_217
    assert counts["neal_walking.aedat"] == 70_304


def test_the_real_header_of_a_davis_is_known(real_data: Path) -> None:
    recording = open_recording(real_data / "formats/tonic_sample_aedat_header.aedat")
    assert recording.sensor == SensorSize(346, 260)
    assert list(recording) == []


def test_a_stretch_is_found_without_reading_what_lies_before(tmp_path: Path) -> None:
    """Also behind the end of the 32-bit clock."""
    for first_us in (1_000, 2**32 - 1_500_000):
        path, batch = tmp_path / f"{first_us}.aedat", pattern(60_000, first_us=first_us)
        write_aedat2(path, [batch])
        for start in (0, 1, 700_000, 2_300_000, 10**9):
            found = check_source(open_recording(path, start_us=start, duration_us=50_000))
            wanted = (batch.t >= batch.t[0] + start) & (batch.t < batch.t[0] + start + 50_000)
            assert found.t.tolist() == batch.t[wanted].tolist()
        batches = open_recording(path).from_time(int(batch.t[50_000]))  # type: ignore[attr-defined]
        first = next(part for part in batches if len(part))
        assert batch.t[40_000] < first.t[0] <= batch.t[50_000]


def test_after_a_reset_of_the_clock_no_place_is_certain(tmp_path: Path) -> None:
    path = file_of(tmp_path, *((2, 10 * i) for i in range(3_000_000, 3_000_500)), *((2, 10 * i) for i in range(500)))
    assert open_recording(path).from_time(100) is None  # type: ignore[attr-defined]
    assert len(check_source(open_recording(path, start_us=5_000, duration_us=1_000)).t) == 100


def test_what_leaks_on_a_still_scene_is_on(real_data: Path) -> None:
    """Junction leakage makes ON events only, so in a still scene lone events must be ON."""
    found = check_source(open_recording(real_data / "dvs128_people/cam255_neal_standing_up.aedat"))
    last, lone = np.full((130, 130), -(10**9), np.int64), []
    for t, x, y, p in zip(*found.lists()[:4], strict=True):
        if last[y : y + 3, x : x + 3].max() < t - 100_000:
            lone.append(p)
        last[y + 1, x + 1] = t
    assert len(lone) > 10_000
    assert np.mean(lone) > 0.9


def test_a_real_mug_is_open_at_the_top(real_data: Path) -> None:
    """It tapers towards its foot, and its rim is seen near the upper edge of the picture."""
    found = check_source(open_recording(real_data / "dvs128_objects/mug.aedat"))
    width = {row: np.subtract(*np.quantile(found.x[found.y // 8 == row], [0.75, 0.25])) for row in (4, 11)}
    assert width[4] > 1.5 * width[11]
    assert (found.y // 8 == 2).sum() > 4 * (found.y // 8 == 13).sum()


def test_cifar10_dvs_is_read_as_public_loaders_read_it(tmp_path: Path) -> None:
    """By the masks of SpikingJelly's loader (0xfe, 0x7f00, 1): the same events, with the two axes exchanged."""
    rng = np.random.default_rng(7)
    address, t = rng.integers(0, 2**15, 500), np.cumsum(rng.integers(0, 60, 500))
    header = (
        b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"
        b"# Data format is int32 address, int32 timestamp (8 bytes total), repeated for each event\r\n"
        b"# Timestamps tick is 1 us\r\n# created Fri Jul 15 10:27:18 CST 2016\r\n"
    )
    path = file_of(tmp_path, *zip(address.tolist(), t.tolist(), strict=True), header=header)
    found = check_source(open_recording(path, sensor=DVS128))
    theirs = {"x": 127 - ((address & 0x7F00) >> 8), "y": 127 - ((address & 0xFE) >> 1), "p": 1 - (address & 1)}
    assert found.t.tolist() == t.tolist()
    assert found.x.tolist() == theirs["y"].tolist()
    assert found.y.tolist() == theirs["x"].tolist()
    assert found.p.tolist() == theirs["p"].tolist()
    assert not found.lost
