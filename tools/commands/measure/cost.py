"""The command `cost`: time and synaptic operations of every cutoff."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from spikecut.pipeline.files.atomic_files import refuse_existing
from spikecut.tools.options import (
    Count,
    Cutoffs,
    EngineOptions,
    FitOptions,
    Labelled,
    Model,
    NoDefault,
    Overwrite,
    PartOf,
    ReadingOptions,
    Seed,
    own_flags_first,
)


@own_flags_first
@dataclass(frozen=True)
class Cost(EngineOptions, FitOptions, ReadingOptions):
    """Stop recordings one at a time, as in a stream: time and synaptic operations with every cutoff and with none.

    $ spikecut cost N-MNIST/Test --model nmnist

    $ spikecut cost Train --model runs/mine/seed0/mine.safetensors --part test --n 100 --out cost.json
    """

    uses_torch: ClassVar[bool] = True

    folder: Labelled
    model: Model = "nmnist"
    cutoff: Cutoffs = ()
    part: PartOf = "test"
    n: Count = 200
    """How many recordings are measured, drawn at random."""
    rounds: Count = 3
    """How often each recording is timed; the shortest time counts."""
    seed: Seed = 0
    """The random seed of the draw."""
    out: Annotated[Path | None, NoDefault] = None
    """Also write the figures to this file, as JSON."""
    overwrite: Overwrite = False

    def refuse_early(self) -> None:
        """Refuses a file that exists."""
        if self.out is not None:
            refuse_existing(self.out, overwrite=self.overwrite)

    def run(self) -> int:
        from spikecut.tools.batch.cost import run_cost

        return run_cost(self)
