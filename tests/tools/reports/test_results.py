"""Tables over runs: which of them are one method, on which recordings, and what is said of them."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from written_runs import SPEC, N, write_run

from spikecut.models.architectures.networks import build
from spikecut.pipeline.errors import ConfigError
from spikecut.tools.commands.measure.results import Results
from spikecut.tools.reports.results import page, run_results
from spikecut.tools.reports.run_folders import runs_in
from spikecut.tools.training.recipe import read_recipe


def test_runs_pair_though_they_reached_the_same_data_by_other_paths(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0, name="one", root="/here/set/test")
    write_run(tmp_path / "b", 0, name="two", root="../there", right=0.6)
    text = page([*runs_in(tmp_path)], "x", 0)
    assert "|  | two | n | seeds |" in text
    assert "| full window | -20.0 (" in text
    assert "| steps of fixed-1pt | +0.00 (+0.00 to +0.00) | 30 |" in text  # though the files stand in another order


def test_one_seed_a_side_is_said_to_compare_two_trainings(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0, name="one")
    write_run(tmp_path / "b", 0, name="two")
    said = "compare two trainings, not two methods"
    assert said in page([*runs_in(tmp_path)], "x", 0)
    write_run(tmp_path / "b", 1, name="two")
    assert said not in page([*runs_in(tmp_path)], "x", 0)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"epochs": 2}, ("mine (epochs 1)", "mine (epochs 2)")),
        ({"data": "e" * 64}, ("mine (data dddddddddddddddd)", "mine (data eeeeeeeeeeeeeeee)")),
        (
            {"provenance": {"made_of": {"data": "other", "first weights": "counted by their seed"}}},
            ("mine (trained on None)", "mine (trained on other)"),
        ),
        (
            {"spec": replace(SPEC, normalisation="batch")},
            ("mine (normalisation kernel)", "mine (normalisation batch)"),
        ),
    ],
)
def test_what_differs_by_more_than_its_seed_is_another_chapter(
    tmp_path: Path, other: dict[str, Any], told: tuple[str, str]
) -> None:
    for seed in (0, 1):
        write_run(tmp_path / "a", seed)
    write_run(tmp_path / "b", 0, **other)
    text = page([*runs_in(tmp_path)], "x", 0)
    chapters = [line for line in text.splitlines() if line.startswith("## mine")]
    assert chapters == [f"## {label}: nobody's" for label in told]
    assert text.count("(test part), seeds 0, 1; ") == 1


def test_what_a_policy_costs_is_in_the_ratios(tmp_path: Path) -> None:
    """Stops 1 to 5 equally often, 3 on average of 5, against a constant of 3; with 0.5 for a policy, 3.5."""
    write_run(tmp_path / "without", 0)
    write_run(tmp_path / "with", 0, name="planned", policy_cost=0.5)
    rows = [line for line in page([*runs_in(tmp_path)], "x", 0).splitlines() if line.startswith("| fixed-1pt")]
    ratios = {tuple(cell.split()[0] for cell in (row.split("|")[5], row.split("|")[7])) for row in rows}
    assert ratios == {("1.67", "1.00"), ("1.43", "0.86")}


def test_costs_are_means_of_what_every_seed_has_measured(tmp_path: Path) -> None:
    """The constant that a rule is held against is another one for every seed."""
    row = {"ms": 2.0, "x_time": 1.0, "additions_m": 0.0, "multiplications_m": 1.0, "x_operations": 1.0}
    for seed in (0, 1):
        run = write_run(tmp_path, seed)
        (card,) = (one.card for one in runs_in(run))
        rows = [{"rule": rule, "steps": 4.0 + seed, **row} for rule in ("none", "fixed-1pt", f"{3 + seed} steps")]
        told = {"network": card.weights_sha256, "n": 9, "machine": "this", "dense_m_per_step": 1.0, "rules": rows}
        (run / "cost.json").write_text(json.dumps(told))
    text = page([*runs_in(tmp_path)], "x", 0)
    shown = [line for line in text[text.index("Really stopped") :].splitlines() if line.startswith("| ")]
    assert [line.split("|")[1:3] for line in shown[1:]] == [[" full window ", " 4.5 "], [" fixed-1pt ", " 4.5 "]]


def _copied(tmp_path: Path) -> list[Path]:
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    return [tmp_path / "a", tmp_path / "b"]


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (lambda path: [path / "a", path / "a"], "given twice"),
        (lambda path: [path, path / "a" / "seed0"], "given twice"),
        (_copied, "seed 0 of 'mine' again"),
    ],
)
def test_a_run_counts_once(tmp_path: Path, given: Callable[[Path], list[Path]], refusal: str) -> None:
    write_run(tmp_path / "a", 0)
    with pytest.raises(ConfigError, match=refusal):
        run_results(Results(tuple(given(tmp_path))))


def test_other_evaluations_are_passed_over_with_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path, 0)
    shutil.copytree(run / "evaluation", tmp_path / "evaluation")
    write_run(tmp_path, 1)
    card = json.loads((tmp_path / "seed1" / "mine.json").read_text())
    (tmp_path / "seed1" / "mine.json").write_text(json.dumps({**card, "weights_sha256": "0" * 64}))
    assert run_results(Results((tmp_path,))) == 0
    said = capsys.readouterr()
    assert f"passed over {tmp_path / 'evaluation'}: no run" in said.err
    assert f"passed over {tmp_path / 'seed1' / 'evaluation'}: it is of another training" in said.err
    assert "(test part), seed 0;" in said.out
    with pytest.raises(ConfigError, match="no run in it"):
        run_results(Results((tmp_path / "seed1",)))


def test_parameters_are_what_is_learned(tmp_path: Path) -> None:
    spec = replace(SPEC, normalisation="batch")
    write_run(tmp_path, 0, spec=spec)
    learned = sum(weights.numel() for weights in build(spec).parameters())
    everything = sum(value.numel() for value in build(spec).state_dict().values())
    assert learned < everything
    assert f"; {learned:,} parameters;" in page([*runs_in(tmp_path)], "x", 0)


@pytest.mark.parametrize(("seconds", "told"), [(0, "0 seconds"), (119, "119 seconds"), (600, "10 minutes")])
def test_short_trainings_are_told_in_seconds(tmp_path: Path, seconds: int, told: str) -> None:
    write_run(tmp_path, 0, provenance={"seconds": seconds})
    assert f"trained {told} on " in page([*runs_in(tmp_path)], "x", 0)


def test_published_figures_stand_beside_the_recipe_they_are_about_and_no_other(tmp_path: Path) -> None:
    shipped = read_recipe("cifar10dvs")
    write_run(tmp_path / "a", 0, name="cifar10dvs", provenance={"title": shipped.title})
    assert f"Published: {shipped.published}" in page([*runs_in(tmp_path / "a")], "x", 0)
    write_run(tmp_path / "b", 0, name="cifar10dvs", provenance={"title": "my own"})
    write_run(tmp_path / "c", 0, name="mine")
    for folder, title in (("b", "cifar10dvs: my own"), ("c", "mine: nobody's")):
        text = page([*runs_in(tmp_path / folder)], "x", 0)
        assert f"## {title}" in text
        assert "Published" not in text


def test_subjects_are_counted_where_they_are_known(tmp_path: Path) -> None:
    write_run(tmp_path, 0, users=6)
    assert f"n = {N} of 6 subjects (test part)" in page([*runs_in(tmp_path)], "x", 0)
