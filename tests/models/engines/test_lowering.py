"""The lowered network is the trained one: stepped in double precision, as it reads, it says what Norse says.

All architectures are tried small, with weights and statistics that make their cells fire.
"""

import naive_network
import numpy as np
import pytest
import torch
from engine_networks import NETWORKS, frames_for, network_of
from torch import nn

from spikecut.models.architectures import ARCHITECTURES
from spikecut.models.architectures.networks import build
from spikecut.models.engines.lowering import lowered
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.layers import Traces, sequential
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize


@pytest.mark.parametrize("name", NETWORKS)
def test_a_lowered_network_says_what_norse_says(name: str) -> None:
    spec, network = NETWORKS[name], network_of(name)
    norse, graph = NetworkStepper(network, spec), lowered(network, spec)
    theirs, mine = None, None
    for frame in frames_for(spec, n_steps=6):
        output, theirs = norse.step(frame, theirs)
        twin, mine = naive_network.step(graph, frame[0], mine)
        np.testing.assert_allclose(output[0], twin, rtol=2e-4, atol=2e-4 * np.abs(twin).max())


def test_every_architecture_is_tried() -> None:
    assert {spec.layout for spec in NETWORKS.values()} == set(ARCHITECTURES)


def test_cells_fire_in_every_layer_of_the_networks_that_are_tried() -> None:
    for name, spec in NETWORKS.items():
        graph, state = lowered(network_of(name), spec), None
        before = None
        for frame in frames_for(spec, n_steps=6):
            output, state = naive_network.step(graph, frame[0], state)
            changed = before is not None and not np.array_equal(before, output)
            before = output
        assert changed, name


def test_dense_operations_are_those_of_the_worked_example() -> None:
    spec = NetworkSpec("compact", (8,), 3, 10_000, SensorSize(6, 6))
    graph = lowered(build(spec), spec)
    assert graph.dense_operations == 6 * 6 * 8 * 2 * 3 * 3 + 3 * 3 * 8 * 3


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([nn.GELU(), nn.Flatten(), nn.Linear(32, 3)], "GELU layer has no lowered form"),
        ([nn.Conv2d(2, 2, 3, groups=2), nn.Flatten(), nn.Linear(8, 3)], "groups"),
        ([nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(2, 3)], "square windows beside one another"),
        ([nn.Linear(4, 3)], "expected it flattened"),
        ([nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 1)], "Conv2d layer of currents"),
        ([Traces((0.5,)), nn.AvgPool2d(2)], "traces that are pooled"),
        ([nn.Flatten()], "does not end in one linear layer"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(layers: list[nn.Module], said: str) -> None:
    spec = NetworkSpec("compact", (2,), 3, 10_000, SensorSize(4, 4))
    with pytest.raises(ModelError, match=said):
        lowered(sequential(*layers), spec)


def test_the_network_goes_on_as_it_was() -> None:
    name = "compact"
    spec, network = NETWORKS[name], network_of(name)
    frame = torch.from_numpy(frames_for(spec, n_steps=1)[0].astype(np.float32))
    before, _ = network.eval()(frame)
    lowered(network, spec)
    after, _ = network(frame)
    torch.testing.assert_close(before, after)
