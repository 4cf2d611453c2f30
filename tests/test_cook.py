"""From data to a report in one command, and the tables that are read off the folders it leaves."""

import json
from pathlib import Path

import numpy as np
import pytest

from spikecut.models.checkpoint import read_card
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.recorded import load_outputs
from spikecut.sources.shapes import write_digits
from spikecut.tools.cli import main
from spikecut.tools.material import material_for
from spikecut.tools.recipe import read_recipe
from spikecut.tools.results import run_results

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
        assert card.provenance["seconds"] >= 0
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


def test_the_tables_hold_what_the_outputs_say(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_results([runs], None, 0) == 0
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
    assert fixed.endswith("| 1.00 (1.00 to 1.00) |")  # the constant beside itself


def _mean_stop(run: Path, rule: str) -> float:
    lines = (run / "evaluation" / "decisions.csv").read_text().splitlines()[1:]
    return float(np.mean([int(line.split(",")[4]) for line in lines if line.split(",")[2] == rule]))


def test_networks_on_the_same_recordings_are_compared_in_pairs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(runs / "plain"), str(runs / "batch")]) == 0
    text = capsys.readouterr().out
    assert "## Paired: plain against batch" in text
    row = text.splitlines()[-1]
    difference = []
    for name in ("batch", "plain"):
        outputs = [load_outputs(runs / name / f"seed{seed}" / "evaluation" / "outputs.npz")[0] for seed in (0, 1)]
        difference.append(np.mean([one.correct()[:, -1].mean() for one in outputs]))
    assert row.startswith(f"| batch | {100 * (difference[0] - difference[1]):.1f} (")


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
    from spikecut.sources.shapes import written

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
