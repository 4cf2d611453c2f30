"""Truths about a replay in several processes that are killed: the same parts, every recording once, none left over."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from copied_digits import copied_digits

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.atis import write_atis
from spikecut.tools.cli import main

from tiny_works import is_running

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.slow
N = 120
NETWORK = """
import os, signal
import norse.torch as snn
import torch
from spikecut import SensorSize, from_norse

class Fragile(torch.nn.Module):
    def forward(self, frames, state=None):
        if (frames == 201).any():
            os.kill(os.getpid(), signal.SIGKILL)
        if (frames == 101).any():
            raise ZeroDivisionError("one by none")
        return frames, state

net = snn.SequentialState(Fragile(), torch.nn.Flatten(), torch.nn.Linear(2 * 34 * 34, 10), snn.LICell())
torch.nn.init.eye_(net[2].weight)
torch.nn.init.zeros_(net[2].bias)
network = from_norse(net, classes=list("0123456789"), step_us=10_000, sensor=SensorSize(34, 34), horizon=30)
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten drawings, twelve times each: fifteen batches."""
    return copied_digits(tmp_path_factory, N // 10)


@pytest.fixture(scope="module")
def whole(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of a run in one process that nothing stopped."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main(words(digits, out)) == 0
    return parts(out)


def words(data: Path, out: Path, *more: str) -> list[str]:
    return ["replay", str(data), "--out", str(out), "--timed", "0", *more]


def parts(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "parts").glob("part-*"))}


def success(out: Path) -> tuple[int, int, int]:
    about = json.loads((out / "_SUCCESS").read_text())
    return about["n_items"], about["n_done"], about["n_quarantined"]


def started(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "spikecut", *command], stderr=subprocess.DEVNULL)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(out: Path, n_parts: int, driver: "subprocess.Popen[bytes]") -> None:
    while len(parts(out) if (out / "parts").is_dir() else ()) < n_parts:
        assert driver.poll() is None
        time.sleep(0.002)


def test_killed_workers_cost_nothing(digits: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "run"
    driver = started(words(digits, out, "--jobs", "2"))
    for n_parts in (2, 6):
        wait_for(out, n_parts, driver)
        os.kill(children(driver.pid)[-1], signal.SIGKILL)
    assert driver.wait() == 0
    assert success(out) == (N, N, 0)
    assert parts(out) == whole


def test_a_killed_driver_leaves_no_process_and_the_same_command_goes_on(
    digits: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    driver = started(words(digits, out, "--jobs", "2"))
    wait_for(out, 3, driver)
    workers = children(driver.pid)
    assert len(workers) == 2
    driver.kill()
    driver.wait()
    end = time.monotonic() + 30
    while any(map(is_running, workers)):
        assert time.monotonic() < end
        time.sleep(0.01)
    before = parts(out)
    assert 3 <= len(before) < len(whole)
    times = {name: (out / "parts" / name).stat().st_mtime_ns for name in before}
    assert main(words(digits, out, "--jobs", "2")) == 0
    assert {name: (out / "parts" / name).stat().st_mtime_ns for name in before} == times
    assert success(out) == (N, N, 0)
    assert parts(out) == whole


def test_recordings_that_kill_or_break_the_network_are_left_out_and_the_run_is_finished(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, network, out = tmp_path / "data", tmp_path / "fragile.py", tmp_path / "run"
    shutil.copytree(digits, data)
    network.write_text(NETWORK)
    for name, n_events in (("4/03.bin", 201), ("7/11.bin", 101)):
        write_atis(data / name, one_pixel(n_events), SensorSize(34, 34))
    assert main(words(data, out, "--model", str(network), "--cutoff", "none", "--jobs", "2")) == 3
    assert success(out) == (N, N - 2, 2)
    lines = [json.loads(line) for line in (out / "quarantine.jsonl").read_text().splitlines()]
    assert sorted((line["item_id"], line["error_class"], line["attempts"]) for line in lines) == [
        ("4/03.bin", "WorkerLost", 3),
        ("7/11.bin", "ZeroDivisionError", 1),
    ]
    err = capsys.readouterr().err
    assert "quarantined: 4/03.bin: the worker was ended by SIGKILL" in err
    assert "quarantined: 7/11.bin: one by none (" in err


def one_pixel(n_events: int) -> Iterator[EventBatch]:
    """Events of one pixel, all in the first bin."""
    t = np.arange(n_events) * 10
    same = np.full(n_events, 5, np.uint16)
    yield EventBatch(t, same, same, np.ones(n_events, np.uint8), 0, 300_000, SensorSize(34, 34))


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install 'spikecut[ray]')")
def test_parts_are_the_same_bytes_on_ray(digits: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "run"
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "spikecut", *words(digits, out, "--executor", "ray", "--jobs", "2")]
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert success(out) == (N, N, 0)
    assert parts(out) == whole
