"""The command `replay`: labelled recordings, stopped early by every cutoff."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from spikecut.tools.options import (
    Count,
    EngineOptions,
    FitOptions,
    IntervalSeed,
    Json,
    Labelled,
    Model,
    NoDefault,
    PartOf,
    ReadingOptions,
    own_flags_first,
)


@own_flags_first
@dataclass(frozen=True)
class Replay(EngineOptions, FitOptions, ReadingOptions):
    """Classify a folder of labelled recordings: accuracy, steps and time, with and without cutoff.

    $ spikecut replay N-MNIST/Test --model nmnist

    $ spikecut replay Train --model nmnist --part test --json
    """

    uses_torch: ClassVar[bool] = True

    folder: Labelled
    model: Model = "nmnist"
    cutoff: Annotated[tuple[str, ...], NoDefault] = ()
    """Rules or files to compare with the full window. Default: all cutoffs beside the network."""
    part: PartOf = "all"
    batch_size: Count = 16
    """How many recordings the network steps together."""
    seed: IntervalSeed = 0
    json: Json = False

    def run(self) -> int:
        from spikecut.tools.batch.replay import run_replay

        return run_replay(self)
