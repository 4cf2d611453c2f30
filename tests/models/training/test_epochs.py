"""Truths about training: it learns, it is a function of its seed, and a killed run goes on as if it had not been."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from spikecut.models.architectures.networks import NetworkSpec, plain
from spikecut.models.card import ModelCard
from spikecut.models.cells.surrogates import Surrogate
from spikecut.models.files import checkpoint
from spikecut.models.layers import FrameDropout
from spikecut.models.training import epochs
from spikecut.models.training.augment import Augmentation, augment
from spikecut.models.training.epochs import TrainingPlan, TrainingRun
from spikecut.models.training.layerwise import (
    accuracy_by_step,
    multiplies_in_bfloat16,
    outputs_and_layers,
    outputs_of,
)
from spikecut.models.training.losses import Loss
from spikecut.models.training.more_classes import with_more_classes
from spikecut.models.training.regularisation import gradient_ratio, rate_loss, rcs_loss
from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, ModelError
from spikecut.pipeline.events import SensorSize

from full_disk import full_disk
from small_training import PLAN, SPEC, STILL, TEBN, bars


def run_for(epochs: int, seed: int = 0) -> TrainingRun:
    return TrainingRun(SPEC, TrainingPlan(window=6, epochs=epochs, batch_size=20, seed=seed, augmentation=STILL), 100)


def weights(run: TrainingRun) -> torch.Tensor:
    return torch.cat([value.flatten() for value in run.network.state_dict().values()])


def test_a_network_learns_to_tell_left_from_right() -> None:
    run, (frames, labels) = run_for(12), bars(100, 1)
    for _ in range(12):
        loss = run.train_epoch(frames, labels)
    accuracy = accuracy_by_step(run.averaged(), *bars(100, 2))
    assert loss < 0.4
    assert accuracy[-1] > 0.9


def test_training_moves_the_time_constants_and_they_are_kept(tmp_path: Path) -> None:
    run, (frames, labels) = run_for(2), bars(100, 1)
    before = [value.clone() for name, value in run.average.items() if name.endswith("leak_logit")]
    run.train_epoch(frames, labels)
    after = [value for name, value in run.average.items() if name.endswith("leak_logit")]
    assert len(before) == 2
    assert all(not torch.equal(*pair) for pair in zip(before, after, strict=True))
    checkpoint.save(tmp_path, ModelCard("bars", SPEC, ("left", "right"), SensorSize(8, 8), 6), run.averaged())
    kept = load_file(tmp_path / "bars.safetensors")
    assert [kept[name].item() for name in sorted(kept) if name.endswith("leak_logit")] == [v.item() for v in after]


def test_another_surrogate_is_another_training_of_the_same_network() -> None:
    frames, labels = bars(100, 1)
    runs = [TrainingRun(SPEC, TrainingPlan(6, 1, 20, surrogate=how), 100) for how in (Surrogate(), Surrogate("arctan"))]
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    for run in runs:
        run.train_epoch(frames, labels)
    assert not torch.equal(weights(runs[0]), weights(runs[1]))


def test_training_is_a_function_of_its_seed() -> None:
    frames, labels = bars(100, 1)
    results = []
    for seed in (0, 0, 1):
        run = run_for(2, seed)
        torch.rand(seed + 3)  # somebody else's use of the global generator changes nothing
        run.train_epoch(frames, labels)
        results.append(weights(run))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


CONVERTED = replace(SPEC, normalisation="batch", levels=4)


@pytest.mark.parametrize(
    ("spec", "plan"),
    [
        (SPEC, PLAN),
        (TEBN, PLAN),
        (TEBN, replace(PLAN, rcs=0.01, rate=0.1, rate_target=0.05, surrogate=Surrogate("arctan", 0.8))),
        (SPEC, replace(PLAN, loss=Loss(0.5, 0.5, 0.1, tet_lambda=0.01, label_smoothing=0.1), bfloat16=True)),
        (CONVERTED, replace(PLAN, rcs=0.01, rate=0.1, bfloat16=True)),
        (SPEC, replace(PLAN, short_window=2, short_share=0.6)),
    ],
    ids=["plain", "tebn", "regularised", "mixed", "converted", "short"],
)
def test_a_killed_run_goes_on_as_if_it_had_not_been(spec: NetworkSpec, plan: TrainingPlan, tmp_path: Path) -> None:
    """Weights, their average and the statistics of batch normalisation, to the bit."""
    frames, labels = bars(100, 1)
    whole = TrainingRun(spec, plan, 100)
    for _ in range(3):
        whole.train_epoch(frames, labels)
    killed = TrainingRun(spec, plan, 100)
    killed.train_epoch(frames, labels)
    killed.save(tmp_path / "training.pt")
    resumed = TrainingRun(spec, plan, 100)
    resumed.resume(tmp_path / "training.pt")
    assert resumed.epoch == 1
    for _ in range(2):
        resumed.train_epoch(frames, labels)
    pairs = [*zip(state(whole), state(resumed), strict=True)]
    pairs += [(whole.average[name], resumed.average[name]) for name in whole.average]
    assert all(torch.equal(*pair) for pair in pairs)
    assert whole.pulls == resumed.pulls
    assert [one.epoch for one in whole.pulls] == ([1, 2, 3] if plan.rcs else [])


@pytest.mark.parametrize(("capability", "fast"), [("AVX2", False), ("AVX512", True), ("DEFAULT", False)])
def test_a_processor_without_avx512_is_slow_in_bfloat16(
    capability: str, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert multiplies_in_bfloat16(torch.device("cpu")) is fast
    assert multiplies_in_bfloat16(torch.device("cuda"))


def state(run: TrainingRun) -> list[torch.Tensor]:
    return list(run.network.state_dict().values())


def test_the_statistics_of_batch_normalisation_fit_the_averaged_weights() -> None:
    """Averaged with the weights they would still remember the 1 that they begin with, far above what they find."""
    run, (frames, labels) = TrainingRun(TEBN, replace(PLAN, epochs=12), 100), bars(100, 1)
    for _ in range(12):
        run.train_epoch(frames, labels)
    counts = [value for name, value in run.average.items() if name.endswith("num_batches_tracked")]
    assert [count.item() for count in counts] == [60, 60]
    averaged = run.averaged()
    assert accuracy_by_step(averaged, *bars(100, 2))[-1] > 0.9
    with torch.no_grad():
        streamed = outputs_of(averaged.eval(), frames.float())
        by_batch = outputs_of(averaged.train(), frames.float())
    assert float((streamed - by_batch).abs().mean()) < 0.5 * float(by_batch.abs().mean())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("plan", [PLAN, replace(PLAN, rcs=0.01, rate=0.1)], ids=["plain", "regularised"])
def test_training_on_a_gpu_is_training_on_a_cpu(plan: TrainingPlan, tmp_path: Path) -> None:
    frames, labels = bars(100, 1)
    runs = [TrainingRun(TEBN, plan, 100, device) for device in ("cpu", "cuda")]
    for run in runs:
        for module in run.network.modules():
            if isinstance(module, FrameDropout):
                module.share = 0.0  # drawn by each device in its own way
    losses = [run.train_epoch(frames, labels) for run in runs]
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)
    runs[1].save(tmp_path / "training.pt")
    runs[1].resume(tmp_path / "training.pt")
    assert len(accuracy_by_step(runs[1].averaged(), frames, labels)) == 6


def test_a_weight_of_the_firing_rate_makes_spikes_rarer_and_one_of_rcs_turns_activity_less() -> None:
    """Against the same training without; both are measured on recordings of their own."""
    frames, labels = bars(100, 1)
    seen = {}
    for name, plan in {
        "plain": PLAN,
        "rate": replace(PLAN, rate=3.0),
        "rcs": replace(PLAN, rcs=1.0),
    }.items():
        run = TrainingRun(SPEC, replace(plan, epochs=12, averaging=0.05), 100)
        for _ in range(12):
            run.train_epoch(frames, labels)
        with torch.no_grad():
            shown = bars(100, 2)
            outputs, layers = outputs_and_layers(run.averaged().eval(), shown[0].float())
            seen[name] = (
                rate_loss([layer.activity() for layer in layers]).item(),
                rcs_loss(layers, outputs, shown[1]).item(),
            )
    assert seen["rate"][0] < 0.5 * seen["plain"][0]
    assert seen["rcs"][1] < seen["plain"][1]


def test_without_rcs_weights_are_to_the_bit_those_of_the_loss_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def plain_loss(run: TrainingRun, frames: Tensor, targets: Tensor, *, measured: bool) -> Tensor:
        return run.plan.loss(outputs_of(run.network, frames, steps=6), targets)

    frames, labels = bars(100, 1)
    usual = TrainingRun(TEBN, PLAN, 100)
    usual.train_epoch(frames, labels)
    assert usual.pulls == []
    monkeypatch.setattr(TrainingRun, "_loss", plain_loss)
    alone = TrainingRun(TEBN, PLAN, 100)
    alone.train_epoch(frames, labels)
    assert torch.equal(weights(usual), weights(alone))


@pytest.mark.parametrize("spec", [SPEC, TEBN, CONVERTED], ids=["kernel", "tebn", "converted"])
def test_measuring_the_pull_of_rcs_changes_no_bit_of_the_weights(
    spec: NetworkSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, labels = bars(100, 1)
    runs = []
    for measure in (gradient_ratio, lambda *_: 0.0):
        monkeypatch.setattr(epochs, "gradient_ratio", measure)
        runs.append(TrainingRun(spec, replace(PLAN, rcs=0.5), 100))
        for _ in range(2):
            runs[-1].train_epoch(frames, labels)
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert all(one.ratio > 0 and 0 < one.right <= 1 for one in runs[0].pulls)


def test_rcs_of_twice_the_weight_pulls_twice_as_strongly() -> None:
    """At the same weights of the network: in the first batch of a training."""
    ratios = []
    for weight in (0.5, 1.0):
        run = TrainingRun(SPEC, replace(PLAN, rcs=weight), 100)
        run.train_epoch(*bars(100, 1))
        ratios.append(run.pulls[0].ratio)
    assert ratios[1] == pytest.approx(2 * ratios[0], rel=1e-4)


def test_a_state_from_before_pulls_were_kept_goes_on(tmp_path: Path) -> None:
    run = TrainingRun(SPEC, replace(PLAN, rcs=0.5), 100)
    run.train_epoch(*bars(100, 1))
    run.save(tmp_path / "training.pt")
    state = torch.load(tmp_path / "training.pt", weights_only=True)
    del state["pulls"]
    torch.save(state, tmp_path / "training.pt")
    later = TrainingRun(SPEC, run.plan, 100)
    later.resume(tmp_path / "training.pt")
    later.train_epoch(*bars(100, 1))
    assert [one.epoch for one in later.pulls] == [2]


def test_a_short_training_keeps_the_plain_mean_of_its_weights_and_nothing_of_the_beginning() -> None:
    """Three steps, one a pass, at an averaging of 0.02: what each left is seen from outside."""
    run, (frames, labels) = TrainingRun(SPEC, replace(PLAN, epochs=3), 20), bars(20, 1)
    seen = []
    for _ in range(3):
        run.train_epoch(frames, labels)
        seen.append([value.detach().clone() for value in run.network.parameters()])
    for (name, _), *values in zip(run.network.named_parameters(), *seen, strict=True):
        torch.testing.assert_close(run.average[name], torch.stack(values).mean(0), rtol=1e-5, atol=1e-6)


def test_gradients_longer_than_1_are_clipped_and_shorter_ones_are_not() -> None:
    """The gradients of the last step, of the same batch under a loss of weight 100 and of weight 1e-6."""
    lengths = []
    for weight in (100.0, 1e-6):
        run = TrainingRun(SPEC, replace(PLAN, loss=Loss(evidence=weight), batch_size=100), 100)
        run.train_epoch(*bars(100, 1))
        gradients = [weight.grad for weight in run.network.parameters() if weight.grad is not None]
        lengths.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))
    assert lengths[0] == pytest.approx(1, rel=1e-4)
    assert 0 < lengths[1] < 1e-4


def test_the_average_of_a_long_training_moves_by_its_share() -> None:
    """From the step on whose part in a plain mean would be smaller: the sixth, at an averaging of 0.2."""
    run, (frames, labels) = TrainingRun(SPEC, replace(PLAN, epochs=10, averaging=0.2), 20), bars(20, 1)
    for _ in range(6):
        before = {name: value.clone() for name, value in run.average.items()}
        run.train_epoch(frames, labels)
    for name, weight in run.network.named_parameters():
        torch.testing.assert_close(run.average[name], before[name].lerp(weight.detach(), 0.2))


@pytest.mark.parametrize("spec", [SPEC, TEBN], ids=["kernel", "tebn"])
def test_weights_decay_and_what_means_something_at_other_values_does_not(spec: NetworkSpec) -> None:
    """Without a gradient a step of AdamW is its decay alone."""
    run = TrainingRun(spec, replace(PLAN, weight_decay=0.1), 100)
    before = {name: value.detach().clone() for name, value in run.network.named_parameters()}
    for value in run.network.parameters():
        value.grad = torch.zeros_like(value)
    run.optimizer.step()
    moved = {name for name, value in run.network.named_parameters() if not torch.equal(value, before[name])}
    kernels = {"parametrizations.weight.original"} if spec is SPEC else {"weight"}
    assert {name.partition(".")[2] for name in moved} == kernels | {"weight"}
    assert len(moved) == 3  # two convolutions and the readout
    assert any("leak_logit" in name for name in before)


@pytest.mark.parametrize("name", ["rcs", "rate", "rate_target", "weight_decay"])
def test_a_weight_below_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is -0.5; expected a number of 0 or more"):
        replace(PLAN, **{name: -0.5})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ({"window": 0}, "window is 0; expected 1 or more"),
        ({"epochs": 0}, "epochs is 0; expected 1 or more"),
        ({"batch_size": -3}, "batch_size is -3; expected 1 or more"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"averaging": 0.0}, "averaging is 0.0; expected a share above 0"),
        ({"averaging": 1.5}, "averaging is 1.5; expected a share above 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; expected above 0 and below 1"),
    ],
)
def test_a_number_that_no_training_can_have_is_refused(number: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(PLAN, **number)  # type: ignore[arg-type]


def test_a_full_disk_is_an_error_of_ours_and_leaves_the_state_before(tmp_path: Path) -> None:
    run = run_for(3)
    run.save(tmp_path / "training.pt")
    before = (tmp_path / "training.pt").read_bytes()
    with full_disk(), pytest.raises(EnvironmentProblem, match=r"training\.pt: cannot be written"):
        run.save(tmp_path / "training.pt")
    assert (tmp_path / "training.pt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["training.pt"]


def test_a_damaged_or_foreign_training_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    run_for(3).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot go on from here"):
        run_for(3).resume(path)


def test_a_run_with_other_numbers_does_not_go_on_from_here(tmp_path: Path) -> None:
    run_for(3).save(tmp_path / "training.pt")
    for other in (run_for(4), run_for(3, seed=1)):
        with pytest.raises(ModelError, match="other numbers"):
            other.resume(tmp_path / "training.pt")


def test_a_run_made_of_something_else_does_not_go_on_from_here(tmp_path: Path) -> None:
    runs = [TrainingRun(SPEC, PLAN, 100, made_of={"data": data, "classes": "a, b"}) for data in ("one", "two", "one")]
    runs[0].save(tmp_path / "training.pt")
    with pytest.raises(ModelError, match=r"cannot go on from here: data was one, now it is two$") as caught:
        runs[1].resume(tmp_path / "training.pt")
    assert "another --out" in str(caught.value.hint)
    runs[2].resume(tmp_path / "training.pt")


MIXED = replace(STILL, rate=0.1, drop_time=0.1, drop_area=0.1, mix=0.2, mirrored=(1, 0))


def test_what_is_mixed_silenced_retimed_and_noisy_still_teaches() -> None:
    run = TrainingRun(SPEC, replace(PLAN, noise=0.1, augmentation=MIXED, epochs=20, averaging=0.05), 100)
    for _ in range(20):
        run.train_epoch(*bars(100, 1))
    assert accuracy_by_step(run.averaged(), *bars(100, 2))[-1] > 0.9


def test_a_mixed_training_is_a_function_of_its_seed_whatever_it_asks_of_activity() -> None:
    runs = [TrainingRun(SPEC, replace(PLAN, augmentation=MIXED, rcs=0.1, seed=seed), 100) for seed in (0, 0, 1)]
    losses = [run.train_epoch(*bars(100, 1)) for run in runs]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(weights(runs[0]), weights(runs[1]))


def test_a_recording_that_is_faster_goes_on_into_its_spare_steps() -> None:
    """Time is stretched before windows are cut: a window from the beginning of eight steps is never empty."""
    run = TrainingRun(SPEC, replace(PLAN, window=4, augmentation=replace(STILL, drop=0.0, rate=0.5)), 100)
    seen: list[torch.Tensor] = []

    def watched(frames: torch.Tensor, labels: torch.Tensor, *rest: object) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(frames)
        return frames, labels

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(epochs, "augment", watched)
        patch.setattr(run, "_windows", lambda frames, n_steps: frames[:, :n_steps])
        run.train_epoch(torch.ones(100, 8, 2, 8, 8), torch.zeros(100, dtype=torch.int64))
    assert min(shown.min().item() for shown in seen) >= 0.5
    assert max(shown.max().item() for shown in seen) > 1.2


def test_a_mirror_of_other_classes_is_refused() -> None:
    with pytest.raises(ConfigError, match="mirrored has 3 labels for a network of 2 classes"):
        TrainingRun(SPEC, replace(PLAN, augmentation=replace(STILL, mirrored=(0, 2, 1))), 100)


def test_augmentation_without_limits_set_is_the_identity() -> None:
    frames = torch.rand(2, 3, 2, 8, 8)
    none = Augmentation(rotate_deg=0, scale=0, shear=0, shift=0, drop=0)
    same, labels = augment(frames, torch.tensor([1, 0]), none, torch.Generator().manual_seed(0))
    assert labels.tolist() == [1, 0]
    torch.testing.assert_close(same, frames, atol=1e-5, rtol=1e-5)


def test_augmentation_moves_all_steps_of_a_recording_alike() -> None:
    frames = torch.zeros(1, 2, 2, 16, 16)
    frames[:, :, :, 6:9, 5:8] = 1
    how = Augmentation(drop=0)
    moved, _ = augment(frames, torch.tensor([0]), how, torch.Generator().manual_seed(3))
    torch.testing.assert_close(moved[:, 0], moved[:, 1])
    assert not torch.allclose(moved, frames)


def test_a_mirror_makes_a_right_hand_a_left_one_and_an_inversion_exchanges_on_and_off() -> None:
    frames = torch.rand(40, 2, 2, 4, 6)
    labels = torch.arange(40) % 3
    how = Augmentation(rotate_deg=0, scale=0, shear=0, shift=0, drop=0, mirrored=(0, 2, 1), inverted=True)
    shown, meant = augment(frames, labels, how, torch.Generator().manual_seed(0))
    seen = set()
    for i in range(40):
        for mirrored in (False, True):
            for inverted in (False, True):
                wanted = frames[i].flip(3) if mirrored else frames[i]
                wanted = wanted.flip(1) if inverted else wanted
                if torch.allclose(shown[i], wanted, atol=1e-5):
                    seen.add((mirrored, inverted))
                    assert meant[i] == ((0, 2, 1)[labels[i]] if mirrored else labels[i])
    assert len(seen) == 4


def test_a_longer_recording_is_shown_from_its_beginning_or_from_a_random_step() -> None:
    run = TrainingRun(SPEC, TrainingPlan(window=4, epochs=1, batch_size=20, augmentation=STILL), 100)
    frames = torch.arange(9).view(1, 9, 1, 1, 1).expand(200, 9, 2, 8, 8)
    shown = run._windows(frames, 4)[:, :, 0, 0, 0]
    assert (shown.diff(dim=1) == 1).all()
    starts = shown[:, 0].bincount(minlength=6).tolist()
    assert len(starts) == 6
    assert min(starts) > 5
    assert 80 < starts[0] < 150


def test_too_few_recordings_for_a_batch_are_refused() -> None:
    with pytest.raises(ModelError, match="10 recordings do not fill one batch of 20"):
        TrainingRun(SPEC, TrainingPlan(window=6, batch_size=20), 10)


@pytest.mark.parametrize("spec", [SPEC, TEBN, CONVERTED], ids=["kernel", "tebn", "converted"])
def test_training_goes_on_from_a_kept_network_where_it_was(spec: NetworkSpec) -> None:
    before, (frames, labels) = TrainingRun(spec, PLAN, 100), bars(100, 1)
    before.train_epoch(frames, labels)
    kept = {name: value.clone() for name, value in plain(before.averaged()).state_dict().items()}
    after = TrainingRun(spec, replace(PLAN, seed=5), 100)
    after.start_from(kept)
    kept_again = plain(after.averaged()).state_dict()
    for name, value in kept.items():
        torch.testing.assert_close(kept_again[name], value, rtol=1e-4, atol=1e-5)
    with torch.no_grad():  # in training too: with statistics of the batch
        said = []
        for run in (before, after):
            torch.manual_seed(0)  # dropout
            said.append(outputs_of(run.averaged(), frames.float()))
        torch.testing.assert_close(*said, rtol=1e-3, atol=1e-3)
    with pytest.raises(ModelError, match="not those of a 'compact' network"):
        after.start_from({"0.weight": torch.zeros(1)})


def test_a_kept_network_takes_more_classes_and_says_of_the_old_ones_what_it_said() -> None:
    before, (frames, labels) = TrainingRun(SPEC, PLAN, 100), bars(100, 1)
    before.train_epoch(frames, labels)
    kept = {name: value.clone() for name, value in plain(before.averaged()).state_dict().items()}
    readout = [*kept][-1].rpartition(".")[0]
    after = TrainingRun(replace(SPEC, n_classes=4), PLAN, 100)
    after.start_from(with_more_classes(kept, readout, ["across", "down"], ["none", "down", "across", "other"]))
    with torch.no_grad():
        said, now = (outputs_of(run.averaged().eval(), frames.float()) for run in (before, after))
    torch.testing.assert_close(now[:, :, [2, 1]], said, rtol=1e-3, atol=1e-4)
    assert not now[:, :, [0, 3]].any()
    with pytest.raises(ModelError, match="knows 'across'"):
        with_more_classes(kept, readout, ["across", "down"], ["down", "none"])
