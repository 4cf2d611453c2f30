"""Truths about how a run ends: whoever ends it, it says the score so far, the lag, and where its files are."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spikecut.sources.simulation.gestures import DrawnSession, write_session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("session"), DrawnSession(24, "natural", order=(3, 0), quick=True))


BLOCK = ("--when-full", "block")  # on a slow machine nothing is dropped, so nothing is missed


def playing(session: Path, *words: str) -> "subprocess.Popen[str]":
    """A run that plays without end, and has made its first decision."""
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "spikecut",
            "live",
            str(session),
            "--speed",
            "4",
            "--loop",
            "--window",
            "off",
            *BLOCK,
            *words,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert run.stdout is not None
    assert run.stdout.readline()
    return run


@pytest.mark.parametrize(
    ("number", "code", "ended"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_with_the_score_so_far(
    number: signal.Signals, code: int, ended: str, session: Path, tmp_path: Path
) -> None:
    """S06."""
    run = playing(session, "--save", str(tmp_path / "a.mp4"), "--json")
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    assert run.returncode == code
    summary = json.loads(out.splitlines()[-1])["summary"]
    assert summary["ended"] == ended
    assert summary["right"] >= 1
    assert summary["missed"] == 0, "what was not played was not missed"
    assert summary["read"] == summary["used"] + sum(summary["dropped"].values())
    assert "played at 4 times the sensor's pace: lag" in err
    assert f"what was drawn until then is in {tmp_path / 'a.partial.mp4'}" in err
    assert (tmp_path / "a.partial.mp4").stat().st_size
    assert err.splitlines()[-1] == ended
    assert "Traceback" not in err


def test_a_closed_pipe_ends_with_the_score_on_stderr(session: Path) -> None:
    run = playing(session)
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.close()
    with run.stderr:
        err = run.stderr.read()
    assert run.wait(timeout=60) == 0
    assert "gestures: " in err
    assert "played at 4 times the sensor's pace: lag" in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_a_signal_that_comes_twice_is_one(session: Path) -> None:
    """`timeout` sends it to the process and to its group."""
    run = playing(session)
    for _ in range(2):
        run.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 143
    assert "played at 4 times" in err
