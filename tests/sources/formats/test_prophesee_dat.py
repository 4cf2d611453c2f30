"""Prophesee DAT and event streams: records by hand, what is written, damage, real files."""

import hashlib
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, CorruptRecording, SpikecutWarning, UnsupportedVersion
from spikecut.pipeline.events import DropCause, EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats import FORMATS
from spikecut.tools.cli import main

from source_contract import check_source, pattern

VGA = SensorSize(640, 480)
HEADER = b"% Data file containing CD events.\n% Version 2\n% Width 640\n% Height 480\n"
ES = b"Event Stream\x02\x00\x00\x01\x80\x02\xe0\x01"  # 640x480


def record(t: int, x: int, y: int, p: int) -> bytes:
    return np.array([t, x | y << 14 | p << 28], "<u4").tobytes()


def dat(folder: Path, records: list[bytes], head: bytes = HEADER + b"\x0c\x08") -> Path:
    path = folder / "hand.dat"
    path.write_bytes(head + b"".join(records))
    return path


@pytest.mark.parametrize("kind", [0x00, 0x0C])
def test_records_of_dat_by_hand(tmp_path: Path, kind: int) -> None:
    records = [record(5, 639, 479, 1), record(6, 0, 1, 0)]
    recording = open_recording(dat(tmp_path, records, HEADER + bytes([kind, 8])))
    assert check_source(recording).lists()[:4] == [[5, 6], [639, 0], [479, 1], [1, 0]]
    assert recording.sensor == VGA


def test_32_bits_of_time_run_over_only_near_their_end(tmp_path: Path) -> None:
    last = (1 << 32) - 5
    path = dat(tmp_path, [record(t % (1 << 32), 1, 2, 1) for t in range(last - 3_000, last + 3_000, 10)])
    result = check_source(open_recording(path))
    assert result.t.tolist() == list(range(last - 3_000, last + 3_000, 10))


def test_a_time_that_falls_is_no_wrap(tmp_path: Path) -> None:
    times = [
        *range(1_000_000, 1_030_000, 10),
        1_029_000,
        *range(1_030_000, 1_060_000, 10),
        7,
        *range(1_060_000, 1_070_000, 10),
    ]
    result = check_source(open_recording(dat(tmp_path, [record(t, 1, 2, 1) for t in times])))
    assert result.t.max() == 1_069_990
    assert len(result.t) + result.lost.total == len(times)
    assert result.lost.total == 1


def test_one_impossible_record_costs_itself(tmp_path: Path) -> None:
    records = [record(1_000 * n, n % 600, 7, n % 2) for n in range(2_000)]
    for place in (0, 700, 1_999):
        for garbage in (b"\xff" * 8, record(3_000_000_000, 5, 5, 1)):
            damaged = [*records[:place], garbage, *records[place + 1 :]]
            whole = check_source(open_recording(dat(tmp_path, damaged)))
            kept = [n for n in range(2_000) if n != place]
            if place == 1_999 and garbage[0] != 0xFF:
                continue  # nothing follows by which it could be judged
            assert whole.t.tolist() == [1_000 * n for n in kept]
            assert whole.losses() == {"unreadable": (1, 8)}
            assert check_source(open_recording(tmp_path / "hand.dat", batch_events=7)) == whole


def test_headers_of_dat_that_are_not_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVersion, match="type 0x0E and 8 bytes"):
        open_recording(dat(tmp_path, [], HEADER + b"\x0e\x08"))
    with pytest.raises(UnsupportedVersion, match="DAT of version 1"):
        open_recording(dat(tmp_path, [], b"% Data file\n% Version 1\n\x00\x08"))
    with pytest.raises(CorruptRecording, match="ends before the type"):
        open_recording(dat(tmp_path, [], HEADER))


def test_an_event_stream_by_hand_stands_on_its_feet(tmp_path: Path) -> None:
    path = tmp_path / "a.es"
    # 3 us, ON, the lowest row; 2 * 127 + 126 us, OFF, the highest row; 0xFE does nothing
    path.write_bytes(ES + bytes([3 << 1 | 1, 5, 0, 0, 0, 0xFF, 0xFE, 0xFF, 126 << 1, 0x7F, 2, 0xDF, 1]))
    assert check_source(open_recording(path)).lists()[:4] == [[3, 383], [5, 639], [479, 0], [1, 0]]


def test_event_streams_that_are_not_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.es"
    for head, what in (
        (b"Event Stream\x01\x00\x00\x01\x01\x00\x01\x00", "version 1.0.0"),
        (b"Event Stream\x02\x00\x00\x02\x01\x00\x01\x00", "ATIS events"),
    ):
        path.write_bytes(head)
        with pytest.raises(UnsupportedVersion, match=what):
            open_recording(path)
    path.write_bytes(ES[:18])
    with pytest.raises(CorruptRecording, match="inside its header"):
        open_recording(path)
    path.write_bytes(ES[:16] + b"\0\0\1\0")
    with pytest.raises(CorruptRecording, match="0 x 1 pixels"):
        open_recording(path)


@st.composite
def streams(draw: st.DrawFn) -> EventBatch:
    n = draw(st.integers(1, 60))
    pauses = draw(st.lists(st.one_of(st.integers(0, 300), st.integers(0, 10**6)), min_size=n, max_size=n))
    t = draw(st.integers(0, 10**6)) + np.cumsum([0, *pauses[1:]])
    column: dict[str, Any] = {"min_size": n, "max_size": n}
    x = np.array(draw(st.lists(st.integers(0, 639), **column)), np.uint16)
    y = np.array(draw(st.lists(st.integers(0, 479), **column)), np.uint16)
    p = np.array(draw(st.lists(st.integers(0, 1), **column)), np.uint8)
    return EventBatch(t.astype(np.int64), x, y, p, int(t[0]), int(t[-1]) + 1, VGA)


@settings(max_examples=40)
@given(batch=streams(), batch_events=st.integers(1, 100))
@pytest.mark.parametrize("name", ["dat", "es"])
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, batch: EventBatch, batch_events: int
) -> None:
    path = tmp_path_factory.mktemp("dat") / f"a.{name}"
    FORMATS[name].write(path, [batch], VGA)
    result = check_source(open_recording(path, batch_events=batch_events))
    assert result.lists()[:4] == [getattr(batch, column).tolist() for column in "txyp"]
    assert not result.lost


@pytest.mark.parametrize("name", ["dat", "es"])
def test_a_file_cut_off_at_any_byte_gives_its_first_events(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a.{name}"
    FORMATS[name].write(path, [pattern(40)], pattern(40).sensor)
    data, whole = path.read_bytes(), check_source(open_recording(path))
    for at in range(len(data) - 150, len(data)):
        path.write_bytes(data[:at])
        result = check_source(open_recording(path, batch_events=9))
        assert result.lists() == [column[: len(result.t)] for column in whole.lists()]
        assert set(result.losses()) <= {"cut_off"}


def test_garbage_in_an_event_stream_costs_its_surroundings(tmp_path: Path) -> None:
    path, batch = tmp_path / "a.es", pattern(8_000)
    FORMATS["es"].write(path, [batch], batch.sensor)
    data = path.read_bytes()
    for damaged in (data[:9_000] + data[9_003:], data[:9_000] + b"\x7d" * 16 + data[9_016:]):
        path.write_bytes(damaged)
        whole = check_source(open_recording(path))
        assert len(whole.t) > 7_950
        assert whole.lost.losses[DropCause.unreadable].at_byte in range(8_990, 9_030)
        assert check_source(open_recording(path, batch_events=3)) == whole


@pytest.mark.parametrize(("name", "late"), [("dat", 1 << 32), ("es", 1 << 40)])
def test_what_the_formats_cannot_hold_is_refused(tmp_path: Path, name: str, late: int) -> None:
    one = pattern(1)
    later = EventBatch(one.t + late, one.x, one.y, one.p, late, int(one.t[0]) + late + 1, one.sensor)
    reset = EventBatch(one.t, one.x, one.y, one.p, int(one.t[0]), int(one.t[0]) + 1, one.sensor, segment=1)
    for batch in (later, reset):
        with pytest.raises(ConfigError) as caught:
            FORMATS[name].write(tmp_path / f"a.{name}", [batch], one.sensor)
        assert caught.value.hint == "write .h5 instead"


def test_a_real_recording_of_n_cars(real_data: Path) -> None:
    with pytest.warns(SpikecutWarning, match="304x240 is assumed"):
        result = check_source(open_recording(real_data / "formats" / "tonic_sample_ncars.dat"))
    assert (len(result.t), result.t[0], result.t[-1]) == (2_009, 0, 99_952)
    assert (result.x.max(), result.y.max(), bool(result.lost)) == (77, 41, False)


def test_a_real_event_stream(real_data: Path) -> None:
    recording = open_recording(real_data / "formats" / "faery_dvs.es")
    result = check_source(recording)
    assert (recording.sensor, len(result.t), int(result.p.sum())) == (SensorSize(320, 240), 473_225, 270_001)
    columns = (result.t.astype("<u8"), result.x, result.y, result.p)
    digests = [hashlib.sha3_224(column.tobytes()).hexdigest()[:8] for column in columns]
    assert digests == ["6f3f9af2", "976eab4d", "6ccc2ff2", "6f3c58f9"]


def test_the_command_line_prints_what_is_assumed_as_one_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = dat(tmp_path, [record(5, 300, 200, 1)], b"% Version 2\n\x0c\x08")
    assert main(["info", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "Prophesee DAT" in out
    assert err.splitlines() == [
        f"note: {path}: the header gives no sensor size; 304x240 is assumed, the smallest that holds its pixels: "
        "--sensor sets another"
    ]
    assert main(["info", str(path), "--sensor", "640x480"]) == 0
    assert not capsys.readouterr().err


def theirs(library: str, path: Path, name: str) -> tuple[Any, Any, Any, Any]:
    """The columns that another library reads."""
    module = importlib.import_module(library)
    if library == "evutils":
        parts = list(importlib.import_module("evutils.io").EventReader(str(path)))
        t, x, y, p = (np.concatenate([np.asarray(getattr(part, column)) for part in parts]) for column in "txyp")
        return t, x, y, p
    if library == "faery":
        events = module.events_stream_from_file(str(path)).to_array()
        return events["t"], events["x"], events["y"], events["on"]
    if library == "evt3":
        events = module.decode_file(str(path))
        return events.timestamp, events.x, events.y, events.polarity
    events = module.Wizard(encoding=name).read(str(path))
    return events["t"], events["x"], events["y"], events["p"]


@pytest.mark.parametrize(
    ("library", "name"),
    [
        *(("evutils", name) for name in ("evt3", "evt2", "evt21", "dat")),
        *(("faery", name) for name in ("evt3", "evt2", "dat", "es")),
        *(("expelliarmus", name) for name in ("evt2", "dat")),
        ("evt3", "evt3"),
    ],
)
def test_other_libraries_read_what_is_written(tmp_path: Path, library: str, name: str) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed")
    batch = pattern(5_000, first_us=40_000_000)
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    FORMATS[name].write(path, [batch], batch.sensor)
    for column, values in zip("txyp", theirs(library, path, name), strict=True):
        assert np.asarray(values).astype(np.int64).tolist() == getattr(batch, column).tolist()
