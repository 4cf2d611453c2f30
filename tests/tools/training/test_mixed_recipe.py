"""Truths about recipes with mixed time steps: they train, keep their settings and leave older trainings as they are."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from spikecut.models.files import opening
from spikecut.models.training.mixed_steps import MixedSteps
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main
from spikecut.tools.training.recipe import read_recipe
from spikecut.tools.training.training_data import made_of


@pytest.mark.parametrize("name", ["nmnist", "cifar10dvs"])
def test_the_recipe_differs_from_that_of_tet_in_its_mixed_steps_alone(name: str) -> None:
    mixed, tet = read_recipe(f"{name}-mtt"), read_recipe(f"{name}-tet")
    assert mixed.training.mixed_steps == MixedSteps(3)
    assert replace(mixed.training, mixed_steps=MixedSteps()) == tet.training
    assert (mixed.network, mixed.sensor, mixed.classes) == (tet.network, tet.sensor, tet.classes)


def test_a_training_of_the_recipe_goes_on_and_keeps_a_network_like_any_other(tmp_path: Path) -> None:
    write_digits(tmp_path / "data", 60, seed=0)
    words = ["train", "nmnist-mtt", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--epochs", "1"]
    assert main(words) == 0
    assert main([*words, "--resume"]) == 0
    network, card = opening.load(tmp_path / "run" / "nmnist-mtt")
    assert json.loads(json.dumps(card.provenance))["plan"]["mixed_steps"]["samples"] == 3
    assert network.n_outputs == 10
    assert card.horizon == 30


def test_what_other_trainings_are_made_of_does_not_name_it(tmp_path: Path) -> None:
    write_digits(tmp_path / "data", 20, seed=0)
    tet, mixed = (made_of(read_recipe(f"nmnist-{name}"), tmp_path / "data") for name in ("tet", "mtt"))
    assert "training.mixed_steps" not in tet, "a training begun before the key existed goes on"
    assert mixed == tet | {"training.mixed_steps": str(MixedSteps(3))}
