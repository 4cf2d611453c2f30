"""The command `evaluate`: all fitted cutoffs on one pass of the network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.atomic_files import refuse_existing
from spikecut.tools.options import (
    EngineOptions,
    ExecutorOptions,
    FitOptions,
    IntervalSeed,
    Json,
    ModelOfData,
    NoDefault,
    Overwrite,
    PartOf,
    ReadingOptions,
    Revise,
    SensitivityLevel,
    own_flags_first,
)


@own_flags_first
@dataclass(frozen=True)
class Evaluate(EngineOptions, ExecutorOptions, FitOptions, ReadingOptions):
    """Compare all fitted cutoffs on one pass of the network: accuracy against time, with intervals.

    $ spikecut evaluate drawn_test --model gestures --out runs/evaluation

    $ spikecut evaluate runs/evaluation/outputs.npz --model gestures --cutoff ltt topk --out runs/two

    $ spikecut evaluate drawn_test --continuous --json
    """

    uses_torch: ClassVar[bool] = True

    folder: tyro.conf.Positional[Path]
    """A folder of <class>/<recording>, of DVS128 Gesture, of pictures; a picture archive; an outputs.npz; or a run.
    With --continuous sessions: a folder of DVS128 Gesture, any folder of recordings, or one recording."""
    out: Annotated[Path | None, NoDefault] = None
    """The folder to write the results to. Until they are there it keeps the outputs: the same command goes on."""
    model: ModelOfData = None
    cutoff: Annotated[tuple[str, ...], NoDefault] = ()
    """Names or files of cutoffs. Default: all cutoffs beside the network; with --continuous the network's own."""
    part: PartOf = "test"
    seed: IntervalSeed = 0
    overwrite: Overwrite = False
    json: Json = False
    continuous: bool = False
    """Play whole sessions as they come, with their labels beside them or none, through onset and cutoff: right, wrong,
    missed, false alarms a minute, delays; beside the full window. Nothing is written."""
    sensitivity: SensitivityLevel = None
    revise: Revise = 0.0

    def refuse_early(self) -> None:
        """Refuses a folder that holds an evaluation, or none to write to."""
        if self.continuous:
            if self.out is not None:
                raise ConfigError("--out: with --continuous nothing is written", hint="--json prints all of it")
            return
        if self.sensitivity is not None or self.revise:
            flag = "--revise" if self.revise else "--sensitivity"
            raise ConfigError(f"{flag} is for sessions as they come", hint="--continuous")
        if self.out is None:
            raise ConfigError("spikecut evaluate: --out is missing", hint="spikecut evaluate --help explains it")
        for name in ("evaluation.json", "outputs.npz"):
            refuse_existing(self.out / name, overwrite=self.overwrite)

    def run(self) -> int:
        if self.continuous:
            from spikecut.tools.batch.continuous.evaluate import run_continuous

            return run_continuous(self)
        from spikecut.tools.batch.evaluate import run_evaluate

        return run_evaluate(self)
