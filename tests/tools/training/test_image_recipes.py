"""The shipped recipes for pictures, on small sets in the genuine layouts, with narrow networks."""

import dataclasses
import json
from pathlib import Path

import pytest

from spikecut.models.architectures.networks import build
from spikecut.models.files.checkpoint import read_card
from spikecut.sources.datasets.images.cifar import CIFAR10, CIFAR100
from spikecut.tools.cli import main
from spikecut.tools.cutoff_lookup import equal_cost_name
from spikecut.tools.training.recipe import FOLDER, read_recipe, shipped

from picture_layouts import write_cifar, write_tiny_imagenet

PICTURES = [name for name in shipped() if read_recipe(name).network.inputs == 3]
NARROW = {"vgg-compact": "[4, 4]", "resnet18": "[4, 4, 6, 6]"}


def test_these_are_the_recipes_for_pictures() -> None:
    told = {
        "cifar10",
        "cifar10-rcs",
        "cifar10-qcfs",
        "cifar10-qcfs-rcs",
        "cifar10-resnet18",
        "cifar100",
        "tiny-imagenet",
    }
    assert set(PICTURES) == told
    for name in PICTURES:
        recipe = read_recipe(name)
        assert (recipe.network.levels > 0) == ("qcfs" in name)
        assert (recipe.training.rcs > 0) == name.endswith("rcs")


def small_set(name: str, folder: Path) -> Path:
    if name == "tiny-imagenet":
        return write_tiny_imagenet(folder, n_train=30, n_val=4)
    if name == "cifar100":
        return write_cifar(folder, CIFAR100, n_each=100)
    return write_cifar(folder, CIFAR10, n_each=20, names=read_recipe(name).classes)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "tiny-imagenet" else pytest.mark.slow) for name in PICTURES],
)
def test_a_recipe_goes_from_the_genuine_layout_to_its_report(name: str, tmp_path: Path) -> None:
    text, recipe = (FOLDER / f"{name}.toml").read_text(), read_recipe(name)
    own = tmp_path / f"{name}.toml"
    narrow = text.replace("channels = []", f"channels = {NARROW[recipe.network.architecture]}")
    own.write_text(narrow.replace("batch_size = 128", "batch_size = 16"))
    data = small_set(name, tmp_path)
    command = ["recipe", str(own), "--data", str(data), "--out", str(tmp_path / "out"), "--epochs", "1"]
    assert main(command) == 0
    run = tmp_path / "out" / "seed0"
    card = read_card(run / f"{name}.json")
    assert (card.horizon, card.spec.inputs) == (32 if "qcfs" in name else 4, 3)
    assert card.spec.frame == card.sensor == recipe.sensor
    assert len(card.classes) == {"cifar100": 100, "tiny-imagenet": 3}.get(name, 10)
    evaluation = json.loads((run / "evaluation" / "evaluation.json").read_text())
    assert len(evaluation["anytime"]["accuracy"]) == card.horizon
    names = {row["name"] for row in evaluation["rules"]}
    fitted = {f"{rule}-{points}pt" for rule in recipe.deciding.rules for points in ("0.3", "1")}
    assert fitted <= names <= fitted | {equal_cost_name(rule) for rule in fitted if "planned" in rule}
    assert ("planned" in recipe.deciding.rules) == (run / f"{name}.policy.safetensors").is_file()
    assert (run / "evaluation" / "report.html").is_file()


@pytest.mark.parametrize("name", PICTURES)
def test_a_recipe_builds_the_network_of_its_title(name: str) -> None:
    recipe = read_recipe(name)
    spec = dataclasses.replace(recipe.network, n_classes=10)
    n = sum(weights.numel() for weights in build(spec).parameters())
    low, high = (1e7, 1.2e7) if spec.architecture == "resnet18" else (5e5, 2e6)
    assert low < n < high
