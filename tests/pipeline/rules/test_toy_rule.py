"""A rule from outside: one module (`tests/toy_rule.py`) and one row of `RULES`; then every command knows it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from decider_contract import check_copies, check_is_a_value, check_lanes, check_refusals, check_sweep
from toy_rule import VOTES, Votes, fit_votes

from spikecut.pipeline.outputs_file import load_outputs
from spikecut.pipeline.recorded import sweep
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.cutoff_file import load_cutoff
from spikecut.pipeline.rules.rule import Wish
from spikecut.tools.cli import main

RUN = Path(__file__).parents[2] / "compatibility" / "data" / "run" / "seed0"
STREAM = next((RUN.parents[1] / "streams").rglob("*.bin"))


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network in a folder of its own, and a table with one row more."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(RULES, "votes", VOTES)
    for suffix in (".safetensors", ".json"):
        shutil.copy(RUN / f"corners{suffix}", tmp_path)
    return tmp_path / "corners.safetensors"


def test_a_rule_from_outside_works_from_the_command_line(
    network: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = ["--model", str(network)]
    assert main(["calibrate", str(RUN / "calibration.npz"), *model, "--rule", "votes", "--tolerance", "0.05"]) == 0
    said = capsys.readouterr()
    assert "votes-5pt" in said.out
    assert "votes: On the recordings it was fitted on it lost at most 5 points" in said.err

    stored = tmp_path / "corners.votes-5pt.json"
    assert json.loads(stored.read_text())["decider"]["type"] == "votes"
    recorded, _ = load_outputs(RUN / "calibration.npz")
    made, read = fit_votes(recorded, Wish(0.05)), load_cutoff(stored).cutoff
    assert isinstance(read, Votes)
    np.testing.assert_array_equal(sweep(recorded, made).stops, sweep(recorded, read).stops)

    assert main(["run", str(STREAM), *model, "--once", "--json", "--cutoff", "votes"]) == 0
    decision = json.loads(capsys.readouterr().out)
    assert decision["reason"] == "cutoff"
    assert decision["steps"] < 12
    assert main(["why", str(STREAM), *model, "--json", "--cutoff", "votes"]) == 0
    assert "votes" in capsys.readouterr().out
    test = [str(RUN / "evaluation" / "outputs.npz"), *model, "--part", "test", "--out", str(tmp_path / "evaluation")]
    assert main(["evaluate", *test, "--cutoff", "votes"]) == 0
    rows = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())["rules"]
    assert [row["name"] for row in rows] == ["votes"]


def test_a_rule_from_outside_is_in_the_help_and_in_the_list_of_all(
    network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["calibrate", "--help"])
    assert f"votes: {VOTES.about}" in capsys.readouterr().out
    assert main(["calibrate", "nowhere", "--rule", "vote"]) == 2
    said = capsys.readouterr().err
    assert "no rule 'vote'" in said
    assert "did you mean votes?" in said


def test_a_rule_from_outside_keeps_the_contract_of_deciders(network: Path, tmp_path: Path) -> None:
    recorded, _ = load_outputs(RUN / "calibration.npz")
    recorded = replace(recorded.pick(np.arange(40)), groups=())
    rule = Votes(3, recorded.horizon)
    check_is_a_value(rule, recorded)
    check_lanes(rule, recorded)
    check_copies(rule, recorded, tmp_path)
    check_sweep(rule, recorded)
    check_refusals(rule, recorded)


def test_the_page_shows_this_very_rule() -> None:
    page = (Path(__file__).parents[3] / "docs" / "extending.md").read_text()
    assert f"```python\n{(Path(__file__).parents[2] / 'toy_rule.py').read_text().rstrip()}\n```" in page
