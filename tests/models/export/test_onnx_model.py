"""The ONNX model of a step says all by itself, and steps any number of lanes."""

import builtins
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_networks import NETWORKS, frames_for, network_of

import spikecut
from spikecut.models.dense_form import STEP, state_shapes
from spikecut.models.engines import ENGINES
from spikecut.models.engines.lowering import lowered
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.export.onnx import facts_of, onnx_model
from spikecut.models.export.onnx_file import OnnxFile, session_of
from spikecut.models.files.opening import load_module
from spikecut.pipeline.errors import EnvironmentProblem, ModelError

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
DOCS = Path(__file__).parents[3] / "docs" / "export.md"


def test_states_are_named_inputs_and_outputs_with_a_free_first_dimension() -> None:
    graph = lowered(network_of("vggsnn"), NETWORKS["vggsnn"])
    model = onnx_model(graph)
    inputs, outputs = ([one.name for one in part] for part in (model.graph.input, model.graph.output))
    assert inputs == ["frame", *state_shapes(graph)]
    assert outputs == ["output", *(f"{name}_after" for name in state_shapes(graph))]
    assert inputs[-1] == STEP
    for one in (*model.graph.input, *model.graph.output):
        assert one.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)


def test_several_lanes_at_once_are_the_lanes_one_by_one() -> None:
    spec, graph = NETWORKS["vggsnn-woap"], lowered(network_of("vggsnn-woap"), NETWORKS["vggsnn-woap"])
    session = session_of(onnx_model(graph).SerializeToString())
    state = {
        name: np.zeros((3, *shape), np.int64 if name == STEP else np.float32)
        for name, shape in state_shapes(graph).items()
    }
    norse, wanted = NetworkStepper(network_of("vggsnn-woap"), spec), None
    for frame in frames_for(spec, n_steps=6, lanes=3):
        output, *after = session.run(None, {"frame": frame.astype(np.float32), **state})
        state = dict(zip(state, after, strict=True))
        theirs, wanted = norse.step(frame, wanted)
        np.testing.assert_allclose(output, theirs, rtol=2e-4, atol=2e-4 * np.abs(theirs).max())
    np.testing.assert_array_equal(state[STEP], [6, 6, 6])


def test_the_consumer_of_the_docs_says_the_class_from_the_file_alone(tmp_path: Path) -> None:
    """In a process of its own, which loads neither spikecut nor torch."""
    network, card = load_module("gestures")
    graph = lowered(network, card.spec)
    (tmp_path / "gestures.onnx").write_bytes(onnx_model(graph, facts_of(card)).SerializeToString())
    frames = [frame[0] for frame in frames_for(card.spec, n_steps=20, density=0.05, seed=3)]
    np.save(tmp_path / "frames.npy", np.stack(frames))
    (code, *_) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    code += "import sys\nassert not {'spikecut', 'torch', 'norse', 'onnx'} & set(sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    norse, state, total = NetworkStepper(network, card.spec), None, np.zeros(11)
    for frame in frames:
        output, state = norse.step(frame[None], state)
        total += output[0]
    assert done.stdout == f"{card.classes[total.argmax()]}\n"


def test_the_facts_of_the_card_are_in_the_file(tmp_path: Path) -> None:
    network, card = load_module("nmnist")
    path = tmp_path / "nmnist.onnx"
    path.write_bytes(onnx_model(lowered(network, card.spec), facts_of(card)).SerializeToString())
    facts = OnnxFile(path).facts
    assert facts["classes"] == list("0123456789")
    assert (facts["step_us"], facts["horizon"]) == (10_000, 30)
    assert facts["frame"] == facts["sensor"] == [34, 34]
    assert facts["weights_sha256"] == card.weights_sha256
    assert facts["state"] == ["membrane_1", "membrane_2", "membrane_3"]
    assert facts["rejects"] == []
    assert facts_of(replace(card, rejects=("7",)))["rejects"] == ["7"]
    assert json.dumps(facts)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "not an ONNX model"), (b"not a model", "not an ONNX model"), (None, "No such file")],
)
def test_a_file_that_is_no_export_is_refused(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"a\.onnx: .*{said}"):
        OnnxFile(path)


def test_a_model_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    model = onnx_model(lowered(network_of("compact"), NETWORKS["compact"]))
    del model.metadata_props[:]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="not an ONNX model that spikecut exported: 'state'"):
        OnnxFile(path)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == missing:
            raise ImportError(name)
        return plain(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EnvironmentProblem, match=f"the package {missing} is not installed") as error:
        spikecut.load_network("nmnist", engine="onnx")
    assert error.value.hint == "pip install spikecut[onnx]"
    assert ENGINES["onnx"].description
