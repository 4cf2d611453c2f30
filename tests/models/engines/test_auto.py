"""The engine that chooses: it hands lanes over between two engines that keep the same state, and nothing shows."""

import pickle
from typing import Any

import naive_network
import numpy as np
import pytest
from engine_networks import NETWORKS, frames_for, network_of
from numpy import ndarray

from spikecut.models.engines.auto import AutoStepper, row_of, tensors_of
from spikecut.models.engines.dense import DenseStepper
from spikecut.models.engines.events.stepper import EventStepper
from spikecut.models.engines.lowering import lowered
from spikecut.models.files.opening import load
from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Step
from spikecut.pipeline.rules.thresholds import never
from spikecut.pipeline.runner import run


def changing(name: str, n_steps: int, lanes: int = 1) -> list[ndarray]:
    """Frames that are now nearly empty, now full: every lane at its own time."""
    spec = NETWORKS[name]
    parts = [frames_for(spec, n_steps, lanes=lanes, density=density) for density in (0.01, 0.6)]
    return [np.stack([parts[(t // 40 + lane) % 2][t][lane] for lane in range(lanes)]) for t in range(n_steps)]


def auto(name: str) -> AutoStepper:
    """With a break-even between the loads of the empty and the full frames of `changing`."""
    graph = lowered(network_of(name), NETWORKS[name])
    model, loads = EventStepper(graph), []
    for density in (0.01, 0.6):
        state = None
        for frame in frames_for(NETWORKS[name], 20, density=density):
            _, state = model.step(frame, state)
        loads.append(float(model.operations[0]))
    assert loads[0] < 0.7 * loads[1]
    return AutoStepper(graph, DenseStepper, 0.9 * loads[1])


def stepped(model: Any, frames: list[ndarray]) -> tuple[ndarray, list[list[bool]]]:
    """The outputs, and after every step which lanes are dense."""
    state, outputs, dense = None, [], []
    for frame in frames:
        output, state = model.step(frame, state)
        outputs.append(output)
        dense.append([tensors is not None for tensors in state.tensors])
    return np.stack(outputs), dense


@pytest.mark.parametrize("name", ["compact", "traces", "vggsnn-woap"])
def test_a_lane_changes_engines_and_nothing_shows(name: str) -> None:
    frames = changing(name, 130)
    outputs, dense = stepped(auto(name), frames)
    changes = sum(one != other for one, other in zip(dense[1:], dense[:-1], strict=True))
    assert changes >= 2, "the stream must make the lane dense and bring it back"
    graph, state = lowered(network_of(name), NETWORKS[name]), None
    for frame, output in zip(frames, outputs, strict=True):
        twin, state = naive_network.step(graph, frame[0], state)
        np.testing.assert_allclose(output[0], twin, rtol=1e-3, atol=1e-3 * np.abs(twin).max())


def test_lanes_say_the_same_to_the_bit_in_any_batch() -> None:
    frames, model = changing("traces", 130, lanes=3), auto("traces")
    together, dense = stepped(model, frames)
    assert {tuple(one) for one in dense} & {(True, False, True), (False, True, False)}
    for lane in range(3):
        alone, _ = stepped(model, [frame[lane : lane + 1] for frame in frames])
        np.testing.assert_array_equal(alone[:, 0], together[:, lane])


def test_hysteresis_keeps_a_lane_from_changing_at_every_step() -> None:
    spec = NETWORKS["compact"]
    rng = np.random.default_rng(0)
    frames = [frames_for(spec, 1, density=rng.uniform(0.1, 0.9), seed=t)[0] for t in range(200)]
    _, dense = stepped(auto("compact"), frames)
    changes = sum(one != other for one, other in zip(dense[1:], dense[:-1], strict=True))
    assert 1 <= changes <= 2 * 200 / 32 + 2


def test_state_is_handed_over_and_back_to_the_bit() -> None:
    for name in NETWORKS:
        graph = lowered(network_of(name), NETWORKS[name])
        model = AutoStepper(graph, DenseStepper, np.inf)
        _, state = model.step(frames_for(NETWORKS[name], 1)[0], None)
        program = model.events.program
        arrays = tensors_of(state.rows[0], program.rooms, graph)
        dense = DenseStepper(graph)
        assert [one.shape for one in arrays] == [one.shape for one in dense.arrays(dense.rest)]
        back = row_of(dense.arrays(dense.lane(arrays)), program, graph)
        np.testing.assert_array_equal(back[:-1], state.rows[0][:-1])
        assert back[-1] == any(path.scales for path in graph.paths)  # steps are counted where they matter


@pytest.mark.parametrize("engine", ["auto", "events", "dense", "norse"])
def test_a_loaded_network_still_says_what_frames_it_reads_when_it_was_pickled(engine: str) -> None:
    stepper, card = load("nmnist", engine=engine)
    again = pickle.loads(pickle.dumps(stepper))
    assert (again.spec, again.card) == (card.spec, card)


def test_it_can_be_pickled_with_lanes_of_both_kinds() -> None:
    frames, model = changing("traces", 60, lanes=2), auto("traces")
    outputs, _ = stepped(model, frames)
    again, _ = stepped(pickle.loads(pickle.dumps(model)), frames)
    np.testing.assert_array_equal(again, outputs)


def test_a_step_carries_its_operations_where_it_was_made_by_events() -> None:
    """Dense steps are not counted."""
    model, decider = auto("compact"), never(130)
    frames = changing("compact", 130)
    bins = [Frame(k, 0, k * 1000, (k + 1) * 1000, frame[0], 1) for k, frame in enumerate(frames)]

    def counted(engine: Any) -> list[int | None]:
        items = run(bins, engine, decider, horizon=130)
        return [item.operations for item in items if isinstance(item, Step)]

    by_auto, by_events = counted(model), counted(EventStepper(model.graph))
    assert len(by_auto) == len(by_events) == 130
    assert None not in by_events
    assert 10 < by_auto.count(None) < 100
    for one, other in zip(by_auto, by_events, strict=True):
        assert one is None or one == pytest.approx(other, rel=0.01)
    assert counted(DenseStepper(model.graph)) == [None] * 130
