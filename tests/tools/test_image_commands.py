"""Sets of pictures through every command, from the recipe to the reason of one answer."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.models.files.checkpoint import read_card
from spikecut.models.files.opening import load
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.outputs_file import load_outputs
from spikecut.sources.datasets.digests import SKETCH, sketch_of
from spikecut.sources.datasets.images.open_images import open_pictures
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.batch.examples import examples_of
from spikecut.tools.cli import main
from spikecut.tools.training.packing import pack_examples
from spikecut.tools.training.recipe import Recipe, read_recipe
from spikecut.tools.training.training_data import material_for

from picture_layouts import COLOURS, coloured, encoded, write_cifar, write_folders, zipped

RECIPE = """
title = "three colours"
sensor = [32, 32]
licence = "none"
attribution = "made by a test"

[network]
architecture = "vgg-compact"
channels = [6, 8]
step_us = 1_000
inputs = 3
normalisation = "batch"
{levels}

[training]
window = 4
epochs = {epochs}
batch_size = 16
learning_rate = 0.02

[training.pictures]
crop = 2
cutout = 4

[deciding]
rules = ["fixed", "confidence"]
tolerances = [0.1]
default = "confidence-10pt"
"""


def write_recipe(folder: Path, *, levels: int = 0, epochs: int = 4) -> Path:
    path = folder / "colours.toml"
    path.write_text(RECIPE.format(levels=f"levels = {levels}" if levels else "", epochs=epochs))
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("pictures") / "set", 60, 20)


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    recipe = write_recipe(folder)
    assert main(["recipe", str(recipe), "--data", str(pictures), "--out", str(folder / "out")]) == 0
    return folder / "out" / "seed0"


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    return " ".join(captured.out.split()), " ".join(captured.err.split())


def weights(run: Path) -> str:
    return str(run / "colours.safetensors")


def test_one_command_makes_a_network_that_knows_the_colours(run: Path, pictures: Path) -> None:
    card = read_card(run / "colours.json")
    assert card.classes == ("blue", "green", "red")
    assert (card.spec.inputs, card.horizon) == (3, 4)
    about = card.provenance
    found = open_pictures(pictures)
    n_train = len(found.of("train"))
    assert about["data"] == "pictures in class folders, not a published archive"
    assert about["recordings"] == {"train": n_train - -(-n_train // 50), "watched": -(-n_train // 50)}
    assert set(card.trained_on) == {one.digest() for one in found.of("train")}
    assert card.metrics["n"] == 60
    evaluation = json.loads((run / "evaluation" / "evaluation.json").read_text())
    assert evaluation["unit"] == "steps"
    assert (evaluation["n"], evaluation["n_trained_on"], evaluation["fitted_here"]) == (60, 0, [])
    assert evaluation["anytime"]["accuracy"][-1][0] == card.metrics["accuracy_full_window"] > 0.9
    page = (run / "evaluation" / "report.html").read_text()
    assert "60 pictures, part <code>test</code>; window of 4 steps" in page
    assert " ms" not in page
    names = [line.split(",")[0] for line in (run / "evaluation" / "decisions.csv").read_text().splitlines()[1:]]
    assert str(pictures / "test" / "red" / "0007.png") in names


def test_called_again_it_trains_nothing_anew_and_with_other_pictures_it_does_not_go_on(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "colours.safetensors").stat().st_mtime_ns
    command = ["recipe", str(run.parent.parent / "colours.toml"), "--out", str(run.parent), "--data"]
    assert main([*command, str(pictures)]) == 0
    assert (run / "colours.safetensors").stat().st_mtime_ns == before
    capsys.readouterr()
    shutil.copytree(pictures, tmp_path / "other")
    one = open_pictures(tmp_path / "other").of("train")[0]
    one.path.write_bytes(encoded(coloured(1, np.random.default_rng(9)), ".png"))
    assert main([*command, str(tmp_path / "other")]) == 2
    assert "data was" in said(capsys)[1]


def test_an_archive_says_what_its_folder_does(run: Path, pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(pictures, tmp_path / "set")
    for data, out in ((tmp_path / "set", "folder"), (zipped(tmp_path / "set"), "zip")):
        assert main(["evaluate", str(data), "--model", weights(run), "--out", str(tmp_path / out)]) == 0
    (here, _), (there, _) = (load_outputs(tmp_path / out / "outputs.npz") for out in ("folder", "zip"))
    assert np.array_equal(here.outputs, there.outputs)
    assert np.array_equal(here.labels, there.labels)
    again = ["evaluate", str(tmp_path / "zip" / "outputs.npz"), "--model", weights(run), "--out", str(tmp_path / "a")]
    assert main(again) == 0


@pytest.mark.parametrize("levels", [0, 4])
def test_replay_really_stops_and_says_what_the_sweep_said(
    levels: int, run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if levels:
        recipe, run = write_recipe(tmp_path, levels=levels), tmp_path / "out" / "seed0"
        assert main(["recipe", str(recipe), "--data", str(pictures), "--out", str(run.parent)]) == 0
        assert read_card(run / "colours.json").metrics["accuracy_ann"] > 0.9
        capsys.readouterr()
    assert main(["replay", str(pictures), "--model", weights(run), "--part", "test", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    swept = json.loads((run / "evaluation" / "evaluation.json").read_text())
    rows = {row["rule"]: row for row in report["rules"]}
    for one in swept["rules"]:
        assert rows[one["name"]]["accuracy"][0] == pytest.approx(one["accuracy"][0], abs=1e-4)
        assert rows[one["name"]]["executed_steps"] == round(60 * one["mean_steps"][0])
    assert rows["none"]["executed_steps"] == 240
    assert main(["replay", str(pictures), "--model", weights(run), "--part", "test"]) == 0
    out, _ = said(capsys)
    assert "60 pictures (test)" in out
    assert "4.00 steps" in out
    assert " ms" not in out


def test_pictures_that_trained_the_network_are_known_again_in_whatever_folder_they_lie(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    n_train = len(open_pictures(pictures).of("train"))
    command = ["calibrate", "--model", weights(run), "--rule", "fixed", "--out", str(tmp_path), "--part"]
    assert main([*command, "train", str(pictures)]) == 2
    assert f"at least {n_train} of these pictures trained this network" in said(capsys)[1]
    shutil.copytree(pictures / "train" / "red", tmp_path / "mine" / "red")
    assert main([*command, "test", str(tmp_path / "mine")]) == 2
    assert "of these pictures trained this network" in said(capsys)[1]
    assert main([*command, "calibration", str(pictures)]) == 0
    assert "fitted on" in said(capsys)[0]


def test_a_card_keeps_a_sample_of_digests_without_what_lies_in_two_parts(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set", 8, 2)
    everything = {one.digest() for one in open_pictures(root).of("train")}
    shutil.copy(root / "train" / "red" / "0000.png", root / "test" / "red" / "0009.png")
    found = open_pictures(root)
    double = next(one.digest() for one in found.of("test") if one.path.name == "0009.png")
    assert set(sketch_of(found)) == everything - {double}
    assert SKETCH == 1_024


def test_pictures_that_cannot_be_read_are_quarantined_and_counted(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(pictures, tmp_path / "set")
    (tmp_path / "set" / "test" / "red" / "0003.png").write_bytes(b"not a picture")
    assert main(["evaluate", str(tmp_path / "set"), "--model", weights(run), "--out", str(tmp_path / "out")]) == 3
    out, err = said(capsys)
    assert "59 pictures (test)" in out
    assert "quarantined: " in err
    assert "0003.png: not a picture that OpenCV reads" in err
    train = open_pictures(tmp_path / "set").examples("train")
    train[3].source.path.write_bytes(b"")
    frames, labels = pack_examples(train, read_recipe(run.parent.parent / "colours.toml"), "train")
    assert len(frames) == len(labels) == len(train) - 1
    assert f"train: quarantined, for they cannot be read: {train[3].name}" in said(capsys)[1]


def test_pictures_are_packed_as_still_frames_in_their_order(pictures: Path, run: Path) -> None:
    recipe = read_recipe(run.parent.parent / "colours.toml")
    _, material = material_for(recipe, pictures, run)
    found = open_pictures(pictures)
    train = found.of("train")
    for (frames, labels), members in (
        (material.fit, [one for i, one in enumerate(train) if i % 50]),
        (material.watch, train[::50]),
        (material.test(), found.of("test")),
    ):
        assert frames.shape == (len(members), 1, 3, 32, 32)
        assert frames.dtype == np.uint8
        for frame, label, picture in zip(frames, labels, members, strict=True):
            assert np.array_equal(frame[0], picture.pixels())
            assert label == picture.label


def test_pictures_of_another_size_are_resized_and_said_to_be(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_folders(tmp_path / "set", 1, 10, side=48)
    assert main(["evaluate", str(root), "--model", weights(run), "--out", str(tmp_path / "out")]) == 0
    assert (
        "pictures are resized to 32x32, and cut where their shape is another: blue/0000.png is 48x48"
        in (said(capsys)[1])
    )
    outputs, _ = load_outputs(tmp_path / "out" / "outputs.npz")
    assert outputs.correct()[:, -1].mean() > 0.9


def test_one_picture_is_named_and_explained(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = str(pictures / "test" / "green" / "0004.png")
    assert main(["run", picture, "--model", weights(run), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["label"], answer["truth"]) == ("green", "green")
    assert 1 <= answer["steps"] <= 4
    assert main(["run", picture, "--model", weights(run), "--cutoff", "none"]) == 0
    assert "green after 4 of 4 steps p" in said(capsys)[0]
    assert main(["why", picture, "--model", weights(run), "--json"]) == 0
    why = json.loads(capsys.readouterr().out)
    assert why["answers"][0]["name"] == "green"
    assert (tmp_path / "why_0004_0s.png").read_bytes().startswith(b"\x89PNG")
    assert main(["why", picture, "--model", weights(run)]) == 0
    assert "4 of 4 steps" in said(capsys)[0]


@pytest.mark.parametrize("more", [["--save", "out.mkv"], ["--speed", "1"], ["--window", "on"], ["--web"]])
def test_a_picture_is_not_filmed(
    more: list[str], run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(pictures / "test" / "red" / "0000.png"), "--model", weights(run), *more]) == 2
    assert "a picture stands still" in said(capsys)[1]


def test_why_has_no_later_start_in_a_picture(run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", str(pictures / "test" / "red" / "0000.png"), "--model", weights(run), "--start", "1"]) == 2
    assert "a picture, which stands still" in said(capsys)[1]


def test_networks_for_events_and_for_pictures_are_not_taken_for_each_other(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(pictures), "--model", "nmnist"]) == 2
    assert "holds pictures; network 'nmnist' looks at events" in said(capsys)[1]
    assert main(["run", str(pictures / "test" / "red" / "0000.png"), "--model", "nmnist"]) == 4
    assert "--model NETWORK" in said(capsys)[1]
    write_digits(tmp_path / "digits", 12, seed=0)
    assert main(["replay", str(tmp_path / "digits"), "--model", weights(run)]) == 4
    assert "no pictures in class folders (12 files no picture by suffix, not used)" in said(capsys)[1]
    assert main(["replay", str(tmp_path / "nowhere"), "--model", weights(run)]) == 4


def test_a_class_that_the_network_does_not_know_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_folders(tmp_path / "set", 1, 1)
    shutil.copytree(root / "test" / "red", root / "test" / "yellow")
    assert main(["evaluate", str(root), "--model", weights(run), "--out", str(tmp_path / "out")]) == 2
    assert "class 'yellow' is none of the classes blue, green, red" in said(capsys)[1]


def test_labels_are_those_of_the_network_whatever_classes_a_set_lacks(run: Path, tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set", 1, 3)
    for part in ("train", "test"):
        shutil.rmtree(root / part / "blue")
    card = read_card(run / "colours.json")
    examples = examples_of(root, card, "test")
    assert examples.labels.tolist() == [1, 1, 1, 2, 2, 2]
    assert [[len(list(frames)) for frames in examples.streams(card, [])]] == [[4] * 6]


@pytest.mark.parametrize("levels", [0, 4])
def test_the_archive_of_cifar_10_is_trained_on_and_its_pictures_are_found_by_name(
    levels: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    archive = write_cifar(tmp_path, n_each=40)
    recipe = write_recipe(tmp_path, levels=levels, epochs=1)
    assert main(["recipe", str(recipe), "--data", str(archive), "--out", str(tmp_path / "out")]) == 0
    run = tmp_path / "out" / "seed0"
    card = read_card(run / "colours.json")
    assert card.provenance["data"] == "CIFAR-10's layout, but not its published files"
    assert len(card.classes) == 10
    outputs, about = load_outputs(run / "evaluation" / "outputs.npz")
    assert outputs.outputs.shape == (40, 4, 10)
    assert about["names"][7] == str(archive / "test_batch" / "00007")
    capsys.readouterr()
    assert main(["run", about["names"][7], "--model", weights(run), "--cutoff", "none", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["truth"] == "class 07"
    assert answer["class"] == outputs.outputs[7].sum(0).argmax()
    assert main(["results", str(tmp_path / "out")]) == 0
    text, _ = said(capsys)
    assert "Data: CIFAR-10's layout, but not its published files." in text
    assert "4 steps; trained" in text
    assert "| everybody stopped after | 1 | 2 | 3 | 4 |" in text
    assert ("that it was converted from" in text) == (levels > 0)
    if levels:
        assert f"The ANN of 4 levels that it was converted from: {100 * card.metrics['accuracy_ann']:.1f} %" in text


def test_a_run_that_was_cut_short_goes_on_to_the_same_weights(pictures: Path, run: Path, tmp_path: Path) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    shutil.copytree(run, out)
    for name in ("colours.json", "colours.safetensors"):
        (out / name).unlink()
    assert main(["train", str(recipe), "--data", str(pictures), "--out", str(out), "--resume"]) == 0
    assert (out / "colours.safetensors").read_bytes() == (run / "colours.safetensors").read_bytes()


def test_stepping_says_what_training_measured(run: Path, pictures: Path) -> None:
    """The card's accuracy is of all steps at once, the evaluation's of steps one by one."""
    card = read_card(run / "colours.json")
    outputs, _ = load_outputs(run / "evaluation" / "outputs.npz")
    assert outputs.correct().mean(0).round(4).tolist() == card.metrics["accuracy_by_step"]
    stepper, _ = load(run / "colours.safetensors")
    pixels = open_pictures(pictures).of("test")[0].pixels()
    first, _ = stepper.step(pixels[None], None)
    np.testing.assert_allclose(first[0], outputs.outputs[0, 0], atol=1e-5)


def _refused(folder: Path, old: str, new: str) -> str:
    path = write_recipe(folder)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        read_recipe(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[network]", "downsample = 2\n[network]", "downsample with inputs = 3: it is for events"),
        ("[network]", "spare_steps = 2\n[network]", "spare_steps with inputs = 3"),
        ("[network]", "drawn_users = 2\n[network]", "drawn_users with inputs = 3"),
        ("[network]", 'counterpart = "nmnist"\n[network]', "counterpart with inputs = 3"),
        ("[network]", "[onset]\n[network]", "onset with inputs = 3"),
        ("[network]", '[[transforms]]\nname = "DropEvent"\n[network]', "transforms with inputs = 3"),
        ("[deciding]", "[training.augmentation]\ndrop = 0.1\n[deciding]", "training.augmentation with inputs = 3"),
        ("step_us = 1_000", "step_us = 10_000", "step_us is 10000; a step before a picture has no length, write 1000"),
        ("step_us = 1_000", "step_us = 1_000\nframe = [16, 16]", "a frame of 16x16, pictures of 32x32"),
        ("inputs = 3", "inputs = 2", "training: pictures is for networks with inputs = 3"),
        ("crop = 2", "crop = -2", "pictures: crop is -2"),
        ("crop = 2", "crops = 2", "crops"),
    ],
)
def test_a_recipe_says_of_pictures_only_what_they_have(old: str, new: str, message: str, tmp_path: Path) -> None:
    told = _refused(tmp_path, old, new)
    assert message in told
    assert "colours.toml" in told


def test_a_recipe_for_pictures_without_any_says_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(write_recipe(tmp_path))
    for more in ([], ["--images", str(tmp_path)]):
        assert main(["recipe", recipe, "--out", str(tmp_path / "out"), *more]) == 2
        assert "--data PATH: CIFAR's archives" in said(capsys)[1]
    assert main(["train", recipe, "--out", str(tmp_path / "out")]) == 2
    assert "needs pictures" in said(capsys)[1]


def test_too_few_pictures_for_a_batch_are_told_before_they_are_read(tmp_path: Path, run: Path) -> None:
    recipe: Recipe = read_recipe(run.parent.parent / "colours.toml")
    with pytest.raises(ConfigError, match="do not fill one batch of 16"):
        material_for(recipe, write_folders(tmp_path / "set", 5, 5), tmp_path)


def test_the_overlay_of_events_is_not_drawn_over_a_picture() -> None:
    from spikecut.pipeline.events import Frame
    from spikecut.pipeline.results import Step
    from spikecut.tools.views.overlay import Overlay

    overlay = Overlay(COLOURS, horizon=4, step_us=1_000)
    zeros: Any = np.zeros(3, np.float32)
    frame = Frame(0, 0, 0, 1_000, np.zeros((3, 8, 8), np.uint8), 0)
    with pytest.raises(ConfigError, match="a frame of 3 channels"):
        overlay.see(overlay.begin(), Step(0, frame, zeros, zeros, 0.0))


def test_a_policy_looks_at_a_picture_and_grants_its_steps(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run")
    model = weights(tmp_path / "run")
    assert main(["policy", str(pictures), "--model", model, "--epochs", "2"]) == 0
    assert main(["calibrate", str(pictures), "--model", model, "--rule", "planned", "--tolerance", "0.1"]) == 0
    capsys.readouterr()
    assert (
        main(["replay", str(pictures), "--model", model, "--part", "test", "--cutoff", "planned-10pt", "--json"]) == 0
    )
    rows = {row["rule"]: row for row in json.loads(capsys.readouterr().out)["rules"]}
    out = tmp_path / "evaluation"
    assert main(["evaluate", str(pictures), "--model", model, "--cutoff", "planned-10pt", "--out", str(out)]) == 0
    (swept, *_) = json.loads((out / "evaluation.json").read_text())["rules"]
    assert rows["planned-10pt"]["executed_steps"] == round(60 * swept["mean_steps"][0])
    assert rows["planned-10pt"]["accuracy"][0] == pytest.approx(swept["accuracy"][0], abs=1e-4)
    policy = json.loads((tmp_path / "run" / "colours.policy.json").read_text())
    assert len(policy["trained_on"]) <= SKETCH
