"""Truths about networks: a step is a function of its state, lanes are independent, what is saved comes back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.models.architectures.networks import NetworkSpec, build, fold, forward_step
from spikecut.models.card import ModelCard
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.files import checkpoint, opening
from spikecut.models.training.layerwise import outputs_of
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.protocols import SteppedModel

SPEC = NetworkSpec("compact", (4, 6), 3, 10_000, SensorSize(9, 8))


def stepper(seed: int = 0) -> NetworkStepper:
    torch.manual_seed(seed)
    return NetworkStepper(build(SPEC), SPEC)


def clip(n: int, steps: int = 5, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.5, (steps, n, 2, 8, 9)).astype(np.uint8)


def outputs(model: SteppedModel[Any], frames: np.ndarray) -> np.ndarray:
    state, said = None, []
    for frame in frames:
        output, state = model.step(frame, state)
        said.append(output)
    return np.stack(said)


def test_a_stepper_is_a_stepped_model() -> None:
    assert isinstance(stepper(), SteppedModel)


def test_folding_changes_no_output() -> None:
    torch.manual_seed(3)
    network = build(SPEC).eval()
    frames = torch.from_numpy(clip(2)).float()
    before, after, state, folded_state = [], [], None, None
    for frame in frames:
        output, state = forward_step(network, frame, state)
        before.append(output.detach())
    folded = fold(network)
    assert "parametrizations" not in " ".join(folded.state_dict())
    for frame in frames:
        output, folded_state = forward_step(folded, frame, folded_state)
        after.append(output.detach())
    torch.testing.assert_close(torch.stack(before), torch.stack(after))


def test_the_network_really_spikes_and_its_steps_depend_on_the_past() -> None:
    model, frames = stepper(), clip(3)
    said = outputs(model, frames)
    assert np.abs(np.diff(said, axis=0)).max() > 0
    alone, _ = model.step(frames[4], None)
    assert np.abs(alone - said[4]).max() > 0


def test_a_state_that_was_copied_can_be_come_back_to() -> None:
    model, frames = stepper(), clip(2)
    _, state = model.step(frames[0], None)
    kept = model.copy(state)
    first, state = model.step(frames[1], state)
    model.step(frames[2], state)
    again, _ = model.step(frames[1], kept)
    np.testing.assert_array_equal(first, again)


def test_two_streams_can_share_one_network() -> None:
    model, one, other = stepper(), clip(2, seed=1), clip(2, seed=2)
    expected = outputs(model, one), outputs(model, other)
    states = [None, None]
    for t in range(5):
        for i, frames in enumerate((one, other)):
            output, states[i] = model.step(frames[t], states[i])  # type: ignore[call-overload]
            np.testing.assert_array_equal(output, expected[i][t])


@settings(max_examples=30)
@given(st.lists(st.integers(-1, 4), min_size=1, max_size=7))
def test_selected_lanes_go_on_as_if_nothing_had_happened(lanes: list[int]) -> None:
    """Also in another order, also twice, and -1 is a lane at rest."""
    model, frames = stepper(), clip(5, steps=4)
    together = outputs(model, frames)
    state = None
    for frame in frames[:2]:
        _, state = model.step(frame, state)
    assert state is not None
    state = model.select(state, np.array(lanes))
    picks = [max(lane, 0) for lane in lanes]
    output, _ = model.step(frames[2][picks], state)
    for at, lane in enumerate(lanes):
        expected = together[2][lane] if lane >= 0 else model.step(frames[2][:1], None)[0][0]
        np.testing.assert_allclose(output[at], expected, atol=1e-5)


def test_dropout_is_off_and_no_graph_is_kept_while_streaming() -> None:
    model, frames = stepper(), clip(2)
    np.testing.assert_array_equal(outputs(model, frames), outputs(model, frames))
    _, state = model.step(frames[0], None)
    assert all(not entry.v.requires_grad for entry in state if entry is not None)


TRACES = NetworkSpec("traces", (4, 6), 3, 20_000, SensorSize(128, 128))


def test_a_network_with_traces_says_the_same_of_whole_frames_and_of_merged_ones() -> None:
    """Training reads frames whose squares were merged by the binner; streaming merges them in the network."""
    network = fold(build(TRACES)).eval()
    whole = torch.poisson(torch.full((2, 2, 128, 128), 0.1), generator=torch.Generator().manual_seed(0))
    merged = whole.view(2, 2, 32, 4, 32, 4).sum((3, 5))
    with torch.inference_mode():
        torch.testing.assert_close(network(whole, None)[0], network(merged, None)[0])


def test_lanes_of_a_network_with_traces_go_on_as_if_nothing_had_happened() -> None:
    """Leaks differ from channel to channel; a lane at rest is still all zeros."""
    stepper = NetworkStepper(build(TRACES), TRACES)
    frames = np.random.default_rng(0).poisson(0.2, (6, 3, 2, 128, 128)).astype(np.uint8)
    state = None
    for t in range(3):
        _, state = stepper.step(frames[t], state)
    assert state is not None
    going, _ = stepper.step(frames[3], stepper.copy(state))
    picked, _ = stepper.step(frames[3][[2, 1, 0]], stepper.select(state, np.array([2, -1, 0])))
    fresh, _ = stepper.step(frames[3], None)
    np.testing.assert_allclose(picked[[0, 2]], going[[2, 0]], atol=1e-5)
    np.testing.assert_allclose(picked[1], fresh[1], atol=1e-5)


def test_a_network_with_traces_needs_a_frame_that_can_be_merged() -> None:
    with pytest.raises(ModelError, match="a multiple of 32"):
        build(NetworkSpec("traces", (4,), 3, 20_000, SensorSize(100, 128)))


def test_dropout_forgets_the_same_features_at_every_step_of_a_recording() -> None:
    torch.manual_seed(0)
    network = build(SPEC)
    dropout = next(module for module in network.modules() if type(module).__name__ == "FrameDropout")
    ones, state = torch.ones(1, 50), None
    masks = []
    for _ in range(3):
        out, state = dropout(ones, state)
        masks.append(out)
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[1], masks[2])
    assert 0 < int((masks[0] == 0).sum()) < 50


def test_frames_of_another_size_are_refused() -> None:
    with pytest.raises(ModelError, match=r"\(2, 9, 9\) for a network made for \(2, 8, 9\)"):
        stepper().step(np.zeros((1, 2, 9, 9), np.uint8), None)


def test_training_sees_the_outputs_that_streaming_gives() -> None:
    torch.manual_seed(5)
    network = build(SPEC).eval()
    frames = clip(3)
    batch_first = torch.from_numpy(frames).float().transpose(0, 1)
    trained_on = outputs_of(network, batch_first).detach().numpy()
    streamed = outputs(NetworkStepper(network, SPEC), frames)
    np.testing.assert_allclose(trained_on, streamed.transpose(1, 0, 2), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "cathedral"}, "expected one of compact"),
        ({"channels": (4, 4, 4, 4)}, "4 halvings leave nothing of a 9x8 frame"),
    ],
)
def test_a_network_that_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    import dataclasses

    with pytest.raises(ModelError, match=message):
        build(dataclasses.replace(SPEC, **change))  # type: ignore[arg-type]


def saved(folder: Path, seed: int = 7) -> tuple[NetworkStepper, ModelCard]:
    torch.manual_seed(seed)
    network = build(SPEC)
    card = ModelCard("tiny", SPEC, ("a", "b", "c"), SensorSize(9, 8), 5, metrics={"n": 1}, trained_on=("00ff",))
    return NetworkStepper(network, SPEC), checkpoint.save(folder, card, network)


def test_a_saved_network_says_the_same_to_the_bit(tmp_path: Path) -> None:
    before, card = saved(tmp_path)
    after, read = opening.load(tmp_path / "tiny.safetensors", engine="norse")
    np.testing.assert_array_equal(outputs(before, clip(2)), outputs(after, clip(2)))
    assert read == card
    assert opening.locate(tmp_path / "tiny") == tmp_path / "tiny.safetensors"


def test_a_card_says_which_classes_are_no_gesture_and_an_older_one_that_none_are(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "tiny.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "rejects": ["c"]}))
    assert checkpoint.read_card(path).no_gestures == (2,)
    path.write_text(json.dumps({name: value for name, value in raw.items() if name != "rejects"}))
    assert checkpoint.read_card(path).no_gestures == ()


def test_weights_of_another_training_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    saved(tmp_path / "other", seed=8)
    (tmp_path / "other" / "tiny.safetensors").replace(tmp_path / "tiny.safetensors")
    with pytest.raises(ModelError, match="its SHA-256 begins"):
        opening.load(tmp_path / "tiny.safetensors")


def test_a_truncated_file_of_weights_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    _sign(path)
    with pytest.raises(ModelError, match="do not fit the card"):
        opening.load(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    network = build(SPEC)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    card = ModelCard("tiny", SPEC, ("a", "b", "c"), SensorSize(9, 8), 5)
    checkpoint.save(tmp_path, card, network)
    with pytest.raises(ModelError, match="not finite"):
        opening.load(tmp_path / "tiny")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a"]}, "1 class names for 3 outputs"),
        ({"kind": "recipe"}, "not a card of version 1"),
        ({"spec": {"architecture": "compact"}}, "not a card of a spikecut network"),
        ({"surprise": 1}, "not a card of a spikecut network"),
        ({"rejects": ["d"]}, "rejects: found a list of 1; expected some of the classes"),
        ({"rejects": ["a", "a"]}, "rejects: found a list of 2; expected some of the classes, each once"),
        ({"rejects": ["a", "b", "c"]}, "and not all of them"),
        ({"rejects": "a"}, "rejects: found 'a'; expected a list"),
    ],
)
def test_a_card_that_does_not_add_up_is_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=message):
        opening.load(tmp_path / "tiny")


def test_an_unknown_network_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no network 'nobody'") as caught:
        opening.locate("nobody")
    assert "shipped one: " in str(caught.value.hint)


def _sign(path: Path) -> None:
    import hashlib

    card = path.with_suffix(".json")
    raw = json.loads(card.read_text())
    raw["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    card.write_text(json.dumps(raw))
