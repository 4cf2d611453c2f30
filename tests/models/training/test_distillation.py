"""Truths about distillation and short windows: where targets come from, and what is shown in which epoch."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from spikecut.models.training.distillation import Teacher, taught
from spikecut.models.training.epochs import TrainingPlan, TrainingRun
from spikecut.models.training.layerwise import accuracy_by_step, outputs_of
from spikecut.pipeline.errors import ConfigError, ModelError

from small_training import PLAN, SPEC, STILL, bars

EPOCHS = 25


def trained(plan: TrainingPlan, labels: Tensor, teacher: TrainingRun | None = None) -> TrainingRun:
    run, frames = TrainingRun(SPEC, plan, 100), bars(100, 1)[0]
    if teacher:
        run.learn_from(teacher.averaged())
    for _ in range(plan.epochs):
        run.train_epoch(frames, labels)
    return run


def test_a_network_learns_from_a_teacher_what_no_label_says() -> None:
    plan = replace(PLAN, epochs=EPOCHS)
    teacher = trained(plan, bars(100, 1)[1])
    pupil = trained(replace(plan, distillation=1.0, seed=1), torch.zeros(100, dtype=torch.int64), teacher)
    assert accuracy_by_step(pupil.averaged(), *bars(100, 2))[-1] > 0.9


def test_a_teacher_answers_with_the_sum_of_its_steps_and_one_to_be_converted_as_the_ann_that_it_was() -> None:
    frames, labels = bars(100, 3)
    for levels in (0, 4):
        run = TrainingRun(replace(SPEC, normalisation="batch", levels=levels), replace(PLAN, learning_rate=0.02), 100)
        run.train_epoch(frames, labels)
        network = run.averaged().eval()
        answer = Teacher(network).answer(frames[:4].float())
        outputs = outputs_of(network, frames[:4].float())
        assert outputs.shape[1] == 6
        torch.testing.assert_close(answer.sum(1), torch.ones(4))
        assert torch.equal(answer, outputs.sum(1).softmax(1)) == (levels == 0)


def test_labels_and_answers_are_added_by_their_shares() -> None:
    answer = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    expected = torch.tensor([[0.2, 0.1, 0.7], [0.6, 0.0, 0.4]])
    torch.testing.assert_close(taught(torch.tensor([2, 0]), answer, 0.4), expected)
    shares = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(taught(shares, answer, 0.4), expected)


def test_the_first_epochs_show_short_windows_that_begin_anywhere_and_the_teacher_sees_them_whole() -> None:
    """A step is known by its count of events; every second window begins with the recording."""
    frames = torch.arange(1, 7).view(1, 6, 1, 1, 1).expand(200, 6, 2, 8, 8).to(torch.uint8)
    labels, seen = torch.zeros(200, dtype=torch.int64), list[int]()
    plan = replace(PLAN, short_window=2, short_share=0.5, distillation=0.5, augmentation=replace(STILL, drop=0.0))
    run = TrainingRun(SPEC, replace(plan, epochs=4), 200)

    class Watched(torch.nn.Flatten):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)[:, :2]

    run.learn_from(torch.nn.Sequential(Watched()))
    for epoch in range(4):
        run.epoch = epoch
        shown, targets = run._varied(frames, labels)
        assert targets.shape == (200, 2)
        if epoch < 2:
            firsts = shown[:, 0, 0, 4, 4].round()
            assert shown.shape[1] == 2
            assert torch.equal(shown[:, 1, 0, 4, 4].round(), firsts + 1)
            assert set(firsts.tolist()) == {1, 2, 3, 4, 5}
            assert 90 < int((firsts == 1).sum()) < 150
        else:
            assert shown.shape[1] == 6
    assert seen == [6 * 200] * 4


def test_a_plan_that_cannot_be_is_refused() -> None:
    with pytest.raises(ModelError, match="without a teacher"):
        TrainingRun(SPEC, replace(PLAN, distillation=0.5), 100).train_epoch(*bars(100, 1))
    for wrong in (
        {"short_window": 6, "short_share": 0.5},
        {"short_window": 2},
        {"short_share": 0.5},
        {"short_window": 2, "short_share": 1.5},
        {"distillation": -0.1},
    ):
        with pytest.raises(ConfigError, match="training: "):
            replace(PLAN, **wrong)


@pytest.mark.parametrize("mirrored", [(), (1, 0)])
def test_a_mirrored_teacher_answers_with_the_mean_of_the_frames_and_of_their_mirror_images(
    mirrored: tuple[int, ...],
) -> None:
    """So what it answers for a mirror image is its answer for the frames, each class become what the mirror shows."""
    frames = bars(40, 5)[0].float()
    frames[:, :, :, :, 0] += torch.rand(40, 6, 2, frames.shape[3], generator=torch.Generator().manual_seed(1))
    how = replace(STILL, mirrored=mirrored) if mirrored else replace(STILL, flipped=True)
    run = TrainingRun(SPEC, replace(PLAN, mirrored_teacher=True, distillation=1.0, augmentation=how), 100)
    plain = trained(replace(PLAN, epochs=2), bars(100, 1)[1]).averaged()
    run.learn_from(plain)
    assert run.teacher is not None
    answer, mirror_image = run.teacher.answer(frames), run.teacher.answer(frames.flip(4))
    swapped = mirror_image[:, [1, 0]] if mirrored else mirror_image
    torch.testing.assert_close(answer, swapped)
    one, other = outputs_of(plain.eval(), frames).sum(1), outputs_of(plain, frames.flip(4)).sum(1)
    expected = (one + (other[:, [1, 0]] if mirrored else other)) / 2
    torch.testing.assert_close(answer, expected.detach().softmax(1))
    assert not torch.allclose(answer, one.detach().softmax(1), atol=1e-3)


def test_a_mirrored_teacher_must_know_what_the_mirror_shows() -> None:
    with pytest.raises(ConfigError, match="mirrored_teacher without a mirror"):
        replace(PLAN, mirrored_teacher=True, augmentation=STILL)


def test_a_short_teacher_sees_the_steps_that_are_shown_and_another_one_the_whole_window() -> None:
    frames, labels = bars(100, 1)
    for short in (False, True):
        seen = list[int]()

        class Watched(torch.nn.Flatten):
            def forward(self, x: Tensor, seen: list[int] = seen) -> Tensor:
                seen.append(len(x))
                return super().forward(x)[:, :2]

        plan = replace(PLAN, epochs=2, short_window=2, short_share=0.5, distillation=0.5, short_teacher=short)
        run = TrainingRun(SPEC, plan, 100)
        run.learn_from(torch.nn.Sequential(Watched()))
        for epoch, n_steps in ((0, 2), (1, 6)):
            run.epoch = epoch
            seen.clear()
            shown, _ = run._varied(frames, labels)
            assert shown.shape[1] == n_steps
            assert sum(seen) == 100 * (n_steps if short else 6)
