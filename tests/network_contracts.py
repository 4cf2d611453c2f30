"""What every cell, architecture and engine must do. A new row of a table is tested as those that are there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikecut.models.architectures import ARCHITECTURES, architecture_of
from spikecut.models.architectures.networks import build, forward_step, plain, unfolded
from spikecut.models.card import ModelCard
from spikecut.models.cells import CELLS, learn_with
from spikecut.models.cells.activity import cosines, response
from spikecut.models.cells.base import CellLayer
from spikecut.models.cells.surrogates import Surrogate
from spikecut.models.engines import ENGINES
from spikecut.models.engines.lane_by_lane import LaneByLane
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.files import checkpoint, opening
from spikecut.models.layers import FrameDropout
from spikecut.models.spec import NetworkSpec
from spikecut.models.training.layerwise import outputs_of
from spikecut.models.training.losses import Loss
from spikecut.pipeline.errors import EnvironmentProblem, ModelError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.lanes import leaves, mapped

from contracts import check_model

STEPS, LANES = 4, 3


def small_specs(name: str) -> Iterator[NetworkSpec]:
    """An architecture with few channels, of every kind of input, of levels and of normalisation that it allows."""
    row = ARCHITECTURES[name]
    channels = (4,) * len(row.widths) if row.widths else (4, 6)
    for inputs in row.inputs:
        for levels in (0, 4) if row.converts else (0,):
            allowed = 0
            for normalisation in ("kernel", "batch", "tebn"):
                n_scales = STEPS - 1 if normalisation == "tebn" else 0
                numbers: dict[str, Any] = {
                    "normalisation": normalisation,
                    "tebn_steps": n_scales,
                    "inputs": inputs,
                    "levels": levels,
                }
                try:
                    spec = NetworkSpec(name, channels, 3, 1_000, SensorSize(16, 16), **numbers)
                    architecture_of(spec)
                except ModelError:
                    continue
                allowed += 1
                yield smallest(spec)
            assert allowed, (name, inputs, levels)


def smallest(spec: NetworkSpec) -> NetworkSpec:
    """With the smallest frame that the architecture takes."""
    for side in (16, 32, 64, 128):
        spec = replace(spec, frame=SensorSize(side, side))
        try:
            build(spec)
        except ModelError:
            continue
        return spec
    raise AssertionError(f"{spec.architecture} takes no frame of 16 to 128 pixels")


def clips(spec: NetworkSpec) -> Tensor:
    """Small counts, or colours: `(LANES, STEPS, C, H, W)` uint8."""
    rng = torch.Generator().manual_seed(1)
    shape = (LANES, STEPS, spec.inputs, spec.frame.height, spec.frame.width)
    return torch.randint(0, 256 if spec.inputs == 3 else 9, shape, generator=rng, dtype=torch.uint8)


def check_network(spec: NetworkSpec, folder: Path) -> None:
    """It learns from a batch, is stepped, folded, divided into lanes, kept and loaded, and always answers the same."""
    torch.manual_seed(0)
    network, frames = build(spec), clips(spec)
    check_training(network, spec, frames)
    network.eval()
    by_step = stepped(network, frames)
    close(outputs_of(network, frames.float()).detach(), by_step)
    assert float(by_step.std(0).max()) > 0  # the outputs depend on the frames
    close(stepped(restored(network, spec), frames), by_step)
    card = ModelCard("net", spec, ("a", "b", "c"), spec.frame, STEPS)
    checkpoint.save(folder, card, network)
    for name in ENGINES:
        try:
            model, _ = opening.load(folder / "net.safetensors", engine=name)
        except EnvironmentProblem:  # its package is not installed
            continue
        except ModelError as error:
            if "no lowered form" not in str(error):
                raise
            continue
        check_model(model, list(frames.transpose(0, 1).numpy()))
        check_lanes(model, frames.transpose(0, 1).numpy())
        close(torch.from_numpy(streamed(model, frames)), by_step)
    before = NetworkStepper(network, spec)
    assert np.array_equal(
        streamed(opening.load(folder / "net.safetensors", engine="norse")[0], frames), streamed(before, frames)
    )


def check_training(network: nn.Module, spec: NetworkSpec, frames: Tensor) -> None:
    """One batch gives every parameter that is learned a gradient of numbers."""
    learn_with(network, Surrogate(width=2.0))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # its running statistics are then those of this batch
    outputs = outputs_of(network, frames.float())
    assert outputs.shape == (LANES, 1 if spec.levels else STEPS, spec.n_classes)
    Loss()(outputs, torch.arange(LANES) % spec.n_classes).backward()
    gradients = {
        name: weight.grad for name, weight in network.named_parameters() if weight.requires_grad and weight.numel()
    }
    assert [name for name, gradient in gradients.items() if gradient is None or not gradient.isfinite().all()] == []
    assert any(gradient.any() for gradient in gradients.values() if gradient is not None)


def check_lanes(model: Any, frames: np.ndarray) -> None:
    """A chosen lane goes on from its own state to the bit, -1 starts from rest; at rest every tensor is zero."""
    _, state = model.step(frames[0], None)
    if isinstance(model, LaneByLane):
        assert len(state) == LANES
    else:
        assert all(len(leaf) == LANES for leaf in leaves(state) if isinstance(leaf, np.ndarray | Tensor))
    both, _ = model.step(frames[1][[2, 0]], model.select(state, np.array([2, -1])))
    goes_on, _ = model.step(frames[1][[2, 2]], model.select(state, np.array([2, 2])))
    starts, _ = model.step(frames[1][[0, 0]], None)
    np.testing.assert_allclose(both, np.stack([goes_on[0], starts[0]]), rtol=1e-4, atol=1e-5)
    rest = model.select(state, np.array([-1, -1]))
    assert not any(leaf.any() for leaf in leaves(rest) if isinstance(leaf, np.ndarray | Tensor))
    np.testing.assert_array_equal(model.step(frames[1][[0, 0]], rest)[0], starts)


def check_cell(name: str) -> None:
    """All steps at once are the cell stepped from rest, outputs and gradients; lanes are alone; rest is all zeros."""
    levels = 4 if CELLS[name].from_ann else 0
    spec = NetworkSpec(f"compact:{name}", (4,), 3, 1_000, SensorSize(8, 8), levels=levels)
    generator = torch.Generator().manual_seed(2)
    for shape in ((6, LANES, 3, 5, 4), (6, LANES, 5)):
        currents = (2.5 * torch.randn(shape, generator=generator) + 0.7).requires_grad_()
        for training in (True, False):
            torch.manual_seed(0)
            cell = CELLS[name].make(spec, 0.4, True).train(training)
            check_scan(cell, currents, generator)
        check_states(cell, currents.detach())


def check_scan(cell: CellLayer, currents: Tensor, generator: torch.Generator) -> None:
    """`scan` and `scan_watched` against `forward`."""
    scanned, wanted = cell.scan(currents), stepped_cell(cell, currents)
    assert torch.equal(scanned, wanted)
    assert 0.05 < float((wanted != 0).float().mean()) < 0.95
    weights = torch.randn(wanted.shape, generator=generator)
    same_gradients((scanned * weights).sum(), (wanted * weights).sum(), [currents, *cell.parameters()])
    watched = cell.scan_watched(currents)
    assert torch.equal(watched.spikes != 0, wanted != 0)
    assert watched.membranes.shape == currents.shape
    torch.testing.assert_close(
        cell.cosines(currents, len(currents)), cosines(response(watched)).detach(), rtol=1e-4, atol=1e-5
    )
    if not cell.training:
        again = cell.scan(currents[:1], 4)
        assert torch.equal(again, cell.scan(currents[:1].expand(4, *currents.shape[1:])))
    if cell.merges_maximum and currents.ndim == 5:
        merged = F.max_pool2d(wanted.flatten(0, 1), 2).unflatten(0, wanted.shape[:2])
        assert torch.equal(cell.scan(currents, pool=2), merged)


def check_states(cell: CellLayer, currents: Tensor) -> None:
    """Of a cell in evaluation: None and zeros are rest, lanes are independent, a surrogate changes no output."""
    spikes, state = cell(currents[0], None)
    rest = mapped(torch.zeros_like, state)
    assert torch.equal(cell(currents[0], rest)[0], spikes)
    assert all(len(leaf) == LANES for leaf in leaves(state))
    whole = cell.scan(currents)
    for lane in range(LANES):
        assert torch.equal(cell.scan(currents[:, [lane]]), whole[:, [lane]])
    cell.learn_with(Surrogate("arctan", 0.3))
    assert torch.equal(cell.scan(currents), whole)


def stepped_cell(cell: nn.Module, currents: Tensor) -> Tensor:
    state, outputs = None, []
    for current in currents:
        output, state = cell(current, state)
        outputs.append(output)
    return torch.stack(outputs)


def same_gradients(one: Tensor, other: Tensor, parameters: list[Tensor]) -> None:
    pairs = zip(
        torch.autograd.grad(one, parameters, allow_unused=True, retain_graph=True),
        torch.autograd.grad(other, parameters, allow_unused=True, retain_graph=True),
        strict=True,
    )
    for gradient, twin in pairs:
        assert (gradient is None) == (twin is None)
        torch.testing.assert_close(gradient, twin, rtol=1e-4, atol=1e-5)


def stepped(network: nn.Module, frames: Tensor) -> Tensor:
    """Outputs `(B, T, K)`, one step after another, from rest."""
    state, outputs = None, []
    with torch.no_grad():
        for t in range(frames.shape[1]):
            output, state = forward_step(network, frames[:, t].float(), state)
            outputs.append(output.clone())
    return torch.stack(outputs, 1)


def streamed(model: Any, frames: Tensor) -> np.ndarray:
    state, outputs = None, []
    for t in range(frames.shape[1]):
        output, state = model.step(frames[:, t].numpy(), state)
        outputs.append(output.copy())
    return np.stack(outputs, 1)


def restored(network: nn.Module, spec: NetworkSpec) -> nn.Module:
    """A network to train further, from the plain weights that are kept of this one."""
    kept = build(spec)
    kept.load_state_dict(network.state_dict())
    other = build(spec)
    other.load_state_dict(unfolded(plain(kept).state_dict(), other))
    for module in other.modules():
        assert not isinstance(module, FrameDropout) or module.training
    return other.eval()


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))
