"""Truths about AEDAT 3.1: worked bytes, foreign packets, the overflow word, and damage that is passed over."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, CorruptRecording, SourceError, SpikecutWarning, UnsupportedVersion
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats.aedat3 import DVS128, PACKET, write_aedat3

import faults
from source_contract import check_source, pattern

HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2016-07-01 10:00:00\r\n#!END-HEADER\r\n"


def packet(events: list[tuple[int, int]], kind: int = 1, overflow: int = 0, capacity: int | None = None) -> bytes:
    n = len(events)
    header = np.array((kind, 1, 8, 4, overflow, capacity or n, n, n), PACKET)
    spare = b"\0" * 8 * ((capacity or n) - n)
    return header.tobytes() + np.array(events, "<u4").tobytes() + spare


def word(x: int, y: int, p: int, valid: int = 1) -> int:
    return x << 17 | y << 2 | p << 1 | valid


def file_of(tmp_path: Path, *parts: bytes) -> Path:
    path = tmp_path / "a.aedat"
    path.write_bytes(HEADER + b"".join(parts))
    return path


def test_bytes_worked_by_hand(tmp_path: Path) -> None:
    """x 3, y 5, ON: 3 << 17 | 5 << 2 | 1 << 1 | 1 = 0x60017."""
    assert word(3, 5, 1) == 0x60017
    recording = open_recording(file_of(tmp_path, packet([(0x60017, 1_000), (word(127, 0, 0), 1_007)])))
    assert (recording.format, recording.sensor) == ("AEDAT 3.1", DVS128)
    assert check_source(recording).lists()[:4] == [[1_000, 1_007], [3, 127], [5, 0], [1, 0]]


def test_other_packets_are_passed_over(tmp_path: Path) -> None:
    special, frame = packet([(1, 2), (3, 4)], kind=0), packet([(9, 9)] * 40, kind=2)
    path = file_of(tmp_path, special, packet([(word(1, 1, 1), 10)]), frame, packet([(word(2, 2, 0), 20)]))
    found = check_source(open_recording(path))
    assert found.t.tolist() == [10, 20]
    assert not found.lost


def test_events_marked_invalid_are_dropped_and_counted(tmp_path: Path) -> None:
    found = check_source(open_recording(file_of(tmp_path, packet([(word(1, 1, 1, valid=0), 10), (word(2, 2, 0), 20)]))))
    assert found.t.tolist() == [20]
    assert found.lost.events_by_cause() == {"invalid": 1}


def test_the_overflow_word_carries_time_past_31_bits(tmp_path: Path) -> None:
    before, after = packet([(word(1, 1, 1), 2**31 - 5)]), packet([(word(1, 1, 1), 3)], overflow=1)
    found = check_source(open_recording(file_of(tmp_path, before, after)))
    assert found.t.tolist() == [2**31 - 5, 2**31 + 3]
    assert found.segment.tolist() == [0, 0]


def test_unused_places_of_a_packet_are_passed_over(tmp_path: Path) -> None:
    path = file_of(tmp_path, packet([(word(1, 1, 1), 10)], capacity=7), packet([(word(2, 2, 0), 20)]))
    assert check_source(open_recording(path)).t.tolist() == [10, 20]


@given(st.integers(1, 400), st.sampled_from([0, 2**31 - 300, 2**33 + 17]), st.integers(1, 100))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, n: int, start: int, packet_events: int
) -> None:
    path = tmp_path_factory.mktemp("aedat3") / "a.aedat"
    batch = pattern(n)
    t = batch.t - batch.t[0] + start
    moved = EventBatch(t, batch.x, batch.y, batch.p, start, int(t[-1]) + 1, DVS128)
    assert write_aedat3(path, [moved], packet_events=packet_events) == n
    found = check_source(open_recording(path))
    assert found.lists()[:4] == [column.tolist() for column in (moved.t, moved.x, moved.y, moved.p)]


def test_a_file_cut_at_any_byte_gives_every_complete_event(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    write_aedat3(path, [pattern(20)], packet_events=6)
    data = path.read_bytes()
    body = len(data) - 20 * 8 - 4 * PACKET.itemsize
    whole = check_source(open_recording(path)).t.tolist()
    for at in range(body, len(data)):
        path.write_bytes(data[:at])
        found = check_source(open_recording(path))
        packets, inside = divmod(at - body, PACKET.itemsize + 48)
        complete = packets * 6 + max(0, inside - PACKET.itemsize) // 8
        assert found.t.tolist() == whole[:complete]
        assert bool(found.lost) == (inside > 0 and complete < 20)


def test_a_garbled_packet_costs_itself_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    write_aedat3(path, [pattern(600)], packet_events=100)
    data = bytearray(path.read_bytes())
    begin = len(data) - 600 * 8 - 6 * PACKET.itemsize
    at = begin + 2 * (PACKET.itemsize + 800)
    data[at : at + PACKET.itemsize] = b"\xff" * PACKET.itemsize
    path.write_bytes(data)
    found = check_source(open_recording(path))
    assert len(found.t) == 500
    assert found.lost.losses["unreadable"].bytes == PACKET.itemsize + 800  # type: ignore[index]
    assert found.lost.losses["unreadable"].at_byte == at  # type: ignore[index]


def test_a_packet_that_claims_more_than_there_is_costs_itself(tmp_path: Path) -> None:
    bold = bytearray(packet([(word(1, 1, 1), 10)]))
    bold[16:28] = np.array([2**20] * 3, "<u4").tobytes()
    found = check_source(open_recording(file_of(tmp_path, bytes(bold), packet([(word(2, 2, 0), 20)]))))
    assert found.t.tolist() == [20]
    assert found.lost.total >= 1


def test_sixty_mutants_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    write_aedat3(path, [pattern(1_000)], packet_events=128)
    for _, mutant in faults.mutants(path.read_bytes(), 60, seed=3):
        path.write_bytes(mutant)
        try:
            check_source(open_recording(path))
        except SourceError:
            continue


def test_other_versions_and_endless_headers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    path.write_bytes(HEADER.replace(b"3.1", b"3.0"))
    with pytest.raises(UnsupportedVersion, match=r"AEDAT 3\.0; spikecut reads AEDAT 2\.0, 3\.1 and 4\.0"):
        open_recording(path)
    path.write_bytes(HEADER.replace(b"RAW", b"Serial-TS"))
    with pytest.raises(UnsupportedVersion, match="Serial-TS"):
        open_recording(path)
    path.write_bytes(HEADER.replace(b"END", b"ENT"))
    with pytest.raises(CorruptRecording, match="no #!END-HEADER line"):
        open_recording(path)


def test_a_header_without_a_known_camera_takes_the_sensor_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    path.write_bytes(HEADER.replace(b"DVS128", b"CeleX") + packet([(word(200, 1, 1), 5)]))
    assert check_source(open_recording(path, sensor=SensorSize(300, 200))).x.tolist() == [200]


def one_event(t: int, segment: int = 0, sensor: SensorSize = DVS128) -> EventBatch:
    corner = np.array([sensor.width - 1], np.uint16), np.array([sensor.height - 1], np.uint16)
    return EventBatch(np.array([t]), *corner, np.ones(1, np.uint8), t, t + 1, sensor, segment)


@pytest.mark.parametrize("sensor", [DVS128, SensorSize(240, 180), SensorSize(346, 260)])
def test_the_header_names_the_camera_whose_sensor_is_written(tmp_path: Path, sensor: SensorSize) -> None:
    path = tmp_path / "a.aedat"
    assert write_aedat3(path, [one_event(5, sensor=sensor)], sensor) == 1
    recording = open_recording(path)
    assert recording.sensor == sensor
    assert check_source(recording).lists()[:4] == [[5], [sensor.width - 1], [sensor.height - 1], [1]]


@pytest.mark.parametrize("sensor", [SensorSize(34, 34), SensorSize(1280, 720)])
def test_a_sensor_of_no_known_camera_stands_in_the_header(tmp_path: Path, sensor: SensorSize) -> None:
    path = tmp_path / "a.aedat"
    assert write_aedat3(path, [one_event(5, sensor=sensor)], sensor) == 1
    assert open_recording(path).sensor == sensor
    assert check_source(open_recording(path)).x.tolist() == [sensor.width - 1]
    path.write_bytes(path.read_bytes().replace(b"#Sensor 0:", b"#Bensor 0:"))
    with pytest.warns(SpikecutWarning, match=f"names no camera we know and states no sensor; {sensor} is assumed"):
        open_recording(path)
    assert open_recording(path, sensor=sensor).sensor == sensor


def test_what_31_bits_and_their_overflows_cannot_hold_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="40000x10 sensor"):
        write_aedat3(tmp_path / "a.aedat", [], SensorSize(40_000, 10))
    for t in (-1, 2**55):
        with pytest.raises(ConfigError, match="cannot hold"):
            write_aedat3(tmp_path / "a.aedat", [one_event(t)])


def packet_of(source: int, kind: int, events: list[tuple[int, int]]) -> bytes:
    n = len(events)
    return np.array((kind, source, 8, 4, 0, n, n, n), PACKET).tobytes() + np.array(events, "<u4").tobytes()


def two_cameras(path: Path, sources: bytes = b"#Source 1: DVS128\r\n#Source 2: DAVIS346Red\r\n") -> Path:
    """A packet of each in turn, every 2 ms, of 20 events."""
    parts = [b"#!AER-DAT3.1\r\n#Format: RAW\r\n", sources, b"#!END-HEADER\r\n"]
    for turn in range(50):
        for source, x in ((1, 5), (2, 100)):
            times = range(turn * 2_000, turn * 2_000 + 2_000, 100)
            parts.append(packet_of(source, 1, [(word(x, 7, 1), t) for t in times]))
    path.write_bytes(b"".join(parts))
    return path


def test_one_of_several_cameras_must_be_chosen(tmp_path: Path) -> None:
    path = two_cameras(tmp_path / "a.aedat")
    with pytest.raises(ConfigError, match=r"2 cameras: 1 \(DVS128, 128x128\), 2 \(DAVIS346Red, 346x260\)") as caught:
        open_recording(path)
    assert "--camera 1" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="no camera 0; the file has 1"):
        open_recording(path, camera=0)
    for camera, x, sensor in ((1, 5, DVS128), (2, 100, SensorSize(346, 260))):
        recording = open_recording(path, camera=camera)
        assert recording.sensor == sensor
        found = check_source(recording)
        assert found.x.tolist() == [x] * 1_000
        assert not found.lost


def test_cameras_that_the_header_does_not_name_are_not_laid_over_one_another(tmp_path: Path) -> None:
    path = two_cameras(tmp_path / "a.aedat", b"#Source 1: DVS128\r\n")
    with pytest.raises(ConfigError, match=r"1 \(DVS128, 128x128\), 2 \(no name\)"):
        open_recording(path)
    assert len(check_source(open_recording(path, camera=1)).t) == 1_000


def test_packets_of_a_source_that_turns_up_later_are_counted(tmp_path: Path) -> None:
    first = [packet([(word(1, 1, 1), 10 * i)]) for i in range(300)]
    found = check_source(open_recording(file_of(tmp_path, *first, packet_of(9, 1, [(word(3, 3, 1), 3_000)] * 5))))
    assert len(found.t) == 300
    assert found.lost.events_by_cause() == {"unreadable": 5}


def test_lines_may_end_in_lf_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    path.write_bytes(HEADER.replace(b"\r\n", b"\n") + packet([(word(3, 5, 1), 10)]))
    assert check_source(open_recording(path)).lists()[:4] == [[10], [3], [5], [1]]
    path.write_bytes(HEADER.replace(b"\r\n", b"\n").replace(b"RAW", b"Serial-TS"))
    with pytest.raises(UnsupportedVersion, match="Serial-TS"):
        open_recording(path)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("DAVIS240C", "240x180"),
        ("DAVIS128", "128x128"),
        ("DAVIS208", "208x192"),
        ("DAVIS640", "640x480"),
        ("eDVS4337", "128x128"),
    ],
)
def test_cameras_are_known_by_their_names(tmp_path: Path, name: str, size: str) -> None:
    path = tmp_path / "a.aedat"
    path.write_bytes(HEADER.replace(b"DVS128", name.encode()) + packet([(word(3, 5, 1), 10)]))
    assert str(open_recording(path).sensor) == size


def test_a_stretch_is_found_without_reading_what_lies_before(tmp_path: Path) -> None:
    path, batch = tmp_path / "a.aedat", pattern(60_000)
    write_aedat3(path, [batch], packet_events=500)
    for start in (0, 1, 700_000, 2_300_000, 10**9):
        found = check_source(open_recording(path, start_us=start, duration_us=50_000))
        wanted = (batch.t >= batch.t[0] + start) & (batch.t < batch.t[0] + start + 50_000)
        assert found.t.tolist() == batch.t[wanted].tolist()
    batches = open_recording(path).from_time(int(batch.t[50_000]))  # type: ignore[attr-defined]
    first = next(part for part in batches if len(part))
    assert batch.t[20_000] < first.t[0] <= batch.t[50_000]


def test_a_file_of_almost_packets_is_passed_over_in_one_go(tmp_path: Path) -> None:
    """Headers that claim more than there is, one after the other; then garbage and headers of no event in turn."""
    bold = np.array((1, 1, 8, 4, 0, 2**24, 2**24, 2**24), PACKET).tobytes() * 20_000
    empty = (packet([]) + b"!") * 10_000
    found = check_source(
        open_recording(file_of(tmp_path, packet([(word(1, 1, 1), 10)]), bold, empty, packet([(word(2, 2, 1), 20)])))
    )
    assert found.t.tolist() == [10, 20]
    assert found.lost.losses["unreadable"].bytes == len(bold) + 10_000  # type: ignore[index]


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5), st.integers(1, 50))
def test_garbage_between_packets_costs_no_event(
    tmp_path_factory: pytest.TempPathFactory, garbage: list[bytes], batch_events: int
) -> None:
    folder = tmp_path_factory.mktemp("aedat3")
    parts = [part for i, one in enumerate(garbage) for part in (packet([(word(i, 1, 1), 10 * i)]), b"\xff" + one)]
    path = file_of(folder, *parts, packet([(word(99, 1, 1), 100)]))
    found = check_source(open_recording(path, batch_events=batch_events))
    assert found.x.tolist() == [*range(len(garbage)), 99]
    assert found.lost.total >= len(garbage)
    assert sum(one.bytes for one in found.lost.losses.values()) == sum(1 + len(one) for one in garbage)


def test_a_clock_reset_that_no_reader_would_notice_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    with pytest.raises(ConfigError, match="clock reset from 2000000 to 1000000 us"):
        write_aedat3(path, [one_event(2_000_000), one_event(1_000_000, segment=1)])
    write_aedat3(path, [one_event(2_000_000), one_event(999_998, segment=1), one_event(999_999, segment=1)])
    assert check_source(open_recording(path)).segment.tolist() == [0, 1, 1]
