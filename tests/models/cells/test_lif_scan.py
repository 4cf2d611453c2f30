"""Truths about the scan: a layer through all steps at once is the cell stepped, spikes and gradients."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from spikecut.models.architectures.networks import NetworkSpec, build, forward_step
from spikecut.models.cells import learn_with
from spikecut.models.cells.activity import Activity, cosines, response
from spikecut.models.cells.lif import LIFCell
from spikecut.models.cells.surrogates import Surrogate
from spikecut.models.layers import FrameDropout, Traces
from spikecut.models.training.layerwise import outputs_and_layers, outputs_of
from spikecut.pipeline.events import SensorSize

SHAPES = [Surrogate(), Surrogate(width=0.4), Surrogate("arctan", 1.5), Surrogate("dspike", 2 / 3)]


def stepped(cell: LIFCell, currents: Tensor, pool: int) -> Tensor:
    """The naive twin: Norse's cell, one step after another, then the maximum."""
    state, out = None, []
    for current in currents:
        spikes, state = cell(current, state)
        out.append(F.max_pool2d(spikes, pool))
    return torch.stack(out)


@pytest.mark.parametrize(("height", "width", "pool"), [(4, 6, 1), (4, 6, 2), (5, 7, 1), (5, 7, 2), (1, 2, 1)])
@pytest.mark.parametrize("one_leak", [True, False])
@pytest.mark.parametrize("surrogate", SHAPES, ids=str)
def test_spikes_and_gradients_are_those_of_the_cell_step_by_step(
    height: int, width: int, pool: int, one_leak: bool, surrogate: Surrogate
) -> None:
    random = torch.Generator().manual_seed(height * 10 + width)
    cell = LIFCell(10_000, 0.4 if one_leak else torch.tensor([0.1, 0.5, 0.9]))
    learn_with(cell, surrogate)
    currents = (torch.randn(9, 2, 3, height, width, generator=random) * 2 + 0.8).requires_grad_()
    weights = torch.randn(9, 2, 3, height // pool, width // pool, generator=random)

    spikes = cell.scan(currents, pool=pool)
    expected = stepped(cell, currents, pool)
    assert torch.equal(spikes, expected)
    assert 0.05 < spikes.mean() < 0.95

    parameters = (currents, cell.leak_logit)
    found = torch.autograd.grad((spikes * weights).sum(), parameters)
    wanted = torch.autograd.grad((expected * weights).sum(), parameters)
    for gradient, twin in zip(found, wanted, strict=True):
        torch.testing.assert_close(gradient, twin, rtol=1e-4, atol=1e-5)


def test_a_membrane_exactly_at_the_threshold_does_not_fire() -> None:
    """Leak 1/2 and a current of 2, by hand: 1, which is not above 1; 1.5, which is, and back to 0; 1 again."""
    cell, currents = LIFCell(10_000, 0.5), torch.full((3, 1, 1, 2, 2), 2.0)
    activity = cell.scan_watched(currents)
    assert activity.spikes[:, 0, 0, 0, 0].tolist() == cell.scan(currents)[:, 0, 0, 1, 1].tolist() == [0, 1, 0]
    assert activity.membranes[:, 0, 0, 0, 0].tolist() == [1, 0, 1]
    assert cell.scan(currents, pool=2).flatten().tolist() == [0, 1, 0]


def test_gradients_at_the_threshold_are_those_of_a_cell_that_did_not_fire() -> None:
    """The first of four pixels is below the threshold, the second exactly at it: the maximum goes to the first."""
    cell = LIFCell(10_000, 0.5)
    currents = torch.tensor([1.0, 2.0, 2.0, 0.5]).view(1, 1, 1, 2, 2).repeat(3, 1, 1, 1, 1).requires_grad_()
    parameters, weights = (currents, cell.leak_logit), torch.tensor([1.0, 2.0, 4.0]).view(3, 1, 1, 1, 1)
    for pool in (1, 2):
        found, wanted = (
            (one * weights).sum() for one in (cell.scan(currents, pool=pool), stepped(cell, currents, pool))
        )
        for gradient, twin in zip(
            torch.autograd.grad(found, parameters), torch.autograd.grad(wanted, parameters), strict=True
        ):
            torch.testing.assert_close(gradient, twin)
    by_kernel, by_steps = cell.scan_watched(currents), cell.scan_by_steps(currents)
    for gradient, twin in zip(
        torch.autograd.grad((by_kernel.membranes * weights).sum(), parameters),
        torch.autograd.grad((by_steps.membranes * weights).sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(gradient, twin)


def test_the_cosines_of_a_cell_at_the_threshold_are_those_of_its_activity() -> None:
    """Leak 1/2, currents 2 and 0 in turn: 1, which stays and becomes 1/2; a cell that fired would be at 0 then."""
    cell, currents = (
        LIFCell(10_000, 0.5),
        torch.tensor([2.0, 0, 1, 2, 0, 0, 2]).view(7, 1, 1, 1, 1).repeat(1, 1, 2, 1, 1),
    )
    currents[:, :, 1] *= 0.25
    torch.testing.assert_close(cell.cosines(currents, 7), cosines(response(cell.scan_by_steps(currents))).detach())


@pytest.mark.parametrize("surrogate", SHAPES, ids=str)
@pytest.mark.parametrize("one_leak", [True, False])
@pytest.mark.parametrize("asked", ["both", "spikes", "membranes"])
def test_watched_spikes_and_membranes_and_their_gradients_are_those_of_the_cell(
    asked: str, one_leak: bool, surrogate: Surrogate
) -> None:
    """Membranes after the reset, whose gradient goes through the reset as autograd takes it through Norse's cell."""
    random = torch.Generator().manual_seed(1)
    cell = LIFCell(10_000, 0.4 if one_leak else torch.tensor([0.1, 0.5, 0.9]))
    learn_with(cell, surrogate)
    currents = (torch.randn(9, 2, 3, 5, 4, generator=random) * 2 + 0.8).requires_grad_()
    on_spikes, on_membranes = torch.randn(2, 9, 2, 3, 5, 4, generator=random)
    state, spikes, membranes = None, [], []
    for current in currents:
        fired, state = cell(current, state)
        spikes.append(fired)
        membranes.append(state.v)
    expected = Activity(torch.stack(spikes), torch.stack(membranes))
    found = cell.scan_watched(currents)
    assert torch.equal(found.spikes, expected.spikes)
    torch.testing.assert_close(found.membranes, expected.membranes, rtol=1e-5, atol=1e-6)

    gradients = []
    for activity in (found, expected):
        total = currents.new_zeros(())
        if asked != "membranes":
            total = total + (activity.spikes * on_spikes).sum()
        if asked != "spikes":
            total = total + (activity.membranes.relu() * on_membranes).sum()
        gradients.append(torch.autograd.grad(total, (currents, cell.leak_logit)))
    for gradient, twin in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, twin, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("height", "width", "pool"), [(4, 6, 2), (5, 7, 2), (5, 7, 1)])
def test_currents_that_stand_still_are_the_same_currents_at_every_step(height: int, width: int, pool: int) -> None:
    """Spikes, membranes and gradients; what was given once receives the sum over the steps."""
    random = torch.Generator().manual_seed(4)
    cell, n = LIFCell(10_000, torch.tensor([0.1, 0.5, 0.9])), 6
    currents = (torch.randn(1, 2, 3, height, width, generator=random) * 2 + 0.8).requires_grad_()
    again = currents.expand(n, -1, -1, -1, -1)
    weights = torch.randn(n, 2, 3, height // pool, width // pool, generator=random)
    parameters = (currents, cell.leak_logit)
    found, wanted = cell.scan(currents, n, pool), cell.scan(again, pool=pool)
    assert torch.equal(found, wanted)
    gradients = [torch.autograd.grad((spikes * weights).sum(), parameters) for spikes in (found, wanted)]
    watched, twin = cell.scan_watched(currents, n), cell.scan_watched(again)
    assert torch.equal(watched.spikes, twin.spikes)
    assert torch.equal(watched.membranes, twin.membranes)
    more = [torch.autograd.grad(seen.membranes.relu().square().sum(), parameters) for seen in (watched, twin)]
    for one, other in (*zip(*gradients, strict=True), *zip(*more, strict=True)):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_the_cells_of_a_linear_layer_are_scanned_as_channels_of_one_pixel() -> None:
    random = torch.Generator().manual_seed(2)
    cell, currents = LIFCell(10_000, 0.4), torch.randn(9, 2, 5, generator=random) * 3
    state, expected = None, []
    for current in currents:
        spikes, state = cell(current, state)
        expected.append(spikes)
    assert torch.equal(cell.scan(currents), torch.stack(expected))
    assert torch.equal(cell.scan_watched(currents).spikes, torch.stack(expected))


@pytest.mark.parametrize("shape", [(6, 2, 3, 5, 4), (6, 2, 5)])
def test_on_another_device_the_same_is_computed_step_by_step(shape: tuple[int, ...]) -> None:
    """Compared here on the CPU; the device `meta`, which has shapes and no numbers, shows which way is taken."""
    random = torch.Generator().manual_seed(3)
    cell = LIFCell(10_000, 0.4)
    currents = (torch.randn(shape, generator=random) * 3).requires_grad_()
    weights = torch.randn(2, *shape, generator=random)
    gradients = []
    for found in (cell.scan_by_steps(currents), cell.scan_watched(currents)):
        total = (torch.stack([found.spikes, found.membranes]) * weights).sum()
        gradients.append(torch.autograd.grad(total, (currents, cell.leak_logit)))
    assert torch.equal(cell.scan_by_steps(currents).spikes, cell.scan_watched(currents).spikes)
    for gradient, twin in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, twin, rtol=1e-4, atol=1e-5)

    cell, elsewhere = cell.to("meta"), currents.detach().to("meta")
    assert cell.scan(elsewhere).shape == cell.scan_watched(elsewhere).membranes.shape == shape
    assert cell.scan(elsewhere[:1], 7).shape == (7, *shape[1:])
    if len(shape) == 5:
        assert cell.scan(elsewhere, pool=2).shape == (6, 2, 3, 2, 2)
        assert cell.scan(elsewhere[:1], 7, 2).shape == (7, 2, 3, 2, 2)


def test_many_recordings_leave_the_gradient_of_a_leak_the_same_whatever_the_number_of_threads() -> None:
    import numba

    random = torch.Generator().manual_seed(0)
    currents = torch.randn(5, 40, 3, 6, 4, generator=random) * 3
    cell, before = LIFCell(10_000, torch.tensor([0.1, 0.5, 0.9])), numba.get_num_threads()
    gradients: list[Tensor] = []
    try:
        for threads in (1, min(2, before)):
            numba.set_num_threads(threads)
            gradients += torch.autograd.grad(cell.scan(currents, pool=2).sum(), cell.leak_logit)
    finally:
        numba.set_num_threads(before)
    assert torch.equal(gradients[0], gradients[1])


@pytest.mark.parametrize("architecture", ["compact", "traces"])
def test_whole_networks_say_the_same_layer_by_layer_as_step_by_step(architecture: str) -> None:
    torch.manual_seed(3)
    spec = NetworkSpec(architecture, (6, 8), 4, 20_000, SensorSize(64, 64))
    network = build(spec)
    for module in network.modules():
        if isinstance(module, FrameDropout):
            module.share = 0.0
    frames = torch.poisson(torch.full((3, 7, 2, 64, 64), 0.3))
    state, outputs = None, []
    for t in range(frames.shape[1]):
        output, state = forward_step(network, frames[:, t], state)
        outputs.append(output)
    by_step = torch.stack(outputs, 1)
    by_layer = outputs_of(network, frames)
    torch.testing.assert_close(by_layer, by_step, rtol=1e-4, atol=1e-4)

    parameters = list(network.parameters())
    found = torch.autograd.grad(by_layer.square().sum(), parameters)
    wanted = torch.autograd.grad(by_step.square().sum(), parameters)
    for gradient, twin in zip(found, wanted, strict=True):
        torch.testing.assert_close(gradient, twin, rtol=1e-2, atol=1e-3 * float(twin.abs().max()))
    with torch.no_grad():
        rough, exact = outputs_of(network, frames, bfloat16=True), outputs_of(network, frames)
    assert rough.dtype == torch.float32
    assert 0 < float((rough - exact).abs().mean()) < 0.5 * float(exact.abs().mean())


@pytest.mark.parametrize("architecture", ["compact", "traces"])
def test_a_network_that_is_watched_says_the_same_and_what_it_did_is_what_it_passed_on(architecture: str) -> None:
    torch.manual_seed(3)
    network = build(NetworkSpec(architecture, (6, 8), 4, 20_000, SensorSize(64, 64))).eval()
    frames = torch.poisson(torch.full((3, 7, 2, 64, 64), 0.3))
    said, layers = outputs_and_layers(network, frames)
    assert torch.equal(outputs_of(network, frames), said)
    last = layers[-1].activity().spikes
    *_, readout = network.children()
    torch.testing.assert_close(
        readout(F.max_pool2d(last.flatten(0, 1), 2).flatten(1)), said.transpose(0, 1).flatten(0, 1)
    )


def test_traces_hold_what_was_there_before() -> None:
    """Leak 0.5 and an impulse of 1, worked by hand: 0.5, 0.25, 0.125, each times the root of 1 / 0.5."""
    frames = torch.zeros(3, 1, 2, 1, 1)
    frames[0, 0, 0] = 1
    seen = Traces((0.5, 0.1)).scan(frames)
    assert seen.shape == (3, 1, 6, 1, 1)
    torch.testing.assert_close(seen[:, 0, 0, 0, 0], torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(seen[:, 0, 2, 0, 0], torch.tensor([0.5, 0.25, 0.125]) * 2**0.5)
    torch.testing.assert_close(seen[:, 0, 4, 0, 0], torch.tensor([0.1, 0.09, 0.081]) * 10**0.5)
    assert not seen[:, 0, 1::2].any()
