"""The command `replay`: labelled recordings, stopped early by every cutoff."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from spikecut.tools.options import (
    Count,
    EngineOptions,
    ExecutorOptions,
    FitOptions,
    IntervalSeed,
    Json,
    Labelled,
    ModelOfData,
    NoDefault,
    PartOf,
    ReadingOptions,
    Within,
    own_flags_first,
)


@own_flags_first
@dataclass(frozen=True)
class Replay(EngineOptions, FitOptions, ExecutorOptions, ReadingOptions):
    """Classify a folder of labelled recordings: accuracy, steps and time, with and without cutoff.

    One pass of the network answers for all rules; time saved is measured by really stopping on a sample. With --out
    results are kept, recording by recording, and the same command goes on after an interruption (docs/replay.md).

    $ spikecut replay N-MNIST/Test --model nmnist --out runs/nmnist --jobs 2

    $ spikecut replay Train --model nmnist --part test --json
    """

    uses_torch: ClassVar[bool] = True

    folder: Labelled
    model: ModelOfData = None
    cutoff: Annotated[tuple[str, ...], NoDefault] = ()
    """Rules or files to compare with the full window. Default: all cutoffs beside the network."""
    part: PartOf = "all"
    out: Annotated[Path | None, NoDefault] = None
    """A run folder for the results, which is begun or gone on with. Default: nothing is kept."""
    shard: Annotated[str | None, NoDefault] = None
    """Only the I-th of N shares, as I/N, such as 2/4: whole batches, into a run folder that join takes."""
    stop: Annotated[str | None, NoDefault] = None
    """Only classify, really stopped by this rule or file: no full window, no other rules."""
    timed: Annotated[int, Within(0, 10**6)] = 100
    """On how many recordings, drawn with the seed, the network really stops to measure time; 0 measures none."""
    retry_quarantined: bool = False
    """Try recordings again that an earlier attempt left out."""
    batch_size: Count = 16
    """How many recordings the network steps together."""
    seed: IntervalSeed = 0
    json: Json = False

    def run(self) -> int:
        from spikecut.tools.batch.replay import run_replay

        return run_replay(self)
