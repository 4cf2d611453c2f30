"""Truths about several streams: each is decided as if it were alone, and says its name."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from spikecut.sources import open_recording
from spikecut.sources.live.bin_file import BinFile
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main

from udp_pair import Pair, pair

__all__ = ["pair"]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two people, in files of two folders."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("sessions")
    drawn = [DrawnSession(24, "natural", order=(3, 0), quick=True), DrawnSession(25, "lab", order=(4, 1), quick=True)]
    return [write_session(folder / str(one.user), one) for one in drawn]


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("speed", ["max", "100"])
def test_each_is_decided_as_alone(speed: str, sessions: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--json", "--speed", speed)
    alone = {}
    for path in sessions:
        assert main(["run", str(path), *words]) == 0
        alone[path.name] = lines_of(capsys.readouterr().out)
    assert main(["run", *map(str, sessions), *words]) == 0
    together: dict[str, list[dict[str, Any]]] = {path.name: [] for path in sessions}
    for line in lines_of(capsys.readouterr().out):
        together[line.pop("stream")].append(line)
    for lines in (*alone.values(), *together.values()):
        lines[-1]["summary"].pop("timing")
    assert together == alone
    assert all(len(lines) > 2 for lines in together.values())


def test_a_line_for_people_names_its_stream(sessions: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *map(str, sessions), "--once"]) == 0
    out, err = capsys.readouterr()
    names = [path.name for path in sessions]
    assert sorted(line.split(": ")[0] for line in out.splitlines()) == sorted(names), "--once ends each alone"
    assert all(f"{name}: " in err for name in names)


def test_every_line_of_a_score_names_its_stream(sessions: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *map(str, sessions)]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [path.name for path in sessions]
    assert all(line.startswith(tuple(f"{name}: " for name in names)) for line in lines)
    assert sum("false alarms in" in line for line in lines) == 2


def test_each_has_its_own_files(sessions: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *map(str, sessions), "--once", "--record", str(tmp_path / "all.bins")]) == 0
    files = [tmp_path / f"all.{path.stem}.bins" for path in sessions]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert [BinFile.open(file).origin.source for file in files] == [path.name for path in sessions]
    err = capsys.readouterr().err
    assert all(f"-> {file}" in err for file in files)


def test_one_that_cannot_be_read_does_not_end_the_others(
    sessions: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.aedat"
    empty.write_bytes(b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n")
    assert main(["run", str(sessions[0]), str(empty), "--json"]) == 3
    out, err = capsys.readouterr()
    assert {line["stream"] for line in lines_of(out)} == {sessions[0].name}
    assert "empty.aedat: error: " in err
    assert main(["run", str(empty), str(empty), "--json", "--model", "gestures"]) == 4


def test_streams_for_different_networks_and_one_window_are_refused(
    sessions: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digit = tmp_path / "digit.bin"
    digit.write_bytes(bytes((3, 4, 0x80, 0, 10)) * 50)
    assert main(["run", str(sessions[0]), str(digit)]) == 2
    assert "several streams share one" in capsys.readouterr().err
    assert main(["run", *map(str, sessions), "--web"]) == 2
    assert "--web with several streams: a page shows one" in capsys.readouterr().err
    assert main(["run", *map(str, sessions), "--window", "on", "--speed", "1"]) == 2
    assert "there is one window" in capsys.readouterr().err


def ended_by(number: signal.Signals, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a run that gets a signal after its first line."""
    run = subprocess.Popen(
        [sys.executable, "-m", "spikecut", "run", *words, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert run.stdout is not None
    assert run.stdout.readline()
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    return run.returncode, out, err


def test_a_signal_ends_all_with_their_scores(sessions: list[Path]) -> None:
    code, out, err = ended_by(signal.SIGTERM, *map(str, sessions), "--speed", "4", "--loop")
    assert code == 143, err
    ends = {line["stream"]: line["summary"] for line in lines_of(out) if "summary" in line}
    assert set(ends) == {path.name for path in sessions}
    assert all(one["ended"] == "terminated" for one in ends.values())
    assert all(one["read"] == one["used"] + sum(one["dropped"].values()) for one in ends.values())
    assert "Traceback" not in err


def test_files_that_would_have_one_name_are_numbered(
    sessions: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "all.bins"
    assert main(["run", str(sessions[0]), str(sessions[0]), "--once", "--record", str(target)]) == 0
    stem = sessions[0].stem
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"all.{stem}-2.bins", f"all.{stem}.bins"]
    assert main(["run", str(sessions[0]), str(sessions[0]), "--once", "--record", str(target)]) == 2
    assert "--overwrite" in capsys.readouterr().err, "the names that are written are looked at, before anything plays"


def test_live_sources_play_beside_recordings(
    sessions: list[Path], capsys: pytest.CaptureFixture[str], pair: Pair
) -> None:
    """Each as alone: datagrams are waited for while the others play, and end by their own last one."""
    alone = {}
    for path in sessions:
        assert main(["run", str(path), "--json"]) == 0
        alone[path.name] = [line for line in lines_of(capsys.readouterr().out) if "label" in line]
    address = "udp://127.0.0.1:0"
    recording = open_recording(sessions[1])
    thread = pair.sends(recording, recording.sensor)
    assert main(["run", str(sessions[0]), address, "--json"]) == 0
    thread.join(timeout=60)
    together: dict[str, list[dict[str, Any]]] = {sessions[0].name: [], address: []}
    for line in lines_of(capsys.readouterr().out):
        if "label" in line:
            together[line.pop("stream")].append(line)
    assert together[sessions[0].name] == alone[sessions[0].name]
    labels = [[line["label"] for line in lines] for lines in (together[address], alone[sessions[1].name])]
    assert labels[0] == labels[1] != []


def test_one_that_never_begins_ends_by_its_silence_and_the_others_are_whole(
    sessions: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    address = "udp://127.0.0.1:0"
    assert main(["run", address, str(sessions[0]), "--json", "--model", "gestures", "--idle-timeout", "0.3"]) == 3
    out, err = capsys.readouterr()
    assert {line["stream"] for line in lines_of(out)} == {sessions[0].name}
    assert f"{address}: error: " in err
    assert "no datagram came" in err


def test_a_source_that_can_be_read_once_is_not_given_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-", "-"]) == 2
    assert "standard input can be read once" in capsys.readouterr().err
    assert main(["run", "udp://127.0.0.1:3333", "drawn:gestures", "--speed", "3"]) == 2
    assert "their own pace" in capsys.readouterr().err
    assert main(["run", "drawn:gestures", "drawn:gestures", "--loop"]) == 2
    assert "--loop" in capsys.readouterr().err


def test_a_signal_ends_those_that_are_still_waited_for(sessions: list[Path]) -> None:
    address = "udp://127.0.0.1:0"
    words = (str(sessions[0]), address, "drawn:gestures", "--speed", "1")
    code, out, err = ended_by(signal.SIGINT, *words)
    assert code == 130, err
    assert "Traceback" not in err
    assert "drawn:gestures" in {line["stream"] for line in lines_of(out) if "summary" in line}


def test_an_error_of_one_is_said_while_the_others_play() -> None:
    """And Ctrl-C afterwards does not hide it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"udp://127.0.0.1:{taken.getsockname()[1]}"
        words = ("run", address, "drawn:gestures", "--speed", "1", "--model", "gestures")
        with subprocess.Popen([sys.executable, "-m", "spikecut", *words], stderr=subprocess.PIPE, text=True) as run:
            assert run.stderr is not None
            lines = iter(run.stderr.readline, "")
            assert any(line.startswith(f"{address}: error: ") for line in lines)
            assert run.poll() is None, "the other one plays"
            run.send_signal(signal.SIGINT)
            run.stderr.read()
        assert run.returncode == 130


def test_an_address_is_no_file_that_is_written(sessions: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(sessions[0]), "udp://127.0.0.1:3333", "--follow"]) == 2
    assert "--follow udp://127.0.0.1:3333" in capsys.readouterr().err
