"""Mixed time-step training: the stages of a network take different numbers of steps for the same recording.

In every iteration of a training several temporal configurations are drawn. Each gives every stage of the network, its
spiking layers one by one or in groups, a number of steps. Between stages steps are merged or repeated. All
configurations share the weights, and the loss is the mean of theirs. The network then depends less on how long its
steps are. It is kept, stepped and cut off as any other.

MTT: Du, Wu, Deng, Gu, Temporal flexibility in spiking neural networks, ICLR 2025, arXiv 2503.17394. That merged steps
are added, that a repeated step keeps its value, and where the even partition cuts, is as in their public code.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Shaped
from torch import Tensor

from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ConfigError

PARTITIONS = ("even", "random")
CALIBRATED = 10  # batches whose statistics are those of the averaged weights, as in the public code


@dataclass(frozen=True, slots=True)
class Transition:
    """The way from `before` steps to `after` steps between two stages.

    `sizes` has one number for each step of the side with fewer: how many neighbouring steps of the other side belong
    to it.
    """

    before: int
    after: int
    sizes: tuple[int, ...]

    def of(self, x: Shaped[Tensor, "t *rest"]) -> Shaped[Tensor, "T *rest"]:
        """The steps as the next stage sees them: neighbours added where there are to be fewer, repeated where more.

        >>> Transition(3, 2, (1, 2)).of(torch.tensor([1.0, 10.0, 100.0]))
        tensor([  1., 110.])
        >>> Transition(2, 3, (1, 2)).of(torch.tensor([1.0, 10.0]))
        tensor([ 1., 10., 10.])
        """
        if self.before == self.after:
            return x
        if self.before > self.after:
            return torch.stack([steps.sum(0) for steps in x.split(list(self.sizes))])
        return torch.cat([step.expand(n, *step.shape[1:]) for step, n in zip(x.split(1), self.sizes, strict=True)])


@dataclass(frozen=True, slots=True)
class Configuration:
    """A temporal configuration: one transition into every stage, the first from the frames.

    Stages have `layers` spiking layers each, the last one what is left of them.
    """

    layers: int
    transitions: tuple[Transition, ...]


@dataclass(frozen=True, slots=True)
class MixedSteps:
    """The settings of mixed time-step training, from a recipe and stored in a card.

    `samples` configurations are drawn for every batch; with 0 all stages take all steps. Each stage of `layers` spiking
    layers takes `least` to `most` steps, where a `most` of 0 stands for the steps that are shown. The public code has 3
    samples, from 1 step on. The `partition` says which neighbours are merged, or how often each step is repeated:
    `even`, or `random`, where every partition into as many parts is as likely.

    Raises:
        ConfigError: for a number out of its range, another partition, or settings without samples.
    """

    samples: int = 0
    least: int = 1
    most: int = 0
    layers: int = 1
    partition: str = "even"

    def __post_init__(self) -> None:
        for name, lowest in (("samples", 0), ("least", 1), ("most", 0), ("layers", 1)):
            if (value := getattr(self, name)) < lowest:
                raise ConfigError(f"mixed_steps: {name} is {value}; expected {lowest} or more")
        if self.most and self.least > self.most:
            raise ConfigError(f"mixed_steps: {self.least} to {self.most} steps; expected least to be at most most")
        if self.partition not in PARTITIONS:
            raise ConfigError(f"mixed_steps: partition {self.partition!r}; expected {' or '.join(PARTITIONS)}")
        if not self.samples and (self.least, self.most, self.layers, self.partition) != (1, 0, 1, "even"):
            raise ConfigError(
                "mixed_steps: settings without samples", hint="samples = 3 draws three configurations for every batch"
            )

    def check(self, spec: NetworkSpec) -> None:
        """Refuses networks for which a number of steps has another meaning.

        Raises:
            ConfigError: for an ANN that is to be converted, or scales that belong to steps of a fixed length.
        """
        if self.samples and spec.levels:
            raise ConfigError(
                f"mixed_steps with levels {spec.levels}: an ANN is trained in one step",
                hint="levels = 0 trains a network as it is stepped",
            )
        if self.samples and spec.normalisation == "tebn":
            raise ConfigError(
                "mixed_steps with normalisation 'tebn': each of its scales belongs to one step of the window",
                hint="batch or kernel",
            )

    def draw(self, n_frames: int, n_steps: int, n_stages: int, generator: torch.Generator) -> tuple[Configuration, ...]:
        """As many configurations as there are samples, for recordings of `n_frames` frames.

        A picture has one frame, whatever the `n_steps` for which it is shown.
        """
        highest = min(self.most or n_steps, n_steps)
        steps = torch.randint(self.least, highest + 1, (self.samples, n_stages), generator=generator)
        return tuple(
            Configuration(self.layers, tuple(self._transition(*two, generator) for two in pairwise((n_frames, *one))))
            for one in steps.tolist()
        )

    def _transition(self, before: int, after: int, generator: torch.Generator) -> Transition:
        fewer, more = sorted((before, after))
        sizes = even_sizes(fewer, more) if self.partition == "even" else random_sizes(fewer, more, generator)
        return Transition(before, after, sizes)


def even_sizes(fewer: int, more: int) -> tuple[int, ...]:
    """The sizes of the parts where `more` steps are cut into `fewer` parts as evenly as whole steps can be.

    The k-th cut lies at `k more / fewer`, rounded; halves are rounded down.

    >>> even_sizes(2, 5)
    (2, 3)
    >>> even_sizes(4, 10)
    (2, 3, 2, 3)
    """
    cuts = [-((fewer - 2 * k * more) // (2 * fewer)) for k in range(fewer + 1)]
    return tuple(end - begin for begin, end in pairwise(cuts))


def random_sizes(fewer: int, more: int, generator: torch.Generator) -> tuple[int, ...]:
    """The sizes of the parts where `more` steps are cut into `fewer` parts; every way to do so is as likely."""
    cuts = torch.randperm(more - 1, generator=generator)[: fewer - 1].add(1).sort().values.tolist()
    return tuple(end - begin for begin, end in pairwise((0, *cuts, more)))
