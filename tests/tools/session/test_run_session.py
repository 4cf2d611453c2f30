"""Truths about a labelled session: named as it happens, scored against its labels, the same at every speed."""

import json
from pathlib import Path

import pytest
import torch

from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.commands.watch.run import Run
from spikecut.tools.session.run import run_run

from fakes import FakeClock


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three gestures of a drawn test user."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("session")
    return write_session(folder, DrawnSession(24, "natural", order=(3, 0, 2), quick=True))


def said(words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in words.splitlines()]


def test_a_session_is_named_as_it_happens_and_scored(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--json"]) == 0
    *decisions, last = said(capsys.readouterr().out)
    summary = last["summary"]
    assert isinstance(summary, dict)
    assert summary["decisions"] == len(decisions)
    assert summary["dropped"] == {}
    assert summary["gestures"] == summary["right"] + summary["wrong"] + summary["missed"] == 3
    assert summary["right"] >= 2
    first = [d for d in decisions if d["outcome"] in ("right", "wrong")]
    assert all(0 < int(str(d["delay_us"])) < 1_700_000 for d in first)
    n_answers = summary["right"] + summary["wrong"] + summary["repeated"] + summary["false_alarms"]
    assert len(decisions) == n_answers


def test_decisions_are_the_same_at_every_speed(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def at(speed: str) -> str:
        assert run_run(Run(session, "gestures", json=True, speed=speed, window="off"), clock=FakeClock()) == 0
        return capsys.readouterr().out

    assert at("max") == at("1") == at("0.3") == at("50")


def test_a_paced_run_says_how_much_it_lagged(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--speed", "40", "--window", "off"]) == 0
    captured = capsys.readouterr()
    assert "played at 40 times the sensor's pace: lag" in captured.err
    assert "3 gestures: " in captured.out
    assert "false alarms in" in captured.out


def test_a_gesture_nobody_named_is_reported_as_missed(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / session.name
    copy.write_bytes(session.read_bytes())
    labels = session.with_name(f"{session.stem}_labels.csv").read_text().splitlines()
    pause = labels[1].split(",")[2], labels[2].split(",")[1]  # while nothing moves
    (tmp_path / f"{session.stem}_labels.csv").write_text(f"{labels[0]}\n9,{pause[0]},{pause[1]}\n")
    assert main(["run", str(copy)]) == 0
    out = capsys.readouterr().out
    assert "MISSED" in out
    assert "1 gestures: 0 right, 0 wrong, 1 missed" in out
    assert "FALSE ALARM" in out


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "inf"])
def test_a_speed_is_a_factor_or_max(speed: str, session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--speed", speed]) == 2
    assert "1 is the pace of the sensor" in capsys.readouterr().err
