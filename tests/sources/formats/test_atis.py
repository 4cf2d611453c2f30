"""ATIS `.bin`, as in N-MNIST and N-Caltech101."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats.atis import write_atis

from source_contract import DVS128, check_source, pattern

MARK = bytes([0, 240, 0, 0, 0])
CALTECH = SensorSize(240, 180)


def file_of(folder: Path, data: bytes, name: str = "hand.bin") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def record(x: int, y: int, p: int, t: int) -> bytes:
    return bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255])


def batch_of(
    t: list[int], x: list[int], y: list[int], p: list[int], sensor: SensorSize = CALTECH, segment: int = 0
) -> EventBatch:
    columns = (np.array(x, np.uint16), np.array(y, np.uint16), np.array(p, np.uint8))
    return EventBatch(np.array(t, np.int64), *columns, t[0], t[-1] + 1, sensor, segment)


def test_five_bytes_worked_out_by_hand(tmp_path: Path) -> None:
    # 0x85 is ON and 5 << 16; 5 * 65536 + 2 * 256 + 1 = 328,193
    path = file_of(tmp_path, bytes([3, 7, 0x00, 0x01, 0x00]) + bytes([9, 1, 0x85, 0x02, 0x01]))
    found = check_source(open_recording(path))
    assert found.lists()[:4] == [[256, 328_193], [3, 9], [7, 1], [0, 1]]


def test_a_record_in_row_240_moves_the_clock_on_and_is_no_event(tmp_path: Path) -> None:
    path = file_of(tmp_path, record(1, 2, 1, 100) + MARK + record(1, 2, 0, 50) + MARK + MARK + record(0, 0, 0, 60))
    found = check_source(open_recording(path))
    assert found.t.tolist() == [100, 50 + 8_192, 60 + 3 * 8_192]
    assert not found.lost


@st.composite
def atis_streams(draw: st.DrawFn) -> EventBatch:
    n = draw(st.integers(1, 60))
    pauses = draw(st.lists(st.one_of(st.integers(0, 300), st.integers(0, 3 * 10**6)), min_size=n, max_size=n))
    t = draw(st.integers(0, 2**26)) + np.cumsum([0, *pauses[1:]])
    column: dict[str, Any] = {"min_size": n, "max_size": n}
    x = draw(st.lists(st.integers(0, 239), **column))
    y = draw(st.lists(st.integers(0, 179), **column))
    return batch_of(t.tolist(), x, y, draw(st.lists(st.integers(0, 1), **column)))


@given(batch=atis_streams(), batch_events=st.integers(1, 100))
def test_what_is_written_is_read_back_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, batch: EventBatch, batch_events: int
) -> None:
    path = tmp_path_factory.mktemp("atis") / "a.bin"
    assert write_atis(path, [batch]) == len(batch)
    found = check_source(open_recording(path, sensor=CALTECH, batch_events=batch_events))
    assert found.lists()[:4] == [batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist()]
    assert not found.lost


@given(batch=atis_streams(), cut=st.integers(0, 60))
def test_markers_do_not_depend_on_how_the_stream_was_cut(
    tmp_path_factory: pytest.TempPathFactory, batch: EventBatch, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("atis")
    write_atis(folder / "whole.bin", [batch])
    pieces = []
    for half in (slice(0, cut), slice(cut, None)):
        t = batch.t[half]
        if len(t):
            columns = batch.x[half], batch.y[half], batch.p[half]
            pieces.append(EventBatch(t, *columns, int(t[0]), int(t[-1]) + 1, CALTECH))
    write_atis(folder / "parts.bin", pieces)
    assert (folder / "whole.bin").read_bytes() == (folder / "parts.bin").read_bytes()


@pytest.mark.parametrize(
    ("corner", "sensor"),
    [((33, 33), SensorSize(34, 34)), ((34, 33), CALTECH), ((239, 179), CALTECH), ((240, 10), SensorSize(304, 240))],
)
def test_the_sensor_is_the_smallest_known_one_that_holds_the_events(
    tmp_path: Path, corner: tuple[int, int], sensor: SensorSize
) -> None:
    path = file_of(tmp_path, record(corner[0], corner[1], 1, 10) * 3)
    assert open_recording(path).sensor == sensor


def test_one_pixel_in_a_hundred_outside_is_noise_and_two_are_another_sensor(tmp_path: Path) -> None:
    inside, outside = record(3, 3, 1, 10), record(200, 100, 1, 10)
    assert open_recording(file_of(tmp_path, inside * 99 + outside)).sensor == SensorSize(34, 34)
    assert open_recording(file_of(tmp_path, inside * 98 + outside * 2)).sensor == CALTECH


def test_a_wrong_sensor_is_reported_as_such_with_the_first_place(tmp_path: Path) -> None:
    path = file_of(tmp_path, record(10, 10, 1, 10) + record(100, 90, 0, 20) + record(3, 3, 0, 30))
    found = check_source(open_recording(path, sensor=SensorSize(34, 34)))
    assert found.t.tolist() == [10, 30]
    assert found.lost.events_by_cause() == {"outside_sensor": 1}
    (loss,) = found.lost.losses.values()
    assert loss.at_byte == 5


@pytest.mark.parametrize("n", [1, 2, 3, 4, 102])
@pytest.mark.parametrize("at", [3_001, 20_000, 33_333])
def test_after_missing_bytes_the_next_whole_event_is_found(tmp_path: Path, n: int, at: int) -> None:
    path = tmp_path / "short.bin"
    write_atis(path, [pattern(10_000, pause_us=5)])
    whole = set(zip(*check_source(open_recording(path)).lists()[:4], strict=True))
    data = path.read_bytes()
    path.write_bytes(data[:at] + data[at + n :])
    found = check_source(open_recording(path, sensor=CALTECH))
    delivered = set(zip(*found.lists()[:4], strict=True))
    assert len(whole - delivered) <= n // 5 + 2
    assert len(delivered - whole) <= 1
    assert found.lost.total >= 1


def test_garbage_in_the_middle_costs_itself_and_shifts_no_time(tmp_path: Path) -> None:
    path = tmp_path / "garbled.bin"
    write_atis(path, [pattern(10_000, pause_us=5)])
    whole = set(zip(*check_source(open_recording(path)).lists()[:4], strict=True))
    data = path.read_bytes()
    for seed in range(10):
        garbage = np.random.default_rng(seed).bytes(2_000)
        path.write_bytes(data[:20_000] + garbage + data[22_000:])
        delivered = set(zip(*check_source(open_recording(path, sensor=CALTECH)).lists()[:4], strict=True))
        assert len(whole - delivered) <= 410
        assert len(delivered - whole) <= 10


@pytest.mark.parametrize(
    ("batch", "match"),
    [
        (batch_of([0], [256], [0], [0], SensorSize(304, 240)), "below 256"),
        (batch_of([0], [0], [0], [0], SensorSize(640, 480)), "640x480"),
        (batch_of([-5], [0], [0], [0]), "before 0"),
        (batch_of([0], [0], [0], [0], segment=1), "clock reset"),
        (batch_of([10**15], [0], [0], [0]), "markers"),
    ],
)
def test_what_the_format_cannot_hold_is_refused(tmp_path: Path, batch: EventBatch, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        write_atis(tmp_path / "a.bin", [batch])


def test_hours_of_silence_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "silent.bin"
    t = [0, 3_600_000_000, 7_200_000_000]
    write_atis(path, [batch_of(t, [1] * 3, [2] * 3, [1] * 3)])
    assert check_source(open_recording(path)).t.tolist() == t


def test_the_published_sample_has_its_published_facts(real_data: Path) -> None:
    recording = open_recording(real_data / "formats/tonic_sample_nmnist.bin")
    found = check_source(recording)
    assert recording.sensor == SensorSize(34, 34)
    assert (len(found.t), found.t[0], found.t[-1]) == (4_325, 654, 311_175)
    assert not found.lost


def test_tonic_reads_the_same_events(real_data: Path, tmp_path: Path) -> None:
    read_mnist_file = pytest.importorskip("tonic.io").read_mnist_file
    long = tmp_path / "long.bin"
    write_atis(long, [pattern(3_000, pause_us=8_000)])  # 24 s: markers are needed
    for path in (real_data / "formats/tonic_sample_nmnist.bin", long):
        theirs = read_mnist_file(str(path), dtype=np.dtype([("x", int), ("y", int), ("t", int), ("p", int)]))
        found = check_source(open_recording(path))
        for name in "txyp":
            assert getattr(found, name).tolist() == theirs[name].tolist()


def test_real_digits_are_sound(real_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(real_data / "nmnist_train1000.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".bin")]
        assert len(names) == 1_000
        for name in names[::100]:
            path = file_of(tmp_path, archive.read(name), "digit.bin")
            found = check_source(open_recording(path))
            assert len(found.t) * 5 == path.stat().st_size
            assert found.t[-1] <= 336_040
            assert not found.lost


def test_another_sensor_can_be_asked_for(tmp_path: Path) -> None:
    path = file_of(tmp_path, record(1, 1, 1, 1))
    assert open_recording(path, sensor=DVS128).sensor == DVS128
