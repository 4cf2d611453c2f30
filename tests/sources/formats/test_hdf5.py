"""HDF5: our own recordings, DSEC's layout, and files that mean harm."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.errors import (
    ConfigError,
    CorruptRecording,
    LimitExceeded,
    SourceError,
    SpikecutWarning,
    UnknownFormat,
    UnsupportedVersion,
)
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats.hdf5 import CHUNK_ROWS
from spikecut.sources.formats.hdf5_writer import write_hdf5

from source_contract import DVS128, check_source, pattern


def small(folder: Path, **changes: Any) -> Path:
    """A plain file of three events; `changes` replaces columns or adds them."""
    path = folder / "plain.h5"
    columns = {"t": np.array([10, 20, 30]), "x": [1, 2, 3], "y": [4, 5, 6], "p": [0, 1, 1]}
    with h5py.File(path, "w") as file:
        group = file.create_group("events")
        group.attrs["width"], group.attrs["height"] = 8, 7
        for name, column in (columns | changes).items():
            if column is not None:
                group[name] = np.asarray(column)
    return path


@given(
    segments=st.lists(st.lists(st.integers(0, 10**7), min_size=1, max_size=20), min_size=1, max_size=4),
    batch_events=st.integers(1, 50),
)
@settings(max_examples=25)
def test_what_is_written_is_read_back_with_its_segments(
    tmp_path_factory: pytest.TempPathFactory, segments: list[list[int]], batch_events: int
) -> None:
    path = tmp_path_factory.mktemp("hdf5") / "a.h5"
    sensor, batches = SensorSize(640, 480), []
    expected: list[tuple[int, ...]] = []
    for number, pauses in enumerate(segments):
        t = np.cumsum(pauses) - 10**6
        x, y = (t % 640).astype(np.uint16), (t // 7 % 480).astype(np.uint16)
        p = (t % 2).astype(np.uint8)
        batches.append(EventBatch(t, x, y, p, int(t[0]), int(t[-1]) + 1, sensor, number))
        expected += zip(t.tolist(), x.tolist(), y.tolist(), p.tolist(), [number] * len(t), strict=True)
    assert write_hdf5(path, batches, sensor) == len(expected)
    recording = open_recording(path, batch_events=batch_events)
    assert (recording.format, recording.sensor) == ("spikecut HDF5", sensor)
    assert list(zip(*check_source(recording).lists(), strict=True)) == expected


def test_a_recording_without_events_keeps_its_sensor(tmp_path: Path) -> None:
    path = tmp_path / "none.h5"
    assert write_hdf5(path, [], SensorSize(34, 34)) == 0
    recording = open_recording(path)
    assert recording.sensor == SensorSize(34, 34)
    assert list(recording) == []


def test_three_events_worked_out_by_hand(tmp_path: Path) -> None:
    found = check_source(open_recording(small(tmp_path)))
    assert found.lists()[:4] == [[10, 20, 30], [1, 2, 3], [4, 5, 6], [0, 1, 1]]


def test_a_dsec_file_counts_from_its_offset(tmp_path: Path) -> None:
    path = small(tmp_path, t=np.array([1, 2, 3], np.uint32))
    with h5py.File(path, "a") as file:
        file["t_offset"] = 49_599_300_523
        file["ms_to_idx"] = [0]
    recording = open_recording(path)
    assert recording.format == "DSEC HDF5"
    assert check_source(recording).t.tolist() == [49_599_300_524, 49_599_300_525, 49_599_300_526]


@pytest.mark.parametrize("polarity", [[-1, 1, 1], [False, True, True]])
def test_polarity_may_be_signed_or_boolean(tmp_path: Path, polarity: int) -> None:
    assert check_source(open_recording(small(tmp_path, p=polarity))).p.tolist() == [0, 1, 1]


def test_a_polarity_that_is_none_is_counted(tmp_path: Path) -> None:
    found = check_source(open_recording(small(tmp_path, p=[0, 7, 1])))
    assert found.t.tolist() == [10, 30]
    assert found.lost.events_by_cause() == {"unreadable": 1}


def test_pixels_beyond_sixteen_bits_are_outside_the_sensor(tmp_path: Path) -> None:
    found = check_source(open_recording(small(tmp_path, x=np.array([-1, 2, 65_537]))))
    assert found.t.tolist() == [20]
    assert found.lost.events_by_cause() == {"outside_sensor": 2}


def test_the_sensor_of_a_file_that_names_none_is_given_or_inferred(tmp_path: Path) -> None:
    path = small(tmp_path)
    with h5py.File(path, "a") as file:
        del file["events"].attrs["width"]
    with pytest.warns(SpikecutWarning, match="states no sensor; 34x34 is assumed"):
        open_recording(path)
    assert len(check_source(open_recording(path, sensor=DVS128)).t) == 3


def test_another_version_is_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "next.h5"
    write_hdf5(path, [pattern(3)], DVS128)
    with h5py.File(path, "a") as file:
        file["events"].attrs["version"] = 2
    with pytest.raises(UnsupportedVersion, match="version 2"):
        open_recording(path)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"p": None}, UnknownFormat),
        ({"x": [1, 2]}, CorruptRecording),
        ({"t": [0.1, 0.2, 0.3]}, ConfigError),
        ({"x": [[1], [2], [3]]}, UnknownFormat),
        ({"t": np.array([b"1", b"2", b"3"])}, UnknownFormat),
        ({"segments": [2, 1]}, CorruptRecording),
        ({"segments": [5]}, CorruptRecording),
    ],
)
def test_columns_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        list(open_recording(small(tmp_path, **changes)))


def test_nothing_outside_the_file_is_ever_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"not yours to read, not yours to read")
    other = small(tmp_path).rename(tmp_path / "other.h5")

    def external_link(group: h5py.Group) -> None:
        group["x"] = h5py.ExternalLink(str(other), "/events/x")

    def soft_link(group: h5py.Group) -> None:
        group["x"] = h5py.SoftLink("/events/y")

    def external_storage(group: h5py.Group) -> None:
        group.create_dataset("x", (3,), np.uint16, external=[(str(secret), 0, 6)])

    def virtual(group: h5py.Group) -> None:
        layout = h5py.VirtualLayout((3,), np.uint16)
        layout[:] = h5py.VirtualSource(str(other), "/events/x", (3,))
        group.create_virtual_dataset("x", layout)

    for harm in (external_link, soft_link, external_storage, virtual):
        path = small(tmp_path, x=None)
        with h5py.File(path, "a") as file:
            harm(file["events"])
        with pytest.raises(CorruptRecording, match="itself"):
            open_recording(path)
    path = tmp_path / "linked.h5"
    with h5py.File(path, "w") as file:
        file["events"] = h5py.ExternalLink(str(other), "/events")
    with pytest.raises(CorruptRecording, match="itself"):
        open_recording(path)


def test_fractional_times_that_were_rounded_are_refused(tmp_path: Path) -> None:
    path = small(tmp_path, t=None)
    with h5py.File(path, "a") as file:
        file["events"].create_dataset("t", data=np.array([0.5, 1, 2]), chunks=(3,), scaleoffset=2)
    with pytest.raises(UnsupportedVersion, match=r"filter 6.*fractional"):
        open_recording(path)


def test_terabytes_declared_in_a_kilobyte_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        for name in "txyp":
            file.create_dataset(f"events/{name}", (10**12,), np.uint8, chunks=(1 << 20,), compression="gzip")
    with pytest.raises(LimitExceeded, match="declares"):
        open_recording(path, sensor=DVS128)


def test_rows_that_were_never_written_are_not_zeros(tmp_path: Path) -> None:
    path = tmp_path / "hollow.h5"
    with h5py.File(path, "w") as file:
        for name in "txyp":
            file.create_dataset(f"events/{name}", (5_000,), np.uint8, chunks=(1_000,), compression="gzip")
    with pytest.raises(CorruptRecording, match="never written"):
        open_recording(path, sensor=DVS128)


def test_a_chunk_too_large_to_unpack_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.h5"
    with h5py.File(path, "w") as file:
        for name in "txyp":
            data = np.zeros(70_000_000, np.uint8)
            file.create_dataset(f"events/{name}", data=data, chunks=data.shape, compression="gzip")
        file["padding"] = np.frombuffer(np.random.default_rng(0).bytes(100_000), np.uint8)
    with pytest.raises(LimitExceeded, match="chunks of 70,000,000"):
        open_recording(path, sensor=DVS128)


def test_a_damaged_chunk_costs_its_own_rows_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "scratched.h5"
    whole = pattern(3 * CHUNK_ROWS, pause_us=3)
    write_hdf5(path, [whole], DVS128)
    with h5py.File(path) as file:
        place = file["events/x"].id.get_chunk_info_by_coord((CHUNK_ROWS,))
    data = bytearray(path.read_bytes())
    data[place.byte_offset + place.size // 2] ^= 0xFF
    path.write_bytes(data)
    for batch_events in (1_000, 65_536, 1_000_000):
        found = check_source(open_recording(path, batch_events=batch_events))
        assert len(found.t) == 2 * CHUNK_ROWS
        assert found.lost.events_by_cause() == {"unreadable": CHUNK_ROWS}
        (loss,) = found.lost.losses.values()
        assert loss.at_byte == place.byte_offset


def test_a_truncated_file_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "cut.h5"
    write_hdf5(path, [pattern(2_000)], DVS128)
    data = path.read_bytes()
    for at in range(9, len(data), len(data) // 60):
        path.write_bytes(data[:at])
        with pytest.raises(SourceError):
            list(open_recording(path))
    path.write_bytes(data[:-1])
    with pytest.raises(CorruptRecording, match="cut off"):
        open_recording(path)
