"""Truths about mixed time-step training: steps are merged and repeated in order, and a network learns with it."""

from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from spikecut.models.architectures.networks import NetworkSpec, build, forward_step
from spikecut.models.layers import FrameDropout, sequential
from spikecut.models.training.epochs import TrainingRun
from spikecut.models.training.image_augment import PictureAugmentation
from spikecut.models.training.layerwise import (
    accuracy_by_step,
    calibrate_statistics,
    outputs_and_layers,
    outputs_of,
    stages_of,
)
from spikecut.models.training.losses import Loss
from spikecut.models.training.mixed_steps import (
    Configuration,
    MixedSteps,
    Transition,
    even_sizes,
    random_sizes,
)
from spikecut.models.training.plan import TrainingPlan
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.events import SensorSize
from spikecut.tools.training.recipe import read_recipe

from small_training import PLAN, SPEC, STILL, TEBN, bars

BATCH = replace(SPEC, normalisation="batch")
MIXED = replace(PLAN, mixed_steps=MixedSteps(3), loss=Loss(evidence=0.0, per_step=1.0, tet_lambda=0.001))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@st.composite
def transitions(draw: st.DrawFn) -> Transition:
    """Any way that is drawn between two numbers of steps, by either partition."""
    before, after = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    fewer, more = sorted((before, after))
    seed = draw(st.integers(0, 2**20))
    even = draw(st.booleans())
    return Transition(before, after, even_sizes(fewer, more) if even else random_sizes(fewer, more, seeded(seed)))


def naively(x: list[Tensor], transition: Transition) -> list[Tensor]:
    """The twin of `Transition.of`: steps one by one."""
    if len(x) == transition.after:
        return x
    rest, out = list(x), []
    for size in transition.sizes:
        if transition.after < transition.before:
            total = torch.zeros_like(rest[0])
            for _ in range(size):
                total = total + rest.pop(0)
            out.append(total)
        else:
            step = rest.pop(0)
            out += [step] * size
    assert rest == []
    return out


# Steps merged and repeated


@given(transitions())
def test_every_step_belongs_to_one_part_and_no_part_is_empty(way: Transition) -> None:
    fewer, more = sorted((way.before, way.after))
    assert len(way.sizes) == fewer
    assert sum(way.sizes) == more
    assert min(way.sizes) >= 1


@given(transitions())
def test_merging_keeps_sums_and_the_same_number_of_steps_changes_nothing(way: Transition) -> None:
    x = torch.randint(0, 9, (way.before, 2, 3), generator=seeded(way.before)).float()
    out = way.of(x)
    assert out.shape == (way.after, 2, 3)
    if way.after <= way.before:
        assert torch.equal(out.sum(0), x.sum(0))
    if way.after == way.before:
        assert torch.equal(out, x)


@given(transitions())
def test_a_step_is_made_of_neighbours_and_in_their_order(way: Transition) -> None:
    """Steps are unit vectors, so what comes out says which of them it is made of."""
    fed = [step.nonzero().flatten().tolist() for step in way.of(torch.eye(way.before))]
    assert all(step == list(range(step[0], step[-1] + 1)) for step in fed)
    assert fed[0][0] == 0
    assert fed[-1][-1] == way.before - 1
    for step, following in pairwise(fed):
        assert following[0] in ((step[-1], step[-1] + 1) if way.after > way.before else (step[-1] + 1,))


@given(transitions())
def test_steps_change_as_one_by_one_forward_and_backward(way: Transition) -> None:
    x = torch.rand(way.before, 2, 3, generator=seeded(1)).requires_grad_()
    twin, weights = x.detach().clone().requires_grad_(), torch.rand(way.after, 2, 3, generator=seeded(2))
    out, naive = way.of(x), torch.stack(naively(list(twin), way))
    torch.testing.assert_close(out, naive)
    gradients = torch.autograd.grad((out * weights).sum(), x) + torch.autograd.grad((naive * weights).sum(), twin)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("fewer", "more", "sizes"),
    [
        (1, 7, (7,)),
        (5, 5, (1, 1, 1, 1, 1)),
        (2, 5, (2, 3)),  # the cut at 2.5 is rounded down
        (2, 3, (1, 2)),
        (3, 10, (3, 4, 3)),  # cuts at 3.33 and 6.67
        (4, 10, (2, 3, 2, 3)),  # at 2.5, 5 and 7.5
        (4, 6, (1, 2, 1, 2)),  # at 1.5, 3 and 4.5
        (7, 10, (1, 2, 1, 2, 1, 2, 1)),  # at 1.43, 2.86, 4.29, 5.71, 7.14, 8.57
    ],
)
def test_an_even_partition_cuts_at_rounded_equal_parts(fewer: int, more: int, sizes: tuple[int, ...]) -> None:
    assert even_sizes(fewer, more) == sizes


@given(st.integers(1, 40), st.integers(0, 40))
def test_the_parts_of_an_even_partition_differ_by_one_step_at_most(fewer: int, beyond: int) -> None:
    sizes = even_sizes(fewer, fewer + beyond)
    assert max(sizes) - min(sizes) <= 1


def test_a_random_partition_is_any_of_all_and_each_as_often() -> None:
    """Five steps in three parts: six ways, 100 of 600 draws each, give or take four standard deviations of 9.1."""
    ways = {tuple(b - a for a, b in pairwise((0, *cuts, 5))): 0 for cuts in combinations(range(1, 5), 2)}
    generator = seeded(3)
    for _ in range(600):
        ways[random_sizes(3, 5, generator)] += 1
    assert len(ways) == 6
    assert all(63 < n < 137 for n in ways.values())


def test_five_steps_become_two_and_two_become_five() -> None:
    one, two, three, four, five = 1.0, 20.0, 300.0, 4000.0, 50000.0
    merged = Transition(5, 2, (2, 3)).of(torch.tensor([one, two, three, four, five]))
    assert merged.tolist() == [21.0, 54300.0]
    assert Transition(2, 5, (2, 3)).of(torch.tensor([one, two])).tolist() == [1.0, 1.0, 20.0, 20.0, 20.0]


# Configurations


@pytest.mark.parametrize("partition", ["even", "random"])
def test_every_stage_draws_its_own_number_of_steps_and_all_numbers_come(partition: str) -> None:
    drawn = MixedSteps(200, 2, 5, partition=partition).draw(8, 8, 3, seeded())
    assert len(drawn) == 200
    steps = torch.tensor([[way.after for way in one.transitions] for one in drawn])
    assert [sorted(set(column.tolist())) for column in steps.T] == [[2, 3, 4, 5]] * 3
    assert len({tuple(row) for row in steps.tolist()}) > 50  # of 64: no stage follows another
    for one in drawn:
        assert [way.before for way in one.transitions] == [8, *(way.after for way in one.transitions[:-1])]


def test_no_more_steps_are_drawn_than_are_shown() -> None:
    for most, highest in ((0, 3), (5, 3), (2, 2)):
        drawn = MixedSteps(100, 1, most).draw(3, 3, 2, seeded())
        assert max(way.after for one in drawn for way in one.transitions) == highest


# Stages


def names(stages: list[list[nn.Module]]) -> list[list[str]]:
    return [[type(layer).__name__ for layer in stage] for stage in stages]


def test_a_stage_is_what_leads_to_its_cells_and_the_pooling_behind_them() -> None:
    network = build(replace(BATCH, channels=(4, 4, 4)))
    unit = ["Conv2d", "TemporalBatchNorm", "LIFCell", "MaxPool2d"]
    readout = ["Flatten", "FrameDropout", "Linear"]
    assert names(stages_of(network, 1)) == [unit, unit, unit + readout]
    assert names(stages_of(network, 2)) == [unit + unit, unit + readout]
    assert names(stages_of(network, 3)) == names(stages_of(network, 9)) == [unit * 3 + readout]


def test_a_residual_block_is_not_cut() -> None:
    spec = NetworkSpec("resnet18", (4, 4, 4, 4), 2, 1_000, SensorSize(8, 8), "batch", inputs=3)
    stages = stages_of(build(spec), 1)
    stem, block = ["Conv2d", "TemporalBatchNorm", "LIFCell"], ["Residual", "LIFCell"]
    assert names(stages)[:2] == [["Colours", *stem], block]
    assert len(stages) == 1 + 8
    assert names(stages)[-1] == [*block, "AdaptiveAvgPool2d", "Flatten", "Linear"]


ARCHITECTURES = {
    "kernel": SPEC,
    "batch": BATCH,
    "logarithm": replace(SPEC, architecture="compact-log"),
    "traces": NetworkSpec("traces", (4, 4), 2, 10_000, SensorSize(32, 32)),
    "dense": NetworkSpec("vgg-gesture", (3, 3, 4, 4, 4, 4, 5), 2, 10_000, SensorSize(128, 128), normalisation="batch"),
    "residual": NetworkSpec("resnet18", (3, 3, 4, 4), 2, 10_000, SensorSize(8, 8), normalisation="batch"),
}


def network_of(spec: NetworkSpec) -> nn.Module:
    torch.manual_seed(1)
    return build(spec).eval()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_configuration_gives_what_stages_give_that_are_stepped_one_after_another(name: str) -> None:
    spec = ARCHITECTURES[name]
    network = network_of(spec)
    frames = torch.randint(0, 3, (2, 6, 2, spec.frame.height, spec.frame.width), generator=seeded()).float()
    for layers in (1, 2):
        stages = stages_of(network, layers)
        for one in MixedSteps(4, layers=layers, partition="random").draw(6, 6, len(stages), seeded(layers)):
            steps = list(frames.transpose(0, 1))
            for stage, transition in zip(stages, one.transitions, strict=True):
                steps = naively(steps, transition)
                steps, state, shown = [], None, steps
                stepped = sequential(*stage)
                for step in shown:
                    out, state = forward_step(stepped, step, state)
                    steps.append(out)
            with torch.no_grad():
                outputs = outputs_of(network, frames, configuration=one)
            assert outputs.shape[1] == one.transitions[-1].after
            torch.testing.assert_close(outputs, torch.stack(steps, 1).detach(), rtol=1e-4, atol=1e-4)


def test_all_steps_in_every_stage_is_the_network_as_it_is() -> None:
    network, frames = network_of(BATCH), bars(5, 0)[0].float()
    way = Transition(6, 6, (1,) * 6)
    assert torch.equal(
        outputs_of(network, frames, configuration=Configuration(1, (way, way))), outputs_of(network, frames)
    )


def test_merged_frames_are_those_of_longer_bins() -> None:
    """Counts are added before their logarithm is taken."""
    network, frames = network_of(ARCHITECTURES["logarithm"]), bars(5, 0)[0].float()
    ways = (Transition(6, 3, (2, 2, 2)), Transition(3, 3, (1, 1, 1)))
    longer = frames.unflatten(1, (3, 2)).sum(2)
    torch.testing.assert_close(
        outputs_of(network, frames, configuration=Configuration(1, ways)), outputs_of(network, longer)
    )


def test_a_picture_is_shown_for_as_many_steps_as_the_first_stage_takes() -> None:
    spec = NetworkSpec("vgg-compact", (4, 6), 2, 1_000, SensorSize(8, 8), normalisation="batch", inputs=3)
    network = network_of(spec)
    pictures = torch.randint(0, 256, (3, 1, 3, 8, 8), generator=seeded()).float()
    ways = (Transition(1, 4, (4,)), Transition(4, 2, (2, 2)))
    repeated = (Transition(4, 4, (1,) * 4), ways[1])
    one, other = (
        outputs_of(network, frames, configuration=Configuration(1, those))
        for frames, those in ((pictures, ways), (pictures.expand(-1, 4, -1, -1, -1), repeated))
    )
    torch.testing.assert_close(one, other)
    assert one.shape == (3, 2, 2)


def test_regularisers_watch_every_layer_over_its_own_steps() -> None:
    ways = (Transition(6, 2, (3, 3)), Transition(2, 4, (2, 2)))
    network, frames = network_of(SPEC), bars(3, 0)[0].float()
    outputs, layers = outputs_and_layers(network, frames, configuration=Configuration(1, ways))
    assert outputs.shape == (3, 4, 2)
    assert [len(layer.activity().spikes) for layer in layers] == [2, 4]


# Statistics


def test_calibrated_statistics_are_the_means_over_the_batches_with_all_steps() -> None:
    """Of the first layer of currents, worked out from its convolution."""
    network, frames = network_of(BATCH), bars(40, 0)[0].float()
    conv, norm = network[0], network[1].norm  # type: ignore[index]
    before = {name: value.clone() for name, value in network.named_parameters()}
    calibrate_statistics(network, frames.split(20))
    with torch.no_grad():
        currents = [conv(batch.flatten(0, 1)) for batch in frames.split(20)]
    means = torch.stack([one.mean((0, 2, 3)) for one in currents]).mean(0)
    variances = torch.stack([one.var((0, 2, 3)) for one in currents]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert norm.momentum == 0.1
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())


def test_what_is_kept_of_a_training_has_the_statistics_of_whole_windows() -> None:
    """Those of the network in training are of all numbers of steps: merged frames have more events in each."""
    plan = replace(MIXED, epochs=1, augmentation=replace(STILL, drop=0.0))
    run, (frames, labels) = TrainingRun(BATCH, plan, 100), bars(100, 1)
    run.train_epoch(frames, labels)
    kept = run.averaged().eval()
    again = run.averaged().eval()
    calibrate_statistics(again, frames.float().split(20))
    mean, whole = (network[1].norm.running_mean for network in (kept, again))  # type: ignore[index]
    torch.testing.assert_close(mean, whole, rtol=1e-3, atol=1e-4)  # of the first layer, which is given the frames
    mixed = run.network[1].norm.running_mean  # type: ignore[index]
    assert not torch.allclose(mixed, whole, rtol=0.1, atol=1e-2)
    assert int(run.average["1.norm.num_batches_tracked"]) == 5


# Training


def trained(plan: TrainingPlan, spec: NetworkSpec = BATCH) -> TrainingRun:
    run, (frames, labels) = TrainingRun(spec, plan, 100), bars(100, 1)
    for _ in range(plan.epochs):
        run.train_epoch(frames, labels)
    return run


@pytest.mark.parametrize("spec", [SPEC, BATCH], ids=["kernel", "batch"])
@pytest.mark.parametrize("partition", ["even", "random"])
def test_a_network_learns_with_mixed_steps_to_tell_left_from_right(spec: NetworkSpec, partition: str) -> None:
    """From four of six steps on: with fewer, neighbouring positions of a bar fall into one step."""
    run = trained(replace(MIXED, epochs=20, averaging=0.05, mixed_steps=MixedSteps(2, 4, partition=partition)), spec)
    assert accuracy_by_step(run.averaged(), *bars(100, 2))[-1] > 0.9


def test_it_is_stepped_as_any_other_network() -> None:
    network, frames = trained(MIXED).averaged().eval(), bars(20, 2)[0].float()
    state, outputs = None, []
    for frame in frames.transpose(0, 1):
        output, state = forward_step(network, frame, state)
        outputs.append(output)
    torch.testing.assert_close(torch.stack(outputs, 1), outputs_of(network, frames), rtol=1e-4, atol=1e-5)


def weights(run: TrainingRun) -> Tensor:
    return torch.cat([value.flatten() for value in run.network.state_dict().values()])


@pytest.mark.parametrize("partition", ["even", "random"])
def test_a_mixed_training_is_a_function_of_its_seed(partition: str) -> None:
    plan, runs = replace(MIXED, epochs=1, mixed_steps=MixedSteps(2, partition=partition)), list[TrainingRun]()
    for seed in (0, 0, 1):
        torch.rand(seed + 3)  # somebody else's use of the global generator changes nothing
        runs.append(trained(replace(plan, seed=seed)))
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert all(torch.equal(runs[0].average[name], runs[1].average[name]) for name in runs[0].average)
    assert not torch.equal(weights(runs[0]), weights(runs[2]))


@pytest.mark.parametrize(
    ("spec", "more"),
    [
        (SPEC, {}),
        (BATCH, {"rcs": 0.01, "rate": 0.1, "mixed_steps": MixedSteps(2, layers=2, partition="random")}),
        (BATCH, {"bfloat16": True, "short_window": 2, "short_share": 0.6, "loss": Loss(0.5, 0.5, 0.1)}),
    ],
    ids=["plain", "regularised", "short"],
)
def test_a_killed_mixed_training_goes_on_as_if_it_had_not_been(
    spec: NetworkSpec, more: dict[str, Any], tmp_path: Path
) -> None:
    plan, (frames, labels) = replace(MIXED, **more), bars(100, 1)
    whole, killed = trained(plan, spec), TrainingRun(spec, plan, 100)
    killed.train_epoch(frames, labels)
    killed.save(tmp_path / "training.pt")
    resumed = TrainingRun(spec, plan, 100)
    resumed.resume(tmp_path / "training.pt")
    for _ in range(2):
        resumed.train_epoch(frames, labels)
    assert torch.equal(weights(whole), weights(resumed))
    assert all(torch.equal(whole.average[name], resumed.average[name]) for name in whole.average)


def test_a_run_with_other_settings_does_not_go_on_from_here(tmp_path: Path) -> None:
    TrainingRun(SPEC, MIXED, 100).save(tmp_path / "training.pt")
    for other in (MixedSteps(), MixedSteps(2), MixedSteps(3, partition="random")):
        with pytest.raises(ModelError, match="other numbers"):
            TrainingRun(SPEC, replace(MIXED, mixed_steps=other), 100).resume(tmp_path / "training.pt")


def test_a_training_that_was_begun_before_there_were_mixed_steps_goes_on() -> None:
    """Its state names spec, plan and steps as they were printed then."""
    assert "mixed_steps" not in TrainingRun(SPEC, PLAN, 100)._made_for()


def test_one_configuration_of_all_steps_is_the_training_without() -> None:
    """Without dropout, whose masks are drawn after the configurations are."""

    def first_loss(plan: TrainingPlan) -> float:
        run = TrainingRun(BATCH, replace(plan, batch_size=100, epochs=1), 100)
        for module in run.network.modules():
            if isinstance(module, FrameDropout):
                module.share = 0.0
        return run.train_epoch(*bars(100, 1))

    plain = replace(MIXED, mixed_steps=MixedSteps())
    assert first_loss(replace(MIXED, mixed_steps=MixedSteps(2, 6))) == pytest.approx(first_loss(plain), rel=1e-6)
    assert first_loss(replace(MIXED, mixed_steps=MixedSteps(2, 1))) != pytest.approx(first_loss(plain), rel=1e-3)


def test_it_goes_with_traces_teachers_and_pictures() -> None:
    spec = ARCHITECTURES["traces"]
    frames = torch.randint(0, 2, (20, 6, 2, 32, 32), generator=seeded()).to(torch.uint8)
    labels = torch.arange(20) % 2
    pupil = TrainingRun(spec, replace(MIXED, distillation=0.5), 20)
    pupil.learn_from(network_of(spec))
    assert pupil.train_epoch(frames, labels) > 0
    spec = NetworkSpec("vgg-compact", (4, 6), 2, 1_000, SensorSize(8, 8), normalisation="batch", inputs=3)
    plan = replace(MIXED, window=4, pictures=PictureAugmentation(flipped=True))
    pictures = torch.randint(0, 256, (20, 1, 3, 8, 8), generator=seeded()).to(torch.uint8)
    run = TrainingRun(spec, plan, 20)
    assert run.train_epoch(pictures, labels) > 0
    assert len(accuracy_by_step(run.averaged(), pictures, labels, steps=4)) == 4


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": -1}, "samples is -1; expected 0 or more"),
        ({"samples": 3, "least": 0}, "least is 0; expected 1 or more"),
        ({"samples": 3, "most": -2}, "most is -2; expected 0 or more"),
        ({"samples": 3, "layers": 0}, "layers is 0; expected 1 or more"),
        ({"samples": 3, "least": 5, "most": 4}, "5 to 4 steps; expected least to be at most most"),
        ({"samples": 3, "partition": "sorted"}, "partition 'sorted'; expected even or random"),
        ({"least": 2}, "settings without samples"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MixedSteps(**settings)


@pytest.mark.parametrize(
    "more",
    [
        {"mixed_steps": MixedSteps(3, 7)},
        {"mixed_steps": MixedSteps(3, most=7)},
        {"mixed_steps": MixedSteps(3, 3), "short_window": 2, "short_share": 0.5},
    ],
)
def test_no_stage_takes_more_steps_than_are_shown(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="training: mixed_steps from"):
        replace(PLAN, **more)


@pytest.mark.parametrize(
    ("spec", "message"),
    [(TEBN, "normalisation 'tebn'"), (replace(BATCH, levels=4), "levels 4: an ANN is trained in one step")],
    ids=["tebn", "converted"],
)
def test_networks_for_which_steps_mean_something_else_are_refused(spec: NetworkSpec, message: str) -> None:
    with pytest.raises(ConfigError, match=f"mixed_steps with {message}"):
        TrainingRun(spec, MIXED, 100)
    TrainingRun(spec, replace(MIXED, mixed_steps=MixedSteps()), 100)


def test_a_recipe_says_it_in_a_table_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = 'title = "t"\nsensor = [34, 34]\nclasses = ["a", "b"]\nlicence = "l"\nattribution = "a"\n'
    text += '[network]\narchitecture = "compact"\nchannels = [4]\nstep_us = 10000\n{}[training]\nwindow = 9\n'
    table = '[training.mixed_steps]\nsamples = 2\nleast = 3\nlayers = 2\npartition = "random"\n'
    path.write_text(text.format("") + table)
    assert read_recipe(path).training.mixed_steps == MixedSteps(2, 3, 0, 2, "random")
    path.write_text(text.format('normalisation = "tebn"\ntebn_steps = 9\n') + table)
    with pytest.raises(ConfigError, match=r"mine.toml: mixed_steps with normalisation 'tebn'"):
        read_recipe(path)
    path.write_text(text.format("") + table.replace("least", "lest"))
    with pytest.raises(ConfigError, match=r"training\.mixed_steps\.lest"):
        read_recipe(path)
