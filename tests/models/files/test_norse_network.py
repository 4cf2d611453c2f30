"""Truths about anybody's Norse network: stepped in company it says what it says alone, or it is refused."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import spikecut
from spikecut.models.files.fingerprint import fingerprint
from spikecut.models.files.norse_network import NorseNetwork, from_norse
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.replay import record_outputs

from contracts import check_model
from norse_nets import KINDS, LIF, PIXELS, SENSOR, OwnStates, alone, clips, round_numbers, snn, stream

ABC = ("a", "b", "c")


def network(kind: str) -> NorseNetwork:
    return from_norse(round_numbers(KINDS[kind]()), classes=ABC, step_us=10, sensor=SENSOR)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_the_contract_of_a_model(kind: str) -> None:
    check_model(network(kind), list(clips(3, steps=4)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_something_that_depends_on_what_it_sees(kind: str) -> None:
    """Else the truths below would hold of silence."""
    said = np.stack([alone(round_numbers(KINDS[kind]()), clip) for clip in clips(6, steps=6).swapaxes(0, 1)])
    assert len(np.unique(said.reshape(6, -1), axis=0)) > 3


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(data=st.data())
def test_recordings_in_a_batch_that_shrinks_and_refills_say_what_each_says_alone(kind: str, data: Any) -> None:
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=7))
    seen = [clip[:n] for clip, n in zip(clips(len(lengths), 6).swapaxes(0, 1), lengths, strict=True)]
    batch_size = data.draw(st.integers(1, 4))
    said = record_outputs(map(stream, seen), len(seen), network(kind), horizon=6, batch_size=batch_size)
    for outputs, clip in zip(said, seen, strict=True):
        np.testing.assert_array_equal(outputs[: len(clip)], alone(round_numbers(KINDS[kind]()), clip))


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(-1, 3), min_size=4, max_size=4), min_size=1, max_size=3))
def test_lanes_may_be_chosen_again_before_the_next_step(choices: list[list[int]]) -> None:
    """Also lanes that rest already; each goes on from what it has seen, or starts."""
    model, frames = network("convolutional"), clips(4, steps=3)
    _, state = model.step(frames[0], None)
    origins = [0, 1, 2, 3]
    for lanes in choices:
        state = model.select(state, np.array(lanes))
        origins = [origins[lane] if lane >= 0 else -1 for lane in lanes]
    state = model.copy(state)
    output, state = model.step(frames[1], state)
    later, _ = model.step(frames[2], state)
    net = round_numbers(KINDS["convolutional"]())
    for at, origin in enumerate(origins):
        before = [frames[0, origin]] if origin >= 0 else []
        np.testing.assert_array_equal(
            np.stack([output[at], later[at]]), alone(net, np.stack([*before, *frames[1:, at]]))[-2:]
        )


def test_it_runs_in_the_loop_and_stops_early() -> None:
    model = network("convolutional")
    *steps, decision = spikecut.run(stream(clips(1, 30)[:, 0]), model, spikecut.topk([0.5] * 30), horizon=30)
    assert isinstance(decision, spikecut.Decision)
    assert decision.steps == len(steps) < 30


def test_what_it_said_stays_when_it_goes_on() -> None:
    """LI cells hand out their membrane itself, and some modules write into it."""
    for kind in ("convolutional", "in place"):
        model, frames = network(kind), clips(2, steps=2)
        output, state = model.step(frames[0], None)
        before = output.copy()
        output += 7
        again, _ = model.step(frames[1], state)
        output -= 7
        np.testing.assert_array_equal(output, before)
        np.testing.assert_array_equal(again[0], alone(round_numbers(KINDS[kind]()), frames[:, 0])[1])


def test_frames_are_not_written_into() -> None:
    frames = clips(2, steps=1)[0].astype(np.float32)
    before = frames.copy()
    network("in place").step(frames, None)
    np.testing.assert_array_equal(frames, before)


def test_a_module_is_not_changed_and_changing_it_later_changes_nothing() -> None:
    net = round_numbers(KINDS["integrate and fire"]()).train()
    model = from_norse(net, classes=ABC, step_us=10, sensor=SENSOR)
    frames = clips(2, steps=1)[0]
    before, _ = model.step(frames, None)
    assert net.training
    assert all(weight.requires_grad for weight in net.parameters())
    assert not net[2].p.v_reset.requires_grad  # type: ignore[index]  # which Norse's IAF cell would set
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
    after, _ = model.step(frames, None)
    np.testing.assert_array_equal(before, after)
    assert np.abs(before).max() > 0


def test_normalisation_and_dropout_are_those_of_evaluation() -> None:
    net = snn.SequentialState(nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(PIXELS, 3), snn.LICell())
    check_model(from_norse(net.train(), classes=ABC, step_us=10, sensor=SENSOR), list(clips(3, steps=3)))


def test_its_card_says_what_the_commands_need() -> None:
    net = snn.SequentialState(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(PIXELS // 4, 3), snn.LICell())
    card = from_norse(net, classes=ABC, step_us=20_000, sensor=SensorSize(12, 8), frame=SENSOR).card
    assert (card.classes, card.horizon, card.sensor) == (ABC, 50, SensorSize(12, 8))
    assert (card.spec.step_us, card.spec.frame, card.spec.n_classes) == (20_000, SENSOR, 3)
    card = from_norse(net, classes=ABC, step_us=3_000_000, sensor=SENSOR, name="mine").card
    assert (card.horizon, card.name) == (1, "mine")
    assert from_norse(net, classes=ABC, step_us=5, sensor=SENSOR, horizon=7).card.horizon == 7


class Told(nn.Module):
    """A module that does what it is told: a step as a function of frames and state."""

    def __init__(self, step: Callable[[Tensor, Any], Any]) -> None:
        super().__init__()
        self.told = step

    def forward(self, x: Tensor, state: Any = None) -> Any:
        return self.told(x, state)


class Hoarder(nn.Module):
    """It keeps its membrane to itself, and forgets it at rest only: asked twice from rest it says the same."""

    v: Tensor

    def forward(self, x: Tensor, state: Any = None) -> Any:
        drive = three(x)
        self.v = drive if state is None else self.v + drive
        return self.v, ()


def three(x: Tensor) -> Tensor:
    return x.flatten(1)[:, :3]


def growing(x: Tensor, state: Any) -> Any:
    state = [*(state or []), three(x)]
    return torch.stack(state).sum(0), state


def longer(x: Tensor, state: Any) -> Any:
    state = three(x)[:, None] if state is None else torch.cat([state, three(x)[:, None]], 1)
    return state.sum(1), state


def half_made() -> nn.Module:
    net = Told(lambda x, s: (three(x), s))
    net.gain = torch.ones(3, requires_grad=True) * 2
    return net


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no module": (lambda: len, "takes a torch.nn.Module, not a builtin_function_or_method"),
    "no state in forward": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 3)),
        r"fails on its first frames, of shape \(1, 2, 4, 6\): TypeError",
    ),
    "another frame": (
        lambda: snn.SequentialState(nn.Flatten(), nn.Linear(7, 3), snn.LICell()),
        r"fails on its first frames, of shape \(1, 2, 4, 6\): RuntimeError",
    ),
    "another number of classes": (
        lambda: snn.SequentialState(nn.Flatten(), nn.Linear(PIXELS, 4), snn.LICell()),
        r"outputs of shape \(1, 4\) a step; expected \(1, 3\)",
    ),
    "outputs that are no vector": (lambda: snn.SequentialState(snn.LIFCell()), r"outputs of shape \(1, 2, 4, 6\)"),
    "hidden outputs": (
        lambda: snn.SequentialState(nn.Flatten(), nn.Linear(PIXELS, 3), return_hidden=True),
        "outputs in a list a step",
    ),
    "a squeezed lane": (lambda: Told(lambda x, s: (three(x).squeeze(), s)), r"outputs of shape \(3,\)"),
    "no pair": (lambda: Told(lambda x, s: three(x)), r"returns a Tensor; expected \(output, state\)"),
    "no number": (lambda: Told(lambda x, s: (three(x) / 0, s)), "not finite"),
    "a state it cannot take": (
        lambda: Told(lambda x, s: (three(x), 1 if s is None else s["v"])),
        "fails on the state that it gave back itself: TypeError",
    ),
    "time first": (
        lambda: snn.SequentialState(nn.Flatten(), nn.Linear(PIXELS, 3), snn.LIF()),
        "changes from step to step but is one for all lanes",
    ),
    "neighbours": (
        lambda: Told(lambda x, s: (three(x) - three(x).mean(0), s)),
        "says of one lane depends on the other lanes",
    ),
    "neighbours in the state only": (
        lambda: Told(lambda x, s: (0 * three(x), three(x) - three(x).mean(0))),
        "says of one lane depends on the other lanes",
    ),
    "size of the batch": (lambda: Told(lambda x, s: (three(x) / len(x), s)), "depends on how many lanes there are"),
    "memory of its own": (Hoarder, "says something else when it is asked again from rest"),
    "random numbers": (
        lambda: snn.SequentialState(nn.Dropout(), nn.Flatten(), Told(lambda x, s: (three(x) * torch.rand(1), s))),
        "says something else when it is asked again from rest",
    ),
    "a count of steps for all": (
        lambda: Told(lambda x, s: (three(x) * (s or 1), (s or 0) + 1)),
        "changes from step to step but is one for all lanes",
    ),
    "one membrane for all": (
        lambda: Told(lambda x, s: (three(x), torch.zeros(1, 3) if s is None else s + 1)),
        "changes from step to step but is one for all lanes",
    ),
    "lanes and cells in one axis": (
        lambda: Told(lambda x, s: (three(x), three(x).flatten())),
        r"a state of shape \(3,\) for one lane, \(9,\) for 3",
    ),
    "a list that grows": (lambda: Told(growing), "changes its form: list of 1, then list of 2"),
    "a tensor that grows": (
        lambda: Told(longer),
        r"a state of shape \(3, 1, 3\) after the first step, \(3, 2, 3\) later",
    ),
    "an unknown state": (lambda: Told(lambda x, s: (three(x), object())), "state holds a object"),
    "a tensor in the making": (half_made, "cannot be copied: RuntimeError"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_stepped_lane_by_lane_is_refused(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(ModelError, match=message):
        from_norse(make(), classes=ABC, step_us=10, sensor=SENSOR)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": "abc"}, "expected a list of names"),
        ({"classes": range(3)}, "expected a list of names"),
        ({"classes": ["a", "a", "b"]}, "each once"),
        ({"classes": ["a"]}, "at least two"),
        ({"step_us": 0}, "step_us=0; expected a whole number from 1 on"),
        ({"horizon": 0}, "horizon=0; expected a whole number"),
        ({"step_us": 1e4}, r"step_us=10000.0; expected a whole number"),
        ({"sensor": (6, 4)}, r"sensor=\(6, 4\); expected a SensorSize"),
        ({"frame": SensorSize(6, 2)}, "a 6x2 frame of a 6x4 sensor"),
        ({"frame": SensorSize(12, 8)}, "a 12x8 frame of a 6x4 sensor"),
    ],
)
def test_what_cannot_be_of_a_network_is_refused(change: dict[str, Any], message: str) -> None:
    about: dict[str, Any] = {"classes": ABC, "step_us": 10, "sensor": SENSOR, **change}
    with pytest.raises(ConfigError, match=message):
        from_norse(round_numbers(KINDS["convolutional"]()), **about)


def test_frames_of_another_size_are_refused() -> None:
    with pytest.raises(ModelError, match=r"\(2, 5, 5\) for a network made for \(2, 4, 6\)"):
        network("convolutional").step(np.zeros((1, 2, 5, 5), np.uint8), None)


def changed(kind: str) -> str:
    """The fingerprint of a network of its own states in which one thing is other than it was."""
    net = round_numbers(OwnStates())
    assert isinstance(net, OwnStates)
    about: dict[str, Any] = {"classes": ABC, "step_us": 10, "sensor": SENSOR}
    if kind == "weight":
        net.weight.weight.data[0, 0] += 0.25
    elif kind == "threshold":
        net.cell.p = net.cell.p._replace(v_th=torch.tensor(1.5))
    elif kind == "reset":
        net.cell.p = net.cell.p._replace(reset_method=snn.reset_subtract)
    elif kind == "dt":
        net.cell.dt = 0.5
    elif kind == "private":
        vars(net)["_gain"] = 2
    elif kind == "classes":
        about["classes"] = ("b", "a", "c")
    elif kind == "bin":
        about["step_us"] = 20
    elif kind == "code":

        class Edited(OwnStates):
            pass

        net.__class__ = Edited
    return from_norse(net, **about).card.weights_sha256


def test_two_networks_are_the_same_if_all_they_compute_with_is() -> None:
    assert changed("nothing") == changed("nothing")
    kinds = ("nothing", "weight", "threshold", "reset", "dt", "private", "classes", "bin", "code")
    assert len({changed(kind) for kind in kinds}) == len(kinds)


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    code = (
        "from spikecut.models.files.fingerprint import fingerprint\nfrom norse_nets import *\n"
        "print(*(fingerprint(round_numbers(make())) for make in KINDS.values()))"
    )
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == [fingerprint(round_numbers(make())) for make in KINDS.values()]


def test_parameters_shared_by_two_cells_count_as_if_each_had_its_own() -> None:
    """Whether Python made one tuple or two says nothing about a network; what refers back to itself comes to an end."""
    shared = snn.SequentialState(snn.LIFCell(LIF), snn.LIFCell(LIF))
    other = snn.LIFParameters(*(value.clone() if isinstance(value, Tensor) else value for value in LIF))
    apart = snn.SequentialState(snn.LIFCell(LIF), snn.LIFCell(other))
    assert fingerprint(shared) == fingerprint(apart)
    loop: list[Any] = [1]
    loop.append(loop)
    shared.loop = loop
    assert fingerprint(shared) != fingerprint(apart)
