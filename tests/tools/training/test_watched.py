"""Truths about the recordings of the train part that train nothing: a recipe says of how many one is watched."""

from dataclasses import replace
from pathlib import Path

import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.datasets.parts import watched_apart
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.training.recipe import read_recipe
from spikecut.tools.training.training_data import made_of, material_for


def test_the_recipe_says_of_how_many_one_is_watched(tmp_path: Path) -> None:
    write_digits(tmp_path / "data", 90, seed=0)
    usual = read_recipe("nmnist")
    sizes, made = {}, {}
    for every in (0, 3, 10):
        recipe, material = material_for(replace(usual, watched_every=every), tmp_path / "data", tmp_path)
        sizes[every] = (len(material.fit[1]), len(material.watch[1]))
        made[every] = made_of(recipe, tmp_path / "data")
        assert sum(sizes[every]) == sum(sizes[0])
        assert material.origin["recordings"] == {"train": sizes[every][0], "watched": sizes[every][1]}
    assert sizes[10] == sizes[0]
    assert sizes[3][1] == len(watched_apart(range(sum(sizes[0])), 3)[1]) > sizes[0][1] > 0
    assert "watched_every" not in made[0], "a training begun before the key existed goes on"
    assert made[3] == made[0] | {"watched_every": "3"}


def test_it_is_a_number_of_0_or_more() -> None:
    with pytest.raises(ConfigError, match="watched_every is -1; expected 0 or more"):
        replace(read_recipe("nmnist"), watched_every=-1)
