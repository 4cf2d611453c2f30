"""Spikes of each layer as engines count them: against Norse's layers, stepped by hand, on numbers that are exact."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from engine_networks import NETWORKS, frames_for, network_of
from numpy import ndarray
from torch import nn

import spikecut
from spikecut.models.architectures.networks import fold, forward_step, plain
from spikecut.models.cells.base import CellLayer
from spikecut.models.engines import ENGINES
from spikecut.models.engines.auto import AutoStepper
from spikecut.models.engines.dense import DenseStepper
from spikecut.models.engines.lane_by_lane import LaneByLane
from spikecut.models.engines.lowering import lowered
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Step
from spikecut.pipeline.runner import count_spikes, run
from spikecut.sources.simulation.gestures import DrawnSession

EXACT = ("compact", "compact-odd")  # neither normalisation nor a logarithm


def engine_of(name: str, network: nn.Module, of: str) -> Any:
    try:
        return ENGINES[name].make(network, NETWORKS[of])
    except EnvironmentProblem as missing:
        pytest.skip(str(missing))


def on_a_grid(name: str) -> nn.Module:
    """A network whose weights are eighths and whose leaks are halves, so that float32 sums are exact in any order."""
    network = plain(network_of(name))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            for weight in (module.weight, module.bias):
                if weight is not None:
                    weight.data = (8 * weight.data).round() / 8
        if isinstance(module, CellLayer):
            module.leak_logit.data.zero_()  # type: ignore[operator]
    return network


def by_hand(network: nn.Module, frames: list[ndarray]) -> list[ndarray]:
    """The numbers that are not 0 of what each layer of Norse's cells puts out, `(lanes, layers)` a step."""
    twin, layers, counts = fold(copy.deepcopy(plain(network))).eval(), list[torch.Tensor](), []

    def keep(layer: nn.Module, inputs: Any, output: Any) -> None:
        layers.append(output[0])

    for module in twin.modules():
        if isinstance(module, CellLayer):
            module.register_forward_hook(keep)
    state = None
    for frame in frames:
        layers.clear()
        with torch.inference_mode():
            _, state = forward_step(twin, torch.from_numpy(frame.astype(np.float32)), state)
        counts.append(np.stack([[int((lane != 0).sum()) for lane in layer] for layer in layers], 1))
    return counts


def counted(engine: Any, frames: list[ndarray]) -> list[ndarray]:
    count_spikes(engine)
    state, counts = None, []
    for frame in frames:
        _, state = engine.step(frame, state)
        counts.append(engine.spikes)
    return counts


def streams(name: str, lanes: int = 1) -> list[ndarray]:
    return [
        frame
        for density in (0.0, 0.03, 0.3)
        for frame in frames_for(NETWORKS[name], 4, density=density, lanes=lanes, seed=round(100 * density))
    ]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_counts_the_spikes_of_norse(engine: str, name: str) -> None:
    network, frames = on_a_grid(name), streams(name, lanes=2)
    wanted = by_hand(network, frames)
    assert all(layer.any() and len(set(layer.tolist())) > 5 for layer in np.concatenate(wanted).T)
    np.testing.assert_array_equal(counted(engine_of(engine, network, name), frames), wanted)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_layers_are_counted_in_the_order_of_norse(engine: str, name: str) -> None:
    """Membranes are rounded in another order, so that a cell at its threshold may differ, and what follows it."""
    network, frames = network_of(name), streams(name)[4:]
    model = engine_of(engine, network, name)
    mine, wanted = np.concatenate(counted(model, frames)), np.concatenate(by_hand(network, frames))
    assert np.all(np.abs(mine - wanted) <= 2 + 0.01 * wanted)
    assert wanted.any(0).all(), "every layer must fire"
    assert model.cells == tuple(int(np.prod(stage.shape)) for stage in lowered(network, NETWORKS[name]).stages)
    assert (wanted <= np.array(model.cells)).all()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_counting_changes_no_output_by_a_bit(engine: str, name: str) -> None:
    plainly, counting = (engine_of(engine, network_of(name), name) for _ in range(2))
    count_spikes(counting)
    one = other = None
    for frame in frames_for(NETWORKS[name], 3, density=0.2):
        output, one = plainly.step(frame, one)
        twin, other = counting.step(frame, other)
        np.testing.assert_array_equal(output, twin)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_drawn_session_has_nearly_the_spikes_of_norse(engine: str) -> None:
    """The network that ships, on the steps of the first gesture."""
    try:
        model, _ = spikecut.load_network("gestures", engine=engine)
    except EnvironmentProblem as missing:
        pytest.skip(str(missing))
    norse, _ = spikecut.load_network("gestures", engine="norse")
    bins = list(spikecut.frames_of(DrawnSession(24, "led", order=(1,), quick=True), norse))[:60]
    mine, wanted = (np.concatenate(counted(one, [frame.pixels[None] for frame in bins])) for one in (model, norse))
    assert wanted.shape == (60, 3)
    assert wanted.sum(0).min() > 100
    assert np.abs(mine - wanted).sum() <= 1e-3 * wanted.sum()


@pytest.mark.parametrize("engine", ["dense", "norse", "onnx"])
def test_dense_engines_count_only_when_it_is_wanted(engine: str) -> None:
    model, frame = engine_of(engine, network_of("compact"), "compact"), frames_for(NETWORKS["compact"], 1)[0]
    counts = [model.spikes]
    for wanted in (False, True, False):
        model.counts_spikes = wanted
        model.step(frame, None)
        counts.append(model.spikes)
    assert [one is None for one in counts] == [True, True, False, True]
    count_spikes(object())  # what counts nothing goes on counting nothing


def steps_of(model: Any, frames: list[ndarray]) -> list[Step]:
    bins = [Frame(k, 0, k * 1000, (k + 1) * 1000, frame[0], 1) for k, frame in enumerate(frames)]
    items = run(bins, model, spikecut.never(len(bins)), horizon=len(bins))
    return [item for item in items if isinstance(item, Step)]


def test_steps_carry_the_spikes_of_each_layer_also_while_a_lane_is_dense() -> None:
    network, name = on_a_grid("compact"), "compact"
    frames = [*frames_for(NETWORKS[name], 10, density=0.6), *frames_for(NETWORKS[name], 60, density=0.01)]
    model = AutoStepper(lowered(network, NETWORKS[name]), DenseStepper, 100_000)
    wanted = [tuple(one[0].tolist()) for one in by_hand(network, frames)]
    by_default = [step.spikes for step in steps_of(model, frames)]
    assert by_default.count(None) > 10
    assert all(one in (None, other) for one, other in zip(by_default, wanted, strict=True))
    count_spikes(model)
    steps = steps_of(model, frames)
    assert [step.spikes for step in steps] == wanted
    assert [step.operations is None for step in steps] == [one is None for one in by_default], "the same were dense"
    assert {step.cells for step in steps} == {(8 * 34 * 34, 16 * 17 * 17)}


def test_lanes_of_both_kinds_are_counted_together() -> None:
    network, name = on_a_grid("compact"), "compact"
    parts = [frames_for(NETWORKS[name], 12, density=density) for density in (0.6, 0.01)]
    frames = [np.concatenate(pair) for pair in zip(*parts, strict=True)]
    model = AutoStepper(lowered(network, NETWORKS[name]), DenseStepper, 100_000)
    np.testing.assert_array_equal(counted(model, frames), by_hand(network, frames))
    assert model.operations is None, "a lane must be dense"


@pytest.mark.parametrize("engine", ENGINES)
def test_counts_belong_to_the_thread_that_stepped(engine: str) -> None:
    network = on_a_grid("compact")
    model = engine_of(engine, network, "compact")
    several = [frames_for(NETWORKS["compact"], 20, density=density) for density in (0.02, 0.5)]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda frames: counted(model, frames), several))
    for counts, frames in zip(both, several, strict=True):
        np.testing.assert_array_equal(counts, by_hand(network, frames))


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_was_pickled_or_copied_counts_as_before(engine: str) -> None:
    network, frames = on_a_grid("compact"), frames_for(NETWORKS["compact"], 3)
    model = engine_of(engine, network, "compact")
    wanted = by_hand(network, frames)
    np.testing.assert_array_equal(counted(model, frames), wanted)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(counted(twin, frames), wanted)


class Own(LaneByLane):
    """An engine as users wrote them before spikes were counted."""

    def step_lane(self, frame: Any, lane: Any) -> Any:
        return np.full((1, 2), frame.sum(), np.float32), lane


def test_an_engine_of_ones_own_need_not_count() -> None:
    model = pickle.loads(pickle.dumps(Own((2, 3, 3), 2, ())))
    count_spikes(model)
    (step,) = steps_of(model, [np.ones((1, 2, 3, 3), np.uint8)])
    assert step.spikes is None
    assert step.total.tolist() == [18, 18]
