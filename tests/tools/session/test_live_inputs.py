"""Truths about live sources before a network: the decisions of the recording, and every event accounted for."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from spikecut.sources.live.bin_queue import BinQueue
from spikecut.sources.live.pacing import Lag
from spikecut.sources.live.playing import Bin
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.commands.watch.run import Run
from spikecut.tools.session.run import run_run

from fakes import FakeClock, Stdin


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("session"), DrawnSession(24, "natural", order=(3, 0), quick=True))


def printed(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> list[dict[str, Any]]:
    """The objects that a run prints."""
    assert main([*words, "--json", "--window", "off", "--model", "gestures"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def without_labels(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: one[key] for key in ("label", "time_us", "probability", "n_events")} for one in objects[:-1]]


def pipe_in(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input is what another thread writes into a pipe."""
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(data)

    threading.Thread(target=write, daemon=True).start()
    monkeypatch.setattr("sys.stdin", Stdin(reader))


@pytest.mark.parametrize("command", ["run", "live"])
def test_a_pipe_gives_the_decisions_of_the_file(
    command: str, session: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_file = printed(["run", str(session)], capsys)
    pipe_in(session.read_bytes(), monkeypatch)
    speed = ["--speed", "40", "--when-full", "block"] if command == "live" else []
    of_pipe = printed([command, "-", *speed], capsys)
    assert len(of_file) == 3
    assert without_labels(of_pipe) == without_labels(of_file)
    summary = of_pipe[-1]["summary"]
    assert summary["read"] == summary["used"] == of_file[-1]["summary"]["read"]
    assert summary["timing"]["lag_ms"]["p50"] >= 0


def test_input_that_is_cut_off_is_a_damaged_recording(
    session: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S05: the producer dies in the middle of a packet; what came is used, what is missing is counted, exit code 3."""
    data = session.read_bytes()
    pipe_in(data[: len(data) // 4 - 3], monkeypatch)
    summary = printed(["run", "-"], capsys, 3)[-1]["summary"]
    assert summary["decisions"] == 1
    assert set(summary["dropped"]) == {"cut_off"}
    assert summary["read"] == summary["used"] + sum(summary["dropped"].values())


def test_a_file_is_followed_until_nothing_comes_and_scored_against_its_labels(
    session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = printed(["run", str(session), "--follow", "--idle-timeout", "0.1"], capsys)[-1]["summary"]
    assert (summary["right"], summary["missed"]) == (2, 0)


@pytest.mark.parametrize("speed", ["max", "40"])
def test_the_silence_that_ends_a_run_is_no_lag(
    speed: str, session: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last bin is open until nothing has come for two seconds, which pass for the source alone."""
    n_put, n_dealt_with = [0], [0]
    put, add = BinQueue.put, Lag.add

    def counted_put(queue: BinQueue, one: Bin) -> bool:
        n_put[0] += 1
        return put(queue, one)

    def counted_add(lag: Lag, behind_ms: float) -> None:
        add(lag, behind_ms)
        n_dealt_with[0] += 1

    class Patient(FakeClock):
        def sleep_s(self, seconds: float) -> None:
            while n_dealt_with[0] < n_put[0]:
                time.sleep(0.0005)
            super().sleep_s(seconds)

    monkeypatch.setattr(BinQueue, "put", counted_put)
    monkeypatch.setattr(Lag, "add", counted_add)
    options = Run(session, "gestures", follow=True, idle_timeout=2.0, speed=speed, json=True, window="off")
    clock = Patient()
    assert run_run(options, clock=clock) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]
    assert summary["timing"]["lag_ms"]["max"] < 1e-3
    assert clock.time_s >= 102.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-", "--loop"], "--loop: what is live, such as standard input, comes once"),
        (["{session}", "--format", "aedat3"], "is no live source"),
        (["{session}", "--idle-timeout", "3"], "is no live source"),
    ],
)
def test_flags_that_mean_nothing_are_refused(
    words: list[str], message: str, session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *(word.format(session=session) for word in words)]) == 2
    assert message in capsys.readouterr().err
