"""Truths about teaching: a new class is known, old ones stay, order does not matter, and nothing is promised."""

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikecut.models.architectures.networks import build
from spikecut.models.card import ModelCard
from spikecut.models.files import checkpoint, opening
from spikecut.models.files.memory import Memory, Origin, compact, load_memory, memory_beside, save_memory
from spikecut.models.spec import NetworkSpec
from spikecut.models.training.teaching import COPIES, body_and_readout, first_rows, marks_of, sums_of, varied
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.aedat3 import write_aedat3
from spikecut.tools.batch.outputs import Named, gather
from spikecut.tools.cli import main
from spikecut.tools.training.taught_card import promise_of

SIDE, STEPS, STEP_US = 8, 6, 10_000
SENSOR = SensorSize(SIDE, SIDE)
SPEC = NetworkSpec("compact", (6, 8), 2, STEP_US, SENSOR)
PLACES = {"left": (0, 4, 0, 8), "right": (4, 8, 0, 8), "top": (0, 8, 0, 3)}  # x from, to; y from, to


def record(folder: Path, name: str, numbers: Sequence[int]) -> None:
    """Recordings of one class: events at random in its part of the sensor."""
    x0, x1, y0, y1 = PLACES[name]
    (folder / name).mkdir(parents=True, exist_ok=True)
    for number in numbers:
        rng = np.random.default_rng([number, *name.encode()])
        t = np.sort(rng.integers(0, STEPS * STEP_US, 600))
        x, y = rng.integers(x0, x1, len(t)).astype(np.uint16), rng.integers(y0, y1, len(t)).astype(np.uint16)
        p = rng.integers(0, 2, len(t)).astype(np.uint8)
        batch = EventBatch(t=t, x=x, y=y, p=p, start_us=0, end_us=STEPS * STEP_US, sensor=SENSOR)
        write_aedat3(folder / name / f"{number:03d}.aedat", [batch], SENSOR)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network `base` that knows left and right, its memory, and recordings: `own` to teach, `others` to test."""
    home = tmp_path_factory.mktemp("teach")
    for name in ("left", "right"):
        record(home / "old", name, range(20))
        record(home / "others", name, range(100, 130))
    record(home / "own", "top", range(10))
    record(home / "others", "top", range(100, 130))
    record(home / "early", "top", range(6))
    torch.manual_seed(0)
    network = build(SPEC)
    card = ModelCard("base", SPEC, ("left", "right"), SENSOR, STEPS, default_cutoff="none")
    card = checkpoint.save(home, card, network)
    network, _ = opening.load_module(home / "base.safetensors")
    body, readout = body_and_readout(network)
    difference = sums(body, home / "old" / "right") - sums(body, home / "old" / "left")
    with torch.no_grad():
        readout.weight[0], readout.weight[1] = -difference / 10, difference / 10
        readout.bias.zero_()
    checkpoint.save(home, card, network)
    assert main(["teach", str(home / "old"), "--model", str(home / "base"), "--remember"]) == 0
    return home


def sums(body: torch.nn.Module, folder: Path) -> torch.Tensor:
    """The mean of the readout's inputs over the recordings of a class."""
    from spikecut.sources import open_recording

    frames = torch.zeros(1, STEPS, 2, SIDE, SIDE)
    for path in folder.iterdir():
        for batch in open_recording(path):
            np.add.at(frames.numpy()[0], (batch.t // STEP_US, batch.p, batch.y, batch.x), 1 / 20)
    return torch.from_numpy(sums_of(body, frames, (STEPS,))[0, 0])


def teach(home: Path, out: Path, folder: str = "own", *more: str) -> int:
    return main(["teach", str(home / folder), "--model", str(home / "base"), "--out", str(out), *more])


@pytest.fixture(scope="module")
def taught(home: Path) -> Path:
    out = home / "taught"
    assert teach(home, out) == 0
    return out.with_suffix(".safetensors")


def right_of(weights: Path, folder: Path, engine: str = "norse") -> dict[str, float]:
    """The share of right answers of each class."""
    gathered = gather(folder, Named(str(weights), engine), "all")
    correct = gathered.recorded.correct()[:, -1]
    labels = gathered.recorded.labels
    return {gathered.card.classes[k]: float(correct[labels == k].mean()) for k in np.unique(labels)}


def test_a_new_class_is_known_and_the_old_ones_stay(home: Path, taught: Path) -> None:
    shares = right_of(taught, home / "others")
    assert min(shares.values()) >= 0.9, shares
    assert right_of(home / "base.safetensors", home / "old") == {"left": 1.0, "right": 1.0}


def test_the_body_and_the_rows_of_the_old_classes_are_the_trained_ones(home: Path, taught: Path) -> None:
    before, after = (opening.load_module(one)[0].state_dict() for one in (home / "base.safetensors", taught))
    for name in before:
        same = after[name].flatten()[: before[name].numel()]
        assert torch.equal(same, before[name].flatten()), name


@pytest.mark.parametrize("engine", ["events", "dense"])
def test_every_engine_steps_it(home: Path, taught: Path, engine: str) -> None:
    assert right_of(taught, home / "others", engine) == right_of(taught, home / "others")


def test_the_card_says_what_taught_it_and_promises_nothing(taught: Path) -> None:
    card = opening.card_of(taught)
    assert card.classes == ("left", "right", "top")
    assert card.metrics["n"] == 10
    assert card.metrics["by_class"]["top"]["n"] == 10
    assert card.metrics["promise"]["promise"].startswith("none")
    assert card.provenance["taught"]["n"] == {"left": 0, "right": 0, "top": 10}
    assert len(card.provenance["taught"]["recordings"]) == 10
    assert set(card.provenance["taught"]["recordings"]) <= set(card.trained_on)
    cutoff = json.loads(taught.with_name("taught.confidence-2pt.json").read_text())
    assert cutoff["promise"].startswith("No promise: its 10 recordings taught the network.")


def test_so_many_others_would_carry_a_promise() -> None:
    """0.9^29 is the first power below 5 %; of 10 without a loss the bound is 1 - 0.05^(1/10)."""
    promise = promise_of(10)
    assert promise["others_needed_without_a_loss"] == {"10%": 29, "5%": 59, "2%": 149, "1%": 299}
    assert "26%" in promise["as_many_others"]


def test_the_same_command_again_changes_nothing(home: Path, taught: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in home.glob("taught.*")}
    assert len(before) == 4
    assert teach(home, taught) == 0
    assert "nothing new" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in home.glob("taught.*")} == before


def test_recordings_added_later_teach_the_same_as_all_at_once(home: Path, taught: Path) -> None:
    later = home / "later"
    assert teach(home, later, "early") == 0
    assert opening.card_of(later.with_suffix(".safetensors")).metrics["n"] == 6
    assert main(["teach", str(home / "own"), "--out", str(later)]) == 0
    one, all_at_once = opening.card_of(later.with_suffix(".safetensors")), opening.card_of(taught)
    assert one.weights_sha256 == all_at_once.weights_sha256
    assert one.metrics == all_at_once.metrics
    assert one.provenance["started_from"] == all_at_once.provenance["started_from"]


def test_what_a_killed_command_left_is_made_whole(home: Path, taught: Path) -> None:
    """The memory is written first: with the weights of before it is not taken for done."""
    killed = home / "killed"
    assert teach(home, killed, "early") == 0
    shutil.copy(memory_beside(taught), memory_beside(killed.with_suffix(".safetensors")))
    assert teach(home, killed) == 0
    assert opening.card_of(killed.with_suffix(".safetensors")).weights_sha256 == opening.card_of(taught).weights_sha256


def test_a_user_may_teach_their_own_way_with_an_old_class(home: Path) -> None:
    record(home / "mine", "left", range(200, 206))
    out = home / "again"
    assert teach(home, out, "mine") == 0
    card = opening.card_of(out.with_suffix(".safetensors"))
    assert card.classes == ("left", "right")
    assert card.metrics["by_class"].keys() == {"left"}


def test_what_cannot_be_taught_is_refused(
    home: Path, taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(home / "own" / "top", tmp_path / "relabelled" / "upwards")
    assert main(["teach", str(tmp_path / "relabelled"), "--out", str(taught)]) == 2
    assert "taught before as 'top'" in capsys.readouterr().err
    shutil.copytree(home / "own", tmp_path / "twice")
    shutil.copytree(home / "own" / "top", tmp_path / "twice" / "bottom")
    assert main(["teach", str(tmp_path / "twice"), "--model", str(home / "base"), "--out", str(tmp_path / "x")]) == 2
    assert "the same recording" in capsys.readouterr().err
    for name in ("base.json", "base.safetensors"):
        shutil.copy(home / name, tmp_path / name)
    forgetful = ["teach", str(home / "own"), "--model", str(tmp_path / "base")]
    assert main([*forgetful, "--out", str(tmp_path / "y")]) == 2
    assert "--old FOLDER" in capsys.readouterr().err
    assert main([*forgetful, "--out", str(tmp_path / "y"), "--old", str(home / "old")]) == 0
    assert main(forgetful) == 2
    assert main([*forgetful, "--out", str(tmp_path / "base")]) == 2
    assert "was not taught" in capsys.readouterr().err
    assert main([*forgetful, "--out", str(tmp_path / "no" / "folder")]) == 2
    assert main(["teach", str(home / "own"), "--model", "nmnist", "--out", str(taught)]) == 2
    assert "taught from another network" in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


def memory() -> Memory:
    origin = Origin("f" * 64, ("a", "b", "c"), 2, (1, 3), ("k", "k", "l"), ("k", "k", "l"))
    features = np.arange(18, dtype=np.uint8).reshape(3, 2, 3)
    labels, own = np.array([0, 0, 2]), np.array([False, False, True])
    return Memory(origin, features, labels, own, np.ones((2, 3), np.float32), np.zeros(2, np.float32))


def test_a_memory_comes_back_as_it_was(tmp_path: Path) -> None:
    save_memory(path := tmp_path / "a.memory.npz", memory())
    read = load_memory(path)
    assert read.origin == memory().origin
    for name in ("features", "labels", "taught", "weight", "bias"):
        np.testing.assert_array_equal(getattr(read, name), getattr(memory(), name))
    assert first_rows(read).tolist() == [0, 2]


def test_a_damaged_memory_is_refused(tmp_path: Path) -> None:
    save_memory(path := tmp_path / "a.memory.npz", memory())
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 200):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(ModelError):  # any other error is a failure
            load_memory(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError):
        load_memory(path)
    with pytest.raises(ModelError):
        load_memory(tmp_path / "missing.npz")


@pytest.mark.parametrize(
    "wrong", [{"n_old": 1}, {"classes": ("a", "b")}, {"marks": (3, 1)}, {"keys": ("k",)}, {"classes": ("a", "a", "c")}]
)
def test_arrays_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    one = memory()
    with pytest.raises(ModelError):
        replace(one, origin=replace(one.origin, **wrong))


def test_small_whole_numbers_are_kept_to_the_bit_and_others_in_halves() -> None:
    assert compact(np.array([[[0, 255]]], np.float32)).dtype == np.uint8
    assert (
        compact(np.array([[[0, 256]]], np.float32)).dtype
        == compact(np.array([[[0.5, 1]]], np.float32)).dtype
        == np.float16
    )


def test_marks_rise_to_the_end_of_any_window() -> None:
    for horizon in range(1, 200):
        marks = marks_of(horizon)
        assert marks[-1] == horizon
        assert list(marks) == sorted(set(marks))


def test_variations_follow_a_seed_and_the_first_is_the_recording() -> None:
    frames = torch.from_numpy(np.random.default_rng(0).poisson(0.3, (4, 2, 16, 16)).astype(np.float32))
    one, same, other = varied(frames, 1), varied(frames, 1), varied(frames, 2)
    assert one.shape == (COPIES + 1, 4, 2, 16, 16)
    assert torch.equal(one[0], frames)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.slow
def test_ten_people_teach_the_shipped_network_to_know_others_beckon(tmp_path: Path) -> None:
    """The calibration people of the drawing; those who test stand in docs/teaching.md."""
    drawn = ["--seed", "18", "--part"]
    assert main(["simulate", "beckon", str(tmp_path / "ten"), "--users", "13", *drawn, "train"]) == 0
    assert main(["simulate", "beckon", str(tmp_path / "others"), "--users", "87", *drawn, "calibration"]) == 0
    assert main(["teach", str(tmp_path / "ten"), "--model", "gestures", "--out", str(tmp_path / "mine")]) == 0
    (share,) = right_of(tmp_path / "mine.safetensors", tmp_path / "others", "auto").values()
    assert share >= 0.9
