"""Truths about answers that are revised, in the commands: the first one stays as it was, the other names it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from spikecut.models.files import opening
from spikecut.pipeline.rules.thresholds import fixed
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.cutoff_lookup import unfitted


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    drawn = DrawnSession(24, "natural", order=(3, 0, 2), quick=True)
    return write_session(tmp_path_factory.mktemp("session"), drawn)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cutoff that answers after three steps, so that some answers are wrong."""
    from dataclasses import replace

    card = opening.card_of(opening.SHIPPED / "gestures.safetensors")
    path = tmp_path_factory.mktemp("cutoff") / "hasty.json"
    replace(unfitted(card), cutoff=fixed(3, card.horizon)).save(path)
    return path


def said(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, Any]]:
    assert main(["run", *map(str, words), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_first_answers_stay_and_revised_ones_name_them(
    session: Path, hasty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    *before, plain = said(capsys, session, "--cutoff", hasty)
    *after, summary = said(capsys, session, "--cutoff", hasty, "--revise", "1500")
    assert all("id" not in one and "revises" not in one for one in before)
    firsts = [one for one in after if "revises" not in one]
    revisions = [one for one in after if "revises" in one]
    assert [one["id"] for one in after] == list(range(1, len(after) + 1))
    assert len(revisions) >= 1
    first = {one["id"]: one for one in firsts}
    for one in revisions:
        assert one["time_us"] <= first[one["revises"]]["time_us"] + 1_500_000
        assert one["start_us"] == first[one["revises"]]["start_us"]
    labelled = ("right", "wrong")
    scored = [
        [(o["label"], o["time_us"], o["outcome"]) for o in ones if o["outcome"] in labelled]
        for ones in (before, firsts)
    ]
    assert scored[0] == scored[1]
    summary, plain = summary["summary"], plain["summary"]
    assert (summary["right"], summary["wrong"]) == (plain["right"], plain["wrong"])
    assert summary["revised_right"] > summary["right"] == plain["revised_right"]


def test_the_score_of_many_sessions_has_the_revised_answers_beside_the_first(
    session: Path, hasty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = said(capsys, session, "--cutoff", hasty, "--revise", "1500")[-1]["summary"]
    words = ["evaluate", str(session), "--continuous", "--cutoff", str(hasty), "--revise", "1500"]
    assert main([*words, "--json"]) == 0
    row, window = json.loads(capsys.readouterr().out)["rules"]
    assert row["right"]["n"] == summary["right"]
    assert row["revised"]["right"]["n"] == summary["revised_right"]
    assert row["revised"]["wrong"]["n"] == summary["revised_wrong"]
    assert window["revised"]["right"] == window["right"]  # its answer comes at the end of the window
    assert main(words) == 0
    assert f"after revisions {summary['revised_right']} right" in capsys.readouterr().out
    assert main(["run", str(session), "--cutoff", str(hasty), "--revise", "1500"]) == 0
    out = capsys.readouterr().out
    assert ", revised" in out
    assert "after revisions: " in out


def test_windows_have_one_answer_each(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--model", "nmnist", "--revise", "100"]) == 2
    assert "each window has one answer" in capsys.readouterr().err
    assert main(["evaluate", str(session), "--revise", "100", "--out", "x"]) == 2
    assert "--revise is for sessions as they come" in capsys.readouterr().err
