"""Training on binned recordings: an epoch, and the state that lets a killed run go on."""

import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spikecut.models.augment import Augmentation, augment
from spikecut.models.distributed import average_gradients, average_of, average_statistics, n_processes, share_of
from spikecut.models.layerwise import outputs_and_activity, outputs_of
from spikecut.models.losses import Loss, Targets
from spikecut.models.networks import NetworkSpec, build, unfolded
from spikecut.models.neurons import learn_with
from spikecut.models.patches import mixed
from spikecut.models.picture_augment import PictureAugmentation
from spikecut.models.regularisation import rate_loss, rcs_loss
from spikecut.models.retiming import retimed
from spikecut.models.surrogates import Surrogate
from spikecut.pipeline.errors import ConfigError, ModelError


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The numbers of a training run. AdamW, one cycle of the learning rate, gradients clipped at 1.

    `weight_decay` acts on the weights of convolutions and linear layers alone: gains, scales, biases and leaks have
    a meaning at other values than 0. `averaging` is the share of every step in the average that is kept.

    `window` is how many steps of a recording are shown at a time. Where recordings are longer, every
    second showing begins at a random step: nobody tells a camera when a gesture begins. With `bfloat16` the
    convolutions multiply in that type while training, in about half the time; weights, membranes and every
    evaluation stay in float32. `rcs` and `rate` are the weights of the two regularisers beside the loss
    (`regularisation`), `rate_target` the spikes a cell and step that cost nothing. `augmentation` varies recordings
    of events, `pictures` pictures.

    Raises:
        ConfigError: for a number out of its range.
    """

    window: int
    epochs: int = 60
    batch_size: int = 25
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    averaging: float = 0.02
    seed: int = 0
    bfloat16: bool = False
    loss: Loss = field(default_factory=Loss)
    rcs: float = 0.0
    rate: float = 0.0
    rate_target: float = 0.0
    surrogate: Surrogate = field(default_factory=Surrogate)
    augmentation: Augmentation = field(default_factory=Augmentation)
    pictures: PictureAugmentation = field(default_factory=PictureAugmentation)

    def __post_init__(self) -> None:
        for name, least in (("window", 1), ("epochs", 1), ("batch_size", 1), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"training: {name} is {value}; expected {least} or more")
        if not 0 < self.averaging <= 1:
            raise ConfigError(f"training: averaging is {self.averaging}; expected a share above 0, to 1")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"training: learning_rate is {self.learning_rate}; expected above 0 and below 1")
        for name in ("rcs", "rate", "rate_target", "weight_decay"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ConfigError(f"training: {name} is {value}; expected a number of 0 or more")


class TrainingRun:
    """A network on its way: weights, their running average, optimiser, schedule, randomness.

    The average of the weights over the last epochs is what is evaluated and kept: with a few hundred
    recordings the last step of the optimiser is a matter of luck. Each step moves it by the share `averaging`; the
    first steps by more, so that it is the plain mean of what was seen and nothing of the beginning stays in it. The
    statistics of batch normalisation are the last ones, averages themselves: as the rate falls to 0 the weights come
    to rest, and their average fits them. `made_of` says what else it is made of (its data), a line for each thing: a
    run of something else does not go on from its state.
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
        if plan.batch_size < n_processes():
            raise ModelError(f"a batch of {plan.batch_size} leaves nothing for some of {n_processes()} processes")
        self.spec, self.plan, self.device = spec, plan, torch.device(device)
        self.epoch, self.made_of = 0, dict(made_of or {})
        self.generator = torch.Generator().manual_seed(plan.seed)
        with torch.random.fork_rng():
            torch.manual_seed(plan.seed)
            self.network = build(spec).to(self.device)
        learn_with(self.network, plan.surrogate)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(_decayed_and_not(self.network, plan.weight_decay), lr=plan.learning_rate)
        steps = plan.epochs * (n_recordings // plan.batch_size)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, plan.learning_rate, total_steps=steps, pct_start=0.15
        )

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Begins with the weights of a trained network of the same kind instead of fresh ones.

        Raises:
            ModelError: if they do not fit.
        """
        try:
            self.network.load_state_dict(unfolded(weights, self.network))
        except (KeyError, RuntimeError) as error:
            raise ModelError(f"these weights are not those of a {self.spec.architecture!r} network: {error}") from error
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}

    def train_epoch(self, frames: Tensor, labels: Tensor) -> float:
        """One pass over the recordings `(N, T, 2, H, W)`; returns the mean loss.

        Where several processes train together, each is given all recordings and computes its share of every batch.
        """
        self.network.train()
        order = torch.randperm(len(frames), generator=self.generator)
        batches = torch.split(order, self.plan.batch_size)
        losses, how = [], self.plan.augmentation
        for picks in batches[: len(frames) // self.plan.batch_size]:
            shown = self._windows(retimed(frames[picks], how.rate, how.delay_steps, self.generator))
            varied, labelled = augment(shown.float(), labels[picks], how, self.generator)
            varied, meant = mixed(varied, labelled, how.mix, self.spec.n_classes, self.generator)
            with torch.random.fork_rng():
                torch.manual_seed(int(torch.randint(2**31, (1,), generator=self.generator)))
                mine = share_of(meant)
                loss = self._loss(share_of(varied).to(self.device), mine.to(self.device))
                loss = loss * (len(mine) * n_processes() / len(meant))  # their mean is that of the whole batch
            if not loss.isfinite():
                raise ModelError(f"epoch {self.epoch + 1}: the loss is {loss.item()}; training diverged")
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
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
        self.epoch += 1
        return average_of(sum(losses) / len(losses))

    def _loss(self, frames: Tensor, targets: Targets) -> Tensor:
        plan = self.plan
        if not (plan.rcs or plan.rate):
            return plan.loss(outputs_of(self.network, frames, bfloat16=plan.bfloat16), targets)
        outputs, layers = outputs_and_activity(self.network, frames, bfloat16=plan.bfloat16)
        loss = plan.loss(outputs, targets)
        if plan.rcs:
            mostly = targets.argmax(1) if targets.is_floating_point() else targets
            loss = loss + plan.rcs * rcs_loss(layers, outputs, mostly)
        if plan.rate:
            loss = loss + plan.rate * rate_loss(layers, plan.rate_target)
        return loss

    def _windows(self, frames: Tensor) -> Tensor:
        spare = frames.shape[1] - self.plan.window
        if spare == 0:
            return frames
        late, start = torch.rand(2, len(frames), generator=self.generator)
        starts = torch.where(late < 0.5, 0, (start * (spare + 1)).long())
        steps = starts[:, None] + torch.arange(self.plan.window)
        return frames[torch.arange(len(frames))[:, None], steps]

    def _made_for(self) -> str:
        return repr((self.spec, self.plan, self.schedule.total_steps))

    def averaged(self) -> nn.Module:
        """A network with the averaged weights, to evaluate or to keep."""
        network = build(self.spec).to(self.device)
        network.load_state_dict(self.average)
        return network

    def save(self, path: Path) -> None:
        """Everything that going on needs, written whole or not at all."""
        partial = path.with_name(path.name + ".partial")
        state = {
            "epoch": self.epoch,
            "made_for": self._made_for(),
            "made_of": self.made_of,
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
        }
        with partial.open("wb") as file:  # where a disk is full, a path given to torch raises no OSError
            torch.save(state, file)
        partial.replace(path)

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
        except ModelError:
            raise
        except pickle.UnpicklingError as error:
            raise ModelError(f"{path}: not the state of a training", hint="remove it to start anew") from error
        except (RuntimeError, KeyError, ValueError, EOFError, OSError) as error:
            raise ModelError(f"{path}: cannot go on from here: {error}", hint="remove it to start anew") from error


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What of two trainings is not the same, by its name and with both values; nothing where all is.

    >>> differences({"epochs": "60", "data": "a"}, {"epochs": "2", "data": "a"})
    'epochs was 60, now it is 2'
    """
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    said = [f"{name} was {before.get(name, 'not said')}, now it is {now.get(name, 'not said')}" for name in names[:3]]
    return "; ".join(said) + (f"; and {len(names) - 3} more" if len(names) > 3 else "")


def _decayed_and_not(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters in two groups, each in the order of the network: weights that decay, and all the rest."""
    decayed = {
        f"{name}.{inner}"
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
        for inner in ("weight", "parametrizations.weight.original")
    }
    named = list(network.named_parameters())
    return [
        {"params": [value for name, value in named if name in decayed], "weight_decay": weight_decay},
        {"params": [value for name, value in named if name not in decayed], "weight_decay": 0.0},
    ]
