"""From data to a report in one command, and the tables that are read off the folders it leaves."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.models.files.checkpoint import read_card
from spikecut.models.policy.file import read_policy_card
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.outputs_file import load_outputs
from spikecut.sources.datasets.class_folders import list_recordings, part_of
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main
from spikecut.tools.commands.measure.results import Results
from spikecut.tools.reports.results import run_results
from spikecut.tools.reports.results_file import read_results
from spikecut.tools.training.recipe import read_recipe
from spikecut.tools.training.train import planned
from spikecut.tools.training.training_data import material_for

RECIPE = """
title = "drawn digits"
sensor = [34, 34]
downsample = 2
licence = "none"
attribution = "drawn"
counterpart = "nmnist"

[network]
architecture = "compact-log"
channels = [6, 8]
step_us = 30_000
frame = [17, 17]
{normalisation}

[training]
window = 10
epochs = 2
batch_size = 16

[deciding]
rules = ["fixed", "confidence"]
tolerances = [0.1]
default = "confidence-10pt"
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder, 100, seed=0)
    return folder


@pytest.fixture(scope="module")
def runs(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, normalisation in (("plain", ""), ("batch", 'normalisation = "batch"')):
        recipe = folder / f"{name}.toml"
        recipe.write_text(RECIPE.format(normalisation=normalisation))
        command = ["recipe", str(recipe), "--data", str(digits), "--out", str(folder / name), "--seed", "0", "1"]
        assert main(command) == 0
    return folder


def test_one_command_leaves_network_cutoffs_outputs_and_report(runs: Path) -> None:
    for seed in (0, 1):
        run = runs / "plain" / f"seed{seed}"
        card = read_card(run / "plain.json")
        assert card.classes == tuple("0123456789")
        assert card.provenance["plan"]["seed"] == seed
        clock = float((run / "seconds.txt").read_text())
        assert clock >= 0  # two epochs of so little may take less than the tenth of a second that is kept
        assert card.provenance["seconds"] == pytest.approx(clock, abs=1)
        assert "threads" in card.provenance["machine"]
        for name in (
            "plain.fixed-10pt.json",
            "plain.confidence-10pt.json",
            "calibration.npz",
            "evaluation/report.html",
        ):
            assert (run / name).is_file(), name
        told = json.loads((run / "evaluation" / "evaluation.json").read_text())
        assert (told["n_trained_on"], told["fitted_here"]) == (0, [])


def test_called_again_it_trains_nothing_anew(runs: Path, digits: Path) -> None:
    weights = runs / "plain" / "seed0" / "plain.safetensors"
    before = weights.stat().st_mtime_ns
    command = ["recipe", str(runs / "plain.toml"), "--data", str(digits), "--out", str(runs / "plain")]
    assert main(command) == 0
    assert weights.stat().st_mtime_ns == before


def test_a_run_of_before_a_number_could_be_asked_for_is_still_finished(
    runs: Path, digits: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(runs / "plain" / "seed0", out / "seed0")
    path = out / "seed0" / "plain.json"
    card = json.loads(path.read_text())
    for name in ("network.inputs", "network.levels"):
        del card["provenance"]["made_of"][name]
    path.write_text(json.dumps(card))
    before = (out / "seed0" / "plain.safetensors").stat().st_mtime_ns
    assert main(["recipe", str(runs / "plain.toml"), "--data", str(digits), "--out", str(out)]) == 0
    assert (out / "seed0" / "plain.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("window = 10", "window = 9", "training.window was 10, now it is 9"),
        ("[6, 8]", "[6, 9]", r"network.channels was \(6, 8\), now it is \(6, 9\)"),
        ("[network]", '[[transforms]]\nname = "DropEvent"\np = 0.5\n\n[network]', "transforms was"),
        ("confidence-10pt", "fixed-10pt", "default cutoff was confidence-10pt, now it is fixed-10pt"),
    ],
)
def test_a_finished_run_is_not_taken_for_that_of_another_recipe(
    old: str, new: str, said: str, runs: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "plain.toml"
    recipe.write_text(RECIPE.format(normalisation="").replace(old, new))
    command = ["recipe", str(recipe), "--data", str(digits), "--out", str(runs / "plain")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert re.search(said, " ".join(error.split())), error
    assert "another --out" in error


def test_a_recipe_whose_rules_plan_trains_a_policy_once(
    runs: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = tmp_path / "plain.toml", tmp_path / "out"
    text = RECIPE.format(normalisation="").replace('["fixed", "confidence"]', '["confidence", "planned"]')
    recipe.write_text(text + "[policy]\nepochs = 2\nbatch_size = 10\n")
    shutil.copytree(runs / "plain" / "seed0", out / "seed0")
    command = ["recipe", str(recipe), "--data", str(digits), "--out", str(out)]
    assert main(command) == 0
    policy = out / "seed0" / "plain.policy.safetensors"
    before = policy.stat().st_mtime_ns
    assert read_policy_card(policy.with_suffix(".json")).provenance["plan"]["epochs"] == 2
    told = json.loads((out / "seed0" / "evaluation" / "evaluation.json").read_text())
    assert "planned-10pt" in [row["name"] for row in told["rules"]]
    assert main(command) == 0
    assert policy.stat().st_mtime_ns == before
    recipe.write_text(text + "[policy]\nepochs = 1\nbatch_size = 10\n")
    assert main(command) == 0
    assert read_policy_card(policy.with_suffix(".json")).provenance["plan"]["epochs"] == 1
    capsys.readouterr()
    recipe.write_text(text.replace('counterpart = "nmnist"', "drawn_users = 2\ndrawn_judges = 2"))
    assert main(["recipe", str(recipe), "--out", str(tmp_path / "drawn")]) == 2
    assert "a policy learns from recordings" in capsys.readouterr().err


def test_neither_a_finished_run_nor_a_killed_one_goes_on_with_other_data(
    runs: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, out = tmp_path / "other", tmp_path / "out"
    shutil.copytree(digits, other)
    shutil.copytree(runs / "plain" / "seed0", out / "seed0")
    trained = part_of(list_recordings(other), "train")[0]
    trained.path.write_bytes(trained.path.read_bytes()[:-5])
    command = ["recipe", str(runs / "plain.toml"), "--data", str(other), "--out", str(out)]
    assert main(command) == 2
    assert "data was" in capsys.readouterr().err
    for name in ("plain.json", "plain.safetensors"):
        (out / "seed0" / name).unlink()
    assert main(command) != 0
    assert "data was" in capsys.readouterr().err


def test_a_run_killed_before_its_card_was_written_writes_it(runs: Path, digits: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "plain" / "seed0", tmp_path / "seed0")
    before = (tmp_path / "seed0" / "plain.safetensors").read_bytes()
    (tmp_path / "seed0" / "plain.json").unlink()
    assert main(["recipe", str(runs / "plain.toml"), "--data", str(digits), "--out", str(tmp_path)]) == 0
    assert read_card(tmp_path / "seed0" / "plain.json").provenance["title"] == "drawn digits"
    assert (tmp_path / "seed0" / "plain.safetensors").read_bytes() == before


@pytest.mark.parametrize("part", ["train", "calibration", "test"])
def test_an_empty_part_is_told_before_anything_is_trained(
    part: str, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for division in ("train", "calibration", "test"):
        for one in part_of(list_recordings(digits), division):
            path = tmp_path / "data" / division / one.class_name / one.path.name
            path.parent.mkdir(parents=True, exist_ok=True)
            if division != part:
                shutil.copy(one.path, path)
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE.format(normalisation=""))
    command = ["recipe", str(recipe), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert f"nothing in its {part} part" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "said"), [(["--epochs", "0"], "--epochs '0': expected"), (["--seed", "0", "-1"], "--seed '-1': expected")]
)
def test_numbers_that_cannot_be_are_refused_at_once(
    given: list[str], said: str, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE.format(normalisation=""))
    command = ["recipe", str(recipe), "--data", str(digits), "--out", str(tmp_path / "out"), *given]
    assert main(command) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_several_processes_are_sent_to_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["recipe", "nmnist", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "one process" in said
    assert "spikecut train nmnist" in said


def test_classes_in_another_order_than_the_folders_are_said_to_be_just_that(digits: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    names = ", ".join(f'"{digit}"' for digit in "1023456789")
    recipe.write_text(RECIPE.format(normalisation="").replace("[network]", f"classes = [{names}]\n[network]"))
    with pytest.raises(ConfigError, match="in another order: 1, 0, 2") as caught:
        material_for(read_recipe(recipe), digits, tmp_path)
    assert "leave classes out" in str(caught.value.hint)


def test_too_few_recordings_for_a_batch_are_told_before_they_are_read(digits: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE.format(normalisation="").replace("batch_size = 16", "batch_size = 100"))
    with pytest.raises(ConfigError, match="do not fill one batch of 100"):
        material_for(read_recipe(recipe), digits, tmp_path)


def test_transforms_draw_as_the_seed_says_and_disturb_nobody(digits: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "thin.toml"
    recipe.write_text(RECIPE.format(normalisation="") + '[[transforms]]\nname = "DropEvent"\np = 0.5\n')
    wanted = read_recipe(recipe)
    frames: list[Any] = []
    for seed in (0, 0, 1):
        np.random.seed(len(frames))  # noqa: NPY002 - somebody else's use of the global generator
        before = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
        _, material = material_for(planned(wanted, None, None, seed), digits, tmp_path)
        assert np.random.get_state()[1].tolist() == before  # type: ignore[index]  # noqa: NPY002
        frames.append(material.fit[0])
    assert (frames[0] == frames[1]).all()
    assert (frames[0] != frames[2]).any()


def test_the_tables_hold_what_the_outputs_say(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_results(Results((runs,))) == 0
    text = capsys.readouterr().out
    shares = []
    for seed in (0, 1):
        recorded, _ = load_outputs(runs / "plain" / f"seed{seed}" / "evaluation" / "outputs.npz")
        totals = recorded.outputs.cumsum(1)
        shares.append((totals.argmax(2) == recorded.labels[:, None]).mean(0))
    right = np.mean(shares, 0)
    chapter = text[text.index("## plain:") :].partition("\n## ")[0]
    assert f"Full window: **{100 * right[-1]:.1f} %" in chapter
    assert f"| right | {100 * right[0]:.1f} % |" in chapter
    assert "seeds 0, 1" in chapter
    for rule in ("fixed-10pt", "confidence-10pt"):
        row = next(line for line in chapter.splitlines() if line.startswith(f"| {rule} |"))
        stops = [_mean_stop(runs / "plain" / f"seed{seed}", rule) for seed in (0, 1)]
        assert f"| {np.mean(stops):.1f} (" in row
    assert "| fixed-10pt |" in chapter
    fixed = next(line for line in chapter.splitlines() if line.startswith("| fixed-10pt |"))
    assert fixed.split("|")[7] == " 1.00 (1.00 to 1.00) "  # the constant beside itself
    saved = chapter[chapter.index("Really stopped, one at a time") :]
    cost = json.loads((runs / "plain" / "seed0" / "cost.json").read_text())
    assert cost["rules"][0]["rule"] == "none"
    assert "| full window |" in saved
    assert all(row["steps"] <= cost["rules"][0]["steps"] == 10 for row in cost["rules"])


def test_a_recipe_leaves_the_rows_of_its_tables(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = runs / "plain" / "results.json"
    assert kept.stat().st_size < 10_000
    (method,) = read_results(kept).methods
    card = read_card(runs / "plain" / "seed0" / "plain.json")
    assert (method.label, method.title, method.made.seeds) == ("plain", "drawn digits", (0, 1))
    assert card.provenance["commit"] in method.made.commit
    assert (method.made.machine, method.made.date) == (card.provenance["machine"], card.provenance["date"])
    pages = []
    for given in (runs / "plain", kept):
        assert main(["results", str(given)]) == 0
        pages.append(capsys.readouterr().out.partition("\n\n")[2].partition("\n\n")[2])
    assert pages[0] == pages[1]


def _mean_stop(run: Path, rule: str) -> float:
    lines = (run / "evaluation" / "decisions.csv").read_text().splitlines()[1:]
    return float(np.mean([int(line.split(",")[4]) for line in lines if line.split(",")[2] == rule]))


def test_networks_on_the_same_recordings_are_compared_in_pairs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(runs / "plain"), str(runs / "batch")]) == 0
    text = capsys.readouterr().out
    text = text[text.index("## Paired: plain against batch") :]
    assert "|  | batch | n | seeds |" in text
    row = next(line for line in text.splitlines() if line.startswith("| full window |"))
    difference = []
    for name in ("batch", "plain"):
        outputs = [load_outputs(runs / name / f"seed{seed}" / "evaluation" / "outputs.npz")[0] for seed in (0, 1)]
        difference.append(np.mean([one.correct()[:, -1].mean() for one in outputs]))
    assert row.startswith(f"| full window | {100 * (difference[0] - difference[1]):.1f} (")


def test_transforms_of_tonic_s_change_what_is_trained_on_and_nothing_else(digits: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "thin.toml"
    text = RECIPE.format(normalisation="")
    recipe.write_text(text)
    _, plain = material_for(read_recipe(recipe), digits, tmp_path)
    recipe.write_text(text + '[[transforms]]\nname = "DropEvent"\np = 0.5\n')
    _, thinned = material_for(read_recipe(recipe), digits, tmp_path)
    assert thinned.fit[0].sum() / plain.fit[0].sum() == pytest.approx(0.5, abs=0.1)
    assert (thinned.watch[0] == plain.watch[0]).all()
    assert (thinned.test()[0] == plain.test()[0]).all()
    for wrong in ('name = "Dropp"', 'name = "DropEvent"\nshare = 1'):
        recipe.write_text(text + f"[[transforms]]\n{wrong}\n")
        with pytest.raises(ConfigError, match="thin"):
            material_for(read_recipe(recipe), digits, tmp_path)


def test_a_recipe_without_data_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "nmnist", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "needs recordings" in said
    assert "--images" in said
    assert main(["results", str(tmp_path)]) == 2
    assert "no run in it" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_said_to_be_missing(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    recipe = tmp_path / "gpu.toml"
    recipe.write_text(RECIPE.format(normalisation=""))
    command = ["recipe", str(recipe), "--data", str(digits), "--out", str(tmp_path / "out"), "--device", "cuda"]
    assert main(command) == 5
    assert "sees 0 CUDA devices" in capsys.readouterr().err


def test_pictures_become_recordings_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from spikecut.sources.simulation.drawn_digits import written

    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for n in range(60):
        path = tmp_path / "pictures" / str(n % 3) / f"{n:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), written(n % 3, rng))
    recipe = tmp_path / "made.toml"
    recipe.write_text(RECIPE.format(normalisation=""))
    command = ["recipe", str(recipe), "--images", str(tmp_path / "pictures"), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert len(list((tmp_path / "out" / "Train").rglob("*.bin"))) == 60
    card = read_card(tmp_path / "out" / "seed0" / "made.json")
    assert "simulated" in card.provenance["data"]
    assert main(["results", str(tmp_path / "out")]) == 0
    assert "**Simulated data**" in capsys.readouterr().out
