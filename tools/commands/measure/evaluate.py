"""The command `evaluate`: all fitted cutoffs on one pass of the network."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import tyro

from spikecut.pipeline.files.atomic_files import refuse_existing
from spikecut.tools.options import (
    Cutoffs,
    EngineOptions,
    ExecutorOptions,
    FitOptions,
    IntervalSeed,
    Json,
    ModelOfData,
    Overwrite,
    PartOf,
    ReadingOptions,
    own_flags_first,
)


@own_flags_first
@dataclass(frozen=True)
class Evaluate(EngineOptions, ExecutorOptions, FitOptions, ReadingOptions):
    """Compare all fitted cutoffs on one pass of the network: accuracy against time, with intervals.

    $ spikecut evaluate drawn_test --model gestures --out runs/evaluation

    $ spikecut evaluate runs/evaluation/outputs.npz --model gestures --cutoff ltt topk --out runs/two
    """

    uses_torch: ClassVar[bool] = True

    folder: tyro.conf.Positional[Path]
    """A folder of <class>/<recording>, of DVS128 Gesture, of pictures; a picture archive; an outputs.npz; or a run."""
    out: Path
    """The folder to write the results to. Until they are there it keeps the outputs: the same command goes on."""
    model: ModelOfData = None
    cutoff: Cutoffs = ()
    part: PartOf = "test"
    seed: IntervalSeed = 0
    overwrite: Overwrite = False
    json: Json = False

    def refuse_early(self) -> None:
        """Refuses a folder that holds an evaluation."""
        for name in ("evaluation.json", "outputs.npz"):
            refuse_existing(self.out / name, overwrite=self.overwrite)

    def run(self) -> int:
        from spikecut.tools.batch.evaluate import run_evaluate

        return run_evaluate(self)
