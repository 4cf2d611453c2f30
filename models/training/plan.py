"""The settings of a training, from a recipe and stored in a card."""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from spikecut.models.cells.surrogates import Surrogate
from spikecut.models.training.augment import Augmentation
from spikecut.models.training.image_augment import PictureAugmentation
from spikecut.models.training.losses import Loss
from spikecut.models.training.mixed_steps import MixedSteps
from spikecut.pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The numbers of a training run. AdamW, one cycle of the learning rate, gradients clipped at 1.

    `weight_decay` acts on the weights of convolutions and linear layers alone: gains, scales, biases and leaks have
    a meaning at other values than 0. `averaging` is the share of every step in the average that is kept.

    `window` is how many steps of a recording are shown at a time, or for how many a picture is. Where recordings are
    longer, every second showing begins at a random step, as a camera does not know when a gesture begins. An ANN that
    is to be converted reads the mean of the window instead, in one step. With `bfloat16` the convolutions multiply in
    that type while training, and their outputs are kept in it, in about half the time; weights, statistics, membranes
    and every evaluation stay in float32. A processor without AVX-512 is slow in it
    (`layerwise.multiplies_in_bfloat16`). `rcs` and `rate` are the weights of the two regularisers beside the loss
    (`regularisation`), `rate_target` the spikes a cell and step that cost nothing.

    In the first epochs, the share `short_share` of them, only `short_window` steps in a row of each window are shown;
    every second showing begins anywhere in it. What is seen in a step is learned in a fraction of the time, and
    the epochs with whole windows add what needs them. `distillation` is the share of every target that comes from a
    teacher (`distillation`), which sees the whole window in every epoch, with `short_teacher` only the steps that the
    network in training is shown, in less time. With `mirrored_teacher` it looks at their mirror images, too, and
    answers with the mean: `augmentation` must say, with `mirrored` or `flipped`, what these show.

    With `mixed_steps` the layers of the network take different numbers of steps in training (`mixed_steps`): at most
    those that are shown. The loss is that of the last layers' steps.

    `augmentation` varies recordings of events, `pictures` pictures. In up to the share `noise` of all squares and steps
    of a recording there is an event more, of each polarity (`drop_and_mix.noisy`). With probability `company` another
    recording of the batch, of one of the classes `companions`, is laid over it (`company.accompanied`).

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
    short_window: int = 0
    short_share: float = 0.0
    distillation: float = 0.0
    short_teacher: bool = False
    mirrored_teacher: bool = False
    noise: float = 0.0
    company: float = field(default=0.0, repr=False)  # as `mixed_steps`
    companions: tuple[int, ...] = field(default=(), repr=False)
    surrogate: Surrogate = field(default_factory=Surrogate)
    augmentation: Augmentation = field(default_factory=Augmentation)
    pictures: PictureAugmentation = field(default_factory=PictureAugmentation)
    mixed_steps: MixedSteps = field(default_factory=MixedSteps, repr=False)  # states of before know a plan by its repr

    def __post_init__(self) -> None:
        for name, least in (("window", 1), ("epochs", 1), ("batch_size", 1), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"training: {name} is {value}; expected {least} or more")
        if not 0 <= self.short_window < self.window or (self.short_window > 0) != (self.short_share > 0):
            raise ConfigError(
                f"training: short_window {self.short_window}, short_share {self.short_share}; expected less than the "
                f"{self.window} steps of a window and a share of the epochs, or 0 of both"
            )
        shown, steps = self.short_window or self.window, self.mixed_steps
        if steps.least > shown or steps.most > self.window:
            raise ConfigError(
                f"training: mixed_steps from {steps.least} to {steps.most or self.window} steps; expected no more than "
                f"the {self.window} of a window, and to begin at no more than the {shown} that are shown at first"
            )
        for name in ("short_share", "distillation", "noise", "company"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ConfigError(f"training: {name} is {value}; expected a share, from 0 to 1")
        if (self.company > 0) != bool(self.companions) or any(one < 0 for one in self.companions):
            raise ConfigError(
                f"training: company {self.company} of the classes {list(self.companions)}; expected a share above 0 "
                "and the numbers of classes, or neither"
            )
        if self.mirrored_teacher and not (self.augmentation.mirrored or self.augmentation.flipped):
            raise ConfigError(
                "training: mirrored_teacher without a mirror",
                hint="augmentation: flipped = true where classes stay what they are, else mirrored",
            )
        if not 0 < self.averaging <= 1:
            raise ConfigError(f"training: averaging is {self.averaging}; expected a share above 0, to 1")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"training: learning_rate is {self.learning_rate}; expected above 0 and below 1")
        for name in ("rcs", "rate", "rate_target", "weight_decay"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ConfigError(f"training: {name} is {value}; expected a number of 0 or more")


def decayed_and_not(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
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
