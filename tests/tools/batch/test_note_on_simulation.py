"""Promises that were fitted on simulated recordings are suspended on those that do not say that they are simulated."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from spikecut.models.files import opening
from spikecut.pipeline.rules.cutoff_file import load_cutoff
from spikecut.sources.datasets.class_folders import MADE_BY, is_simulated
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.batch.examples import _of_simulation, says_simulated
from spikecut.tools.cli import main

from fakes import Stdin


def test_drawn_gestures_are_simulated_and_others_are_not(tmp_path: Path) -> None:
    sessions: Any = SimpleNamespace(provenance=lambda *_: {})
    assert not says_simulated(sessions, tmp_path)
    (tmp_path / MADE_BY).write_text("drawing of seed 0\n")
    assert says_simulated(sessions, tmp_path)
    (note,) = _of_simulation(opening.card_of(opening.locate("gestures")))
    assert "do not say that they are simulated" in note
    assert _of_simulation(opening.card_of(opening.locate("nmnist"))) == ()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_session(tmp_path_factory.mktemp("drawn"), DrawnSession(24, "natural", order=(3, 0), quick=True))


def promises(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[set[str], str]:
    """What a run says of its promise at its decisions, and stderr."""
    capsys.readouterr()
    assert main(["run", *words, "--cutoff", "ltt-1pt", "--json"]) == 0
    out, err = capsys.readouterr()
    decisions = [line for line in map(json.loads, out.splitlines()) if "label" in line]
    assert decisions
    return {one["promise"] for one in decisions}, err


def test_run_promises_nothing_of_recordings_that_may_be_genuine(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, err = promises(capsys, str(session))
    assert said == {"suspended"}
    assert err.count("spikecut calibrate FOLDER --model gestures") == 1
    drawn = shutil.copytree(session.parent, tmp_path / "drawn")
    (drawn / MADE_BY).write_text("drawing of seed 0\n")
    assert is_simulated(drawn / session.name)
    assert promises(capsys, str(drawn / session.name), "--record", str(tmp_path / "kept.bins"))[0] == {"holds"}
    assert promises(capsys, str(tmp_path / "kept.bins"))[0] == {"holds"}, "kept bins say where they come from"


def test_a_cutoff_without_a_promise_has_none_to_suspend(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--json"]) == 0
    out, err = capsys.readouterr()
    assert not any("promise" in json.loads(line) for line in out.splitlines() if "label" in line)
    assert "suspended" not in err


def test_a_cutoff_that_is_fitted_says_whether_its_recordings_were_simulated(session: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(session.parent, tmp_path / "mine")
    (folder / "trials_to_train.txt").write_text("")
    (folder / "trials_to_test.txt").write_text(f"{session.name}\n")
    words = ["calibrate", str(folder), "--part", "all", "--model", "gestures", "--rule", "confidence"]
    words += ["--tolerance", "0.9"]
    assert main([*words, "--out", str(tmp_path / "genuine"), "--keep", str(tmp_path / "run")]) == 0
    assert not load_cutoff(tmp_path / "genuine" / "gestures.confidence-90pt.json").simulated
    (folder / MADE_BY).write_text("drawing of seed 0\n")
    assert main([*words, "--out", str(tmp_path / "drawn"), "--keep", str(tmp_path / "run2")]) == 0
    fitted = load_cutoff(tmp_path / "drawn" / "gestures.confidence-90pt.json")
    assert fitted.simulated
    fitted.save(tmp_path / "again.json")
    assert load_cutoff(tmp_path / "again.json").simulated
    words[1] = str(tmp_path / "run2")
    assert main([*words, "--out", str(tmp_path / "later")]) == 0
    assert load_cutoff(tmp_path / "later" / "gestures.confidence-90pt.json").simulated, "the run keeps it"


def test_older_and_combined_cutoffs_are_believed_no_more_than_their_network(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = opening.locate("gestures")
    stored = json.loads(weights.with_name("gestures.ltt-1pt.json").read_text())
    del stored["fitted_on"]["simulated"]
    old = tmp_path / "old.json"
    old.write_text(json.dumps(stored))
    assert load_cutoff(old).simulated is None
    assert main(["run", str(session), "--cutoff", str(old), "--json"]) == 0
    out, err = capsys.readouterr()
    assert {one.get("promise") for one in map(json.loads, out.splitlines()) if "label" in one} == {"suspended"}
    assert "may be genuine" in err
    both = tmp_path / "both.json"
    assert main(["combine", "hold", str(old), "--steps", "2", "--out", str(both)]) == 0
    assert load_cutoff(both).simulated is None
    capsys.readouterr()
    assert main(["run", str(session), "--cutoff", str(both), "--json"]) == 0
    out, err = capsys.readouterr()
    assert not any("promise" in one for one in map(json.loads, out.splitlines()) if "label" in one), "it has none"
    assert "suspended" not in err


def test_a_live_source_is_no_drawing_whatever_folder_it_is_opened_in(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / MADE_BY).write_text("drawing of seed 0\n")
    monkeypatch.chdir(tmp_path)
    with session.open("rb") as file:
        monkeypatch.setattr("sys.stdin", Stdin(file.fileno()))
        assert promises(capsys, "-", "--model", "gestures")[0] == {"suspended"}
