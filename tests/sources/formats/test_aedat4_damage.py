"""Damaged AEDAT4: a packet costs itself, sizes are checked before memory is taken, and the next packet is found."""

import struct
import tracemalloc
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import zstandard

from spikecut.pipeline.drop_counts import DropCause, Loss
from spikecut.pipeline.errors import SourceError
from spikecut.pipeline.events import EventBatch
from spikecut.sources import open_recording
from spikecut.sources.formats.aedat4 import packets
from spikecut.sources.formats.aedat4.compression import LARGEST, Compression, Unpacked, unpacked
from spikecut.sources.formats.aedat4.header import read_header
from spikecut.sources.formats.aedat4.writer import write_aedat4

import faults
from source_contract import DVS128, Collected, check_source, pattern

N, PER_PACKET = 640, 64


def sample(path: Path, compression: Compression = Compression.lz4) -> tuple[bytes, list[tuple[int, int]]]:
    """A file of ten packets of 64 events: its bytes, and first and last byte of each packet."""
    batch = pattern(N)
    t = 1_000 + np.repeat(np.arange(N // PER_PACKET) * 20_000, PER_PACKET) + np.tile(np.arange(PER_PACKET), 10)
    write_aedat4(path, [EventBatch(t, batch.x, batch.y, batch.p, 1_000, int(t[-1]) + 1, DVS128)], DVS128)
    if compression is not Compression.lz4:
        whole = list(open_recording(path))
        write_aedat4(path, whole, DVS128, compression=compression)
    data, header = path.read_bytes(), read_header(path)
    at, places = header.begin, []
    while at < (header.table_at or 0):
        (size,) = struct.unpack_from("<i", data, at + 4)
        places.append((at, at + 8 + size))
        at = places[-1][1]
    assert len(places) == 10
    return data, places


def read(path: Path, data: bytes, batch_events: int = 65_536) -> Collected:
    path.write_bytes(data)
    return check_source(open_recording(path, sensor=DVS128, batch_events=batch_events))


def loss(found: Collected, cause: DropCause) -> Loss:
    return found.lost.losses[cause]


@pytest.mark.parametrize("compression", Compression)
def test_a_file_cut_at_any_byte_gives_every_whole_packet(tmp_path: Path, compression: Compression) -> None:
    path = tmp_path / "a.aedat4"
    data, places = sample(path, compression)
    whole = read(path, data).lists()
    step = 7 if compression is Compression.lz4 else 37
    for at in range(places[0][0], len(data), step):  # whole packets, begun ones, and the table
        found = read(path, data[:at])
        complete = sum(end <= at for _, end in places)
        begun = sum(begin < at for begin, _ in places) - complete
        assert found.lists() == [column[: len(found.t)] for column in whole]
        assert PER_PACKET * complete <= len(found.t) <= PER_PACKET * (complete + begun)
        assert bool(found.lost) == (at not in {places[0][0], *(end for _, end in places)})
        if compression is Compression.none and begun:
            records = max(0, at - places[complete][0] - 8 - 32)
            assert len(found.t) == PER_PACKET * complete + records // 16


def test_a_cut_header_is_refused_or_read(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    data, places = sample(path)
    for at in range(1, places[0][0], 5):
        path.write_bytes(data[:at])
        with pytest.raises(SourceError):
            list(open_recording(path, sensor=DVS128))


@pytest.mark.parametrize("compression", Compression)
def test_a_garbled_packet_costs_itself_and_no_other(tmp_path: Path, compression: Compression) -> None:
    path = tmp_path / "a.aedat4"
    data, places = sample(path, compression)
    begin, end = places[3]
    for at in (begin, begin + 5, begin + 8, begin + 20):  # its header, and its frame
        garbled = data[:at] + b"\xa5" * 8 + data[at + 8 :]
        found = read(path, garbled)
        assert len(found.t) == N - PER_PACKET
        assert loss(found, DropCause.unreadable) == Loss(PER_PACKET, end - begin, begin)
        for batch_events in (1, 100):
            assert read(path, garbled, batch_events) == found


@pytest.mark.parametrize("size", [-1, 0, 7, 2**31 - 1, 2**30, 10_000, -(2**31)])
def test_a_size_that_is_wrong_costs_its_packet(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.aedat4"
    data, places = sample(path)
    begin, end = places[3]
    tracemalloc.start()
    found = read(path, data[: begin + 4] + struct.pack("<i", size) + data[begin + 8 :])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.t) == N - PER_PACKET
    assert loss(found, DropCause.unreadable) == Loss(PER_PACKET, end - begin, begin)
    assert peak < 64 << 20


@pytest.mark.parametrize("stream", [7, -1, 70_000])
def test_events_of_a_stream_that_does_not_exist_are_counted(tmp_path: Path, stream: int) -> None:
    path = tmp_path / "a.aedat4"
    data, places = sample(path)
    begin, end = places[3]
    found = read(path, data[:begin] + struct.pack("<i", stream) + data[begin + 4 :])
    assert len(found.t) == N - PER_PACKET
    assert loss(found, DropCause.unreadable) == Loss(PER_PACKET, end - begin, begin)


def test_bytes_missing_or_added_cost_the_packets_they_touch(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    data, places = sample(path)
    (first, _), (second, end) = places[3], places[4]
    found = read(path, data[: first + 50] + data[second + 30 :])
    assert len(found.t) == N - 2 * PER_PACKET
    assert found.lost.damage
    found = read(path, data[:second] + b"\x01" * 99 + data[second:])
    assert len(found.t) == N
    assert loss(found, DropCause.unreadable).bytes == 99
    found = read(path, data[: end - 9] + data[end - 2 :])
    assert len(found.t) == N - PER_PACKET


def test_a_file_without_a_table_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    data, places = sample(path)
    table_at = data.index(struct.pack("<q", places[-1][1]))
    for place in (-1, 0, len(data) + 5):
        unfinished = data[:table_at] + struct.pack("<q", place) + data[table_at + 8 : places[-1][1]]
        found = read(path, unfinished)
        assert len(found.t) == N
        assert not found.lost


def test_bytes_behind_the_table_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    data, _ = sample(path)
    found = read(path, data + b"rest of another file")
    assert len(found.t) == N
    assert loss(found, DropCause.trailing) == Loss(0, 20, len(data))


@pytest.mark.parametrize("size", [0, 5, 2**31, 2**32 - 1, 300])
def test_a_damaged_size_of_the_header_costs_no_event(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.aedat4"
    data, _ = sample(path)
    found = read(path, data[:14] + struct.pack("<I", size) + data[18:])
    assert len(found.t) == N
    assert found.lost.damage


def test_a_polarity_or_a_time_that_no_camera_writes_costs_its_event(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    data, places = sample(path, Compression.none)
    at = places[0][0] + 8 + 32
    broken = bytearray(data)
    broken[at + 16 + 12] = 2
    broken[at + 32 : at + 40] = struct.pack("<q", 2**63 - 1)
    found = read(path, bytes(broken))
    assert len(found.t) == N - 2
    assert loss(found, DropCause.unreadable) == Loss(2, 32, places[0][0])


def bombs() -> list[bytes]:
    """Frames of 1 GB of zeros, in a few MB or less."""
    zeros = b"\0" * (1 << 24)
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    zstd = b"".join([*(packer.compress(zeros) for _ in range(64)), packer.flush()])
    with lz4.frame.LZ4FrameCompressor() as squeezer:
        parts = [squeezer.begin(), *(squeezer.compress(zeros) for _ in range(64)), squeezer.flush()]
    return [zstd, b"".join(parts), zstandard.ZstdCompressor().compress(b"\0" * (LARGEST + 1))]


def test_a_packet_that_would_fill_the_memory_is_counted_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    data, places = sample(path)
    for bomb in bombs():
        at = places[3][0]
        bad = struct.pack("<ii", 0, len(bomb)) + bomb
        tracemalloc.start()
        found = read(path, data[:at] + bad + data[at:])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(found.t) == N
        assert loss(found, DropCause.unreadable).bytes == len(bad)
        assert peak < 4 * LARGEST
        assert unpacked(bomb) is None


@pytest.mark.parametrize("compression", [Compression.none, Compression.lz4, Compression.zstd])
def test_mutants_are_read_or_refused_and_nothing_is_invented(tmp_path: Path, compression: Compression) -> None:
    path = tmp_path / "a.aedat4"
    data, _ = sample(path, compression)
    whole = set(zip(*read(path, data).lists()[:4], strict=True))
    n_read = 0
    for kind, mutant in faults.mutants(data, 150, seed=5):
        try:
            found = read(path, mutant)
        except SourceError:
            continue
        n_read += 1
        invented = set(zip(*found.lists()[:4], strict=True)) - whole
        assert not invented or compression is Compression.none  # packed ones have a checksum
        assert found.lost or len(found.t) == N or kind == "truncate"
    assert n_read > 120


def test_a_stretch_of_almost_packets_is_left_in_growing_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two megabytes of headers before frames that hold nothing: few are tried. A short stretch costs no event."""
    tried: list[int] = []

    def counted(data: bytes) -> Unpacked | None:
        tried.append(len(data))
        return unpacked(data)

    monkeypatch.setattr(packets, "unpacked", counted)
    path = tmp_path / "a.aedat4"
    data, places = sample(path)
    almost = struct.pack("<ii", 0, 16) + b"\x04\x22\x4d\x18" + b"\x40\x40\xc0\xff\xff\xff" + b"ab" * 3
    at = places[3][0]
    found = read(path, data[:at] + almost * 100_000 + data[at:])
    assert len(found.t) >= 3 * PER_PACKET
    assert found.lost.damage
    assert len(tried) < 2_000
    found = read(path, data[:at] + almost * 60 + data[at:])
    assert len(found.t) == N
