"""Truths about recipes with a teacher: it is trained first, once, and a network belongs to its teacher."""

from pathlib import Path

import pytest

from spikecut.models.files.checkpoint import read_card
from spikecut.pipeline.errors import ConfigError
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main
from spikecut.tools.training.recipe import read_recipe

COMMON = """
title = "drawn digits"
sensor = [34, 34]
downsample = 2
licence = "none"
attribution = "drawn"
{more}

[network]
architecture = "vgg-compact-log"
channels = [4, 6]
step_us = 30_000
normalisation = "batch"
{network}

[training]
window = 10
epochs = 1
batch_size = 16
{training}

[deciding]
rules = ["fixed", "ltt_fixed"]
tolerances = [0.1]
default = "fixed-10pt"
"""
TUTOR = COMMON.format(more="", network="levels = 4", training="")
PUPIL = COMMON.format(
    more='teacher = "tutor.toml"',
    network="",
    training="distillation = 0.5\nshort_window = 3\nshort_share = 0.5",
)


def test_one_command_trains_the_teacher_and_then_the_network_and_each_of_them_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, pupil, out = tmp_path / "data", tmp_path / "pupil.toml", tmp_path / "out"
    write_digits(data, 60, seed=0)
    (tmp_path / "tutor.toml").write_text(TUTOR)
    pupil.write_text(PUPIL)
    recipe = ["recipe", str(pupil), "--data", str(data), "--out", str(out)]
    train = ["train", str(pupil), "--data", str(data), "--out", str(tmp_path / "alone")]
    assert main(train) == 2
    assert "spikecut recipe trains both" in capsys.readouterr().err
    assert main(recipe) == 0
    weights = (out / "seed0" / "pupil.safetensors", out / "seed0" / "teacher" / "tutor.safetensors")
    card, teacher = (read_card(path.with_suffix(".json")) for path in weights)
    assert card.provenance["teacher"]["weights_sha256"] == teacher.weights_sha256
    assert card.provenance["teacher"]["plan"]["seed"] == 0
    assert (teacher.spec.levels, card.spec.levels) == (4, 0)
    before = [path.stat().st_mtime_ns for path in weights]
    assert main(recipe) == 0
    assert [path.stat().st_mtime_ns for path in weights] == before
    assert main([*train, "--teacher", str(weights[1])]) == 0
    assert (tmp_path / "alone" / "pupil.safetensors").read_bytes() == weights[0].read_bytes()
    assert main(["results", str(out)]) == 0
    capsys.readouterr()
    weights[1].with_suffix(".json").write_text(
        weights[1].with_suffix(".json").read_text().replace('"seed": 0', '"seed": 1')
    )
    pupil.write_text(PUPIL.replace("distillation = 0.5", "distillation = 0.4"))
    assert main(recipe) == 2
    assert "training.distillation was 0.5, now it is 0.4" in " ".join(capsys.readouterr().err.split())
    pupil.write_text(PUPIL.replace("channels = [4, 6]", "channels = [4, 6]\nframe = [20, 20]"))
    assert main([*train, "--teacher", str(weights[1])]) == 2


def test_a_teacher_and_its_share_come_together(tmp_path: Path) -> None:
    pupil = tmp_path / "pupil.toml"
    for text in (PUPIL.replace("distillation = 0.5", ""), PUPIL.replace('teacher = "tutor.toml"', "")):
        pupil.write_text(text)
        with pytest.raises(ConfigError, match="teacher"):
            read_recipe(pupil)
