"""The command `policy`: a small network that chooses the number of steps."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from spikecut.tools.options import BesideNetwork, Labelled, Model, NoDefault, Overwrite, Part


@dataclass(frozen=True)
class Policy:
    """Train the policy of SEENN-II for a network: it sees the first frames and chooses the number of steps.

    $ spikecut policy Train --model runs/nmnist/nmnist.safetensors

    $ spikecut policy Train --model nmnist --look 3 --beta 2 --out cutoffs
    """

    uses_torch: ClassVar[bool] = True

    folder: Labelled
    model: Model = "nmnist"
    part: Part = "train"
    """Which part of the folder is used. Recordings that trained a policy cannot calibrate its cutoffs."""
    look: Annotated[int | None, NoDefault] = None
    """How many first frames the policy sees; no budget is shorter. Default: a tenth of the window; for pictures 1."""
    width: Annotated[int | None, NoDefault] = None
    """The channels of its first block. Default: the largest of 4, 8, 16, 32, 64 that costs at most 1/8 of a step."""
    beta: float = 1.0
    """The cost of a wrong answer, where a right answer at the first budget earns 1."""
    half_life: float = 0.0
    """The steps after which the reward of a right answer is halved: 1 as published; 0 is a third of the added steps."""
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
    seed: int = 0
    """The random seed of weights and order."""
    out: BesideNetwork = None
    overwrite: Overwrite = False

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
