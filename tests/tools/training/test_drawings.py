"""Truths about what recipes draw to train on: gestures of each version, and movement that is no gesture."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ConfigError
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.simulation.scenes.session import CLASSES, NO_GESTURE, DrawnScene
from spikecut.tools.training import training_data
from spikecut.tools.training.drawings import DRAWINGS, Drawing, MovementWindows
from spikecut.tools.training.packing import view_for
from spikecut.tools.training.recipe import Recipe, read_recipe
from spikecut.tools.training.training_data import made_of, material_for


def recipe_of(*drawings: str, classes: tuple[str, ...] = CLASSES) -> Recipe:
    usual = read_recipe("gestures")
    still = replace(usual.training, augmentation=replace(usual.training.augmentation, mirrored=()))
    network: NetworkSpec = replace(usual.network, n_classes=len(classes))
    rejects = classes[len(GESTURES) :]
    return replace(
        usual, classes=classes, network=network, training=still, drawings=drawings, rejects=rejects, drawn_users=24
    )


def short(drawing: Drawing, order: tuple[int | str, ...]) -> Drawing:
    """The same with sessions of one act, and frames packed in this process."""

    def session(user: int, length_us: int) -> DrawnScene | MovementWindows:
        scene = DrawnScene(user, "led", 0, order, quick=True)
        return MovementWindows(scene, length_us) if isinstance(order[0], str) else scene

    return replace(drawing, session=session)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"gestures-2": short(DRAWINGS["gestures-2"], (3,)), "movements": short(DRAWINGS["movements"], ("noise",))}
    monkeypatch.setattr(training_data, "DRAWINGS", rows)
    monkeypatch.setattr(training_data, "drawn_users", lambda n, part: [24] if part == "test" else [1, 2])


@pytest.mark.usefixtures("brief")
def test_a_recipe_trains_on_all_that_it_draws_and_movement_is_the_class_behind_the_gestures(tmp_path: Path) -> None:
    recipe, material = material_for(recipe_of("gestures-2", "movements"), None, tmp_path)
    labels = np.concatenate([material.fit[1], material.watch[1]])
    assert set(labels.tolist()) == {3, NO_GESTURE}
    assert recipe.classes[NO_GESTURE] == "no gesture"
    assert recipe.rejects == ("no gesture",)
    assert all(frames.sum() > 0 for frames in material.fit[0])
    assert material.fit[0].shape[1:] == view_for(recipe).distinct
    assert "gestures, version 2; movements, version 2" in material.origin["data"]
    assert "simulated" in material.origin["data"]
    again = material_for(recipe, None, tmp_path)[1]  # from the files
    assert np.array_equal(again.fit[0], material.fit[0])
    assert {path.name.partition("_")[0] for path in tmp_path.iterdir()} == {"drawn2", "movements2"}


def test_a_window_of_movement_is_no_longer_than_an_example() -> None:
    scene = DrawnScene(5, "led", 0, ("noise",), seconds=12.0)
    spans = list(MovementWindows(scene, 700_000).spans())
    assert len(spans) > 4
    assert all(span.label == NO_GESTURE and 0 < span.end_us - span.start_us <= 700_000 for span in spans)
    assert all(one.end_us <= other.start_us for one, other in pairwise(spans))


def test_a_network_trained_before_there_were_other_drawings_is_made_of_the_same() -> None:
    assert made_of(read_recipe("gestures"), None)["data"] == "drawn gestures, version 1, of 870 users"


@pytest.mark.parametrize(
    ("drawings", "classes", "message"),
    [
        (("gesture",), GESTURES, "no drawing 'gesture'"),
        ((), GESTURES, "expected one or more"),
        (("gestures", "gestures"), GESTURES, "each once"),
        (("gestures", "movements"), GESTURES, "show .*no gesture"),
        (("gestures",), CLASSES, "the classes are"),
    ],
)
def test_drawings_and_classes_must_fit(drawings: tuple[str, ...], classes: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe_of(*drawings, classes=classes)


def test_only_classes_are_rejected() -> None:
    with pytest.raises(ConfigError, match="rejects 'nothing'; expected one of the classes: hand clapping"):
        replace(read_recipe("gestures"), rejects=("nothing",))
