"""AEDAT4: bytes worked by hand, all ways of packing, several cameras, real recordings, and what peers read of ours."""

import importlib.util
import struct
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, CorruptRecording, EmptyRecording, SpikecutWarning, UnsupportedVersion
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats.aedat4.compression import Compression
from spikecut.sources.formats.aedat4.flatbuffers import EVENT, event_packet, events_in, header
from spikecut.sources.formats.aedat4.writer import write_aedat4

from source_contract import DVS128, check_source, pattern

EPOCH_US = 1_605_507_430_438_338
Row = tuple[int, int, int, int]


def stream_xml(number: int, kind: str = "EVTS", size: str = "", source: str = "Cam") -> str:
    width, _, height = size.partition("x")
    attributes = f'<attr key="source" type="string">{source}</attr>'
    if size:
        attributes += f'<attr key="sizeX" type="int">{width}</attr><attr key="sizeY" type="int">{height}</attr>'
    return (
        f'<node name="{number}" path="/mainloop/Recorder/outInfo/{number}/"><attr key="typeIdentifier" type="string">'
        f'{kind}</attr><node name="info" path="/mainloop/Recorder/outInfo/{number}/info/">{attributes}</node></node>'
    )


def head(*streams: str) -> bytes:
    tree = f'<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">{"".join(streams)}</node></dv>\n'
    return b"#!AER-DAT4.0\r\n" + header(0, tree.encode())


def packet(stream: int, content: bytes) -> bytes:
    return struct.pack("<ii", stream, len(content)) + content


def events(*rows: Row) -> bytes:
    return event_packet(np.array([(*row, b"\0\0\0") for row in rows], EVENT))


def file_of(folder: Path, *parts: bytes) -> Path:
    path = folder / "a.aedat4"
    path.write_bytes(b"".join(parts))
    return path


def rows_of(path: Path, camera: int | None = None) -> list[Row]:
    found = check_source(open_recording(path, camera=camera))
    assert not found.lost
    return list(zip(*found.lists()[:4], strict=True))


def test_a_packet_worked_by_hand(tmp_path: Path) -> None:
    """As dv-processing writes it: length, root at 16, EVTS, a list of one field at 4, one vector of two events."""
    content = struct.pack("<II4sHHHHiIIqhhB3xqhhB3x", 60, 16, b"EVTS", 0, 6, 8, 4, 6, 4, 2, 7, 3, 5, 1, 9, 127, 0, 0)
    assert len(content) == 64
    assert content == events((7, 3, 5, 1), (9, 127, 0, 0))
    assert events_in(content) == (32, 2)
    path = file_of(tmp_path, head(stream_xml(0, size="128x128")), packet(0, content))
    recording = open_recording(path)
    assert (recording.format, recording.sensor) == ("AEDAT4", DVS128)
    assert rows_of(path) == [(7, 3, 5, 1), (9, 127, 0, 0)]


def test_packets_are_known_by_their_first_bytes_whatever_the_header_says(tmp_path: Path) -> None:
    parts = [events((10 * i, i, 2 * i, i % 2)) for i in range(4)]
    packed = [parts[0], lz4.frame.compress(parts[1]), zstandard.compress(parts[2])]
    packed.append(zstandard.ZstdCompressor(write_content_size=False).compress(parts[3]))
    path = file_of(tmp_path, head(stream_xml(0, size="128x128")), *(packet(0, one) for one in packed))
    assert rows_of(path) == [(10 * i, i, 2 * i, i % 2) for i in range(4)]


def test_other_streams_are_passed_over(tmp_path: Path) -> None:
    frame = events((1, 1, 1, 1)).replace(b"EVTS", b"FRME")
    streams = [stream_xml(0, size="128x128"), stream_xml(1, "FRME"), stream_xml(2, "IMUS"), stream_xml(3, "TRIG")]
    others = [packet(number, lz4.frame.compress(frame)) for number in (1, 2, 3, 77)]
    path = file_of(tmp_path, head(*streams), *others, packet(0, events((5, 1, 2, 0))), *others)
    assert rows_of(path) == [(5, 1, 2, 0)]


def two_cameras(folder: Path) -> Path:
    streams = head(stream_xml(0, size="128x128", source="left"), stream_xml(4, size="346x260", source="right"))
    turns = [packet(0, events((t, 5, 7, 1))) + packet(4, events((t + 1, 300, 200, 0))) for t in range(0, 100, 10)]
    return file_of(folder, streams, *turns)


def test_one_of_several_cameras_must_be_chosen(tmp_path: Path) -> None:
    path = two_cameras(tmp_path)
    with pytest.raises(ConfigError, match=r"2 cameras: 0 \(left, 128x128\), 4 \(right, 346x260\)") as caught:
        open_recording(path)
    assert "--camera" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="no camera 1"):
        open_recording(path, camera=1)
    assert rows_of(path, camera=0) == [(t, 5, 7, 1) for t in range(0, 100, 10)]
    assert open_recording(path, camera=4).sensor == SensorSize(346, 260)
    assert rows_of(path, camera=4) == [(t + 1, 300, 200, 0) for t in range(0, 100, 10)]


def test_a_header_without_a_size_takes_the_sensor_it_is_given(tmp_path: Path) -> None:
    path = file_of(tmp_path, head(stream_xml(0)), packet(0, events((5, 200, 2, 0))))
    with pytest.warns(SpikecutWarning, match="the header states no sensor; 240x180 is assumed"):
        assert check_source(open_recording(path)).x.tolist() == [200]
    assert check_source(open_recording(path, sensor=SensorSize(300, 200))).x.tolist() == [200]


def test_a_file_without_events_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(EmptyRecording, match=r"1 \(FRME\)"):
        open_recording(file_of(tmp_path, head(stream_xml(1, "FRME"))))
    assert list(open_recording(file_of(tmp_path, head(stream_xml(0, size="2x2"))))) == []


def test_a_header_that_names_no_stream_of_events_is_filled_in_from_the_packets(tmp_path: Path) -> None:
    path = file_of(tmp_path, head(), packet(3, events((5, 1, 2, 0))))
    assert check_source(open_recording(path, sensor=DVS128)).t.tolist() == [5]


@pytest.mark.parametrize("tree", [b"<!DOCTYPE dv [<!ENTITY a 'aaaa'>]><dv>&a;</dv>", b"<dv>" + b"<a>" * 100])
def test_no_entities_and_no_endless_depth(tmp_path: Path, tree: bytes) -> None:
    path = file_of(tmp_path, b"#!AER-DAT4.0\r\n" + header(0, tree), packet(0, events((5, 1, 2, 0))))
    found = check_source(open_recording(path, sensor=DVS128))
    assert found.t.tolist() == [5]
    assert found.lost.losses["unreadable"].at_byte is not None  # type: ignore[index]


def test_header_bytes_need_not_be_utf8(tmp_path: Path) -> None:
    tree = head(stream_xml(0, size="128x128", source="M@ller"))
    assert rows_of(file_of(tmp_path, tree.replace(b"M@", b"M\xfc"), packet(0, events((5, 1, 2, 0))))) == [(5, 1, 2, 0)]


def test_other_versions_and_headers_without_streams_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVersion, match=r"AEDAT 4\.1; spikecut reads AEDAT 2\.0, 3\.1 and 4\.0"):
        open_recording(file_of(tmp_path, head().replace(b"DAT4.0", b"DAT4.1")))
    with pytest.raises(CorruptRecording, match="does not describe its streams"):
        open_recording(file_of(tmp_path, b"#!AER-DAT4.0\r\n" + b"\xff" * 100))


@st.composite
def streams(draw: st.DrawFn) -> EventBatch:
    n = draw(st.integers(1, 300))
    pauses = draw(st.lists(st.sampled_from([0, 1, 40, 700, 20_000, 10**7]), min_size=n, max_size=n))
    t = draw(st.sampled_from([0, -(10**6), EPOCH_US, 2**52])) + np.cumsum(pauses)
    part = pattern(n, seed=draw(st.integers(0, 99)))
    return EventBatch(t.astype(np.int64), part.x, part.y, part.p, int(t[0]), int(t[-1]) + 1, DVS128)


@settings(max_examples=60)
@given(batch=streams(), compression=st.sampled_from(Compression), cut=st.integers(0, 300), size=st.integers(1, 400))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, batch: EventBatch, compression: Compression, cut: int, size: int
) -> None:
    path = tmp_path_factory.mktemp("aedat4") / "a.aedat4"
    middle = int(batch.t[min(cut, len(batch) - 1)])
    halves = [batch.between(batch.start_us, middle), batch.between(middle, batch.end_us)]
    assert write_aedat4(path, halves, DVS128, compression=compression) == len(batch)
    data = path.read_bytes()
    found = check_source(open_recording(path, batch_events=size))
    assert found.lists()[:4] == [getattr(batch, column).tolist() for column in "txyp"]
    assert not found.lost
    write_aedat4(path, [batch], DVS128, compression=compression)
    assert path.read_bytes() == data, "the file depends on the batches"


def an_l(sensor: SensorSize) -> EventBatch:
    """A tall L near the top left, ON, whose foot points to the right and is OFF."""
    x = np.array([10] * 30 + list(range(11, 26)), np.uint16)
    y = np.array([*range(5, 35), *[34] * 15], np.uint16)
    p = (x == 10).astype(np.uint8)
    t = EPOCH_US + 50 * np.arange(len(x))
    return EventBatch(t, x, y, p, int(t[0]), int(t[-1]) + 1, sensor)


@pytest.mark.parametrize("sensor", [DVS128, SensorSize(346, 260), SensorSize(1280, 720)])
def test_an_l_stays_an_l(tmp_path: Path, sensor: SensorSize) -> None:
    batch = an_l(sensor)
    write_aedat4(tmp_path / "a.aedat4", [batch], sensor)
    assert open_recording(tmp_path / "a.aedat4").sensor == sensor
    expected = list(zip(*(getattr(batch, name).tolist() for name in "txyp"), strict=True))
    assert rows_of(tmp_path / "a.aedat4") == expected


def test_what_the_format_cannot_hold_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    with pytest.raises(ConfigError, match="40000x10"):
        write_aedat4(path, [], SensorSize(40_000, 10))
    with pytest.raises(ConfigError, match="128x128"):
        write_aedat4(path, [pattern(10)], SensorSize(346, 260))
    first, second = pattern(10, first_us=2_000_000), pattern(10, first_us=1_500_000)
    later = EventBatch(second.t, second.x, second.y, second.p, second.start_us, second.end_us, DVS128, segment=1)
    with pytest.raises(ConfigError, match="clock reset"):
        write_aedat4(path, [first, later], DVS128)
    first = pattern(10, first_us=9_000_000)
    write_aedat4(path, [first, later], DVS128)
    assert check_source(open_recording(path)).segment.tolist() == [0] * 10 + [1] * 10


@pytest.mark.parametrize("compression", Compression)
def test_a_stretch_is_found_without_reading_what_lies_before(tmp_path: Path, compression: Compression) -> None:
    path = tmp_path / "a.aedat4"
    batch = pattern(60_000)
    write_aedat4(path, [batch], DVS128, compression=compression)
    for start in (0, 1, 700_000, 2_300_000, 10**9):
        found = check_source(open_recording(path, start_us=start, duration_us=50_000))
        wanted = (batch.t >= batch.t[0] + start) & (batch.t < batch.t[0] + start + 50_000)
        assert found.t.tolist() == batch.t[wanted].tolist()
    recording = open_recording(path)
    batches = recording.from_time(int(batch.t[40_000]))  # type: ignore[attr-defined]
    first = next(part for part in batches if len(part))
    assert batch.t[20_000] < first.t[0] <= batch.t[40_000]


def test_real_recordings_have_their_known_facts(real_data: Path) -> None:
    found = check_source(open_recording(real_data / "formats/tonic_sample.aedat4"))
    assert (len(found.t), found.t[-1] - found.t[0]) == (111_954, 589_917)
    counts = {}
    for path in sorted((real_data / "dvs128_aedat4").glob("*.aedat4")):
        recording = open_recording(path)
        assert recording.sensor == DVS128
        found = check_source(recording)
        assert not found.lost
        assert found.segment.max() == 0
        counts[path.stem[-5:]] = len(found.t)
    assert counts == {"31_41": 27_877, "07_55": 242_185, "12_48": 188_045}


def test_a_real_person_stands_on_their_feet(real_data: Path) -> None:
    """Head, shoulders and arms are in the upper half of the picture, above a table."""
    found = check_source(open_recording(real_data / "dvs128_aedat4/dvSave-2024_06_13_16_31_41.aedat4"))
    upper, lower = (int(((found.y >= a) & (found.y < b)).sum()) for a, b in ((0, 64), (64, 128)))
    assert upper > 2 * lower


@pytest.mark.parametrize("compression", Compression)
def test_aedat_reads_what_is_written(tmp_path: Path, compression: Compression) -> None:
    aedat = pytest.importorskip("aedat", reason="the package aedat is not installed")
    path, batch = tmp_path / "a.aedat4", an_l(SensorSize(346, 260))
    write_aedat4(path, [batch], batch.sensor, compression=compression)
    theirs = np.concatenate([one["events"] for one in aedat.Decoder(str(path)) if "events" in one])
    for name, other in zip("txyp", ("t", "x", "y", "on"), strict=True):
        assert theirs[other].astype(np.int64).tolist() == getattr(batch, name).tolist()


@pytest.mark.parametrize("compression", Compression)
def test_faery_reads_what_is_written(tmp_path: Path, compression: Compression) -> None:
    faery = pytest.importorskip("faery", reason="faery is not installed")
    path, batch = tmp_path / "a.aedat4", an_l(SensorSize(346, 260))
    write_aedat4(path, [batch], batch.sensor, compression=compression)
    stream = faery.events_stream_from_file(path)
    assert stream.dimensions() == (346, 260)
    theirs = np.concatenate(list(stream))
    for name, other in zip("txyp", ("t", "x", "y", "on"), strict=True):
        assert theirs[other].astype(np.int64).tolist() == getattr(batch, name).tolist()


@pytest.mark.skipif(importlib.util.find_spec("dv_processing") is None, reason="dv-processing is not installed")
@pytest.mark.parametrize("compression", Compression)
def test_dv_processing_reads_what_is_written(tmp_path: Path, compression: Compression) -> None:
    dv = pytest.importorskip("dv_processing")
    path, batch = tmp_path / "a.aedat4", an_l(SensorSize(346, 260))
    write_aedat4(path, [batch], batch.sensor, compression=compression)
    theirs = dv.io.MonoCameraRecording(str(path))
    assert theirs.getEventResolution() == (346, 260)
    assert theirs.getTimeRange() == (int(batch.t[0]), int(batch.t[-1]))
    rows = theirs.getNextEventBatch().numpy()
    for name, other in zip("txyp", ("timestamp", "x", "y", "polarity"), strict=True):
        assert rows[other].astype(np.int64).tolist() == getattr(batch, name).tolist()
