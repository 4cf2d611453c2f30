"""Truths about movement that is no gesture, in the commands: it ends silently and is never an answer."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikecut.models.files import opening
from spikecut.pipeline.metrics.intervals import garwood, rate_bound, share_bound
from spikecut.pipeline.rules.cutoff_file import load_cutoff
from spikecut.sources.simulation.gestures import DrawnSession, write_lists, write_session
from spikecut.tools.batch.continuous import alarm_counts
from spikecut.tools.cli import main
from spikecut.tools.rejection_rates import rates_text

Said = list[dict[str, Any]]
CUTOFF = "gestures.confidence-1pt.json"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three gestures of a drawn test user: right arm clockwise, hand clapping, left hand wave."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("session")
    drawn = DrawnSession(24, "natural", order=(3, 0, 2), quick=True)
    write_lists(folder, [drawn])
    return write_session(folder, drawn)


@pytest.fixture(scope="module")
def rejecting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped network with a card by which clapping is no gesture."""
    folder = tmp_path_factory.mktemp("network")
    for name in ("gestures.safetensors", CUTOFF):
        shutil.copy(opening.SHIPPED / name, folder)
    card = json.loads((opening.SHIPPED / "gestures.json").read_text())
    (folder / "gestures.json").write_text(json.dumps({**card, "rejects": ["hand clapping"]}))
    return folder / "gestures.safetensors"


@pytest.fixture(scope="module")
def levels(session: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cutoff with levels: for the test the gestures themselves, without labels, are movement that is none."""
    folder = tmp_path_factory.mktemp("levels")
    shutil.copy(session, folder / "passing.aedat")
    words = ["calibrate", str(session.parent), "--model", "gestures", "--part", "test", "--rule", "confidence"]
    words += ["--tolerance", "0.01", "--gesture-free", str(folder / "passing.aedat"), "--out", str(folder)]
    assert main([*words, "--alarms-a-minute", "90"]) == 0
    return folder / CUTOFF


def said(capsys: pytest.CaptureFixture[str], *words: object) -> Said:
    assert main(["run", *map(str, words), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def kinds(lines: Said) -> list[str]:
    return [str(line.get("label", "no gesture" if "no_gesture" in line else "summary")) for line in lines]


def test_a_class_that_is_no_gesture_ends_silently(
    session: Path, rejecting: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = said(capsys, session, "--model", "gestures")
    lines = said(capsys, session, "--model", rejecting)
    assert "hand clapping" in kinds(before)
    assert "hand clapping" not in kinds(lines)
    assert "no gesture" in kinds(lines)
    summary = lines[-1]["summary"]
    assert summary["no_gesture"] == kinds(lines).count("no gesture")
    assert summary["decisions"] == len(lines) - 1 - summary["no_gesture"]
    assert summary["missed"] == 1
    (first, *_) = [line["no_gesture"] for line in lines if "no_gesture" in line]
    assert first["nearest"] != "hand clapping"
    clapping = next(line for line in before if line.get("label") == "hand clapping")
    assert (first["steps"], first["time_us"]) == (clapping["steps"], clapping["time_us"])
    assert main(["run", str(session), "--model", str(rejecting)]) == 0
    captured = capsys.readouterr()
    assert "movement, no gesture" in captured.out
    assert "that are no gesture" in captured.err


def test_a_network_without_such_a_class_says_nothing_of_it(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, session, "--model", "gestures")
    assert lines[-1]["summary"]["no_gesture"] == 0
    assert kinds(lines).count("no gesture") == 0


def test_the_levels_have_the_rates_that_the_command_measures(
    session: Path, levels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sensitivity = load_cutoff(levels).sensitivity
    assert sensitivity is not None
    for name, level in sensitivity.levels().items():
        words = ["--cutoff", str(levels), "--sensitivity", name, "--continuous", "--json"]
        assert main(["evaluate", str(levels.parent / "passing.aedat"), *words]) == 0
        report = json.loads(capsys.readouterr().out)
        alarms = report["rules"][0]["false_alarms"]
        assert (level.alarms, round(level.minutes, 4)) == (alarms["n"], alarms["minutes"])
        assert level.alarms_bound == rate_bound(level.alarms, level.minutes) <= level.alarms_a_minute
        assert level.rejected_bound == share_bound(level.rejected, 3)
        assert report["sensitivity"]["confidence-1pt"]["threshold"] == level.threshold
    rates = [one.alarms_a_minute for one in sensitivity.levels().values()]
    np.testing.assert_allclose(rates, [22.5, 90, 360])


@pytest.mark.parametrize("how", ["further", pytest.param("in two processes", marks=pytest.mark.slow)])
def test_how_alarms_are_counted_changes_no_level(
    how: str, session: Path, levels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a recording was not counted far enough at first, and in other processes."""
    words = ["calibrate", str(session.parent), "--model", "gestures", "--part", "test", "--rule", "confidence"]
    words += ["--tolerance", "0.01", "--gesture-free", str(levels.parent / "passing.aedat"), "--out", str(tmp_path)]
    words += ["--alarms-a-minute", "90", "--jobs", "2" if how == "in two processes" else "1"]
    if how == "further":
        monkeypatch.setattr(alarm_counts, "_CLEARLY", 0.0)
        monkeypatch.setattr(alarm_counts, "_MORE", 0)
    assert main(words) == 0
    assert (tmp_path / CUTOFF).read_bytes() == levels.read_bytes()


def test_a_recording_that_cannot_be_read_ends_the_fit_with_its_own_error(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["calibrate", str(session.parent), "--model", "gestures", "--part", "test", "--rule", "confidence"]
    (tmp_path / "empty.dat").write_bytes(b"")
    assert main([*command, "--gesture-free", str(tmp_path / "empty.dat"), "--out", str(tmp_path / "out")]) == 4
    assert "empty.dat" in capsys.readouterr().err


def test_normal_is_the_level_where_none_is_named_and_off_is_none(
    session: Path, levels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cutoff = (session, "--cutoff", levels)
    assert said(capsys, *cutoff) == said(capsys, *cutoff, "--sensitivity", "normal")
    off = said(capsys, *cutoff, "--sensitivity", "off")
    low = said(capsys, *cutoff, "--sensitivity", "low")
    assert "no gesture" not in kinds(off)
    assert len([one for one in kinds(low) if one not in ("no gesture", "summary")]) < len(off) - 1


@pytest.mark.parametrize("wanted", [None, "low", "high"])
def test_a_run_begins_with_the_measured_rates_of_its_level(
    wanted: str | None, session: Path, levels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sensitivity = load_cutoff(levels).sensitivity
    assert sensitivity is not None
    level = sensitivity.level(wanted or "normal")
    words = ["run", str(session), "--cutoff", str(levels), *(["--sensitivity", wanted] if wanted else [])]
    assert main([*words, "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])["sensitivity"]
    assert (first["level"], first["threshold"]) == (wanted or "normal", level.threshold)
    alarms, rejected = first["rates"]["false_alarms"], first["rates"]["rejected"]
    assert (alarms["n"], rejected["n"], rejected["of"]) == (level.alarms, level.rejected, 3)
    rate = garwood(level.alarms, level.minutes)
    assert list(alarms["per_minute"].values()) == pytest.approx([rate.value, rate.low, rate.high], abs=1e-6)
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines()[0] == rates_text(wanted or "normal", level)
    assert f"{level.alarms} in {level.minutes:.1f} min" in captured.err
    assert "sensitivity" not in captured.out


def test_without_a_level_nothing_is_said_of_one(
    session: Path, levels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--model", "gestures"], ["--cutoff", str(levels), "--sensitivity", "off"]):
        assert main(["run", str(session), *words]) == 0
        assert "sensitivity" not in "".join(capsys.readouterr())


def test_info_of_a_network_lists_its_cutoffs_and_their_levels(
    levels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("gestures.safetensors", "gestures.json", "gestures.ltt-1pt.json"):
        shutil.copy(opening.SHIPPED / name, tmp_path)
    shutil.copy(levels, tmp_path)
    sensitivity = load_cutoff(levels).sensitivity
    assert sensitivity is not None
    words = ["info", "--model", str(tmp_path / "gestures.safetensors")]
    assert main(words) == 0
    text = capsys.readouterr().out
    for name, level in sensitivity.levels().items():
        assert rates_text(name, level) in text
    assert "confidence-1pt (default), fitted on 3:" in text
    assert "ltt-1pt, fitted on 1,044: With 95 % confidence" in text
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["cutoffs"]) == {"confidence-1pt", "ltt-1pt"}
    assert found["cutoffs"]["ltt-1pt"]["sensitivity"] is None
    assert found["cutoffs"]["confidence-1pt"]["sensitivity"]["low"]["threshold"] == sensitivity.low.threshold
    assert main([*words, "--cutoff", "ltt-1pt"]) == 0
    text = capsys.readouterr().out
    assert "sensitivity: none is fitted" in text
    assert "confidence-1pt" not in text
    assert main(["info"]) == 2
    assert "neither a file nor a network" in capsys.readouterr().err


def test_a_cutoff_without_levels_has_no_sensitivity(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--sensitivity", "low"]) == 2
    assert "calibrate FOLDER --gesture-free SESSIONS fits them" in capsys.readouterr().err
    assert main(["evaluate", str(session), "--continuous", "--sensitivity", "low"]) == 2
    assert "has no levels" in capsys.readouterr().err
    assert main(["evaluate", str(session), "--sensitivity", "low", "--out", "x"]) == 2
    assert "--sensitivity is for sessions as they come" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--alarms-a-minute", "20"], "0.2 min without gestures"),
        (["--alarms-a-minute", "90", "--rejected", "0.01"], "--rejected allows 1 %"),
        (["--alarms-a-minute", "0"], "expected a rate above 0"),
        (["--confidence", "1"], "expected a rate above 0, and shares between 0 and 1"),
    ],
)
def test_what_cannot_be_promised_is_refused_and_nothing_is_written(
    words: list[str], message: str, session: Path, levels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["calibrate", str(session.parent), "--model", "gestures", "--part", "test", "--rule", "confidence"]
    free = ["--gesture-free", str(levels.parent / "passing.aedat"), "--out", str(tmp_path)]
    assert main([*command, *free, *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_recordings_with_gestures_and_shares_without_recordings_are_refused(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["calibrate", str(session.parent), "--model", "gestures", "--part", "test", "--rule", "confidence"]
    assert main([*command, "--gesture-free", str(session), "--out", str(tmp_path)]) == 2
    assert "3 labelled gestures; --gesture-free takes recordings without any" in capsys.readouterr().err
    assert main([*command, "--rejected", "0.1", "--out", str(tmp_path)]) == 2
    assert "--rejected is measured beside false alarms" in capsys.readouterr().err
