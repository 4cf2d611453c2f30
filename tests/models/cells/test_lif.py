"""Truths about the cell: it is the published one, it is Norse's to the bit, and its surrogate is as wide as it says."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spikecut.models.cells import learn_with
from spikecut.models.cells.lif import LIFCell
from spikecut.models.cells.surrogates import KINDS, Surrogate, spike
from spikecut.pipeline.errors import ConfigError

from golden import GOLDEN

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from norse.torch.functional.lif_box import LIFBoxFeedForwardState, LIFBoxParameters, lif_box_feed_forward_step

SURROGATES = st.builds(Surrogate, st.sampled_from(KINDS), st.floats(0.1, 4))


def test_the_cell_does_what_its_formula_says() -> None:
    """leak 0.5, input 1.5, worked by hand: 0.75; 1.125 fires and falls to 0; 0.75; fires."""
    cell = LIFCell(step_us=10_000, leak=0.5)
    state, spikes, membranes = None, [], []
    for _ in range(4):
        spike, state = cell(torch.tensor([[1.5]]), state)
        spikes.append(int(spike.detach()))
        membranes.append(round(float(state.v.detach()), 4))
    assert spikes == [0, 1, 0, 1]
    assert membranes == [0.75, 0.0, 0.75, 0.0]


def test_a_membrane_exactly_at_threshold_does_not_fire() -> None:
    spike, state = LIFCell(step_us=1_000, leak=0.5)(torch.tensor([[2.0]]), None)
    assert (float(spike.detach()), float(state.v.detach())) == (0.0, 1.0)


def test_the_leak_is_learned() -> None:
    cell = LIFCell(step_us=10_000)
    spikes, state = cell(torch.tensor([1.0]), None)
    spikes, _ = cell(torch.tensor([1.0]), state)
    spikes.sum().backward()
    assert cell.leak_logit.grad is not None
    assert cell.leak_logit.grad.abs() > 0


def test_the_cell_is_the_published_one_for_inputs_twice_as_large() -> None:
    """Theirs is `v = 0.5 v + x`, ours `v += 0.5 (2x - v)`: the same spikes, and the same membranes after the reset."""
    case = next(case for case in GOLDEN["lif"]["cases"] if (case["path"], case["reset"]) == ("multi-step", "hard"))
    cell, state = LIFCell(step_us=1_000, leak=0.5), None
    for x, spike_then, v_then in zip(
        GOLDEN["lif"]["input_current"], case["spikes"], case["membrane_after_reset"], strict=True
    ):
        spikes, state = cell(torch.tensor([[2.0 * x]]), state)
        assert (case["tau"], case["vthr"], spikes.item()) == (0.5, 1, spike_then)
        assert state.v.item() == pytest.approx(v_then, abs=1e-6)


def test_norses_own_cell_with_half_the_threshold_gives_the_published_spikes_too() -> None:
    """Its update is `v += 0.5 (x - v)`: all membranes are half of theirs, and so is the threshold."""
    parameters = LIFBoxParameters(tau_mem_inv=torch.tensor(500.0), v_th=torch.tensor(0.5))
    state, said = LIFBoxFeedForwardState(v=torch.zeros(1)), []
    for x in GOLDEN["lif"]["input_current"]:
        spikes, state = lif_box_feed_forward_step(torch.tensor([float(x)]), state, parameters, dt=0.001)
        said.append(int(spikes.item()))
    assert said == GOLDEN["lif"]["cases"][0]["spikes"]


def test_a_cell_is_norses_to_the_bit_spikes_membranes_and_gradients() -> None:
    """For the one surrogate that Norse has as it should be: its triangle, which is 2 wide."""
    cell = LIFCell(step_us=7_000, leak=0.37)
    drives = [torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(t)) * 3 for t in range(6)]

    def gone_through(by_norse: bool) -> tuple[Tensor, ...]:
        x = torch.stack(drives).requires_grad_()
        state, total = LIFBoxFeedForwardState(v=torch.zeros_like(x[0])), x.new_zeros(())
        for t, drive in enumerate(x):
            if by_norse:
                p = cell.p._replace(tau_mem_inv=torch.sigmoid(cell.leak_logit) / cell.dt)
                spikes, state = lif_box_feed_forward_step(drive, state, p, cell.dt)
            else:
                spikes, state = cell(drive, state)
            total = total + (t + 1) * (spikes * drive.detach() + state.v.square()).sum()
        return total.detach(), *torch.autograd.grad(total, (x, cell.leak_logit))

    for ours, norses in zip(gone_through(False), gone_through(True), strict=True):
        assert torch.equal(ours, norses)


@pytest.mark.parametrize("width", [1, 2])
def test_the_triangle_is_the_published_one(width: int) -> None:
    u = torch.tensor(GOLDEN["zif"]["u_minus_vthr"], dtype=torch.float32, requires_grad=True)
    spikes = spike(u, Surrogate("triangle", float(width)))
    assert spikes.tolist() == GOLDEN["zif"]["spike"]
    (slopes,) = torch.autograd.grad(spikes.sum(), u)
    np.testing.assert_allclose(slopes, GOLDEN["zif"][f"grad_gamma{width}"], atol=1e-6)


def test_the_surrogate_of_a_cell_is_as_wide_as_it_is_told_to_be() -> None:
    """Membranes 0.1 0.5 1 1.5 1.9 2.2; a spike changes with the drive half as much as with the membrane."""
    cell = LIFCell(step_us=1_000, leak=0.5)
    for surrogate, expected in (
        (Surrogate(), [0.1, 0.5, 1.0, 0.5, 0.1, 0.0]),
        (Surrogate(width=0.5), [0.0, 0.0, 2.0, 0.0, 0.0, 0.0]),
        (Surrogate("arctan", np.pi), [1 / (np.pi * (1 + u * u)) for u in (-0.9, -0.5, 0, 0.5, 0.9, 1.2)]),
    ):
        learn_with(cell, surrogate)
        drive = torch.tensor([0.2, 1.0, 2.0, 3.0, 3.8, 4.4], requires_grad=True)
        spikes, _ = cell(drive, None)
        (found,) = torch.autograd.grad(spikes.sum(), drive)
        np.testing.assert_allclose(found, 0.5 * np.array(expected), atol=1e-6)


@given(SURROGATES)
def test_every_surrogate_has_area_one_is_symmetric_and_highest_at_the_threshold(surrogate: Surrogate) -> None:
    far = 2 / surrogate.width if surrogate.kind == "dspike" else 1000 * surrogate.width  # it is cut off there
    half = far * torch.linspace(0, 1, 100_001, dtype=torch.float64)
    u = torch.cat([-half[1:].flip(0), half])
    slopes = surrogate.slope(u)
    assert torch.trapezoid(slopes, u).item() == pytest.approx(1, abs=2e-3)
    torch.testing.assert_close(slopes, slopes.flip(0), rtol=1e-12, atol=0)
    assert slopes.max().item() == slopes[len(u) // 2].item()
    cut = np.tanh((2 / surrogate.width) ** 2) if surrogate.kind == "dspike" else 1.0
    assert slopes.max().item() == pytest.approx(1 / (cut * surrogate.width))


@given(st.floats(0.5, 6))
def test_dspike_is_the_slope_of_the_published_curve(gamma: float) -> None:
    """Its forward is `0.5 + tanh(gamma c) / (2 tanh(gamma**2))` with c the membrane clipped at gamma."""
    u = torch.linspace(-1.9 * gamma, 1.9 * gamma, 101, dtype=torch.float64, requires_grad=True)
    curve = 0.5 + torch.tanh(gamma * u.clamp(-gamma, gamma)) / (2 * np.tanh(gamma**2))
    (wanted,) = torch.autograd.grad(curve.sum(), u)
    torch.testing.assert_close(Surrogate("dspike", 2 / gamma).slope(u.detach()), wanted, rtol=1e-5, atol=1e-12)


@given(SURROGATES, st.integers(0, 100))
def test_a_surrogate_changes_no_output(surrogate: Surrogate, seed: int) -> None:
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 4
    cell = LIFCell(step_us=1_000)
    before, _ = cell(x)
    learn_with(cell, surrogate)
    assert torch.equal(before, cell(x)[0])


@pytest.mark.parametrize(
    ("kind", "width", "message"),
    [
        ("sigmoid", 1.0, "'sigmoid'; expected triangle or arctan or dspike"),
        ("triangle", 0.0, "width 0.0; expected a number above"),
    ],
)
def test_a_surrogate_that_cannot_be_is_refused(kind: str, width: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Surrogate(kind, width)
