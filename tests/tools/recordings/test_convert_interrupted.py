"""A full disk, Ctrl-C and SIGTERM: one sentence, the right exit code, and nothing under the final name or beside it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spikecut.sources.formats import FORMATS, written_formats

from source_contract import pattern, recording

TESTS = Path(__file__).parents[2]
FULL = """
import sys
from full_disk import full_disk
from spikecut.tools.cli import main
with full_disk(4096):
    code = main(sys.argv[1:])
raise SystemExit(code)
"""
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


def command(code: str, source: Path, folder: Path, name: str) -> list[str]:
    return [sys.executable, "-c", code, "convert", str(source), str(folder / f"out{FORMATS[name].suffixes[0]}"),
            "--format", name]  # fmt: skip


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    return target


@pytest.mark.parametrize("name", written_formats())
def test_a_full_disk_is_one_sentence_and_no_file(tmp_path: Path, folder: Path, name: str) -> None:
    source = recording(tmp_path, "aedat2", [pattern(20_000)])
    done = subprocess.run(
        command(FULL, source, folder, name), env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith(f"error: {folder / 'out'}")
    assert "cannot be written" in done.stderr
    assert len(done.stderr.splitlines()) == 2  # the sentence and its hint
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "number", "code", "word"),
    [
        *((name, signal.SIGINT, 130, "interrupted") for name in written_formats()),
        *(
            pytest.param(name, signal.SIGTERM, 143, "terminated", marks=() if name == "hdf5" else pytest.mark.slow)
            for name in written_formats()
        ),
    ],
)
def test_a_conversion_that_is_stopped_leaves_nothing(
    tmp_path: Path, folder: Path, name: str, number: signal.Signals, code: int, word: str
) -> None:
    source = recording(tmp_path, "aedat2", [pattern(2_000)])
    with subprocess.Popen(
        command(SLOW, source, folder, name),
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
