"""The numbers of a policy's training; loads no torch, so that the command's help shows them at once."""

import math
from dataclasses import dataclass

from spikecut.pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """The numbers of a policy's training. AdamW, whose rate falls to 0 along a cosine over all batches.

    The network steps each of the recordings to the horizon, which takes longer than all the rest. A larger `beta` makes
    budgets longer. A `half_life` of 1 is as published, for horizons of a few steps; 0 stands for a third of the steps
    that it may add to the first budget, and at least 1: one step, as published, at a horizon of four.

    Raises:
        ConfigError: for a number out of its range.
    """

    recordings: int = 10_000
    """The largest number of training recordings, drawn from the part; each is stepped to the horizon."""
    epochs: int = 20
    """How many epochs to train."""
    batch_size: int = 50
    """How many recordings make one step of the optimiser."""
    learning_rate: float = 3e-3
    """The highest learning rate; it falls to 0 along a cosine."""
    weight_decay: float = 1e-2
    """The weight decay of AdamW."""
    beta: float = 1.0
    """The cost of a wrong answer, where a right answer at the first budget earns 1."""
    half_life: float = 0.0
    """How many more steps halve the reward of a right answer; 1 as published. 0: a third of the steps it may add."""
    seed: int = 0
    """The random seed of weights and order."""

    def __post_init__(self) -> None:
        for name, least in (("recordings", 1), ("epochs", 1), ("batch_size", 2), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"policy: {name} is {value}; expected {least} or more")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"policy: learning_rate is {self.learning_rate}; expected above 0 and below 1")
        for name in ("weight_decay", "beta", "half_life"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ConfigError(f"policy: {name} is {value}; expected a number of 0 or more")
