"""Truths about the benchmark of hard conditions: its rows, what it counts, and that an interrupted run goes on."""

import json
import shutil
from pathlib import Path

import pytest
from benchmarks import hard_conditions
from benchmarks.hard_conditions import CONDITIONS, ROWS, all_of, kept_answers, row_of
from benchmarks.parts.under_conditions import Answers, Job

from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.intervals import wilson

WEIGHTS = opening.locate("gestures")
ABOUT = {"network": "a", "cutoff": "ltt-1pt", "seed": 0, "version": 1}


def answers(row: str, user: int) -> Answers:
    """Four gestures: right, right too late, wrong, refused."""
    return Answers(row, user, (0, 1, 2, 3), (0, 1, 0, 3), (0, 2, 0, 3), (10, 20, 30, 75), (False, False, False, True))


def test_every_condition_of_the_decision_is_a_row_and_no_two_have_a_name() -> None:
    text = (Path(__file__).parents[1] / "docs/adr/0033-hard-conditions.md").read_text()
    assert len(set(ROWS)) == len(ROWS) == 20
    for word in ("as drawn", "x15", "dim light", "1.25", "0.75", "off-centre", "passes", "camera shake", "640x480"):
        assert word in text
        assert any(word in row for row in ROWS)


def test_a_row_counts_what_was_right_and_what_got_no_answer() -> None:
    row = row_of(
        "as drawn", [answers("as drawn", 24), answers("as drawn", 25), answers("x", 25)], opening.card_of(WEIGHTS)
    )
    assert (row["n"], row["users"]) == (8, 2)
    assert row["right_full_window"]["share"] == 0.75
    assert row["right"]["share"] == 0.25
    assert row["no_answer"]["share"] == 0.25
    assert row["mean_ms"] == pytest.approx(20 * (10 + 20 + 30 + 75) / 4, abs=0.1)
    low, high = row["right"]["interval_95_wilson"]
    assert (low, high) == (round(wilson(2, 8).low, 4), round(wilson(2, 8).high, 4))


def test_kept_answers_are_read_back_without_a_last_line_that_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "kept.jsonl"
    assert kept_answers(file, ABOUT) == []
    job = Job(WEIGHTS, None, 24, 0, 1, CONDITIONS[0])
    done = all_of([job], 1, file, [answers("as drawn", 24)])  # nothing is left to draw
    assert done == [answers("as drawn", 24)]
    line = json.dumps(
        {"row": "x", "user": 1, "labels": [0], "full": [0], "early": [0], "steps": [3], "refused": [False]}
    )
    file.write_text(file.read_text() + f"{line}\n{line[:30]}")
    assert kept_answers(file, ABOUT) == [Answers("x", 1, (0,), (0,), (0,), (3,), (False,))]
    with pytest.raises(ConfigError, match="kept answers of"):
        kept_answers(file, {**ABOUT, "seed": 1})


def test_a_card_keeps_tables_by_version_and_all_else(tmp_path: Path) -> None:
    weights = Path(shutil.copy(WEIGHTS, tmp_path))
    shutil.copy(WEIGHTS.with_suffix(".json"), tmp_path)
    before = opening.card_of(weights)
    for version in (1, 2):
        hard_conditions.write_card(weights, [{"condition": "as drawn"}], "it", {**ABOUT, "version": version})
    after = opening.card_of(weights)
    tables = after.metrics["hard_conditions"]
    assert set(tables) == {"version 1", "version 2"}
    assert tables["version 2"]["rows"] == [{"condition": "as drawn"}]
    assert {**after.metrics, "hard_conditions": None} == {**before.metrics, "hard_conditions": None}
    assert (after.provenance, after.classes, after.weights_sha256) == (
        before.provenance,
        before.classes,
        before.weights_sha256,
    )


@pytest.mark.slow  # draws sessions
def test_processes_and_an_interruption_change_no_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--only", "as drawn", "x5", "--json"]
    hard_conditions.main([*words, "--n", "1"])
    alone = capsys.readouterr().out.splitlines()
    keep = tmp_path / "kept.jsonl"
    hard_conditions.main(["--only", "as drawn", "--json", "--n", "1", "--keep", str(keep)])
    hard_conditions.main([*words, "--n", "1", "--jobs", "2", "--keep", str(keep)])
    assert capsys.readouterr().out.splitlines()[-2:] == alone
    assert [json.loads(line)["n"] for line in alone] == [12, 12]
