"""Recipes: what is written in a file is what is trained, and what cannot be is named with its place."""

from pathlib import Path

import pytest

from spikecut.models.architectures.networks import build
from spikecut.models.training.augment import Augmentation
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.rules import RULES
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.simulation.simulated_datasets import COUNTERPARTS
from spikecut.tools.training.recipe import read_recipe, shipped


@pytest.mark.parametrize("name", shipped())
def test_what_ships_can_be_built_and_decided(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.counterpart in ("", *COUNTERPARTS)
    how = recipe.deciding
    assert set(how.rules) <= set(RULES)
    assert how.default in {f"{rule}-{100 * tolerance:g}pt" for rule in how.rules for tolerance in how.tolerances}
    if recipe.classes:
        assert recipe.network.n_classes == len(recipe.classes)
        build(recipe.network)


def test_the_gestures_are_those_of_the_label_files() -> None:
    assert read_recipe("gestures").classes == GESTURES


def _minimal(folder: Path, more: str = "", network: str = "") -> Path:
    path = folder / "mine.toml"
    path.write_text(
        'title = "t"\nsensor = [34, 34]\nclasses = ["a", "b"]\nlicence = "l"\nattribution = "a"\n'
        + more
        + f'[network]\narchitecture = "compact"\nchannels = [4]\nstep_us = 10000\n{network}\n[training]\nwindow = 3\n'
    )
    return path


def test_a_file_of_ones_own_says_only_what_is_not_usual(tmp_path: Path) -> None:
    recipe = read_recipe(_minimal(tmp_path))
    assert (recipe.name, recipe.classes, recipe.network.frame) == ("mine", ("a", "b"), SensorSize(34, 34))
    assert (recipe.network.n_classes, recipe.horizon, recipe.training.epochs) == (2, 3, 60)
    assert read_recipe(_minimal(tmp_path, network="frame = [17, 17]")).network.frame == SensorSize(17, 17)


@pytest.mark.parametrize(
    ("more", "network", "said"),
    [
        ("downsampel = 2\n", "", "downsampel"),
        ('downsample = "2"\n', "", "downsample"),
        ("", "chanels = [3]", "chanels"),
        ("sensor = [34]\n", "", "expected .width, height."),
        ("= 3\n", "", "not TOML"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, more: str, network: str, said: str) -> None:
    path = _minimal(tmp_path, more, network)
    if "sensor" in more:
        path.write_text(path.read_text().replace("sensor = [34, 34]\n", ""))
    with pytest.raises(ConfigError, match=said) as caught:
        read_recipe(path)
    assert "mine.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("more", "network", "after", "said"),
    [
        ("downsample = 0\n", "", "", "downsample is 0; expected 1 or more"),
        ("spare_steps = -1\n", "", "", "spare_steps is -1; expected 0 or more"),
        ('counterpart = "mnist"\n', "", "", "counterpart 'mnist'; expected one of nmnist"),
        ("", "n_classes = 2", "", "n_classes in .network. is not the recipe's to say"),
        ("", "", "seed = 3", "seed in .training. is not the recipe's to say"),
        ("", "", "[policy]\nseed = 3", "seed in .policy. is not the recipe's to say"),
        ("", "", "[policy]\nbeta = -1", "policy: beta is -1"),
        ("", "", "epochs = 0", "epochs is 0"),
        ("", 'normalisation = "layer"', "", "normalisation 'layer'"),
        ("", "frame = [1, 1]", "", "1 halvings leave nothing"),
        ("", "", '[deciding]\nrules = ["topp"]', "no rule 'topp'"),
        ("", "", "[deciding]\ntolerances = [2.0]", "a tolerated loss of 2.0"),
        ("", "", '[deciding]\nreadout = "median"', "readout 'median'"),
        ("", "", '[deciding]\ntemperature = "-8"', "temperature '-8'; expected a number above 0, t or fitted"),
        ("", "", '[deciding]\ndefault = "confidence-3pt"', "default is 'confidence-3pt', which is not fitted"),
        ("", "", "[training.augmentation]\nmirrored = [0, 2, 1]", "mirrored has 3 labels for 2 classes"),
        ("", "", "[training.augmentation]\nmirrored = [1, 0]\nflipped = true", "flipped with mirrored"),
    ],
)
def test_a_value_that_would_fail_only_later_is_refused_when_it_is_read(
    tmp_path: Path, more: str, network: str, after: str, said: str
) -> None:
    path = _minimal(tmp_path, more, network)
    path.write_text(path.read_text() + after + "\n")
    with pytest.raises(ConfigError, match=said) as caught:
        read_recipe(path)
    assert "mine.toml" in str(caught.value)


@pytest.mark.parametrize("channels", ["[0]", "[-4]"])
def test_a_layer_without_channels_is_refused(tmp_path: Path, channels: str) -> None:
    path = _minimal(tmp_path)
    path.write_text(path.read_text().replace("channels = [4]", f"channels = {channels}"))
    with pytest.raises(ConfigError, match="expected 1 or more"):
        read_recipe(path)


def test_frames_are_as_small_as_they_are_merged_unless_the_network_reads_the_whole_sensor(tmp_path: Path) -> None:
    path = _minimal(tmp_path, "downsample = 4\n")
    assert read_recipe(path).network.frame == SensorSize(9, 9)  # of 34, the last two pixels make one of their own
    whole = path.read_text().replace("[34, 34]", "[64, 64]").replace('"compact"', '"traces"')
    path.write_text(whole)
    assert read_recipe(path).network.frame == SensorSize(64, 64)


def test_how_recordings_are_varied_is_written_in_plain_numbers(tmp_path: Path) -> None:
    path = _minimal(tmp_path)
    beginning = path.read_text() + "[training.augmentation]\nrate = 0.2\ndelay_steps = 2\ndrop_time = 0.1\n"
    path.write_text(beginning + "drop_area = 0.1\nmix = 0.5\nmirrored = [1, 0]\n")
    limits = Augmentation(rate=0.2, delay_steps=2, drop_time=0.1, drop_area=0.1, mix=0.5, mirrored=(1, 0))
    assert read_recipe(path).training.augmentation == limits
    path.write_text(beginning + "mix = 1.5\n")
    with pytest.raises(ConfigError, match=r"mine.toml: augmentation: mix is 1.5; expected a share, from 0 to 1"):
        read_recipe(path)


def test_a_recipe_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="no recipe 'nmist'") as caught:
        read_recipe("nmist")
    assert "nmnist" in str(caught.value.hint)
