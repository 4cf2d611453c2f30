"""Truths about recordings simulated by several processes that are killed: the same bytes, and no process is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem
from spikecut.tools.batch.writing import written
from spikecut.tools.cli import main

from tiny_works import is_running

N = 24


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import cv2

    folder = tmp_path_factory.mktemp("images")
    (folder / "cat").mkdir()
    for n in range(1, N + 1):
        pixels = np.random.default_rng(n).integers(0, 255, (48, 64), dtype=np.uint8)
        assert cv2.imwrite(str(folder / "cat" / f"image_{n:04d}.png"), pixels)
    return folder


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The recordings of one process that nothing stopped."""
    out = tmp_path_factory.mktemp("sets") / "whole"
    assert main(words(images, out)) == 0
    return recordings(out)


def words(images: Path, out: Path, jobs: int = 1) -> list[str]:
    return ["simulate", "ncaltech101", str(out), "--images", str(images), "--jobs", str(jobs)]


def recordings(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.rglob("image_*.bin")}


def started(command: list[str], n_recordings: int) -> "tuple[subprocess.Popen[bytes], list[int]]":
    """A command that has written so many recordings, and its workers."""
    driver = subprocess.Popen([sys.executable, "-m", "spikecut", *command], stderr=subprocess.PIPE)
    while len(list(Path(command[2]).rglob("image_*.bin"))) < n_recordings:
        assert driver.poll() is None
        time.sleep(0.002)
    children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text()
    return driver, [int(child) for child in children.split()]


@pytest.mark.slow
def test_a_killed_worker_costs_no_recording(images: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    driver, workers = started(words(images, tmp_path / "set", 2), 3)
    os.kill(workers[-1], signal.SIGKILL)
    driver.communicate()
    assert driver.returncode == 0
    assert recordings(tmp_path / "set") == whole


@pytest.mark.slow
def test_a_killed_command_leaves_no_process_and_the_same_one_goes_on(
    images: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "set"
    driver, workers = started(words(images, out, 2), 3)
    assert len(workers) == 2
    driver.kill()
    driver.communicate()
    end = time.monotonic() + 30
    while any(map(is_running, workers)):
        assert time.monotonic() < end
        time.sleep(0.01)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("image_*.bin")}
    assert 3 <= len(times) < N
    assert main(words(images, out, 2)) == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert recordings(out) == whole
    assert not list(out.rglob("*.partial*"))


def test_what_a_killed_command_left_unfinished_is_no_stranger(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    assert main(words(images, out)) == 0
    before = recordings(out)
    recording = out / "Caltech101" / "cat" / "image_0007.bin"
    recording.rename(recording.with_name(".image_0007.partial.bin"))
    recording.with_name("._image_0008.bin").write_bytes(b"of macOS")
    assert main(words(images, out)) == 0
    assert recordings(out) == before
    assert not list(out.rglob("*.partial*"))


def test_one_picture_that_cannot_be_read_stops_no_other(
    images: Path, whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "images"
    (broken / "cat").mkdir(parents=True)
    for path in (images / "cat").iterdir():
        (broken / "cat" / path.name).write_bytes(path.read_bytes())
    (broken / "cat" / "image_0002.png").write_bytes(b"no picture")
    assert main(words(broken, tmp_path / "set")) == 4
    err = capsys.readouterr().err
    assert f"1 of {N} recordings could not be written; the first:" in err
    assert "image_0002.png" in err
    assert recordings(tmp_path / "set") == {k: v for k, v in whole.items() if k != "image_0002.bin"}


def kill_this(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def refuse_three(item: int) -> int:
    if item == 3:
        raise ConfigError("three")
    return item


def test_an_item_that_kills_its_worker_each_time_is_named_after_all_others(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EnvironmentProblem, match=r"number 3: the worker was ended by SIGKILL.*\(3 attempts\)"):
        written(kill_this, {f"number {n}": n for n in range(6)}, 2)
    assert "1 of 6 recordings could not be written" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_keeps_its_class_whichever_process_it_comes_from(jobs: int) -> None:
    assert sorted(written(refuse_three, {str(n): n for n in range(3)}, jobs)) == [0, 1, 2]
    with pytest.raises(ConfigError, match="three"):
        written(refuse_three, {str(n): n for n in range(6)}, jobs)
