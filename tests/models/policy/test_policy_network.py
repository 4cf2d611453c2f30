"""Truths about the policy of SEENN-II: its loss, its training, what it costs, and its file."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from spikecut.models.architectures.networks import NetworkSpec, build
from spikecut.models.card import ModelCard
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.policy.file import PolicyCard, load_policy, read_policy_card, save_policy
from spikecut.models.policy.network import (
    FirstLook,
    PolicyPlanner,
    PolicySpec,
    build_policy,
    macs_of_policy,
    macs_of_step,
)
from spikecut.models.policy.training import PolicyPlan, policy_loss, train_policy
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.protocols import Planner
from spikecut.pipeline.rules.step_budget import budgets

from golden import GOLDEN, TRAIN

SMALL = PolicySpec(2, SensorSize(8, 6), 2, 5, 4)


@pytest.mark.parametrize("case", GOLDEN["seenn2"]["cases"], ids=lambda c: str(c["beta"]))
def test_the_loss_and_what_it_teaches_are_those_of_seenn_ii(case: dict[str, Any]) -> None:
    """A linear policy on what the network says first, before and after one step of plain descent at rate 1."""
    weights = torch.tensor(GOLDEN["seenn2"]["W"], dtype=torch.float32, requires_grad=True)
    right = torch.from_numpy(TRAIN.correct())
    first = float(right[:, 0].float().mean())
    assert f"1-timestep training accuracy: {first}"[:40] == case["stdout"][1][:40]
    loss = policy_loss(torch.from_numpy(TRAIN.outputs[:, 0]) @ weights, right, first, float(case["beta"]))
    loss.backward()
    (told,) = re.findall(r"rewards: (-?[\d.]+)", case["stdout"][2])
    assert loss.item() == pytest.approx(float(told), abs=1e-6)
    assert weights.grad is not None
    np.testing.assert_allclose((weights - weights.grad).detach().numpy(), np.array(case["W_after_one_step"]), atol=1e-5)


@given(
    hnp.arrays(np.float32, (6, 4), elements=st.integers(-16, 16).map(lambda n: n / 4)),
    hnp.arrays(np.bool_, (6, 4)),
    st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.sampled_from([1.0, 3.0]),
)
def test_the_loss_is_the_expectation_over_all_budgets(
    logits: Any, right: Any, first: float, beta: float, half_life: float
) -> None:
    total = 0.0
    for said, was in zip(logits.astype(np.float64), right, strict=True):
        chances = np.exp(said) / np.exp(said).sum()
        weight = 1.0 if was[0] or first in (0.0, 1.0) else first / (1 - first)
        for k in range(4):
            total += weight * chances[k] * (-(0.5 ** (k / half_life)) if was[k] else beta)
    found = policy_loss(torch.from_numpy(logits), torch.from_numpy(right), first, beta, half_life)
    assert found.item() == pytest.approx(total / 6, abs=1e-5)


@pytest.mark.parametrize("first", [0.0, 1.0])
def test_where_the_first_budget_is_always_or_never_right_there_is_still_something_to_learn(first: float) -> None:
    """A / (1 - A) would be infinite, or 0 for all."""
    right = torch.tensor([[first == 1, True, True]] * 4)
    logits = torch.zeros(4, 3, requires_grad=True)
    policy_loss(logits, right, first, 1.0).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    wanted = 0 if first else 1
    assert (logits.grad.argmin(1) == wanted).all()


def bars(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two frames each; where the second shows a bar, the network is right from step 4 on, else from step 2."""
    rng = np.random.default_rng(seed)
    frames, hard = rng.poisson(0.3, (n, 2, 2, 6, 8)).astype(np.uint8), rng.random(n) < 0.5
    frames[hard, 1, 0, 2] = 6
    since = np.where(hard, 4, 2)
    return torch.from_numpy(frames), torch.from_numpy(np.arange(1, 6) >= since[:, None])


def test_a_policy_learns_which_streams_need_longer() -> None:
    plan = PolicyPlan(epochs=6, batch_size=20, learning_rate=1e-2)
    told: list[float] = []
    policy = train_policy(*bars(200, 0), SMALL, plan, lambda epoch, loss: told.append(loss))
    frames, right = bars(100, 1)
    granted = budgets(PolicyPlanner(policy, SMALL, "p", 0.1).plan(frames.numpy()), 2)
    wanted = np.where(right[:, 1], 2, 4)
    assert (granted == wanted).mean() > 0.95
    assert len(told) == 6
    assert told[-1] < told[0]


def test_a_training_can_be_repeated_to_the_bit() -> None:
    def weights(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed + 99)  # what others drew does not matter
        return train_policy(*bars(45, 0), SMALL, PolicyPlan(epochs=2, batch_size=20, seed=seed)).state_dict()

    one, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["1.0.weight"], other["1.0.weight"])


@pytest.mark.parametrize(("horizon", "usual", "other"), [(8, 2.0, 3.0), (4, 1.0, 2.0)])
def test_the_usual_half_life_is_a_third_of_the_steps_that_may_be_added_and_at_least_one(
    horizon: int, usual: float, other: float
) -> None:
    """From a look at 2 frames: 6 further steps, and 2."""
    frames, _ = bars(40, 0)
    right = torch.arange(1, horizon + 1) >= torch.arange(40)[:, None] % horizon
    spec = replace(SMALL, horizon=horizon)

    def trained(half_life: float) -> torch.Tensor:
        policy = train_policy(frames, right, spec, PolicyPlan(epochs=1, batch_size=20, half_life=half_life))
        return torch.cat([value.flatten().float() for value in policy.state_dict().values()])

    assert torch.equal(trained(0.0), trained(usual))
    assert not torch.equal(trained(0.0), trained(other))


def test_a_plan_or_a_policy_that_cannot_be_is_refused() -> None:
    for wrong in (
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": 1.0},
        {"beta": -1.0},
        {"half_life": float("nan")},
    ):
        with pytest.raises(ConfigError, match=f"policy: {next(iter(wrong))} is"):
            PolicyPlan(**wrong)
    for changed in ({"look": 0}, {"look": 6}, {"inputs": 3}, {"inputs": 4, "look": 1}, {"width": 0}):
        with pytest.raises(ModelError):
            replace(SMALL, **changed)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="10 recordings do not fill one batch of 20"):
        train_policy(*bars(10, 0), SMALL, PolicyPlan(batch_size=20))


def test_events_are_merged_and_told_by_their_logarithm_and_colours_by_their_mean() -> None:
    frames = torch.zeros(1, 1, 2, 50, 70)  # 70 wide: squares of 2 x 2, the last column of them half empty in 69
    frames[0, 0, 1, 0:2, 68:70] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    seen = FirstLook(PolicySpec(2, SensorSize(70, 50), 1, 4, 4))(frames)
    assert seen.shape == (1, 2, 25, 35)
    assert seen[0, 1, 0, 34].item() == pytest.approx(np.log(11))
    assert seen.sum().item() == pytest.approx(np.log(11))
    odd = FirstLook(PolicySpec(2, SensorSize(69, 49), 1, 4, 4))(frames[..., :49, :69])
    assert odd.shape == (1, 2, 25, 35)
    assert odd[0, 1, 0, 34].item() == pytest.approx(np.log(5))
    picture = torch.full((1, 1, 3, 64, 64), 255.0)
    picture[..., ::2] = 0
    looked = FirstLook(PolicySpec(3, SensorSize(64, 64), 1, 4, 4))(picture)
    assert looked.shape == (1, 3, 32, 32)
    assert looked.abs().max().item() == pytest.approx(0, abs=1e-6)


def test_two_looks_are_two_pictures_to_the_first_convolution() -> None:
    frames = torch.arange(2 * 2 * 2 * 6 * 8.0).reshape(2, 2, 2, 6, 8)
    seen = FirstLook(SMALL)(frames)
    torch.testing.assert_close(seen[:, 2:], frames[:, 1].log1p())


def test_what_a_policy_costs_is_counted_by_hand() -> None:
    """8 x 6 pixels, 4 planes in, width 4: halves are 4 x 3, 2 x 2, 1 x 1."""
    stem = 12 * 4 * 4 * 9
    first = 12 * (4 * 4 * 9) * 2
    second = 4 * (8 * 4 * 9 + 8 * 8 * 9 + 8 * 4)
    third = 1 * (16 * 8 * 9 + 16 * 16 * 9 + 16 * 8)
    assert macs_of_policy(SMALL) == stem + first + second + third + 16 * 4


def test_a_step_is_counted_as_its_layers_say() -> None:
    spec = NetworkSpec("compact", (4, 6), 3, 1_000, SensorSize(16, 12))
    stepper = NetworkStepper(build(spec), spec)
    assert macs_of_step(stepper, spec) == 16 * 12 * 4 * 2 * 9 + 8 * 6 * 6 * 4 * 9 + 3 * 4 * 6 * 3
    assert macs_of_step(stepper, spec) == macs_of_step(stepper, spec)  # nothing is left behind
    with pytest.raises(ModelError, match="nothing to count"):
        macs_of_step(NetworkStepper(_Sum(), spec), spec)


class _Sum(nn.Module):
    def forward(self, x: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        return x.flatten(1)[:, :3], []


def test_what_a_policy_says_of_a_stream_does_not_depend_on_the_others() -> None:
    planner = PolicyPlanner(build_policy(SMALL), SMALL, "p", 0.1)
    assert isinstance(planner, Planner)
    frames = bars(300, 2)[0].numpy()
    said = planner.plan(frames)
    assert said.shape == (300, 4)
    np.testing.assert_allclose(planner.plan(frames[::7]), said[::7], atol=1e-5)
    with pytest.raises(ModelError, match=r"first frames of shape \(1, 2, 6, 8\) for a policy made for \(2, 2, 6, 8\)"):
        planner.plan(frames[:, :1])


def test_what_is_asked_is_what_was_trained_and_leaves_it_as_it_was() -> None:
    policy = train_policy(*bars(60, 0), SMALL, PolicyPlan(epochs=2, batch_size=20))
    kept = {name: value.clone() for name, value in policy.state_dict().items()}
    frames = bars(50, 3)[0]
    said = PolicyPlanner(policy, SMALL, "p", 0.1).plan(frames.numpy())
    np.testing.assert_allclose(said, policy(frames.float()).detach().numpy(), atol=1e-4)
    assert kept.keys() == policy.state_dict().keys()
    assert all(torch.equal(kept[name], value) for name, value in policy.state_dict().items())


NETWORK = ModelCard(
    "mine", NetworkSpec("compact", (4,), 3, 1_000, SensorSize(8, 6)), ("a", "b", "c"), SensorSize(8, 6), 5, "f" * 64
)


def written(folder: Path) -> Path:
    torch.manual_seed(0)
    card = PolicyCard("mine", SMALL, "f" * 64, 10, 40, provenance={"seed": 0}, trained_on=("a", "b"))
    save_policy(folder / "mine.policy.safetensors", card, build_policy(SMALL))
    return folder / "mine.policy.safetensors"


def test_a_saved_policy_says_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "new")
    planner = load_policy(path, NETWORK)
    torch.manual_seed(0)
    before = PolicyPlanner(build_policy(SMALL), SMALL, "p", 0.25)
    frames = bars(5, 0)[0].numpy()
    np.testing.assert_array_equal(planner.plan(frames), before.plan(frames))
    assert (planner.look, planner.cost, planner.trained_on) == (2, 0.25, ("a", "b"))
    assert planner.policy == read_policy_card(path.with_suffix(".json")).weights_sha256
    assert sorted(p.name for p in path.parent.iterdir()) == ["mine.policy.json", "mine.policy.safetensors"]


def test_a_policy_of_another_network_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(ModelError, match="a policy for network ffffffffffff; 'mine' is eeeeeeeeeeee"):
        load_policy(path, replace(NETWORK, weights_sha256="e" * 64))
    with pytest.raises(ModelError, match="budgets up to 5 steps; the network's window has 9"):
        load_policy(path, replace(NETWORK, horizon=9))
    raw, card = path.read_bytes(), path.with_suffix(".json")
    path.write_bytes(raw[:-1])
    with pytest.raises(ModelError, match="its SHA-256 begins"):
        load_policy(path, NETWORK)
    path.unlink()
    with pytest.raises(ModelError, match="cannot read the weights"):
        load_policy(path, NETWORK)
    text = card.read_text()
    for wrong in (
        "",
        "[]",
        "{}",
        text.replace('"spikecut policy"', '"spikecut network"'),
        text.replace('"macs"', '"mac"'),
    ):
        card.write_text(wrong)
        with pytest.raises(ModelError, match=r"mine\.policy\.json: not a card"):
            load_policy(path, NETWORK)
    card.unlink()
    with pytest.raises(ModelError, match="cannot read the policy's card"):
        load_policy(path, NETWORK)


def test_weights_that_are_no_numbers_or_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    broken = build_policy(SMALL)
    with torch.no_grad():
        broken[-1].bias.fill_(float("nan"))  # type: ignore[index]
    save_policy(path, read_policy_card(path.with_suffix(".json")), broken)
    with pytest.raises(ModelError, match=r"8\.bias holds numbers that are not finite"):
        load_policy(path, NETWORK)
    save_policy(path, read_policy_card(path.with_suffix(".json")), build_policy(replace(SMALL, width=8)))
    with pytest.raises(ModelError, match="do not fit the card"):
        load_policy(path, NETWORK)
    assert json.loads(path.with_suffix(".json").read_text())["spec"]["width"] == 4
