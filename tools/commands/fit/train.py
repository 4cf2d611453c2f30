"""The command `train`: a network trained on recordings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from spikecut.tools.options import (
    Device,
    Epochs,
    FileOptions,
    NoDefault,
    RecipeName,
    Seed,
    Threads,
    TrainingData,
    own_flags_first,
)


@own_flags_first
@dataclass(frozen=True)
class Train(FileOptions):
    """Train a network on recordings or on drawn gestures; an interrupted run continues with --resume.

    $ spikecut train nmnist --data Train --out runs/nmnist

    $ spikecut train gestures --out runs/gestures --resume
    """

    uses_torch: ClassVar[bool] = True

    recipe: RecipeName
    out: Path
    """The folder to write weights, card and progress to."""
    data: TrainingData = None
    epochs: Epochs = None
    learning_rate: Annotated[float | None, NoDefault] = None
    """The highest learning rate of the schedule. Default: the recipe's."""
    start: Annotated[str | None, NoDefault] = None
    """Continue from this network (a shipped network's name or a .safetensors file); the recipe may have more classes.
    Default: new random weights."""
    teacher: Annotated[str | None, NoDefault] = None
    """The trained network that gives a share of the targets, where the recipe says that there is a teacher."""
    seed: Seed = 0
    """The random seed of weights, order and augmentation."""
    threads: Threads = 1
    resume: bool = False
    """Continue an interrupted run after its last complete epoch."""
    device: Device = "cpu"

    def run(self) -> int:
        from spikecut.tools.training.train import run_train

        return run_train(self)
