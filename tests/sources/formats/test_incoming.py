"""Truths about bytes that come: however they arrive, they are the events of the file that they would have made."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import CorruptRecording, SpikecutError
from spikecut.pipeline.events import DropCause
from spikecut.sources.formats import FORMATS
from spikecut.sources.formats.base import ReadOptions, Recording
from spikecut.sources.formats.incoming import HEADER_LIMIT, Incoming, header_bytes
from spikecut.sources.formats.open import open_with

import faults
from source_contract import DVS128, WRITERS, Collected, _collect, opened, pattern, recording

STREAMED = [name for name in WRITERS if FORMATS[name].streams]


def arriving(data: bytes, pieces: Callable[[], int], name: str = "a") -> Incoming:
    """Bytes that arrive in pieces of such sizes."""
    place = 0

    def take(n: int) -> bytes:
        nonlocal place
        block = data[place : place + min(n, pieces())]
        place += len(block)
        return block

    return Incoming.of(name, take)


def coming(path: Path, data: bytes, pieces: Callable[[], int] = lambda: 1 << 20) -> Recording:
    """The recording in bytes that arrive, under the name of a file."""
    incoming = arriving(data, pieces, str(path))
    incoming.wait_for_header()
    return open_with(incoming, ReadOptions(sensor=DVS128))


def read(path: Path, data: bytes, pieces: Callable[[], int] = lambda: 1 << 20) -> Collected:
    return _collect(coming(path, data, pieces))


@pytest.mark.parametrize("name", STREAMED)
def test_bytes_that_come_in_any_pieces_are_the_events_of_the_file(tmp_path: Path, name: str) -> None:
    path = recording(tmp_path, name, [pattern(3_000), pattern(200, seed=1, first_us=2_000_000)])
    whole, data, rng = _collect(opened(path)), path.read_bytes(), np.random.default_rng(0)
    assert len(whole.t) == 3_200
    for pieces in (lambda: 1 << 20, lambda: 7, lambda: int(rng.integers(1, 3_000))):
        assert read(path, data, pieces) == whole


@pytest.mark.parametrize("name", STREAMED)
def test_input_that_is_cut_off_gives_its_first_events_and_counts_the_rest(tmp_path: Path, name: str) -> None:
    """S05, C08: the program before the pipe has died."""
    path = recording(tmp_path, name, [pattern(600)])
    data = path.read_bytes()
    whole, begin = _collect(opened(path)), header_bytes(data) + 40
    for at in range(begin, begin + 60):
        got = read(path, data[:at])
        assert got.t.tolist() == whole.t[: len(got.t)].tolist()
        path.write_bytes(data[:at])
        n_in_file = len(_collect(opened(path)).t)
        assert len(got.t) == n_in_file
        if name not in ("es", "text"):
            losses = got.losses()
            assert bool(losses) == bool(_collect(opened(path)).losses()) or name in ("aedat3",), (at, losses)


@pytest.mark.parametrize("name", STREAMED)
def test_sixty_mutants_that_come_are_read_in_order_and_in_range_or_refused(tmp_path: Path, name: str) -> None:
    path = recording(tmp_path, name, [pattern(400)])
    rng = np.random.default_rng(5)
    for _, data in faults.mutants(path.read_bytes(), 60, seed=7):
        try:
            read(path, data, lambda: int(rng.integers(1, 900)))
        except SpikecutError:
            continue


@pytest.mark.parametrize("name", ["aedat2", "dat", "evt2", "es"])
def test_zeros_at_the_end_are_room_that_was_not_written_to(tmp_path: Path, name: str) -> None:
    path = recording(tmp_path, name, [pattern(600)])
    data = path.read_bytes()
    got = read(path, data + bytes(5_000), lambda: 333)
    assert got.t.tolist() == read(path, data).t.tolist()
    assert set(got.lost.losses) == {DropCause.trailing}
    path.write_bytes(data + bytes(5_000))
    assert _collect(opened(path)) == got


def test_zeros_are_held_back_until_it_is_known_what_they_are(tmp_path: Path) -> None:
    """A writer that allocates room fills it later."""
    path = recording(tmp_path, "aedat2", [pattern(600)])
    data = path.read_bytes()
    given = iter([data[:2_000], bytes(4_000), data[2_000:3_001], b""])
    incoming = Incoming.of(path, lambda n: next(given))
    blocks = incoming.blocks(0, 1 << 16, 8)
    assert next(blocks) == data[:2_000].rstrip(b"\0")
    assert b"".join(blocks) == bytes(2_000 - len(data[:2_000].rstrip(b"\0"))) + bytes(4_000) + data[2_000:3_001]


def test_the_header_is_waited_for_and_no_more_than_that() -> None:
    """How long a header takes to come says nothing about it; and one without an end is refused within a megabyte."""
    data = b"#!AER-DAT2.0\r\n# a comment\r\n" + bytes([0, 9]) * 1_000
    incoming = arriving(data, lambda: 5)
    incoming.wait_for_header()
    assert 27 + 512 <= len(incoming.beginning) < 27 + 512 + 5
    endless = Incoming.of("a.aedat", lambda n: b"#!AER-DAT2.0 and so on " * 1000)
    endless.wait_for_header()
    assert HEADER_LIMIT <= len(endless.beginning) < HEADER_LIMIT + 30_000
    with pytest.raises(CorruptRecording, match="the header does not end"):
        open_with(endless)


def test_nothing_grows_while_bytes_come(tmp_path: Path) -> None:
    """S08: what was read is not kept."""
    incoming = arriving(bytes([7]) * 3_000_000, lambda: 1 << 16)
    incoming.wait_for_header()
    sizes = []
    for block in incoming.blocks(0, 1 << 14):
        sizes.append(len(block))
        assert not incoming.beginning
    assert sum(sizes) == 3_000_000
    assert max(sizes) <= 1 << 16
