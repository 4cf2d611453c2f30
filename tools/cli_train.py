"""Commands that make a network and decide when it stops. Heavy imports wait in `run`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from spikecut.tools.cli_data import Part


@dataclass(frozen=True)
class Train:
    """Train a network on recordings or on drawn gestures; interrupted runs go on with --resume.

    $ spikecut train nmnist --data Train --out runs/nmnist

    $ spikecut train gestures --out runs/gestures --resume
    """

    recipe: tyro.conf.Positional[str]
    """A shipped recipe's name, or a .toml file."""
    out: Path
    """Where weights, card and progress go."""
    data: Path | None = None
    """A folder of <class>/<recording>, of DVS128 Gesture, or of pictures, or their archive. Default: drawn users."""
    epochs: int | None = None
    """Default: the recipe's."""
    learning_rate: float | None = None
    """The highest of the cycle. Default: the recipe's."""
    start: str | None = None
    """Train this network further (a shipped one's name or a .safetensors file) instead of beginning anew."""
    seed: int = 0
    """For weights, order and augmentation."""
    threads: int = 1
    """How many cores compute; sums of floats, and so the last digits, depend on it."""
    resume: bool = False
    """Go on after the last whole epoch."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""

    def run(self) -> int:
        from spikecut.tools.training.train import run_train

        return run_train(
            self.recipe,
            self.data,
            self.out,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            start=self.start,
            seed=self.seed,
            threads=self.threads,
            resume=self.resume,
            device=self.device,
        )


@dataclass(frozen=True)
class Recipe:
    """Follow a recipe from data to a trained network, its fitted deciders and a report; called again, goes on.

    What ships: nmnist and others of its data, ncaltech101, cifar10dvs, gestures (drawn if no data is given); and for
    pictures cifar10 with its kin, cifar100, tiny-imagenet. Your own is a TOML file like those in tools/recipes.

    $ spikecut recipe cifar10 --data cifar-10-python.tar.gz --out runs/cifar10

    $ spikecut recipe cifar10dvs --images cifar10.zip --out runs/cifar10dvs --seed 0 1 2 --threads 2
    """

    recipe: tyro.conf.Positional[str]
    """A shipped recipe's name, or a .toml file."""
    out: Path
    """Where everything goes: one folder a seed."""
    data: Path | None = None
    """A folder of <class>/<recording>, of DVS128 Gesture, or of pictures, or their archive. Default: drawn users."""
    images: Path | None = None
    """A folder or a zip archive of <class>/<picture>: instead of data, a counterpart is made from them first."""
    seed: tuple[int, ...] = (0,)
    """For weights, order and augmentation; several train several networks."""
    epochs: int | None = None
    """Default: the recipe's."""
    threads: int = 1
    """How many cores compute."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""

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


@dataclass(frozen=True)
class Policy:
    """Train the policy of SEENN-II for a network: it sees the first frames and chooses the number of steps.

    $ spikecut policy Train --model runs/nmnist/nmnist.safetensors

    $ spikecut policy Train --model nmnist --look 3 --beta 2 --out cutoffs
    """

    folder: tyro.conf.Positional[Path]
    """The folder of <class>/<recording>, or of DVS128 Gesture; pictures or their archive."""
    model: str = "nmnist"
    """A shipped network's name, a .safetensors file, or a .py that makes one with from_norse (it is executed)."""
    part: Part = "train"
    """Which part of the folder. Recordings that trained a policy cannot calibrate its cutoffs."""
    look: int | None = None
    """How many first frames it sees; no budget is shorter. Default: a tenth of the window, a picture once."""
    width: int | None = None
    """The channels of its first block. Default: the most that cost an eighth of a step, of 4, 8, 16, 32, 64."""
    beta: float = 1.0
    """What a wrong answer costs, where a right one at the first budget earns 1."""
    half_life: float = 0.0
    """In how many steps the earning of a right answer is halved: 1 as published; 0 is a third of what it may add."""
    recordings: int = 10_000
    """The most that it learns from, drawn from the part: the network steps each of them to the horizon."""
    epochs: int = 20
    """How often every recording is seen."""
    batch_size: int = 50
    """How many recordings make one step of the optimiser."""
    learning_rate: float = 3e-3
    """The highest; it falls to 0 along a cosine."""
    weight_decay: float = 1e-2
    """By how much weights shrink, of AdamW."""
    seed: int = 0
    """For weights and order."""
    out: Path | None = None
    """Default: beside the network; for a shipped network the current folder."""
    overwrite: bool = False
    """Replace an existing policy."""

    def run(self) -> int:
        from spikecut.models.policy.training import PolicyPlan
        from spikecut.tools.training.policy import run_policy

        return run_policy(
            self.folder,
            model=self.model,
            part=self.part,
            look=self.look,
            width=self.width,
            plan=PolicyPlan(
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                beta=self.beta,
                half_life=self.half_life,
                recordings=self.recordings,
                weight_decay=self.weight_decay,
                seed=self.seed,
            ),
            out=self.out,
            overwrite=self.overwrite,
        )


@dataclass(frozen=True)
class Calibrate:
    """Fit when to stop on held-out recordings for a tolerated loss: Learn then Test, or the rules asked for.

    $ spikecut calibrate Train --model runs/nmnist/nmnist.safetensors --part calibration

    $ spikecut calibrate heldout --model nmnist --rule ltt topk confidence --tolerance 0.01 0.02 --out cutoffs
    """

    folder: tyro.conf.Positional[Path]
    """The folder of <class>/<recording>, pictures or their archive, or outputs that --outputs wrote."""
    model: str = "nmnist"
    """A shipped network's name, a .safetensors file, or a .py that makes one with from_norse (it is executed)."""
    part: Part = "calibration"
    """Which part of the folder."""
    rule: tuple[str, ...] = ("ltt",)
    """The rules to fit; `all` is every one. ltt (Learn then Test) and conformal promise something about others."""
    tolerance: tuple[float, ...] = (0.02,)
    """The shares of right answers that stopping early may cost."""
    delta: float = 0.05
    """How likely a promise may be to fail."""
    readout: Literal["sum", "mean", "last", "leaky"] = "sum"
    """What the rules read of the outputs so far (sr1, economy and calimera always the mean)."""
    leak: float = 0.05
    """The share that a leaky readout forgets at every step."""
    temperature: str = "1"
    """What the readout is divided by: a number, `t` (the step), or `fitted` on three tenths of the recordings."""
    seed: int = 0
    """For splits of the recordings."""
    or_never: bool = False
    """Where the recordings cannot carry a promise, write a rule that never stops early instead of refusing."""
    out: Path | None = None
    """Default: beside the network; for a shipped network the current folder."""
    outputs: Path | None = None
    """Also write what the network said as .npz, which calibrate and evaluate read in place of a folder."""
    overwrite: bool = False
    """Replace existing cutoffs."""
    force: bool = False
    """Fit even on recordings that trained the network."""

    def run(self) -> int:
        from spikecut.tools.batch.calibrate import run_calibrate

        return run_calibrate(
            self.folder,
            model=self.model,
            part=self.part,
            rules=self.rule,
            tolerances=self.tolerance,
            delta=self.delta,
            readout=self.readout,
            leak=self.leak,
            temperature=self.temperature,
            seed=self.seed,
            or_never=self.or_never,
            out=self.out,
            outputs=self.outputs,
            overwrite=self.overwrite,
            force=self.force,
        )
