"""Damage to a cutoff, a card, a recipe, a configuration or recorded outputs is refused in a sentence, or harmless."""

import json
import shutil
import zipfile
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compatibility.observed import DATA, RUN

from spikecut.models.files.opening import SHIPPED, load
from spikecut.models.policy.file import read_policy_card
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.outputs_file import load_outputs, save_outputs
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules.cutoff_file import FittedCutoff, load_cutoff
from spikecut.pipeline.rules.fit import by_tolerance
from spikecut.tools.commands import COMMANDS
from spikecut.tools.config import with_config
from spikecut.tools.training.recipe import FOLDER, read_recipe

from golden import TEST, TRAIN
from mutants import as_json, of_bytes, of_json, refused_or_usable

CUTOFFS = sorted(path for path in DATA.rglob("*.json") if '"spikecut cutoff"' in path.read_text())


def decide(path: Path) -> None:
    """A cutoff that loads can be asked, or says why not."""
    cutoff = load_cutoff(path).cutoff
    n_classes = getattr(getattr(cutoff, "readout", None), "members", 1) * 4
    if n_classes < 1000 and cutoff.horizon <= 100:
        sweep(RecordedOutputs(np.ones((2, cutoff.horizon, n_classes), np.float32), np.zeros(2, np.int64)), cutoff)


@pytest.mark.parametrize("name", ["confidence", "topk", "patience"])
def test_a_damaged_cutoff_is_refused_or_decides(name: str, tmp_path: Path) -> None:
    path = tmp_path / "cutoff.json"
    FittedCutoff(by_tolerance()[name](TRAIN, 0.1), "f" * 64, ("a", "b", "c", "d"), 10_000, 0.02, 48, "0" * 64).save(
        path
    )
    data = path.read_bytes()
    mutants = chain(as_json(of_json(json.loads(data), 400, 1)), of_bytes(data, 200, 2))
    worked, refused = refused_or_usable(path, mutants, decide)
    assert refused > 300
    assert worked > 0


@pytest.mark.parametrize("stored", CUTOFFS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_damaged_cutoff_of_every_kind_is_refused_or_decides(stored: Path, tmp_path: Path) -> None:
    data = stored.read_bytes()
    mutants = chain(as_json(of_json(json.loads(data), 60, 3)), of_bytes(data, 20, 4))
    _, refused = refused_or_usable(tmp_path / "cutoff.json", mutants, decide)
    assert refused > 20


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tolerance": "0.02"}, "tolerance: found '0.02'; expected a number"),
        ({"tolerance": 2}, "tolerance 2, delta 0.05, seed 0; expected shares"),
        ({"seed": True}, "seed: found True; expected a whole number"),
        ({"promised": ""}, "promised: no such key; did you mean 'promise'?"),
        ({"fitted_on": 3}, "fitted_on: found 3; expected a table"),
        ({"decider": {"type": "treshold"}}, "no rule is stored as 'treshold'; did you mean 'threshold'?"),
        ({"decider": {"type": "threshold", "rule": "topk", "score": "top2_gap"}}, "decider.thresholds is missing"),
    ],
)
def test_a_cutoff_says_which_field_is_wrong(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "cutoff.json"
    FittedCutoff(by_tolerance()["topk"](TRAIN, 0.1), "f" * 64, ("a", "b"), 10_000, 0.02, 48, "0" * 64).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError) as caught:
        load_cutoff(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        ({"dtype": "float64", "shape": [3], "values": [1, 2]}, "thresholds.values: found a list of 2; expected"),
        ({"dtype": "object", "shape": [1], "values": [1]}, "thresholds.dtype: found 'object'; expected float64"),
        ({"dtype": "int64", "shape": [1], "values": [1]}, "thresholds.dtype: found 'int64'; expected float64"),
        ({"dtype": "float64", "shape": [1, 1], "values": [1]}, "thresholds.shape: 2 dimensions; expected 1"),
        ({"dtype": "float64", "shape": [10**12], "values": []}, "thresholds.shape: found a list of 1"),
        ({"dtype": "float64", "shape": [1], "values": ["nan"]}, "thresholds.values[0]: found 'nan'; expected a number"),
        ({"dtype": "float64", "shape": [1], "values": [True]}, "thresholds.values[0]: found True; expected a number"),
        ([1.0], "thresholds: found a list of 1; expected an array"),
    ],
)  # fmt: skip
def test_an_array_in_a_cutoff_is_what_it_says_it_is(array: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "cutoff.json"
    FittedCutoff(by_tolerance()["topk"](TRAIN, 0.1), "f" * 64, ("a", "b"), 10_000, 0.02, 48, "0" * 64).save(path)
    raw = json.loads(path.read_text())
    raw["decider"]["thresholds"] = array
    path.write_text(json.dumps(raw))
    with pytest.raises(ModelError) as caught:
        load_cutoff(path)
    assert said in str(caught.value)


def test_a_file_nested_without_end_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    for text in ("[" * 300_000, '{"a":' * 300_000, '{"a": ' + "[" * 40 + "]" * 40 + "}"):
        path.write_text(text)
        with pytest.raises(ModelError, match="nested deeper than 32 levels"):
            load_cutoff(path)


def test_a_key_of_many_names_and_a_large_file_are_refused_before_they_are_parsed(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for text, said in (
        (".".join(["a"] * 100_000) + " = 1", "line 1: a key of more than 32 names"),
        ("\n\n[" + " . ".join(['"a b"'] * 50) + "]", "line 3: a key of more than 32 names"),
        ("#" * (2**20 + 1), "larger than 1,048,576 bytes"),
        ("a = " + "[" * 100_000, "nested deeper than 32 levels"),
        (f"a = {'9' * 5000}", "not TOML"),
    ):
        path.write_text(text)
        for read in (read_recipe, lambda file: with_config(["run", "--config", str(file)], COMMANDS)):
            with pytest.raises(ConfigError, match=said):
                read(path)


def test_a_damaged_card_is_refused_or_its_network_opens(tmp_path: Path) -> None:
    for suffix in (".json", ".safetensors"):
        shutil.copy(SHIPPED / f"nmnist{suffix}", tmp_path)
    data = (SHIPPED / "nmnist.json").read_bytes()
    document = {**json.loads(data), "trained_on": []}
    mutants = chain(as_json(of_json(document, 300, 5)), of_bytes(json.dumps(document).encode(), 150, 6))
    _, refused = refused_or_usable(
        tmp_path / "nmnist.json", mutants, lambda path: load(path.with_suffix(".safetensors"))
    )
    assert refused > 100


def test_a_damaged_card_of_a_policy_is_refused_or_read(tmp_path: Path) -> None:
    (stored,) = RUN.glob("*.policy.json")
    data = stored.read_bytes()
    mutants = chain(as_json(of_json(json.loads(data), 200, 7)), of_bytes(data, 100, 8))
    _, refused = refused_or_usable(tmp_path / "a.policy.json", mutants, read_policy_card)
    assert refused > 80


@pytest.mark.parametrize("name", ["gestures", "cifar10", "nmnist"])
def test_a_damaged_recipe_is_refused_or_read(name: str, tmp_path: Path) -> None:
    data = (FOLDER / f"{name}.toml").read_bytes()
    worked, refused = refused_or_usable(tmp_path / "mine.toml", of_bytes(data, 300, 9), read_recipe)
    assert worked + refused == 300


def test_a_damaged_configuration_is_refused_or_read(tmp_path: Path) -> None:
    data = b'[run]\nmodel = "nmnist"\nspeed = 1.0\nonce = true\n[calibrate]\nrule = ["topk", "ltt"]\ntolerance = 0.01\n'
    mutants = of_bytes(data, 400, 10)
    refused_or_usable(
        tmp_path / "mine.toml", mutants, lambda path: with_config(["run", "a.bin", "--config", str(path)], COMMANDS)
    )


def test_damaged_outputs_are_refused_or_whole(tmp_path: Path) -> None:
    path = tmp_path / "outputs.npz"
    save_outputs(path, RecordedOutputs(TEST.outputs, TEST.labels, tuple(map(str, range(len(TEST))))), {"network": "f"})
    _, refused = refused_or_usable(path, of_bytes(path.read_bytes(), 500, 11), load_outputs)
    assert refused > 400


def _npz(path: Path, **change: Any) -> Path:
    """Outputs of two recordings, with some arrays replaced."""
    about = json.dumps({"kind": "spikecut recorded outputs", "version": 1})
    arrays = {"outputs": np.zeros((2, 3, 4), np.float32), "labels": np.zeros(2, np.int64), "members": 1}
    np.savez(path, **{**arrays, "groups": np.array([], np.str_), "about": about, **change})
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"outputs": np.zeros((2, 3, 4))}, "found float64 in 3 dimensions; expected 32-bit numbers in 3"),
        (
            {"outputs": np.full((2, 3, 4), np.nan, np.float32)},
            "outputs: found a number that is not finite, at (0, 0, 0); expected finite",
        ),
        ({"outputs": np.zeros((2, 3), np.float32)}, "found float32 in 2 dimensions; expected 32-bit"),
        ({"labels": np.array([0, 9])}, "labels outside the 4 classes"),
        ({"groups": np.array([{}, {}], object)}, "groups: found object"),
        ({"about": "[]"}, "found a list of 0; expected an object of JSON"),
        ({"other": np.zeros(3)}, "expected outputs, labels, groups, members, about"),
    ],
)
def test_outputs_that_are_no_outputs_are_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    load_outputs(_npz(tmp_path / "whole.npz"))
    with pytest.raises(ModelError) as caught:
        load_outputs(_npz(tmp_path / "a.npz", **change))
    assert said in str(caught.value)


def test_names_in_an_archive_of_outputs_are_shown_in_one_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("two\nlines.npy", b"")
    with pytest.raises(ModelError) as caught:
        load_outputs(tmp_path / "a.npz")
    assert r"found two\nlines; expected" in str(caught.value)


def test_outputs_that_declare_more_than_they_hold_fill_no_memory(tmp_path: Path) -> None:
    path = _npz(tmp_path / "a.npz")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["outputs.npy"] = (
        members["outputs.npy"].replace(b"(2, 3, 4)", b"(2, 300000000, 4)").replace(b" " * 8 + b"\n", b"\n")
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ModelError, match="no recorded outputs"):
        load_outputs(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, bytes(2**28) if name == "outputs.npy" else data)
    with pytest.raises(ModelError, match="no recorded outputs"):
        load_outputs(path)
