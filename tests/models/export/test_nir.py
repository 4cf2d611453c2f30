"""A NIR file is the network: stepped as its definition reads, and imported by spikingjelly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_networks import NETWORKS, frames_for, network_of

from spikecut.models.dense_form import state_shapes
from spikecut.models.engines.dense import DenseStepper
from spikecut.models.engines.lowering import lowered
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.export.nir import nir_bytes, nir_graph
from spikecut.models.export.nir_file import NirFile
from spikecut.models.export.onnx import facts_of
from spikecut.models.files.opening import load_module
from spikecut.pipeline.errors import ModelError

nir = pytest.importorskip("nir", reason="nir is not installed")
SAYABLE = ("compact", "compact-odd", "vggann-ncaltech101", "vgg-gesture", "vgg-compact", "resnet19")
REFUSED = {
    "compact-log": "takes the logarithm of the counts of events; NIR has no such node",
    "traces": "takes the logarithm",
    "compact-qcfs": "reset by subtraction",
    "resnet18": "reset by subtraction",
    "vggsnn": r"another factor at every step \(tebn\)",
}


@pytest.mark.parametrize("name", SAYABLE)
def test_a_nir_file_gives_the_spikes_and_outputs_of_its_network(name: str, tmp_path: Path) -> None:
    spec = NETWORKS[name]
    graph = lowered(network_of(name), spec)
    path = tmp_path / "a.nir"
    path.write_bytes(nir_bytes(graph, spec.step_us, {"step_us": spec.step_us}))
    file, dense, mine, theirs = NirFile(path), DenseStepper(graph), None, None
    names = list(state_shapes(graph))
    varied = []
    for frame in frames_for(spec, n_steps=8, density=0.2):
        output, mine = file.step(frame.astype(np.float32), mine)
        wanted, theirs = dense.step(frame, theirs)
        np.testing.assert_allclose(output, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
        arrays, membranes = dict(zip(names, dense.arrays(theirs[0]), strict=True)), file.tensors(mine)
        assert membranes.keys() == arrays.keys()
        for key, one in membranes.items():
            np.testing.assert_allclose(one.reshape(-1), arrays[key].reshape(-1), atol=2e-5 * np.abs(one).max() + 1e-6)
        varied.append(output)
    assert np.std(varied, 0).max() > 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_nir_cannot_say_is_refused_by_name(name: str) -> None:
    spec = NETWORKS[name]
    with pytest.raises(ModelError, match=REFUSED[name]) as error:
        nir_graph(lowered(network_of(name), spec), spec.step_us)
    assert error.value.hint == "export it to onnx, which can say all networks"


def test_every_network_is_said_or_refused() -> None:
    for name, spec in NETWORKS.items():
        graph = lowered(network_of(name), spec)
        if name not in SAYABLE:
            with pytest.raises(ModelError):
                nir_graph(graph, spec.step_us)


def test_time_constants_are_in_seconds() -> None:
    network, card = load_module("nmnist")
    graph = lowered(network, card.spec)
    cells = nir_graph(graph, card.spec.step_us).nodes["cells_1"]
    leak = 1 - graph.stages[0].cells.decay[0]
    assert cells.tau.shape == (16, 34, 34)
    np.testing.assert_allclose(cells.tau, 0.01 / leak, rtol=1e-5)
    np.testing.assert_array_equal(cells.r, 1)
    np.testing.assert_array_equal(cells.v_threshold, 1)


def test_the_maximum_of_spikes_is_their_mean_and_cells_without_memory() -> None:
    graph = lowered(network_of("compact"), NETWORKS["compact"])
    drawn = nir_graph(graph, 10_000)
    assert ("cells_1", "mean_2_of_cells_1") in drawn.edges
    assert ("mean_2_of_cells_1", "any_2_of_cells_1") in drawn.edges
    cells = drawn.nodes["any_2_of_cells_1"]
    np.testing.assert_array_equal(cells.v_threshold, 0.125)  # a quarter is one spike of four
    np.testing.assert_allclose(cells.r, 100)


@pytest.mark.parametrize("content", [b"", b"not a graph", None])
def test_a_file_that_is_no_export_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.nir: "):
        NirFile(path)


def test_a_graph_of_another_program_is_refused(tmp_path: Path) -> None:
    nodes = {"input": nir.Input({"input": np.array([2])}), "output": nir.Output({"output": np.array([2])})}
    nir.write(tmp_path / "a.nir", nir.NIRGraph(nodes, [("input", "output")], metadata={}))
    with pytest.raises(ModelError, match="not a NIR graph that spikecut exported"):
        NirFile(tmp_path / "a.nir")


@pytest.mark.filterwarnings("ignore")
def test_spikingjelly_imports_the_same_network(tmp_path: Path) -> None:
    exchange = pytest.importorskip(
        "spikingjelly.activation_based.nir_exchange", reason="spikingjelly is not installed", exc_type=ImportError
    )
    network, card = load_module("nmnist")
    path = tmp_path / "nmnist.nir"
    path.write_bytes(nir_bytes(lowered(network, card.spec), card.spec.step_us, facts_of(card)))
    imported: Any = exchange.import_from_nir(path, dt=card.spec.step_us * 1e-6).eval()
    norse, mine, theirs = NetworkStepper(network, card.spec), None, None
    for frame in frames_for(card.spec, n_steps=30, density=0.05):
        with torch.no_grad():
            output, theirs = imported(torch.from_numpy(frame.astype(np.float32)), theirs)
        wanted, mine = norse.step(frame, mine)
        np.testing.assert_allclose(output.numpy(), wanted, rtol=1e-4, atol=1e-5)
