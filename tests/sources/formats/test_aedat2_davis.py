"""AEDAT 2.0 of DAVIS cameras: addresses worked by hand, words that are no events, and damage."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tonic.io import read_davis_346

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats.aedat2 import write_aedat2

import faults
from source_contract import check_source

DAVIS240, DAVIS346 = SensorSize(240, 180), SensorSize(346, 260)
HEADER = b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.Davis346red\r\n"
RESET, SIGNAL, INERTIAL = 1 << 31, 1 << 31 | 1 << 10, 1 << 31 | 3 << 10


def file_of(folder: Path, *records: tuple[int, int], header: bytes = HEADER) -> Path:
    path = folder / "davis.aedat"
    path.write_bytes(header + b"".join(struct.pack(">II", *record) for record in records))
    return path


def address(x: int, y: int, p: int) -> int:
    """As the camera counts: from the right and from the bottom."""
    return y << 22 | x << 12 | p << 11


def drawn(sensor: SensorSize, n: int = 3_000, seed: int = 0) -> EventBatch:
    rng = np.random.default_rng(seed)
    t = 1_000 + np.cumsum(rng.integers(0, 80, n))
    x, y = (rng.integers(0, side, n).astype(np.uint16) for side in (sensor.width, sensor.height))
    return EventBatch(t, x, y, rng.integers(0, 2, n).astype(np.uint8), 1_000, int(t[-1]) + 1, sensor)


def test_eight_bytes_worked_out_by_hand(tmp_path: Path) -> None:
    """y 1, x 2, ON: 1 << 22 | 2 << 12 | 1 << 11 = 0x00402800; second to last row, third to last column."""
    assert address(2, 1, 1) == 0x402800
    path = tmp_path / "a.aedat"
    path.write_bytes(HEADER + bytes([0, 0x40, 0x28, 0, 0, 0, 1, 0]) + bytes([0, 0, 0, 0, 0, 0, 1, 4]))
    recording = open_recording(path)
    assert recording.sensor == DAVIS346
    assert check_source(recording).lists()[:4] == [[256, 260], [343, 345], [258, 259], [1, 0]]


@pytest.mark.parametrize(
    ("chip", "sensor"),
    [("DAVIS240A", DAVIS240), ("DAVIS240B", DAVIS240), ("DAVIS240C", DAVIS240), ("Davis346B", DAVIS346)],
)
def test_the_chip_says_how_large_the_sensor_is(tmp_path: Path, chip: str, sensor: SensorSize) -> None:
    for line_end in (b"\r\n", b"\n"):
        header = HEADER.replace(b"Davis346red", chip.encode()).replace(b"\r\n", line_end)
        recording = open_recording(file_of(tmp_path, (address(0, 0, 1), 5), header=header))
        assert recording.sensor == sensor
        assert check_source(recording).lists()[:3] == [[5], [sensor.width - 1], [sensor.height - 1]]


def test_tonic_reads_the_same_events(tmp_path: Path) -> None:
    batch = drawn(DAVIS346)
    write_aedat2(tmp_path / "a.aedat", [batch], DAVIS346)
    with (tmp_path / "a.aedat").open("r+b") as file:  # its reader wants a time of creation
        body = file.read().split(b"Header\r\n", 1)[1]
    made = b"#!AER-DAT2.0\r\n# Creation time: System.currentTimeMillis() 1695355587880\r\n" + HEADER[14:]
    path = tmp_path / "b.aedat"
    path.write_bytes(made + b"#End Of ASCII Header\r\n" + body)
    try:
        _, _, theirs = read_davis_346(str(path))
    except (ValueError, IndexError) as error:
        pytest.skip(f"Tonic's reader of headers refuses it: {error}")
    ours = check_source(open_recording(path))
    for name in "txyp":
        assert theirs[name].astype(np.int64).tolist() == getattr(ours, name).tolist()


def test_frames_and_inertial_samples_are_no_events_and_no_loss(tmp_path: Path) -> None:
    rows = [
        (RESET | 5 << 12, 11),
        (address(1, 1, 1), 12),
        (INERTIAL | 77, 12),
        (SIGNAL | 0x3FF, 13),
        (address(2, 1, 0), 14),
    ]
    found = check_source(open_recording(file_of(tmp_path, *rows)))
    assert found.t.tolist() == [12, 14]
    assert not found.lost


def test_a_trigger_is_counted_and_is_no_event(tmp_path: Path) -> None:
    found = check_source(
        open_recording(file_of(tmp_path, (address(1, 1, 1), 12), (1 << 10, 13), (address(1, 1, 1), 14)))
    )
    assert found.t.tolist() == [12, 14]
    assert found.lost.events_by_cause() == {"special": 1}


def test_a_second_of_frames_alone_is_no_damage(tmp_path: Path) -> None:
    frames = [(RESET | i % 300 << 12, 20 + 10 * i) for i in range(100_000)]
    found = check_source(
        open_recording(file_of(tmp_path, (address(1, 1, 1), 12), *frames, (address(1, 1, 1), 1_000_100)))
    )
    assert found.t.tolist() == [12, 1_000_100]
    assert not found.lost


def test_a_pixel_outside_the_sensor_is_counted(tmp_path: Path) -> None:
    rows = [(address(1, 1, 1), 12), (address(346, 1, 1), 13), (address(1, 260, 1), 14), (address(345, 259, 1), 15)]
    found = check_source(open_recording(file_of(tmp_path, *rows)))
    assert (found.t.tolist(), found.x.tolist(), found.y.tolist()) == ([12, 15], [344, 0], [258, 0])
    assert found.lost.events_by_cause() == {"outside_sensor": 2}
    assert found.lost.losses["outside_sensor"].at_byte == len(HEADER) + 8  # type: ignore[index]


def test_an_event_may_begin_like_a_line_of_the_header(tmp_path: Path) -> None:
    """Rows 140 and 141 begin with the byte of `#`; with and without the line that ends the header."""
    rows = [(address(5 + i, 140 + i % 2, 1), 100 + i) for i in range(20)]
    for end in (b"", b"#End Of ASCII Header\r\n"):
        path = file_of(tmp_path, *rows, header=HEADER + end)
        assert path.read_bytes()[len(HEADER + end)] == ord("#")
        assert check_source(open_recording(path)).t.tolist() == [t for _, t in rows]


@given(
    seed=st.integers(0, 10**6),
    sensor=st.sampled_from([DAVIS240, DAVIS346, SensorSize(640, 480)]),
    size=st.integers(1, 99),
)
def test_what_is_written_is_read_back_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, seed: int, sensor: SensorSize, size: int
) -> None:
    path, batch = tmp_path_factory.mktemp("davis") / "a.aedat", drawn(sensor, 200, seed)
    assert write_aedat2(path, [batch], sensor) == 200
    recording = open_recording(path, batch_events=size)
    assert recording.sensor == sensor
    found = check_source(recording)
    assert found.lists()[:4] == [getattr(batch, name).tolist() for name in "txyp"]
    assert not found.lost


@pytest.mark.parametrize("n", range(1, 8))
def test_after_missing_bytes_the_next_whole_event_is_found(tmp_path: Path, n: int) -> None:
    path, batch = tmp_path / "a.aedat", drawn(DAVIS346)
    write_aedat2(path, [batch], DAVIS346)
    data = path.read_bytes()
    path.write_bytes(data[:10_003] + data[10_003 + n :])
    found = check_source(open_recording(path))
    whole = set(zip(*(getattr(batch, name).tolist() for name in "txyp"), strict=True))
    delivered = set(zip(*found.lists()[:4], strict=True))
    assert len(whole - delivered) <= 3
    assert len(delivered - whole) <= 2
    assert found.lost.total >= 1


def test_mutants_are_read_in_order_and_in_range(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    write_aedat2(path, [drawn(DAVIS240, 1_000)], DAVIS240)
    data = path.read_bytes()
    for _, mutant in faults.mutants(data[150:], 60, seed=11):
        path.write_bytes(data[:150] + mutant)
        whole = check_source(open_recording(path))
        assert check_source(open_recording(path, batch_events=7)) == whole


def test_another_sensor_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"1280x720 sensor; AEDAT 2\.0 is written for 128x128, 240x180, 346x260"):
        write_aedat2(tmp_path / "a.aedat", [], SensorSize(1280, 720))
