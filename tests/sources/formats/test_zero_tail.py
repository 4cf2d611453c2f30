"""A long run of zero bytes at the end of a file is room that was never written to: it holds no events."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import CorruptRecording
from spikecut.pipeline.events import DropCause, Loss
from spikecut.sources import open_recording
from spikecut.sources.formats import FORMATS
from spikecut.sources.formats.base import ReadOptions, TextLayout
from spikecut.sources.formats.incoming import ZERO_TAIL_BYTES
from spikecut.sources.formats.reading.zero_tail import data_end
from spikecut.tools.cli import main

from source_contract import DVS128, check_source, opened, pattern, recording

FIXED = ["aedat2", "atis", "evt3", "evt2", "evt21", "dat", "es"]


def with_tail(folder: Path, name: str, n_zeros: int, n_events: int = 3_000) -> tuple[Path, int]:
    """A recording before zeros, and how many bytes it had without them."""
    path = recording(folder, name, [pattern(n_events)])
    data = path.read_bytes()
    path.write_bytes(data + bytes(n_zeros))
    return path, len(data)


@pytest.mark.parametrize("n_zeros", [ZERO_TAIL_BYTES, 4_099, 3 << 20])
@pytest.mark.parametrize("name", FIXED)
def test_a_tail_of_zeros_is_counted_and_costs_no_event(tmp_path: Path, name: str, n_zeros: int) -> None:
    path, size = with_tail(tmp_path, name, n_zeros)
    found = check_source(opened(path))
    assert found.lists()[:4] == [getattr(pattern(3_000), column).tolist() for column in "txyp"]
    assert found.lost.losses == {DropCause.trailing: Loss(0, n_zeros, size)}
    assert check_source(opened(path, 7)) == found


@pytest.mark.parametrize("name", FIXED)
def test_a_tail_behind_half_a_record_costs_no_event_before_it(tmp_path: Path, name: str) -> None:
    whole = check_source(opened(recording(tmp_path, name, [pattern(3_000)])))
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    path.write_bytes(path.read_bytes()[:-3] + bytes(9_000))
    found = check_source(opened(path))
    n = len(whole.t) - 8
    assert [column[:n] for column in found.lists()] == [column[:n] for column in whole.lists()]
    assert found.lost.losses[DropCause.trailing].bytes > 8_990


@pytest.mark.parametrize("name", FIXED)
def test_nothing_but_zeros_behind_the_header_is_no_event(tmp_path: Path, name: str) -> None:
    path = recording(tmp_path, name, [])
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + bytes(5_000))
    found = check_source(opened(path))
    assert len(found.t) == 0
    assert found.lost.losses == {DropCause.trailing: Loss(0, 5_000, size)}


@pytest.mark.parametrize("name", FIXED)
def test_a_window_of_a_file_with_a_tail_reads_the_same_events(tmp_path: Path, name: str) -> None:
    """Whether or not the place of its beginning is looked up in the file."""
    path, size = with_tail(tmp_path, name, 1 << 20, 20_000)
    t = pattern(20_000).t
    for start_us, duration_us in ((0, 200_000), (300_000, 100_000), (500_000, None)):
        stop_us = None if duration_us is None else start_us + duration_us
        window = open_recording(path, sensor=DVS128, start_us=start_us, duration_us=duration_us)
        batches = list(window)
        inside = (t - t[0] >= start_us) & (True if stop_us is None else t - t[0] < stop_us)
        assert np.concatenate([batch.t for batch in batches]).tolist() == t[inside].tolist()
        if stop_us is None:
            (loss,) = [batch.lost.losses[DropCause.trailing] for batch in batches if batch.lost]
            assert loss == Loss(0, 1 << 20, size)


@pytest.mark.parametrize("name", FIXED)
def test_a_shorter_run_of_zeros_is_read_as_ever(tmp_path: Path, name: str) -> None:
    path, _ = with_tail(tmp_path, name, ZERO_TAIL_BYTES - 64)
    assert "trailing" not in check_source(opened(path)).losses()


@pytest.mark.parametrize("name", FIXED)
def test_zeros_in_the_middle_are_no_tail(tmp_path: Path, name: str) -> None:
    path, _ = with_tail(tmp_path, name, 4_000)
    path.write_bytes(path.read_bytes() + b"\x01" * 40)
    assert "trailing" not in check_source(opened(path)).losses()


def test_a_tail_is_damage_for_info_and_for_who_refuses_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, size = with_tail(tmp_path, "aedat2", 5_000)
    assert main(["info", str(path), "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert "trailing" in json.dumps(report)
    with pytest.raises(CorruptRecording, match="bytes behind the last event") as caught:
        list(open_recording(path, on_damage="refuse"))
    assert caught.value.offset == size


def test_holes_before_and_behind_written_zeros_are_one_tail(tmp_path: Path) -> None:
    """Written zeros, a hole, written zeros and a hole again."""
    path = tmp_path / "holes"
    with path.open("wb") as file:
        file.write(b"\x01" * 100_000 + bytes(3 << 20))
        file.seek(40 << 20)
        file.write(bytes(1 << 20))
        file.truncate(100 << 20)
    with path.open("rb") as file:
        assert data_end(file, 0, 100 << 20, 5) == 100_004
        file.seek(0)
        assert file.read(3) == b"\x01" * 3


def test_a_hole_of_two_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    path = recording(tmp_path, "dat", [pattern(3_000)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(1 << 31)
    found = [batch.lost for batch in FORMATS["dat"].open(path, ReadOptions())]
    assert found[-1].losses == {DropCause.trailing: Loss(0, (1 << 31) - size, size)}


@given(
    st.binary(max_size=60), st.sampled_from([0, 1, 1_022, 1_023, 1_024, 1_025, 5_000]), st.integers(0, 30),
    st.integers(1, 8),
)  # fmt: skip
def test_the_end_of_data_is_what_a_naive_search_finds(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, n_zeros: int, begin: int, record_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "naive"
    path.write_bytes(everything := data + bytes(n_zeros))
    size = len(everything)
    last = max(begin, len(everything.rstrip(b"\0")))
    naive = size if size - last < ZERO_TAIL_BYTES else last + record_bytes - 1
    with path.open("rb") as file:
        assert data_end(file, begin, size, record_bytes) == naive


@pytest.mark.parametrize(("n_zeros", "is_tail"), [(100_000, True), (79, True), (10, False)])
def test_rows_of_hdf5_that_were_never_written_are_a_tail(tmp_path: Path, n_zeros: int, is_tail: bool) -> None:
    batch, path = pattern(3_000), tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name in "txyp":
            column = np.concatenate([getattr(batch, name), np.zeros(n_zeros, getattr(batch, name).dtype)])
            file.create_dataset(f"events/{name}", data=column, chunks=(1_000,))
    options = ReadOptions(sensor=DVS128, text=TextLayout(None, "us"))
    found = check_source(FORMATS["hdf5"].open(path, options))
    assert found.lists()[:4] == [getattr(batch, column).tolist() for column in "txyp"]
    assert ("trailing" in found.losses()) == is_tail
    if is_tail:
        assert found.losses() == {"trailing": (0, 13 * n_zeros)}
        last = open_recording(path, sensor=DVS128, text=options.text, start_us=50_000)
        t = batch.t[batch.t - batch.t[0] >= 50_000]
        assert np.concatenate([part.t for part in last]).tolist() == t.tolist()
