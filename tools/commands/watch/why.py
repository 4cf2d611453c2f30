"""The command `why`: the evidence in one recording, and the decision of every cutoff."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from spikecut.pipeline.files.atomic_files import refuse_existing
from spikecut.tools.options import (
    Cutoffs,
    EngineOptions,
    FileOptions,
    FitOptions,
    Json,
    ModelOfSensor,
    NoDefault,
    Seconds,
    own_flags_first,
)


@own_flags_first
@dataclass(frozen=True)
class Why(EngineOptions, FitOptions, FileOptions):
    """Show the evidence over time in one recording, and where every fitted cutoff stops with which answer.

    Of a run of replay, or of evaluate while it is unfinished, the recordings to which early answers were wrong.

    $ spikecut why seven.bin

    $ spikecut why user24_led.aedat --start 12.5 --save why.png

    $ spikecut why runs/nmnist --cutoff ltt-2pt
    """

    uses_torch: ClassVar[bool] = True

    file: tyro.conf.Positional[Path]
    """A recording or a picture; a picture in an archive is cifar-10-python.tar.gz/test_batch/00017. Or a run folder."""
    model: ModelOfSensor = None
    cutoff: Cutoffs = ()
    start: Seconds = 0.0
    """The start of the window, in seconds from the recording's first bin."""
    save: Annotated[Path | None, NoDefault] = None
    """The figure to write. Default: why_NAME_STARTs.png in the current folder, replaced if it exists."""
    overwrite: bool = False
    """Replace an existing file at --save."""
    json: Json = False

    def refuse_early(self) -> None:
        """Refuses a figure that exists."""
        if self.save is not None:
            refuse_existing(self.save, overwrite=self.overwrite)

    def run(self) -> int:
        from spikecut.tools.reports.why import run_why

        return run_why(self)
