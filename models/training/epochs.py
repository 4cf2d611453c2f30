"""Training on binned recordings and images: an epoch, and the state from which a killed run goes on."""

import io
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spikecut.models.architectures.networks import NetworkSpec, build, unfolded
from spikecut.models.cells import learn_with
from spikecut.models.spec import InputKind
from spikecut.models.training.augment import augment
from spikecut.models.training.company import accompanied
from spikecut.models.training.distillation import Teacher, taught
from spikecut.models.training.distributed import (
    average_gradients,
    average_of,
    average_statistics,
    n_processes,
    share_of,
)
from spikecut.models.training.drop_and_mix import mixed, noisy
from spikecut.models.training.image_augment import augment_pictures
from spikecut.models.training.layerwise import calibrate_statistics, outputs_and_layers, outputs_of, stages_of
from spikecut.models.training.losses import Targets
from spikecut.models.training.mixed_steps import CALIBRATED, Configuration
from spikecut.models.training.plan import TrainingPlan as TrainingPlan
from spikecut.models.training.plan import decayed_and_not
from spikecut.models.training.regularisation import (
    Pull,
    gradient_ratio,
    lastingly_right,
    rate_loss,
    rcs_ann_loss,
    rcs_loss,
)
from spikecut.models.training.time_augment import retimed
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.files.atomic_files import write_bytes


class TrainingRun:
    """A network in training: weights, their running average, optimiser, schedule, random generator.

    The average of the weights over the last epochs is what is evaluated and kept: with a few hundred
    recordings the last step of the optimiser is a matter of luck. Each step moves it by the share `averaging`; the
    first steps by more, so that it is the plain mean of all weights so far, without the initial ones. The
    statistics of batch normalisation are the last ones, averages themselves: as the rate falls to 0 the weights come
    to rest, and their average fits them. With mixed time steps they are gathered after every epoch for the averaged
    weights, from its first batches with all steps. Where RCS has a weight, `pulls` says of every epoch how strongly it
    pulled; of several processes that of the leading one's share. `made_of` says what else it is made of (its data), a
    line for each thing: a run of something else does not go on from its state.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        plan: TrainingPlan,
        n_recordings: int,
        device: str = "cpu",
        *,
        made_of: Mapping[str, str] | None = None,
    ) -> None:
        if n_recordings < plan.batch_size:
            raise ModelError(f"{n_recordings} recordings do not fill one batch of {plan.batch_size}")
        if len(mirrored := plan.augmentation.mirrored) not in (0, spec.n_classes):
            raise ConfigError(
                f"augmentation: mirrored has {len(mirrored)} labels for a network of {spec.n_classes} classes"
            )
        plan.mixed_steps.check(spec)
        if plan.batch_size < n_processes():
            raise ModelError(f"a batch of {plan.batch_size} leaves nothing for some of {n_processes()} processes")
        self.spec, self.plan, self.device = spec, plan, torch.device(device)
        self.epoch, self.made_of = 0, dict(made_of or {})
        self.teacher: Teacher | None = None
        self.pulls: list[Pull] = []
        self.generator = torch.Generator().manual_seed(plan.seed)
        with torch.random.fork_rng():
            torch.manual_seed(plan.seed)
            self.network = build(spec).to(self.device)
        learn_with(self.network, plan.surrogate)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(decayed_and_not(self.network, plan.weight_decay), lr=plan.learning_rate)
        steps = plan.epochs * (n_recordings // plan.batch_size)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, plan.learning_rate, total_steps=steps, pct_start=0.15
        )

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Begins with the weights of a trained network of the same kind instead of fresh ones.

        Raises:
            ModelError: if they do not fit.
        """
        try:
            self.network.load_state_dict(unfolded(weights, self.network))
        except (KeyError, RuntimeError) as error:
            raise ModelError(f"these weights are not those of a {self.spec.architecture!r} network: {error}") from error
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}

    def learn_from(self, teacher: nn.Module) -> None:
        """Takes a trained network of the same frames and classes as teacher (`plan.distillation`)."""
        mirrored: tuple[int, ...] = ()
        if self.plan.mirrored_teacher:
            mirrored = self.plan.augmentation.mirrored or tuple(range(self.spec.n_classes))
        self.teacher = Teacher(teacher.to(self.device).eval(), self.plan.bfloat16, mirrored)

    def train_epoch(self, frames: Tensor, labels: Tensor) -> float:
        """One pass over recordings `(N, T, 2, H, W)`, or images `(N, 1, 3, H, W)`; returns the mean loss.

        Where several processes train together, each is given all recordings and computes its share of every batch.
        """
        self.network.train()
        order = torch.randperm(len(frames), generator=self.generator)
        batches = torch.split(order, self.plan.batch_size)[: len(frames) // self.plan.batch_size]
        losses: list[float] = []
        for picks in batches:
            varied, meant = self._varied(frames[picks], labels[picks])
            with torch.random.fork_rng():
                torch.manual_seed(int(torch.randint(2**31, (1,), generator=self.generator)))
                mine = share_of(meant)
                loss = self._loss(share_of(varied).to(self.device), mine.to(self.device), measured=not losses)
                loss = loss * (len(mine) * n_processes() / len(meant))  # their mean is that of the whole batch
            if not loss.isfinite():
                raise ModelError(f"epoch {self.epoch + 1}: the loss is {loss.item()}; training diverged")
            self.optimizer.zero_grad()
            loss.backward()
            average_gradients(self.network)
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            average_statistics(self.network)
            share = max(self.plan.averaging, 1 / self.schedule.last_epoch)  # which counts the steps done
            for name, weight in self.network.named_parameters():
                self.average[name].lerp_(weight.detach(), share)
            for name, statistic in self.network.named_buffers():
                self.average[name].copy_(statistic)
            losses.append(loss.item())
        if self.plan.mixed_steps.samples:
            self._calibrate([(frames[picks], labels[picks]) for picks in batches[:CALIBRATED]])
        self.epoch += 1
        return average_of(sum(losses) / len(losses))

    def _varied(self, frames: Tensor, labels: Tensor) -> tuple[Tensor, Targets]:
        """Inputs and targets of a batch with this epoch's augmentation.

        Raises:
            ModelError: if the plan needs a teacher and there is none.
        """
        shown, targets = _VARIED[self.spec.input_kind](self, frames, labels)
        if self.plan.short_teacher:
            shown = self._windows(shown, self._n_steps)
        if share := self.plan.distillation:
            if self.teacher is None:
                raise ModelError(f"distillation is {share} without a teacher", hint="TrainingRun.learn_from takes it")
            targets = taught(targets, self.teacher.answer(shown.to(self.device)).cpu(), share)
        return shown if self.plan.short_teacher else self._windows(shown, self._n_steps), targets

    @property
    def _n_steps(self) -> int:
        """How many steps are shown in this epoch."""
        early = self.epoch < round(self.plan.short_share * self.plan.epochs)
        return self.plan.short_window if early else self.plan.window

    def _varied_images(self, frames: Tensor, labels: Tensor) -> tuple[Tensor, Targets]:
        shown, labels = augment_pictures(frames[:, 0].to(self.device), labels, self.plan.pictures, self.generator)
        return shown[:, None].float(), labels

    def _varied_windows(self, frames: Tensor, labels: Tensor) -> tuple[Tensor, Targets]:
        how = self.plan.augmentation
        window = self._windows(retimed(frames, how.rate, how.delay_steps, self.generator), self.plan.window)
        varied, labels = augment(window.float(), labels, how, self.generator)
        varied = accompanied(varied, labels, self.plan.company, self.plan.companions, self.generator)
        varied = noisy(varied, self.plan.noise, self.generator)
        return mixed(varied, labels, how.mix, self.spec.n_classes, self.generator)

    def _calibrate(self, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Gathers the statistics of batch normalisation for the averaged weights, with all steps in every layer."""
        network = self.averaged()
        shown = (_VARIED[self.spec.input_kind](self, *batch)[0].to(self.device) for batch in batches)
        calibrate_statistics(network, shown, steps=self.plan.window)
        self.average |= dict(network.named_buffers())

    def _loss(self, frames: Tensor, targets: Targets, *, measured: bool) -> Tensor:
        """The loss of a batch, the mean over its temporal configurations; with `measured` the pull of RCS is kept."""
        if not (how := self.plan.mixed_steps).samples:
            return self._loss_of(frames, targets, None, measured)
        drawn = how.draw(frames.shape[1], self._n_steps, len(stages_of(self.network, how.layers)), self.generator)
        losses = [self._loss_of(frames, targets, one, measured and not at) for at, one in enumerate(drawn)]
        return torch.stack(losses).mean()

    def _loss_of(self, frames: Tensor, targets: Targets, configuration: Configuration | None, measured: bool) -> Tensor:
        plan = self.plan
        how: dict[str, Any] = {"bfloat16": plan.bfloat16, "configuration": configuration}
        how["steps"] = None if self.spec.levels else self._n_steps
        if not (plan.rcs or plan.rate):
            return plan.loss(outputs_of(self.network, frames, **how), targets)
        outputs, layers = outputs_and_layers(self.network, frames, **how)
        loss = plan.loss(outputs, targets)
        if plan.rcs:
            mostly = targets.argmax(1) if targets.is_floating_point() else targets
            if self.spec.levels:
                rcs = plan.rcs * rcs_ann_loss([layer.currents for layer in layers], outputs, mostly)
            else:
                rcs = plan.rcs * rcs_loss(layers, outputs, mostly)
            if measured:
                ratio = gradient_ratio(rcs, loss, [*self.network.parameters()])
                right = lastingly_right(outputs, mostly, 1.0 if self.spec.levels else 0.3).float().mean().item()
                self.pulls.append(Pull(self.epoch + 1, ratio, right))
            loss = loss + rcs
        if plan.rate:
            loss = loss + plan.rate * rate_loss([layer.activity() for layer in layers], plan.rate_target)
        return loss

    def _windows(self, frames: Tensor, n_steps: int) -> Tensor:
        """As many steps in a row of each recording; fewer there are only of an image, whose one frame stands still."""
        spare = frames.shape[1] - n_steps
        if spare <= 0:
            return frames
        late, start = torch.rand(2, len(frames), generator=self.generator)
        starts = torch.where(late < 0.5, 0, (start * (spare + 1)).long())
        steps = starts[:, None] + torch.arange(n_steps)
        return frames[torch.arange(len(frames))[:, None], steps]

    def _made_for(self) -> str:
        further = (how,) if (how := self.plan.mixed_steps).samples else ()
        return repr((self.spec, self.plan, self.schedule.total_steps, *further))

    def averaged(self) -> nn.Module:
        """A network with the averaged weights, to evaluate or to keep."""
        network = build(self.spec).to(self.device)
        network.load_state_dict(self.average)
        return network

    def save(self, path: Path) -> None:
        """Writes the state of the training, needed to continue it, whole or not at all."""
        state = {
            "epoch": self.epoch,
            "made_for": self._made_for(),
            "made_of": self.made_of,
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
            "pulls": [asdict(one) for one in self.pulls],
        }
        content = io.BytesIO()  # torch itself reports a full disk as an error of its own, or not at all
        torch.save(state, content)
        write_bytes(path, content.getvalue(), overwrite=True)

    def resume(self, path: Path) -> None:
        """Goes on where `save` left off.

        Raises:
            ModelError: if the file does not belong to a run with these numbers, made of the same.
        """
        try:
            saved: dict[str, Any] = torch.load(path, weights_only=True, map_location=self.device)
            if others := differences(saved.get("made_of", {}), self.made_of):
                raise ModelError(
                    f"{path}: cannot go on from here: {others}", hint="choose another --out, or remove it to start anew"
                )
            if saved.get("made_for") != self._made_for():
                raise ValueError("it was saved by a run with other numbers (epochs, seed, network or augmentation)")
            self.network.load_state_dict(saved["network"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.schedule.load_state_dict(saved["schedule"])
            self.generator.set_state(saved["generator"].cpu())
            self.average, self.epoch = saved["average"], saved["epoch"]
            self.pulls = [Pull(**one) for one in saved.get("pulls", ())]  # which states did not always hold
        except ModelError:
            raise
        except pickle.UnpicklingError as error:
            raise ModelError(f"{path}: not the state of a training", hint="remove it to start anew") from error
        except (RuntimeError, KeyError, ValueError, EOFError, OSError) as error:
            raise ModelError(f"{path}: cannot go on from here: {error}", hint="remove it to start anew") from error


_VARIED: dict[InputKind, Callable[[TrainingRun, Tensor, Tensor], tuple[Tensor, Targets]]] = {
    "events": TrainingRun._varied_windows,
    "images": TrainingRun._varied_images,
}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The settings in which two trainings differ, with both values; empty if they do not differ.

    >>> differences({"epochs": "60", "data": "a"}, {"epochs": "2", "data": "a"})
    'epochs was 60, now it is 2'
    """
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    changes = [
        f"{name} was {before.get(name, 'not said')}, now it is {now.get(name, 'not said')}" for name in names[:3]
    ]
    return "; ".join(changes) + (f"; and {len(names) - 3} more" if len(names) > 3 else "")
