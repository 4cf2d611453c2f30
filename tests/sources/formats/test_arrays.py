"""NumPy's files: arrays with named fields in any order, N x 4, and archives of columns."""

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.errors import (
    ConfigError,
    CorruptRecording,
    LimitExceeded,
    SpikecutError,
    SpikecutWarning,
    UnknownFormat,
)
from spikecut.pipeline.events import DropCause, EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats import FORMATS
from spikecut.sources.formats.base import TextLayout
from spikecut.sources.formats.reading.event_fields import event_chunk, microseconds
from spikecut.sources.formats.reading.window import Seekable

from source_contract import DVS128, check_source, pattern

BATCH = pattern(2_500, seed=8)
FIELDS: dict[str, Any] = {"t": BATCH.t, "x": BATCH.x, "y": BATCH.y, "p": BATCH.p}
KINDS = {
    "tonic": [("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")],
    "faery": [("t", "u8"), ("x", "u2"), ("y", "u2"), ("on", "?")],
    "aestream": [("timestamp", "i8"), ("x", "i2"), ("y", "i2"), ("polarity", "i1")],
    "big": [("p", ">i2"), ("y", ">u4"), ("ts", ">u4"), ("x", ">f4")],
}
ALIASES = {"timestamp": "t", "ts": "t", "on": "p", "polarity": "p"}


def structured(kind: Any) -> np.ndarray:
    array = np.zeros(len(BATCH), kind)
    for name in array.dtype.names or ():
        array[name] = FIELDS[ALIASES.get(name, name)]
    return array


def lists(found: Any) -> list[list[int]]:
    return found.lists()[:4]  # type: ignore[no-any-return]


EXPECTED = [column.tolist() for column in FIELDS.values()]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_fields_of_any_name_order_and_type_are_the_same_events(name: str, suffix: str, tmp_path: Path) -> None:
    path, array = tmp_path / f"a.{suffix}", structured(KINDS[name])
    if suffix == "npy":
        np.save(path, array)
    else:
        np.savez_compressed(path, events=array, sensor=np.array([128, 128]))
    found = check_source(open_recording(path, sensor=DVS128))
    assert lists(found) == EXPECTED
    assert not found.lost
    for batch_events in (17, 999):
        assert check_source(open_recording(path, sensor=DVS128, batch_events=batch_events)) == found


@pytest.mark.parametrize("order", ["C", "F"])
def test_four_columns_without_names_are_read_in_the_order_and_unit_given(order: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array(np.stack([BATCH.y, BATCH.t / 1e6, BATCH.p, BATCH.x], 1), order=order))
    with pytest.warns(SpikecutWarning, match="is assumed"):
        recording = open_recording(path, text=TextLayout("ytpx", "s"))
    assert lists(check_source(recording)) == EXPECTED
    assert recording.sensor == DVS128


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_of_columns_states_its_sensor_or_it_is_inferred(save: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save(path, **FIELDS, width=346, height=260)
    recording = open_recording(path, sensor=DVS128)
    assert recording.sensor == SensorSize(346, 260)
    assert lists(check_source(recording)) == EXPECTED
    save(path, **FIELDS, sensor_size=(304, 240, 2))
    assert open_recording(path).sensor == SensorSize(304, 240)
    save(path, **FIELDS)
    with pytest.warns(SpikecutWarning, match="is assumed"):
        assert open_recording(path).sensor == DVS128
    assert open_recording(path, sensor=DVS128).sensor == DVS128


def test_fractional_times_need_a_unit(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    seconds: dict[str, Any] = {**FIELDS, "t": BATCH.t / 1e6}
    np.savez(path, **seconds)
    with pytest.raises(ConfigError, match="fractional numbers"):
        open_recording(path)
    assert lists(check_source(open_recording(path, sensor=DVS128, text=TextLayout("txyp", "s")))) == EXPECTED
    np.savez(path, **seconds, time_unit="s")
    assert lists(check_source(open_recording(path, sensor=DVS128))) == EXPECTED
    np.save(tmp_path / "a.npy", structured([("t", "f8"), ("x", "i2"), ("y", "i2"), ("p", "i1")]))
    with pytest.raises(ConfigError, match="fractional"):
        open_recording(tmp_path / "a.npy")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@given(pauses=st.lists(st.integers(0, 10**6), max_size=60))
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, suffix: str, pauses: list[int]) -> None:
    sensor = SensorSize(640, 480)
    t: Any = np.cumsum([*pauses, 1]) - 10**5
    x, y, p = (t % 640).astype(np.uint16), (t // 7 % 480).astype(np.uint16), (t % 2).astype(np.uint8)
    batch = EventBatch(t, x, y, p, int(t[0]), int(t[-1]) + 1, sensor)
    path = tmp_path_factory.mktemp("arrays") / f"a.{suffix}"
    assert FORMATS[suffix].write(path, [batch], sensor) == len(t)
    recording = open_recording(path, sensor=sensor)
    assert recording.sensor == sensor
    assert lists(check_source(recording)) == [t.tolist(), x.tolist(), y.tolist(), p.tolist()]
    plain: Any = np.load(path)
    for name, column in zip("txyp", (t, x, y, p), strict=True):
        assert plain[name].tolist() == column.tolist()


@pytest.mark.parametrize("kind", ["structured", "tonic"])
def test_bytes_behind_an_array_and_rows_that_are_missing_are_counted(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    rows = structured(KINDS["tonic"]) if kind == "structured" else np.stack([BATCH.x, BATCH.y, BATCH.p, BATCH.t], 1)
    np.save(path, rows)
    data = path.read_bytes()
    path.write_bytes(data + b"garbage" * 100)
    found = check_source(open_recording(path, sensor=DVS128))
    assert len(found.t) == len(BATCH)
    assert found.losses() == {"trailing": (0, 700)}
    (loss,) = found.lost.losses.values()
    assert loss.at_byte == len(data)
    path.write_bytes(data[: -3 * rows.nbytes // len(rows) - 1])
    found = check_source(open_recording(path, sensor=DVS128))
    assert (len(found.t), found.lost.events_by_cause()) == (len(BATCH) - 4, {"cut_off": 4})


def npz(path: Path, compression: int = zipfile.ZIP_DEFLATED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def stored(array: Any) -> Any:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_an_archive_with_too_few_or_too_many_bytes_gives_what_is_whole(tmp_path: Path) -> None:
    members: dict[str, Any] = {name: stored(column) for name, column in FIELDS.items()}
    path = npz(tmp_path / "a.npz", **(members | {"x": members["x"] + b"more"}))
    found = check_source(open_recording(path, sensor=DVS128))
    assert (lists(found), found.losses()) == (EXPECTED, {"trailing": (0, 4)})
    path = npz(tmp_path / "a.npz", **(members | {"y": members["y"][:-20]}))
    for batch_events in (7, 10_000):
        found = check_source(open_recording(path, sensor=DVS128, batch_events=batch_events))
        assert (len(found.t), found.lost.events_by_cause()) == (len(BATCH) - 10, {"cut_off": 10})
    path = npz(tmp_path / "a.npz", **(members | {"p": stored(BATCH.p[:-1])}))
    with pytest.raises(CorruptRecording, match="differ in length"):
        open_recording(path)


def test_a_flipped_bit_in_an_archive_is_told_by_its_checksum(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", zipfile.ZIP_STORED, **{name: stored(column) for name, column in FIELDS.items()})
    data = bytearray(path.read_bytes())
    data[data.index(b"x.npy") + 5 + 128 + 300] ^= 1
    path.write_bytes(data)
    for batch_events in (10, 10_000):
        found = check_source(open_recording(path, sensor=DVS128, batch_events=batch_events))
        assert len(found.t) == len(BATCH)
        assert found.losses() == {"unreadable": (0, 2 * len(BATCH))}


def test_nothing_is_unpickled_and_no_member_swells(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", t=np.array([{}], object), x=[1], y=[1], p=[1])
    with pytest.raises(UnknownFormat, match="a pickle"):
        open_recording(tmp_path / "a.npz", sensor=DVS128)
    np.savez(tmp_path / "b.npz", images=np.zeros((3, 8, 8)))
    with pytest.raises(UnknownFormat, match="shape"):
        open_recording(tmp_path / "b.npz", sensor=DVS128)
    members: dict[str, Any] = {name: stored(column) for name, column in FIELDS.items()}
    path = npz(tmp_path / "c.npz", **(members | {"t": members["t"] + bytes(2**28)}))
    tracemalloc.start()
    found = check_source(open_recording(path, sensor=DVS128))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    assert found.losses() == {"trailing": (0, 2**28)}
    with zipfile.ZipFile(path) as archive:
        declared = archive.getinfo("t.npy").file_size
    data = path.read_bytes()
    path.write_bytes(data.replace(declared.to_bytes(4, "little"), (2**31).to_bytes(4, "little")))
    with pytest.raises(LimitExceeded, match="declares"):
        open_recording(path, sensor=DVS128)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_mutants_are_read_in_order_and_in_range_or_refused(suffix: str, tmp_path: Path) -> None:
    path, rng = tmp_path / f"a.{suffix}", np.random.default_rng(1)
    FORMATS[suffix].write(path, [pattern(300)], DVS128)
    data = path.read_bytes()
    for _ in range(150):
        mutant = bytearray(data)
        for at in rng.integers(0, rng.choice([100, 400, len(data)]), 2) % len(data):
            place = at if rng.random() < 0.5 else len(data) - 1 - at
            mutant[place] = rng.choice([0, 1, 127, 255, mutant[place] ^ (1 << rng.integers(8))])
        path.write_bytes(mutant)
        try:
            check_source(open_recording(path, sensor=DVS128))
        except SpikecutError:
            continue


def test_a_late_stretch_of_an_array_is_found_without_what_lies_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    FORMATS["npy"].write(path, [BATCH], DVS128)
    recording = open_recording(path, sensor=DVS128)
    assert isinstance(recording, Seekable)
    time_us = int(BATCH.t[2_000])
    batches = recording.from_time(time_us)
    assert batches is not None
    t = np.concatenate([batch.t for batch in batches])
    assert t[t >= time_us].tolist() == BATCH.t[BATCH.t >= time_us].tolist()
    assert len(t) < 1_500


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("dtype", ["u1", "i4", "u8", "i8", "f8", "f4"])
def test_times_of_any_type_never_wrap(unit: str, dtype: str) -> None:
    scale = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1e-3}[unit]
    largest = np.finfo(dtype).max if dtype[0] == "f" else np.iinfo(dtype).max
    t, good = microseconds(np.array([0, 100, largest], dtype), unit)
    assert t[:2].tolist() == [0, round(100 * scale)]
    assert np.broadcast_to(good, 3).tolist() == [True, True, bool(float(largest) * scale < 2**62)]
    t, good = microseconds(np.array([1, 2]), "us", 2**63 - 5)
    assert (t.tolist(), good.tolist()) == ([0, 0], [False, False])


def test_rows_that_are_no_event_are_counted() -> None:
    nan = np.nan
    columns = {"t": [1.0, nan, 3, 4, 5], "x": [0.5, 1, nan, 3, 2], "y": [1.0] * 5, "p": [1.0, 1, 1, 0.5, -1]}
    chunk = event_chunk({name: np.array(column) for name, column in columns.items()}, "us")
    assert (chunk.t.tolist(), chunk.p.tolist(), chunk.lost.total) == ([5], [0], 4)


def test_a_pixel_that_is_none_does_not_make_the_inferred_sensor_larger(tmp_path: Path) -> None:
    rows = np.zeros(50, [("t", "<i8"), ("x", "<f4"), ("y", "<f4"), ("p", "?")])
    rows["t"], rows["x"], rows["y"] = np.arange(50) * 100, 39, 29
    rows["x"][20], rows["y"][30] = np.inf, -3
    np.save(tmp_path / "a.npy", rows)
    with pytest.warns(SpikecutWarning, match="128x128"):
        recording = open_recording(tmp_path / "a.npy")
    batches = list(recording)
    assert recording.sensor == DVS128
    assert sum(len(batch) for batch in batches) == 48
    assert sum(batch.lost.total for batch in batches) == 2


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize(
    ("side", "hot", "sensor"),
    [(100, 60_000, DVS128), (127, 90, DVS128), (1_500, 90, SensorSize(1_500, 1_500)), (0, 0, SensorSize(34, 34))],
)
def test_one_hot_pixel_does_not_make_the_inferred_sensor_larger(
    suffix: str, side: int, hot: int, sensor: SensorSize, tmp_path: Path
) -> None:
    rows = np.zeros(3_000, KINDS["faery"])
    rows["t"] = np.arange(3_000)
    rows["x"][:] = rows["y"][:] = np.arange(3_000) % max(1, side)
    rows["x"][77] = hot
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, rows)
    else:
        np.savez(path, events=rows)
    with pytest.warns(SpikecutWarning, match=r"holds 99\.9 % of its pixels"):
        recording = open_recording(path)
    assert recording.sensor == sensor
    found = check_source(recording)
    n_outside = int(hot >= sensor.width)
    assert (len(found.t), found.lost.total) == (3_000 - n_outside, n_outside)


@pytest.mark.parametrize("unit", ["ms", "us", "ns", "25us", "ps"])
@pytest.mark.parametrize("suffix", ["npy", "npz", "columns"])
def test_times_as_timedelta_are_read_in_their_unit_and_nat_is_counted(unit: str, suffix: str, tmp_path: Path) -> None:
    scale = {"ms": 1, "us": 1_000, "ns": 10**6, "25us": 40, "ps": 10**9}[unit]
    ms = np.arange(1, 2_501)
    rows = np.zeros(2_500, [("t", f"<m8[{unit}]"), ("x", "<i2"), ("y", "<i2"), ("p", "?")])
    rows["t"], rows["x"] = (ms * scale).astype(f"m8[{unit}]"), ms % 100
    expected = EventBatch.from_structured(rows, DVS128).t.tolist()
    assert expected == (ms * 1_000).tolist()
    rows["t"][1_200] = np.timedelta64("NaT")
    path = tmp_path / f"a.{suffix[:3]}" if suffix != "columns" else tmp_path / "a.npz"
    if suffix == "npy":
        np.save(path, rows)
    elif suffix == "npz":
        np.savez(path, events=rows)
    else:
        columns: dict[str, Any] = {name: rows[name] for name in "txyp"}
        np.savez(path, **columns, time_unit="s")
    for batch_events in (17, 700, 10_000):
        found = check_source(open_recording(path, sensor=DVS128, batch_events=batch_events))
        assert found.t.tolist() == expected[:1_200] + expected[1_201:]
        assert found.lost.events_by_cause() == {"unreadable": 1}


@pytest.mark.parametrize(
    ("field", "kind", "message"),
    [
        ("x", ("<i2", (2,)), r"the field x of this holds arrays of shape \(2,\) of int16"),
        ("y", [("a", "<i2"), ("b", "<i2")], "the field y of this holds the fields a, b"),
        ("t", "<M8[us]", r"the field t of this holds datetime64\[us\]; expected whole or fractional"),
        ("t", "<m8[Y]", r"timedelta64\[Y\]"),
        ("p", "<U4", "the field p of this holds <U4; expected numbers"),
        ("x", "<m8[us]", "the field x"),
    ],
)
def test_the_type_of_a_field_that_is_no_number_is_named(field: str, kind: Any, message: str, tmp_path: Path) -> None:
    fields: Any = [(field, *kind) if isinstance(kind, tuple) else (field, kind)]
    rows = np.zeros(5, [*fields, *((name, "<i4") for name in "txyp" if name != field)])
    np.save(tmp_path / "a.npy", rows)
    with pytest.raises(UnknownFormat, match=message):
        open_recording(tmp_path / "a.npy", sensor=DVS128)


def test_a_field_of_dates_is_refused_with_what_to_store(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **(FIELDS | {"t": BATCH.t.astype("M8[us]")}))
    with pytest.raises(UnknownFormat, match=r"t holds datetime64\[us\]") as caught:
        open_recording(tmp_path / "a.npz", sensor=DVS128)
    assert "t - t[0]" in str(caught.value.hint)
    np.savez(tmp_path / "a.npz", **(FIELDS | {"x": np.stack([BATCH.x, BATCH.y], 1)}))
    with pytest.raises(UnknownFormat, match=r"x is an array of shape \(2500, 2\)"):
        open_recording(tmp_path / "a.npz", sensor=DVS128)


@pytest.mark.parametrize("named", [True, False])
def test_more_rows_than_any_disk_holds_are_a_damaged_header(named: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    descr = [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "|b1")] if named else "<i8"
    shape = (2**60,) if named else (2**60, 4)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
        file.write(bytes(13 * 32))
    with pytest.raises(LimitExceeded, match="1,152,921,504,606,846,976 rows"):
        list(open_recording(path, sensor=DVS128))


def test_an_array_in_another_order_of_columns_is_refused_with_the_option_that_reads_it(tmp_path: Path) -> None:
    """Rows of x, y, t, p where x, y, p, t in ms is the rule: no polarity is one."""
    path = tmp_path / "a.npy"
    np.save(path, np.stack([np.arange(9), np.arange(9), np.arange(9) + 10_000, np.arange(9) % 2], axis=1))
    with pytest.raises(CorruptRecording, match="not one event could be decoded") as caught:
        list(open_recording(path))
    assert "--columns xytp --time-unit us" in str(caught.value.hint)
    text = TextLayout("xytp", "us")
    assert sum(map(len, open_recording(path, sensor=SensorSize(128, 128), text=text))) == 9
    with pytest.raises(CorruptRecording) as again:
        list(open_recording(path, sensor=SensorSize(128, 128), text=TextLayout("xypt", "us")))
    assert "another order" in str(again.value.hint)


@pytest.mark.parametrize(
    "size", [(128, 128), [[128, 128]], [[128], [128]], (128.0, 128.0), (128, 128, 2), np.array([128, 128], "u1")]
)
def test_an_archive_states_its_sensor_in_any_shape(size: Any, tmp_path: Path) -> None:
    for name in ("sensor", "sensor_size"):
        members: dict[str, Any] = FIELDS | {name: np.array(size)}
        np.savez(tmp_path / "a.npz", **members)
        assert open_recording(tmp_path / "a.npz").sensor == SensorSize(128, 128)


@pytest.mark.parametrize("size", ["DVS128", (128,), (1, 2, 3, 4), (0.5, 3), [[1, 2, 3]], np.zeros(2_000)])
def test_a_sensor_that_is_no_size_is_refused_unless_another_is_given(size: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **FIELDS, sensor=np.array(size))
    with pytest.raises(UnknownFormat, match=r"sensor is an array .*expected two whole numbers") as caught:
        open_recording(tmp_path / "a.npz")
    assert "--sensor" in str(caught.value.hint)
    assert open_recording(tmp_path / "a.npz", sensor=DVS128).sensor == DVS128


def test_a_unit_that_is_none_is_shown_as_plain_text(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **FIELDS, time_unit="weeks")
    with pytest.raises(UnknownFormat, match="times in 'weeks'; spikecut reads"):
        open_recording(tmp_path / "a.npz", sensor=DVS128)


def test_an_archive_without_members_is_said_to_be_empty(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz")
    with pytest.raises(UnknownFormat, match="an empty zip archive, without a single member"):
        open_recording(tmp_path / "a.npz")


@pytest.mark.parametrize("more", [b"more", bytes(1_000), bytes(300_000), b"\xa5" * 70_000])
@pytest.mark.parametrize("comment", [b"", b"a comment"])
def test_whatever_stands_behind_an_archive_is_counted(more: bytes, comment: bytes, tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", **{name: stored(column) for name, column in FIELDS.items()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = comment
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + more)
    for batch_events in (7, 10_000):
        found = check_source(open_recording(path, sensor=DVS128, batch_events=batch_events))
        assert (lists(found), found.losses()) == (EXPECTED, {"trailing": (0, len(more))})
        assert found.lost.losses[DropCause.trailing].at_byte == size
