"""Truths about `evaluate --continuous`: what `run` says of one session it says of many, and of movement without any."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikecut.pipeline.events import EventBatch
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main

from source_contract import DVS128

Figures = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three gestures of a drawn test user."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("session")
    return write_session(folder, DrawnSession(24, "natural", order=(3, 0, 2), quick=True))


@pytest.fixture
def figures(capsys: pytest.CaptureFixture[str]) -> Figures:
    """Runs the command; its figures."""

    def of(path: Path, *more: str) -> dict[str, Any]:
        assert main(["evaluate", str(path), "--continuous", "--json", *more]) == 0
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        return report

    return of


def labels_of(session: Path) -> Path:
    return session.with_name(f"{session.stem}_labels.csv")


def copied(session: Path, folder: Path, labels: str | None = None) -> Path:
    """The session in a folder of its own, under other labels or none."""
    folder.mkdir()
    copy = Path(shutil.copy(session, folder))
    if labels is not None:
        labels_of(copy).write_text(labels)
    return copy


def test_a_session_has_the_score_of_run(session: Path, figures: Figures, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]
    report = figures(session)
    (row, window) = report["rules"]
    assert report["gestures"] == summary["gestures"] == 3
    for name in ("right", "wrong", "missed"):
        assert row[name]["n"] == summary[name]
        assert row[name]["of"] == 3
    assert row["repeated"] == summary["repeated"]
    assert row["false_alarms"]["n"] == summary["false_alarms"]
    assert row["false_alarms"]["minutes"] == summary["minutes"]
    assert row["delay_ms"]["median"][0] == pytest.approx(summary["median_delay_ms"])
    assert row["delay_ms"]["p90"][0] == pytest.approx(summary["p90_delay_ms"])
    assert window["rule"] == "none"
    assert window["delay_ms"]["median"][0] > row["delay_ms"]["median"][0]
    assert row["steps"] < window["steps"] <= window["bins"] == row["bins"]


def test_sessions_add_up_and_several_processes_find_the_same(session: Path, tmp_path: Path, figures: Figures) -> None:
    folder = copied(session, tmp_path / "two", labels_of(session).read_text()).parent
    shutil.copy(session, folder / "without.aedat")
    report = figures(folder)
    by_name = {one["recording"]: one["rules"]["confidence-1pt"] for one in report["recordings"]}
    labelled, without = by_name[session.name], by_name["without.aedat"]
    answers = sum(labelled[name] for name in ("right", "wrong", "repeated", "false_alarms"))
    assert without == {
        "right": 0,
        "wrong": 0,
        "missed": 0,
        "repeated": 0,
        "false_alarms": answers,
        "minutes": labelled["minutes"],
    }
    assert report["rules"][0]["false_alarms"]["n"] == labelled["false_alarms"] + answers
    assert report["gestures"] == 3
    assert figures(folder, "--jobs", "2") == report | {"command": report["command"] + " --jobs 2"}


def test_alarms_are_counted_by_the_labelled_kind_of_movement(session: Path, tmp_path: Path, figures: Figures) -> None:
    """The three gestures, labelled as movements that are none: every answer is an alarm of its kind."""
    rows = [row.split(",") for row in labels_of(session).read_text().splitlines()[1:]]
    kinds = ["waves to a friend", "shoos a fly", "shoos a fly"]
    text = "class,startTime_usec,endTime_usec,movement\n"
    text += "".join(f"0,{start},{end},{kind}\n" for (_, start, end), kind in zip(rows, kinds, strict=True))
    report = figures(copied(session, tmp_path / "none", text))
    row, _ = report["rules"]
    kinds_of_alarms = row["alarms_by_movement"]
    assert list(kinds_of_alarms) == ["shoos a fly", "waves to a friend", "not labelled"]
    assert sum(rate["n"] for rate in kinds_of_alarms.values()) == row["false_alarms"]["n"] >= 3
    minutes = sum(int(row[2]) - int(row[1]) for row in rows[1:]) / 6e7
    assert kinds_of_alarms["shoos a fly"]["minutes"] == pytest.approx(minutes, abs=1e-4)
    assert sum(row["alarms_by_answer"].values()) == row["false_alarms"]["n"]
    assert report["gestures"] == 0
    assert row["right"] == {"n": 0, "of": 0, "share": None}
    assert row["delay_ms"] == {"n": 0, "median": None, "p90": None}


def test_gestures_beyond_the_duration_are_not_missed(
    session: Path, figures: Figures, capsys: pytest.CaptureFixture[str]
) -> None:
    report = figures(session, "--duration", "0.2")
    assert report["gestures"] == 0
    assert main(["run", str(session), "--duration", "0.2"]) == 0
    assert "MISSED" not in capsys.readouterr().out


def test_a_still_scene_raises_no_alarm_and_the_bound_says_how_little_that_proves(
    tmp_path: Path, figures: Figures, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 128, (2, 3_000)).astype(np.uint16)
    t = np.sort(rng.integers(0, 600_000, 3_000))
    write_hdf5(tmp_path / "a.h5", [EventBatch(t, x, y, (x % 2).astype(np.uint8), 0, 600_000, DVS128)], DVS128)
    row = figures(tmp_path, "--model", "gestures")["rules"][0]
    assert row["false_alarms"]["n"] == 0
    assert row["false_alarms"]["minutes"] == pytest.approx(0.01)
    assert row["false_alarms"]["per_minute"][2] == pytest.approx(3.6889 / 0.01, rel=1e-3)
    assert main(["evaluate", str(tmp_path), "--model", "gestures", "--continuous"]) == 0
    assert "full window" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "x"], "--out: with --continuous nothing is written"),
        (["--model", "nmnist"], "network 'nmnist' has no onset in its card"),
    ],
)
def test_what_cannot_be_played_is_refused(
    words: list[str], message: str, session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(session), "--continuous", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_recording_that_cannot_be_read_is_set_apart(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(session, tmp_path / "bad").parent
    (folder / "broken.aedat").write_bytes(b"no recording")
    assert main(["evaluate", str(folder), "--continuous", "--model", "gestures", "--json"]) == 3
    captured = capsys.readouterr()
    assert "quarantined: " in captured.err
    assert json.loads(captured.out)["n"] == 1
