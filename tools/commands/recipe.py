"""The command `recipe`: from data to a trained network, its fitted cutoffs and a report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from spikecut.tools.options import Device, Epochs, NoDefault, RecipeName, Threads, TrainingData


@dataclass(frozen=True)
class Recipe:
    """Follow a recipe from data to a trained network, its fitted cutoffs and a report; a second call continues.

    Shipped recipes: nmnist and others of its data, ncaltech101, cifar10dvs, gestures (drawn if no data is given); and
    for pictures cifar10 and its variants, cifar100, tiny-imagenet. A recipe of your own is a TOML file like those in
    tools/recipes.

    $ spikecut recipe cifar10 --data cifar-10-python.tar.gz --out runs/cifar10

    $ spikecut recipe cifar10dvs --images cifar10.zip --out runs/cifar10dvs --seed 0 1 2 --threads 2
    """

    uses_torch: ClassVar[bool] = True

    recipe: RecipeName
    out: Path
    """The folder to write to: one folder in it for each seed."""
    data: TrainingData = None
    images: Annotated[Path | None, NoDefault] = None
    """In place of --data: a folder or zip archive of <class>/<picture>, from which recordings are simulated first."""
    seed: tuple[int, ...] = (0,)
    """The random seeds of weights, order and augmentation; each seed trains one network."""
    epochs: Epochs = None
    threads: Threads = 1
    device: Device = "cpu"

    def run(self) -> int:
        from spikecut.tools.follow_recipe import run_recipe

        return run_recipe(
            self.recipe,
            self.data,
            self.out,
            images=self.images,
            seeds=self.seed,
            epochs=self.epochs,
            threads=self.threads,
            device=self.device,
        )
