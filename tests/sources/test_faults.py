"""Damaged files: no hang, no crash, no memory error; what is whole comes out, and the rest is counted."""

from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import SourceError
from spikecut.pipeline.events import DropCause
from spikecut.sources.formats.aedat2 import read_header

import faults
from source_contract import Collected, check_source, opened, pattern, recording

RECORD_BYTES = {"aedat2": 8, "atis": 5}


def written(folder: Path, name: str, n: int = 2_000) -> tuple[Path, bytes]:
    path = recording(folder, name, [pattern(n)])
    return path, path.read_bytes()


def read(path: Path) -> Collected | None:
    """Everything that comes out, or None if the file is refused with one of our errors."""
    try:
        return check_source(opened(path, 1_000))
    except SourceError:
        return None


@pytest.mark.parametrize("name", list(RECORD_BYTES))
def test_bytes_that_are_missing_or_too_many_are_always_reported(tmp_path: Path, name: str) -> None:
    path, data = written(tmp_path, name)
    size = RECORD_BYTES[name]
    for kind, mutant in faults.mutants(data, 60, seed=11):
        path.write_bytes(mutant)
        found = read(path)
        begin = read_header(path).size if name == "aedat2" else 0
        if found is not None and (len(mutant) - begin) % size and len(mutant) > begin:
            assert found.lost, kind


@pytest.mark.parametrize("name", list(RECORD_BYTES))
def test_every_byte_is_an_event_or_is_counted(tmp_path: Path, name: str) -> None:
    path, data = written(tmp_path, name)
    size = RECORD_BYTES[name]
    header = len(data) - 2_000 * size
    for kind, mutant in faults.mutants(data[header:], 40, seed=12):
        path.write_bytes(data[:header] + mutant)
        found = read(path)
        if found is None:
            continue
        losses = found.lost.losses
        bytes_lost = sum(losses[cause].bytes for cause in (DropCause.unreadable, DropCause.cut_off) if cause in losses)
        whole = sum(loss.events for cause, loss in losses.items() if cause not in ("unreadable", "cut_off"))
        counted = (len(found.t) + whole) * size + bytes_lost
        marks = (len(mutant) - counted) // size  # bits of an ATIS file may turn an event into a marker
        assert len(mutant) - counted == marks * size, kind
        assert 0 <= marks <= (2 if name == "atis" else 0), kind


@pytest.mark.parametrize("name", list(RECORD_BYTES))
def test_a_file_cut_at_any_byte_gives_every_complete_event(tmp_path: Path, name: str) -> None:
    path, data = written(tmp_path, name, n=30)
    whole = check_source(opened(path, 1_000))
    size = RECORD_BYTES[name]
    begin = len(data) - 30 * size
    for at in range(begin, len(data)):
        path.write_bytes(faults.truncate(data, at))
        if at == 0:
            continue
        found = check_source(opened(path, 1_000))
        n, rest = divmod(at - begin, size)
        assert found.lists()[:4] == [column[:n] for column in whole.lists()[:4]]
        assert found.losses() == ({"cut_off": (1, rest)} if rest else {})
        if rest:
            assert found.lost.losses[DropCause.cut_off].at_byte == at - rest


def test_a_header_cut_at_any_byte_is_refused_or_empty(tmp_path: Path) -> None:
    path, data = written(tmp_path, "aedat2", n=3)
    for at in range(1, len(data) - 3 * 8):
        path.write_bytes(data[:at])
        found = read(path)
        assert found is None or len(found.t) == 0


def test_two_swapped_records_come_out_in_order_or_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(13)
    for name, size in RECORD_BYTES.items():
        path, data = written(tmp_path, name)
        for _ in range(20):
            path.write_bytes(faults.swap_records(data, rng, len(data) - 2_000 * size, size))
            found = check_source(opened(path, 1_000))
            assert len(found.t) + found.lost.total == 2_000


def test_a_file_of_zeros_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "zeros.bin"
    path.write_bytes(bytes(5 * 100_000))
    found = check_source(opened(path, 1_000))
    assert (len(found.t), found.losses()) == (0, {"trailing": (0, 500_000)})


def test_a_file_of_random_bytes_is_refused_or_counted(tmp_path: Path) -> None:
    for seed in range(5):
        path = tmp_path / "noise.bin"
        path.write_bytes(np.random.default_rng(seed).bytes(50_003))
        found = read(path)
        assert found is None or found.lost.total > 5_000


def test_the_same_seed_damages_in_the_same_way() -> None:
    data = bytes(range(200))
    assert list(faults.mutants(data, 20, seed=5)) == list(faults.mutants(data, 20, seed=5))
    assert all(mutant != data for _, mutant in faults.mutants(data, 20, seed=5))
