"""The command `policy`: a small network that chooses the number of steps."""

from dataclasses import dataclass, fields
from typing import Annotated, ClassVar

from spikecut.models.policy.plan import PolicyPlan
from spikecut.tools.options import (
    COUNT,
    BesideNetwork,
    FitOptions,
    Labelled,
    Model,
    NoDefault,
    Overwrite,
    Part,
    ReadingOptions,
    own_flags_first,
)


@own_flags_first
@dataclass(frozen=True, kw_only=True)
class Policy(PolicyPlan, FitOptions, ReadingOptions):
    """Train the policy of SEENN-II for a network: it sees the first frames and chooses the number of steps.

    $ spikecut policy Train --model runs/nmnist/nmnist.safetensors

    $ spikecut policy Train --model nmnist --look 3 --beta 2 --out cutoffs
    """

    uses_torch: ClassVar[bool] = True

    folder: Labelled
    model: Model = "nmnist"
    part: Part = "train"
    """Which part of the folder is used. Recordings that trained a policy cannot calibrate its cutoffs."""
    look: Annotated[int | None, COUNT, NoDefault] = None
    """How many first frames the policy sees; no budget is shorter. Default: a tenth of the window; for pictures 1."""
    width: Annotated[int | None, COUNT, NoDefault] = None
    """The channels of its first block. Default: the largest of 4, 8, 16, 32, 64 that costs at most 1/8 of a step."""
    out: BesideNetwork = None
    overwrite: Overwrite = False

    def __post_init__(self) -> None:
        """Checks nothing: the command line parser would report an error raised here in its own words."""

    @property
    def plan(self) -> PolicyPlan:
        """The numbers of the training alone.

        Raises:
            ConfigError: for a number out of its range.
        """
        return PolicyPlan(**{field.name: getattr(self, field.name) for field in fields(PolicyPlan)})

    def run(self) -> int:
        from spikecut.tools.training.policy import run_policy

        return run_policy(self)
