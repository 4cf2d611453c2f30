"""Truths about conversion: the activation is the published one, and a cell stepped as often as it has stairs is it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from spikecut.models.architectures.networks import NetworkSpec, build, forward_step
from spikecut.models.cells.conversion import ConvertedCell, as_ann, qcfs
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.layers import LogCounts
from spikecut.models.training.epochs import TrainingPlan, TrainingRun
from spikecut.models.training.image_augment import PictureAugmentation
from spikecut.models.training.layerwise import accuracy_as_ann, accuracy_by_step, outputs_and_layers, outputs_of
from spikecut.models.training.losses import Loss
from spikecut.models.training.regularisation import rcs_ann_loss
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize

from golden import GOLDEN

QCFS, RCS = GOLDEN["qcfs"], GOLDEN["rcs_ann"]
SPEC = NetworkSpec("compact", (6, 8), 3, 10_000, SensorSize(9, 8), "batch", levels=4)


def test_the_activation_and_its_gradients_are_those_of_the_published_code() -> None:
    x = torch.tensor(QCFS["x"], dtype=torch.float32, requires_grad=True)
    scale = torch.tensor(float(QCFS["vthr"]), requires_grad=True)
    y = qcfs(x, scale, QCFS["L"])
    np.testing.assert_allclose(y.detach(), QCFS["y"], atol=1e-6)
    gradients = torch.autograd.grad(y.sum(), (x, scale))
    np.testing.assert_allclose(gradients[0], QCFS["dy_dx"])
    assert gradients[1].item() == pytest.approx(QCFS["d_sum_y_d_vthr"], rel=1e-5)


def test_the_gradient_passes_up_to_half_a_stair_above_the_highest_level() -> None:
    """Scale 2, four stairs: 2.2 is 4.4 of them and rounds to the fourth; 2.3 is 4.6 and would be a fifth."""
    x = torch.tensor([-0.1, 0.1, 1.9, 2.2, 2.3], requires_grad=True)
    (gradient,) = torch.autograd.grad(qcfs(x, torch.tensor(2.0), 4).sum(), x)
    assert gradient.tolist() == [0, 1, 1, 1, 0]


@given(st.integers(1, 32), st.floats(-1, 2), st.floats(0.05, 20))
def test_in_as_many_steps_as_it_has_stairs_a_cell_puts_out_the_activation(
    levels: int, share: float, scale: float
) -> None:
    """Off the boundaries between two stairs, where a cell fires above its threshold and the activation at it."""
    assume(abs((share * levels + 0.5) % 1 - 0.5) < 0.49)
    cell, x = ConvertedCell(levels, scale), torch.tensor([[share * scale]])
    activation = cell(x)[0]
    mean = cell.eval().scan(x[None], levels).mean(0)
    torch.testing.assert_close(mean, activation, rtol=1e-4, atol=1e-6)


def test_a_cell_exactly_between_two_stairs_takes_the_lower_one() -> None:
    """Scale 2, four stairs, an input of 0.25: the membrane reaches 2 at the fourth step, and does not pass it."""
    cell, x = ConvertedCell(4, 2.0), torch.tensor([[0.25]])
    assert cell(x)[0].item() == 0.5
    assert cell.eval().scan(x[None], 8).flatten().tolist() == pytest.approx([0, 0, 0, 0, 2, 0, 0, 0])


def test_a_converted_cell_does_what_its_formula_says() -> None:
    """Scale 2 and an input of 0.75, by hand: from 1 to 1.75, to 2.5 and down by 2, 1.25, 2 (not above), 2.75."""
    cell, state, seen = ConvertedCell(4, 2.0).eval(), None, []
    for _ in range(5):
        out, state = cell(torch.tensor([[0.75]]), state)
        seen += [round(out.item(), 4), round(state.u.item() + 1, 4)]
    assert seen == [0, 1.75, 2, 0.5, 0, 1.25, 0, 2.0, 2, 0.75]


def test_negative_input_lowers_the_membrane_and_is_remembered() -> None:
    cell = ConvertedCell(4, 1.0).eval()
    drives = torch.tensor([-1.0, 0.9, 0.9, 0.9])[:, None, None]
    assert cell.scan(drives).flatten().tolist() == pytest.approx([0, 0, 1, 1])


def test_all_steps_at_once_are_the_cell_stepped_and_what_stands_still_is_given_every_time() -> None:
    cell, drives = ConvertedCell(4, 1.5).eval(), torch.randn(7, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    state, seen = None, []
    for drive in drives:
        out, state = cell(drive, state)
        seen.append(out)
    assert torch.equal(cell.scan(drives), torch.stack(seen))
    watched = cell.scan_watched(drives)
    torch.testing.assert_close(watched.spikes * 1.5, torch.stack(seen))
    assert set(watched.spikes.round(decimals=4).unique().tolist()) == {0.0, 1.0}
    assert state is not None
    torch.testing.assert_close(watched.membranes[-1], state.u / 1.5 + 0.5)
    assert torch.equal(cell.scan(drives[:1], 5), cell.scan(drives[:1].expand(5, *drives.shape[1:])))


def converted(spec: NetworkSpec = SPEC, seed: int = 0) -> nn.Module:
    """One whose statistics have seen data, in evaluation."""
    torch.manual_seed(seed)
    network = build(spec)
    for module in network.modules():
        if isinstance(module, ConvertedCell):
            nn.init.constant_(module.p.logarithm, float(np.log(1.5)))
    for _ in range(40):
        outputs_of(network, frames(8, 1))
    return network.eval()


def frames(n: int, steps: int, rate: float = 0.6) -> Tensor:
    return torch.poisson(torch.full((n, steps, 2, 8, 9), rate))


def test_through_a_network_the_mean_is_nearly_that_of_an_ann_with_as_many_stairs_as_there_were_steps() -> None:
    """What remains is spikes that come unevenly: after 4 steps a tenth or two of the spread, and ever less."""
    network, still = converted(), frames(20, 1)
    errors = {}
    with torch.no_grad():
        means = outputs_of(network, still, steps=64).cumsum(1) / torch.arange(1, 65)[:, None]
        for steps in (64, 16, 4):
            for module in network.modules():
                if isinstance(module, ConvertedCell):
                    module.levels = steps
            with as_ann(network):
                wanted = outputs_of(network, still)[:, 0]
            errors[steps] = float((means[:, steps - 1] - wanted).square().mean().sqrt() / wanted.std())
        from_four = {t: float((means[:, t - 1] - wanted).square().mean()) for t in (1, 2, 4)}
    assert errors[64] < errors[16] < errors[4] < 0.2
    assert errors[64] < 0.03
    assert from_four[4] < from_four[2] < from_four[1]


def test_rates_of_the_first_layer_are_the_anns_to_the_last_digit() -> None:
    network, still = converted(), frames(20, 1)
    with torch.no_grad():
        rates = outputs_and_layers(network, still, steps=4)[1][0].activity().spikes.mean(0)
        with as_ann(network):
            activation = outputs_and_layers(network, still)[1][0].activity().spikes[0]
    torch.testing.assert_close(rates, activation, rtol=1e-4, atol=1e-5)


def test_an_ann_is_shown_the_mean_of_a_recording_and_a_stepped_network_every_frame() -> None:
    network, clips = converted(), frames(3, 6)
    with torch.no_grad(), as_ann(network):
        ann = outputs_of(network, clips)
        torch.testing.assert_close(ann, outputs_of(network, clips.mean(1, keepdim=True)))
    assert ann.shape == (3, 1, 3)
    assert not any(module.training for module in network.modules())
    state, seen = None, []
    for t in range(6):
        said, state = forward_step(network, clips[:, t], state)
        seen.append(said)
    torch.testing.assert_close(outputs_of(network, clips), torch.stack(seen, 1), rtol=1e-4, atol=1e-4)


def test_the_anns_accuracy_is_that_of_its_own_answers_to_the_means() -> None:
    network, clips = converted(seed=2), (frames(40, 6) * torch.linspace(0.1, 3, 40)[:, None, None, None, None]).round()
    with torch.no_grad(), as_ann(network):
        labels = outputs_of(network, clips.mean(1, keepdim=True))[:, 0].argmax(1)
    assert accuracy_by_step(network, clips, labels)[-1] < 1  # stepped it says something else
    labels[:10] = (labels[:10] + 1) % 3
    network.train()
    assert accuracy_as_ann(network, clips, labels) == 0.75
    assert not any(module.training for module in network.modules())


def test_of_counts_whose_logarithm_a_network_takes_the_logarithms_are_averaged() -> None:
    """As its spiking cells will add them up."""
    network, clips = converted(replace(SPEC, architecture="compact-log")), frames(3, 6)
    logarithms = LogCounts()(clips).mean(1, keepdim=True)
    with torch.no_grad(), as_ann(network):
        ann = outputs_of(network, clips)
        torch.testing.assert_close(ann, outputs_of(network, logarithms.expm1()))
        assert not torch.allclose(ann, outputs_of(network, clips.mean(1, keepdim=True)), atol=1e-3)


def test_maxima_become_means_where_a_network_is_converted() -> None:
    for name, widths, side in (("compact", (4, 4), 8), ("vgg-gesture", (2,) * 7, 128), ("vgg-compact", (4, 4), 8)):
        spec = NetworkSpec(name, widths, 3, 10_000, SensorSize(side, side), "batch")
        kinds = [{type(module) for module in build(one).modules()} for one in (spec, replace(spec, levels=4))]
        assert nn.MaxPool2d in kinds[0]
        assert nn.MaxPool2d not in kinds[1]
        assert nn.AvgPool2d in kinds[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": -1}, "levels is -1; expected 0"),
        ({"normalisation": "tebn", "tebn_steps": 4}, "levels 4 with normalisation 'tebn'"),
        ({"architecture": "traces", "frame": SensorSize(32, 32)}, "architecture 'traces' with levels 4"),
    ],
)
def test_what_cannot_be_converted_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(replace(SPEC, **change))  # type: ignore[arg-type]


def test_rcs_for_conversion_is_that_of_the_published_code() -> None:
    layers = [torch.tensor(RCS[f"layer{name}_preact"])[None].float() for name in "AB"]
    outputs, labels = torch.tensor(RCS["outputs"]).float()[:, None], torch.tensor(RCS["labels"])
    assert rcs_ann_loss(layers, outputs, labels).item() == pytest.approx(RCS["loss"], rel=1e-5)
    for layer, name in zip(layers, "AB", strict=True):
        for at, expected in enumerate(RCS[f"r_layer{name}"]):
            only = torch.where(torch.arange(3) == at, outputs[:, 0].argmax(1), -1)
            assert rcs_ann_loss([layer], outputs, only).item() == pytest.approx(expected, rel=1e-5)
    assert rcs_ann_loss(layers, outputs, torch.full((3,), -1)).item() == 0


@given(st.integers(0, 1000), st.sampled_from([(1, 4, 3, 2, 2), (1, 4, 5)]))
def test_rcs_for_conversion_pulls_as_its_formula_does(seed: int, shape: tuple[int, ...]) -> None:
    random = torch.Generator().manual_seed(seed)
    currents, outputs = torch.randn(*shape, generator=random).requires_grad_(), torch.randn(4, 1, 3, generator=random)
    labels = outputs[:, 0].argmax(1)
    labels[0] = (labels[0] + 1) % 3
    (found,) = torch.autograd.grad(rcs_ann_loss([currents], outputs, labels), currents)
    a = currents.relu()
    (wanted,) = torch.autograd.grad((a.max() / (a[0, 1:].flatten(1).square().mean(1) + 1e-5).sqrt()).max(), currents)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def quadrants(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """A picture whose red is in one of four corners, among noise."""
    rng = np.random.default_rng(seed)
    pictures, labels = rng.integers(0, 256, (n, 1, 3, 8, 8)).astype(np.uint8), rng.integers(0, 4, n)
    for picture, label in zip(pictures, labels, strict=True):
        y, x = divmod(int(label), 2)
        picture[0, 0, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4] = 255
    return torch.from_numpy(pictures), torch.from_numpy(labels)


@pytest.mark.parametrize("normalisation", ["batch", "kernel"])
@pytest.mark.parametrize("levels", [0, 4])
def test_a_network_for_pictures_learns_as_an_ann_and_as_it_is_stepped(normalisation: str, levels: int) -> None:
    spec = NetworkSpec("vgg-compact", (8, 16), 4, 1_000, SensorSize(8, 8), normalisation, inputs=3, levels=levels)
    rcs = 0.002 if levels else 0.0
    still = PictureAugmentation(crop=0, flipped=False)  # where something is says what it is
    plan = TrainingPlan(8, 12, 20, 1e-2, averaging=0.05, loss=Loss(0.5, 0.5), rcs=rcs, pictures=still)
    run = TrainingRun(spec, plan, 200)
    for _ in range(12):
        run.train_epoch(*quadrants(200, 1))
    accuracy = accuracy_by_step(run.averaged(), *quadrants(200, 2), steps=8)
    assert len(accuracy) == 8
    assert accuracy[-1] > 0.9


def test_a_converted_network_is_watched_as_an_ann_in_training_and_in_steps_otherwise() -> None:
    network, still = converted(), frames(4, 1)
    said, layers = outputs_and_layers(network, still, steps=5)
    torch.testing.assert_close(said, outputs_of(network, still, steps=5), rtol=1e-4, atol=1e-4)
    assert [tuple(layer.activity().spikes.shape) for layer in layers] == [(5, 4, 6, 8, 9), (5, 4, 8, 4, 4)]
    said, layers = outputs_and_layers(network.train(), still)
    assert said.shape == (4, 1, 3)
    for layer in layers:
        seen = layer.activity()
        assert set((4 * seen.spikes).round(decimals=3).unique().tolist()) <= {0, 1, 2, 3, 4}
        assert torch.equal(seen.membranes, layer.currents)


def test_a_stepper_of_a_converted_network_fires_from_the_first_step() -> None:
    """Its cells begin half way to their threshold."""
    network = converted()
    stepper, clips = NetworkStepper(network, SPEC), frames(6, 1, rate=2.0)
    output, state = stepper.step(clips[:, 0].numpy(), None)
    assert any(entry is not None and (entry.u < 0).any() for entry in state)
    np.testing.assert_allclose(output, outputs_of(network, clips)[:, 0].detach(), rtol=1e-3, atol=1e-4)
