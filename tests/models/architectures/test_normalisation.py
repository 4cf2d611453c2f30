"""Truths about normalisation: over all steps at once in training, step by step in streaming, and the same."""

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spikecut.models.architectures.networks import NetworkSpec, build, fold, forward_step, plain
from spikecut.models.architectures.normalisation import TemporalBatchNorm
from spikecut.models.card import ModelCard
from spikecut.models.cells.conversion import ConvertedCell
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.files import checkpoint, opening
from spikecut.models.training.layerwise import outputs_of
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize

FRAME = SensorSize(9, 8)
SPECS = {
    "kernel": NetworkSpec("compact", (4, 6), 3, 10_000, FRAME),
    "batch": NetworkSpec("compact", (4, 6), 3, 10_000, FRAME, "batch"),
    "tebn": NetworkSpec("compact", (4, 6), 3, 10_000, FRAME, "tebn", 4),
    "converted": NetworkSpec("compact", (4, 6), 3, 10_000, FRAME, "batch", levels=4),
}


def trained(spec: NetworkSpec) -> nn.Module:
    """A network whose statistics and scales are no longer those of the beginning."""
    torch.manual_seed(0)
    network = build(spec)
    for _ in range(3):
        outputs_of(network, torch.poisson(torch.full((4, 5, 2, 8, 9), 0.6)))
    for module in network.modules():
        if isinstance(module, TemporalBatchNorm):
            nn.init.uniform_(module.scales, 0.5, 2)
        if isinstance(module, ConvertedCell):
            nn.init.constant_(module.p.logarithm, 0.2)
    return network.eval()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_training_normalises_over_recordings_steps_and_pixels_at_once() -> None:
    x, norm = drawn(5, 3, 2, 4, 6) * 3 + 1, TemporalBatchNorm(2, 5, gain=1.5)
    nn.init.uniform_(norm.scales, 0.5, 2)
    found = norm.scan(x)
    mean, variance = x.mean((0, 1, 3, 4)), x.var((0, 1, 3, 4), correction=0)
    normed = 1.5 * (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(found, normed * norm.scales.view(5, 1, 1, 1, 1))
    torch.testing.assert_close(norm.norm.running_mean, 0.1 * mean)


def test_without_scales_it_is_torchs_batch_normalisation_of_all_steps() -> None:
    x, norm, torchs = drawn(5, 3, 2, 4, 6), TemporalBatchNorm(2), nn.BatchNorm2d(2)
    for _ in range(2):
        assert torch.equal(norm.scan(x).flatten(0, 1), torchs(x.flatten(0, 1)))
    assert torch.equal(norm.eval().scan(x).flatten(0, 1), torchs.eval()(x.flatten(0, 1)))
    assert norm(x[0])[1] is None


def test_a_linear_layer_is_normalised_alike() -> None:
    x, norm = drawn(5, 3, 2), TemporalBatchNorm(2, 5)
    assert torch.equal(norm.scan(x), norm.train().scan(x[..., None, None])[..., 0, 0])


def test_the_scale_of_a_step_learns_from_that_step_and_the_last_from_all_beyond() -> None:
    x, norm = drawn(5, 3, 2, 4, 6), TemporalBatchNorm(2, 3)
    for at, scale in ((0, 0), (2, 2), (4, 2)):
        (gradient,) = torch.autograd.grad(norm.scan(x)[at].square().sum(), norm.scales)
        assert gradient.nonzero().flatten().tolist() == [scale]


def test_steps_beyond_the_training_take_the_last_scale() -> None:
    """Scales 1, 2, 3 by hand, on currents that are 1 once normalised."""
    norm, state, seen = TemporalBatchNorm(1, 3).eval(), None, []
    norm.scales.data = torch.tensor([1.0, 2.0, 3.0])
    for _ in range(5):
        out, state = norm(torch.ones(1, 1, 1, 1), state)
        seen.append(round(out.item(), 3))
    assert seen == [1, 2, 3, 3, 3]


@settings(max_examples=25)
@given(
    name=st.sampled_from(sorted(SPECS)),
    starts=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=9),
    seed=st.integers(0, 100),
)
def test_lanes_that_begin_at_different_times_say_what_whole_recordings_say(
    name: str, starts: list[list[bool]], seed: int
) -> None:
    """Replay refills its batch: wherever a lane starts anew, it goes on as a recording that begins there."""
    network = trained(SPECS[name])
    frames = torch.poisson(torch.full((len(starts), 3, 2, 8, 9), 0.6), generator=torch.Generator().manual_seed(seed))
    begins = [0, 0, 0]
    stepper, state = NetworkStepper(network, SPECS[name]), None
    for t, restarted in enumerate(starts):
        begins = [t if anew else begin for anew, begin in zip(restarted, begins, strict=True)]
        if state is not None:
            state = stepper.select(state, np.where(restarted, -1, np.arange(3)))
        output, state = stepper.step(frames[t].numpy(), state)
        for lane, begin in enumerate(begins):
            whole = outputs_of(network, frames[begin : t + 1, lane][None])[0, -1]
            np.testing.assert_allclose(output[lane], whole.detach(), atol=1e-4)


@settings(max_examples=15)
@given(st.lists(st.integers(-1, 4), min_size=1, max_size=7))
def test_lanes_picked_in_any_order_keep_their_step(lanes: list[int]) -> None:
    stepper, state = NetworkStepper(trained(SPECS["tebn"]), SPECS["tebn"]), None
    frames = np.random.default_rng(1).poisson(0.6, (3, 5, 2, 8, 9)).astype(np.uint8)
    for frame in frames[:2]:
        _, state = stepper.step(frame, state)
    assert state is not None
    going, resting = stepper.step(frames[2], stepper.copy(state))[0], stepper.step(frames[2], None)[0]
    output, _ = stepper.step(frames[2][[max(lane, 0) for lane in lanes]], stepper.select(state, np.array(lanes)))
    for at, lane in enumerate(lanes):
        np.testing.assert_allclose(output[at], going[lane] if lane >= 0 else resting[0], atol=1e-5)


@pytest.mark.parametrize("name", ["batch", "tebn"])
def test_a_network_in_training_cannot_be_stepped(name: str) -> None:
    with pytest.raises(ModelError, match="cannot be trained step by step") as caught:
        forward_step(build(SPECS[name]), torch.ones(1, 2, 8, 9), None)
    assert "network.eval()" in str(caught.value.hint)


@pytest.mark.parametrize("name", [name for name in sorted(SPECS) if name != "kernel"])
def test_batch_normalisation_is_folded_into_the_weights_before_it_and_tebn_is_not(name: str) -> None:
    network, frames = trained(SPECS[name]), torch.poisson(torch.full((3, 6, 2, 8, 9), 0.6))
    before = outputs_of(network, frames).detach()
    folded = fold(copy.deepcopy(plain(network)))
    torch.testing.assert_close(outputs_of(folded, frames).detach(), before, rtol=1e-4, atol=1e-4)
    left = [module for module in folded.modules() if isinstance(module, TemporalBatchNorm)]
    assert len(left) == (2 if name == "tebn" else 0)
    state, said = None, []
    for t in range(6):
        output, state = forward_step(folded, frames[:, t], state)
        said.append(output)
    torch.testing.assert_close(torch.stack(said, 1).detach(), before, rtol=1e-4, atol=1e-4)
    assert torch.equal(outputs_of(fold(folded), frames), outputs_of(folded, frames))


def test_a_linear_layer_takes_up_what_normalises_it() -> None:
    network = build(NetworkSpec("vgg-gesture", (2,) * 7, 3, 1_000, SensorSize(128, 128), "batch"))
    *_, dense, norm, _, _, _ = network.children()
    x = drawn(4, 2)
    assert isinstance(dense, nn.Linear)
    assert isinstance(norm, TemporalBatchNorm)
    with torch.no_grad():
        for value in (norm.norm.weight, norm.norm.running_mean, norm.norm.running_var):
            assert value is not None
            value.uniform_(0.5, 2)
        wanted = norm.eval()(dense(x))[0]
        fold(network)
        torch.testing.assert_close(dense(x), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_stepper_folds_a_copy_and_what_it_was_made_of_can_still_be_kept(name: str, tmp_path: Path) -> None:
    network, frames = trained(SPECS[name]), np.ones((2, 2, 8, 9), np.uint8)
    said, _ = NetworkStepper(network, SPECS[name]).step(frames, None)
    checkpoint.save(tmp_path, ModelCard("kept", SPECS[name], ("a", "b", "c"), FRAME, 4), network)
    np.testing.assert_array_equal(opening.load(tmp_path / "kept")[0].step(frames, None)[0], said)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_kept_network_says_the_same_and_its_card_tells_the_normalisation(name: str, tmp_path: Path) -> None:
    spec, network = SPECS[name], trained(SPECS[name])
    frames = torch.poisson(torch.full((2, 6, 2, 8, 9), 0.6))
    before = outputs_of(network, frames).detach().numpy()
    card = ModelCard("kept", spec, ("a", "b", "c"), FRAME, 4)
    checkpoint.save(tmp_path, card, network)
    stepper, read = opening.load(tmp_path / "kept")
    assert read.spec == spec
    state = None
    for t in range(6):
        output, state = stepper.step(frames[:, t].numpy(), state)
        np.testing.assert_allclose(output, before[:, t], atol=1e-4)


@pytest.mark.parametrize("name", ["nmnist", "gestures"])
def test_cards_from_before_normalisation_was_a_choice_are_read(name: str, tmp_path: Path) -> None:
    raw = json.loads((opening.SHIPPED / f"{name}.json").read_text())
    raw["spec"] = {key: value for key, value in raw["spec"].items() if key not in ("normalisation", "tebn_steps")}
    (tmp_path / "old.json").write_text(json.dumps(raw))
    card = checkpoint.read_card(tmp_path / "old.json")
    assert (card.spec.normalisation, card.spec.tebn_steps) == ("kernel", 0)
    assert card.spec == opening.load(name)[1].spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalisation": "layer"}, "'layer'; expected kernel, batch or tebn"),
        ({"normalisation": "tebn"}, "'tebn' with tebn_steps 0"),
        ({"normalisation": "batch", "tebn_steps": 3}, "'batch' with tebn_steps 3"),
        ({"normalisation": "tebn", "tebn_steps": -1}, "'tebn' with tebn_steps -1"),
    ],
)
def test_a_normalisation_that_cannot_be_is_refused(change: dict[str, str | int], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        dataclasses.replace(SPECS["kernel"], **change)  # type: ignore[arg-type]


def test_a_channel_that_never_varied_is_folded_as_it_is_stepped() -> None:
    """Its running variance is 0: what keeps the division finite belongs to the folded weights, too."""
    torch.manual_seed(0)
    spec = NetworkSpec("compact", (4, 6), 3, 10_000, SensorSize(8, 8), "batch")
    network = build(spec).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.bias, 0.5)
            assert module.running_var is not None
            module.running_var[0] = 0
    frames = torch.poisson(torch.full((3, 2, 8, 8), 0.7))
    output, _ = forward_step(network, frames, None)
    folded, _ = NetworkStepper(network, spec).step(frames.numpy(), None)
    torch.testing.assert_close(torch.from_numpy(folded), output.detach(), rtol=1e-4, atol=1e-5)
