"""A full disk, Ctrl-C and SIGTERM: one sentence, the right exit code, and nothing under the final name or beside it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from spikecut.sources.formats import FORMATS, written_formats
from spikecut.tools.cli import main

from full_disk import full_disk
from source_contract import pattern, recording

TESTS = Path(__file__).parents[2]
SLOW = """
import signal, sys, time
import spikecut.tools.recordings.convert as convert
from spikecut.tools.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
real = convert._Tally.watch
def watch(self, batches):
    for batch in real(self, batches):
        for k in range(10_000):
            yield batch.between(batch.start_us, batch.end_us) if k == 0 else batch.between(batch.end_us, batch.end_us)
            print("written", flush=True)
            time.sleep(0.01)
convert._Tally.watch = watch
raise SystemExit(main(sys.argv[1:]))
"""


def words(source: Path, folder: Path, name: str) -> list[str]:
    return ["convert", str(source), str(folder / f"out{FORMATS[name].suffixes[0]}"), "--format", name]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    return target


@pytest.mark.parametrize("name", written_formats())
def test_a_full_disk_is_one_sentence_and_no_file(
    tmp_path: Path, folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = recording(tmp_path, "aedat2", [pattern(20_000)])
    assert main(words(source, tmp_path, name)) == 0  # what Numba compiles is on the disk before it is full
    capsys.readouterr()
    with full_disk(4096):
        assert main(words(source, folder, name)) == 5
    err = capsys.readouterr().err
    assert err.startswith(f"error: {folder / 'out'}")
    assert "cannot be written" in err
    assert len(err.splitlines()) == 2  # the sentence and its hint
    assert list(folder.iterdir()) == []


def stops() -> list[Any]:
    """Every format with both signals; all but a library's file, an archive and a plain one are slow by their number."""
    signals = ((signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"))
    fast = {("hdf5", signal.SIGINT), ("hdf5", signal.SIGTERM), ("npz", signal.SIGINT), ("aedat4", signal.SIGINT)}
    return [
        pytest.param(name, *one, marks=() if (name, one[0]) in fast else pytest.mark.slow)
        for one in signals
        for name in written_formats()
    ]


@pytest.mark.parametrize(("name", "number", "code", "word"), stops())
def test_a_conversion_that_is_stopped_leaves_nothing(
    tmp_path: Path, folder: Path, name: str, number: signal.Signals, code: int, word: str
) -> None:
    source = recording(tmp_path, "aedat2", [pattern(2_000)])
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, *words(source, folder, name)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert err == f"{word}\n"
    assert list(folder.iterdir()) == []
