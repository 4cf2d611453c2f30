"""`spikecut export` writes files that are their network, and says of a file whether it is."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.models.engines.lowering import lowered
from spikecut.models.export.onnx import onnx_model
from spikecut.models.files.opening import SHIPPED, load_module
from spikecut.tools.cli import main
from spikecut.tools.exports.comparing import Comparison, drawn_clips
from spikecut.tools.exports.exporting import format_of, opened

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.mark.parametrize("form", ["onnx", "nir"])
def test_an_exported_file_is_its_network(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--model", "nmnist", "--to", form]) == 0
    assert f"nmnist.{form}: one step of nmnist (10 ms)" in capsys.readouterr().out
    assert main(["export", "--model", "nmnist", "--check", f"nmnist.{form}", "--steps", "25"]) == 0
    assert "the same. Over 25 steps in 5 clips" in capsys.readouterr().out
    assert main(["export", "--model", "nmnist", "--check", f"nmnist.{form}", "--steps", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["same"], found["n_steps"], found["decisions"]) == (True, 5, 0)
    assert (found["n_differ"], found["n_clips"]) == (0, 5)


@pytest.mark.parametrize("form", ["onnx", "nir"])
def test_classes_that_are_no_gesture_are_in_the_file_and_compared(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of both formats; a file that rejects nothing is not that of a network that does."""
    if form == "nir":
        pytest.importorskip("nir", reason="nir is not installed")
    card = json.loads((SHIPPED / "nmnist.json").read_text())
    shutil.copy(SHIPPED / "nmnist.safetensors", tmp_path)
    (tmp_path / "nmnist.json").write_text(json.dumps({**card, "rejects": ["8", "1"]}))
    network, out = str(tmp_path / "nmnist.safetensors"), tmp_path / f"with.{form}"
    assert main(["export", "--model", network, "--out", str(out)]) == 0
    assert "answers that are no gesture: 8, 1" in capsys.readouterr().out
    assert opened(out, format_of(None, out), load_module(network)[1]).facts["rejects"] == ["8", "1"]
    assert main(["export", "--model", network, "--check", str(out), "--steps", "5"]) == 0
    assert main(["export", "--model", "nmnist", "--check", str(out), "--steps", "5"]) == 2
    assert "rejects ['8', '1']; nmnist rejects []" in capsys.readouterr().err


def test_the_json_lists_the_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "g.onnx"
    assert main(["export", "--model", "gestures", "--out", str(out), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["to"], about["frame"], about["outputs"]) == ("onnx", [2, 128, 128], 11)
    assert about["state"]["traces_1"] == [96, 16, 16]
    assert about["bytes"] == out.stat().st_size


def test_a_file_that_computes_something_else_is_different(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nmnist.onnx"
    assert main(["export", "--model", "nmnist", "--out", str(path)]) == 0
    model: Any = onnx.load(path)
    kernel = next(one for one in model.graph.initializer if len(one.dims) == 4)
    changed = onnx.numpy_helper.to_array(kernel) * np.float32(1.01)
    kernel.CopyFrom(onnx.numpy_helper.from_array(changed, kernel.name))
    onnx.save(model, path)
    capsys.readouterr()
    assert main(["export", "--model", "nmnist", "--check", str(path), "--steps", "10"]) == 3
    assert "against nmnist: different." in capsys.readouterr().out


def test_a_file_that_cannot_be_stepped_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nir = pytest.importorskip("nir", reason="nir is not installed")
    path = tmp_path / "nmnist.nir"
    assert main(["export", "--model", "nmnist", "--out", str(path)]) == 0
    graph = nir.read(path)
    graph.nodes["linear_readout"].weight = graph.nodes["linear_readout"].weight[:, :100]
    nir.write(path, graph)
    capsys.readouterr()
    assert main(["export", "--model", "nmnist", "--check", str(path)]) == 2
    assert "nmnist.nir: " in capsys.readouterr().err


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_no_numbers_are_refused(
    value: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nmnist.onnx"
    assert main(["export", "--model", "nmnist", "--out", str(path)]) == 0
    model: Any = onnx.load(path)
    bias = [one for one in model.graph.initializer if list(one.dims) == [10]][-1]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(10, value, np.float32), bias.name))
    onnx.save(model, path)
    capsys.readouterr()
    assert main(["export", "--model", "nmnist", "--check", str(path)]) == 2
    assert "expected 10 finite numbers" in capsys.readouterr().err


def test_a_file_of_other_weights_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "n.onnx"
    assert main(["export", "--model", "nmnist", "--out", str(path)]) == 0
    assert main(["export", "--model", "gestures", "--check", str(path)]) == 2
    assert "exported from weights c94a869434c9; those of gestures are 223374f56a86" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "gestures", "--to", "nir"], "logarithm of the counts of events; NIR has no such node"),
        (["--model", "gestures", "--out", "g.txt"], "suffix '.txt'; expected .onnx or .nir"),
        (["--model", "gestures", "--check", "g.onnx", "--out", "h.onnx"], "--check writes nothing"),
        (["--model", "gestures", "--check", "g.onnx"], "g.onnx: cannot be read: No such file"),
        (["--model", "gesturs"], "no network 'gesturs'"),
        (["--model", "net.py"], "a network of a Python file; expected one with a file of weights"),
        ([], "--model"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text("")
    assert main(["export", *words]) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py"]


def test_an_existing_file_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "n.onnx"
    path.write_bytes(b"mine")
    assert main(["export", "--model", "nmnist", "--out", str(path)]) == 2
    assert path.read_bytes() == b"mine"
    assert main(["export", "--model", "nmnist", "--out", str(path), "--overwrite"]) == 0
    network, card = load_module("nmnist")
    assert len(path.read_bytes()) > len(onnx_model(lowered(network, card.spec)).SerializeToString())


def test_drawn_clips_have_all_densities_and_the_steps_that_are_wanted() -> None:
    _, card = load_module("nmnist")
    clips = list(drawn_clips(card.spec, 23, 5, 0))
    assert list(map(len, clips)) == [5, 5, 5, 5, 3]
    assert [float(np.mean(clip) > 0) for clip in clips] == [1, 1, 1, 0, 1]


def test_a_comparison_is_the_same_but_for_rounding() -> None:
    assert Comparison(300, 5, 3, 1e-6, 0).same
    assert Comparison(10, 5, 1, 1e-6, 0).same
    assert not Comparison(300, 5, 4, 1e-6, 0).same
    assert not Comparison(1, 1, 1, 0.0, 0).same
    assert not Comparison(300, 5, 0, 1e-3, 0).same
    assert not Comparison(300, 5, 0, 1e-6, 1).same
