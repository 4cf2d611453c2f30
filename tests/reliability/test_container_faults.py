"""Faults of files while they are read (rows C of the list of faults): they grow, shrink, are replaced, fail."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import pytest

from spikecut.pipeline.errors import SourceError, UnreadableSource
from spikecut.pipeline.events import NOTHING_LOST, DropCounts, EventBatch
from spikecut.sources.formats.base import Recording
from spikecut.tools.cli import main

import faults
from source_contract import WRITERS, check_source, opened, pattern, recording

N = 30_000


def times(batches: list[EventBatch]) -> list[int]:
    return [time for batch in batches for time in batch.t.tolist()]


def lost_in(batches: list[EventBatch]) -> DropCounts:
    return sum((batch.lost for batch in batches), NOTHING_LOST)


def read_while(source: Recording, change: Callable[[], None]) -> tuple[list[EventBatch], SourceError | None]:
    """The batches of one pass in which the file changes after the first batch, and the error that ended it."""
    batches: list[EventBatch] = []
    stream: Iterator[EventBatch] = iter(source)
    try:
        batches.append(next(stream))
        change()
        batches += stream
    except SourceError as error:
        return batches, error
    return batches, None


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_grows_is_read_as_it_was(tmp_path: Path, name: str) -> None:
    """C16."""
    path = recording(tmp_path, name, [pattern(N)])
    data = path.read_bytes()
    before = times(list(opened(path, 1_000)))

    def grow() -> None:
        with path.open("ab") as file:
            file.write(data)

    batches, error = read_while(opened(path, 1_000), grow)
    assert error is None
    assert times(batches) == before
    assert not lost_in(batches)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_is_replaced_is_read_as_it_was(tmp_path: Path, name: str) -> None:
    """C16."""
    path = recording(tmp_path, name, [pattern(N)])
    other = recording(tmp_path, name, [pattern(N, seed=1)], "other")
    before = times(list(opened(path, 1_000)))
    batches, error = read_while(opened(path, 1_000), lambda: os.replace(other, path))
    assert error is None
    assert times(batches) == before


@pytest.mark.parametrize("share", [0.5, 0.7])
@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_shrinks_gives_its_first_events_and_tells_the_loss(tmp_path: Path, name: str, share: float) -> None:
    """C16."""
    path = recording(tmp_path, name, [pattern(N)])
    before = times(list(opened(path, 1_000)))
    size = int(len(path.read_bytes()) * share)
    batches, error = read_while(opened(path, 1_000), lambda: os.truncate(path, size))
    found = times(batches)
    assert found == before[: len(found)]
    assert error is not None or lost_in(batches) or found == before  # all of it may have been in memory by then


class Failing(io.FileIO):
    """A file on a disk that fails at byte `bad`."""

    bad = 0

    def readinto(self, buffer: Any, /) -> int | None:
        if self.tell() <= self.bad < self.tell() + len(buffer):
            raise OSError(errno.EIO, "Input/output error")
        return super().readinto(buffer)

    def readall(self) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes reading one byte fail, of all files that are opened from now on."""
    pread = os.pread

    def fail_at(bad: int) -> None:
        def open_failing(path: Path, mode: str = "r", *rest: Any, **options: Any) -> BinaryIO:
            assert mode == "rb"
            file = Failing(path)
            file.bad = bad
            return io.BufferedReader(file, 1_024)

        def failing_pread(descriptor: int, n: int, at: int) -> bytes:
            if at <= bad < at + n:
                raise OSError(errno.EIO, "Input/output error")
            return pread(descriptor, n, at)

        monkeypatch.setattr(Path, "open", open_failing)
        monkeypatch.setattr(os, "pread", failing_pread)

    return fail_at


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_fails_ends_in_one_sentence_after_the_events_before(
    tmp_path: Path, name: str, share: float, failing_disk: Callable[[int], None]
) -> None:
    """C17."""
    path = recording(tmp_path, name, [pattern(N)])
    before = times(list(opened(path, 1_000)))
    failing_disk(int(len(path.read_bytes()) * share))
    batches: list[EventBatch] = []
    with pytest.raises(UnreadableSource, match=r"input/output error") as caught:
        batches += opened(path, 1_000)
    assert caught.value.path == str(path)
    assert times(batches) == before[: len(times(batches))]


def test_a_command_says_that_the_disk_fails(
    tmp_path: Path, failing_disk: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """C17."""
    path = recording(tmp_path, "aedat2", [pattern(N)])
    failing_disk(100_000)
    assert main(["info", str(path)]) == 4
    assert capsys.readouterr().err == f"error: {path}: input/output error\n"


def film(path: Path, codec: str) -> Path:
    """A bright square that moves to the right before grey."""
    with av.open(str(path), "w") as video:
        stream: Any = video.add_stream(codec, 40)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for i in range(12):
            image = np.full((48, 64, 3), 60, np.uint8)
            image[18:30, 2 * i : 12 + 2 * i] = 220
            video.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        video.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["mpeg4.mp4", "libx264.mp4", "libvpx-vp9.webm", "mjpeg.avi"])
def test_a_damaged_video_gives_the_same_events_each_time_or_none(tmp_path: Path, name: str) -> None:
    """X10."""
    path = film(tmp_path / name, Path(name).stem)
    n_read = 0
    for _, mutant in faults.mutants(path.read_bytes(), 20, seed=5):
        path.write_bytes(mutant)
        try:
            n_read += len(check_source(opened(path)).t) > 0  # reads it twice
        except SourceError:
            continue
    assert n_read > 0
