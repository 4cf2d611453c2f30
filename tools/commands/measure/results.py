"""The command `results`: tables of what recipes have measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from spikecut.pipeline.files.atomic_files import refuse_existing
from spikecut.tools.options import IntervalSeed, NoDefault, Overwrite


@dataclass(frozen=True)
class Results:
    """Print what recipes have measured: one table for each recipe, and networks on the same recordings compared.

    Of a run folder of replay (docs/replay.md) the rows as a table that any program reads, also while it is unfinished.

    $ spikecut results runs/nmnist runs/nmnist-tet

    $ spikecut results runs --out docs/results.md

    $ spikecut results runs/nmnist-test --csv rows.csv
    """

    uses_torch: ClassVar[bool] = False

    run_folders: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="RUN [RUN ...]", help_behavior_hint="(required)"),
    ]
    """Folders that `spikecut recipe` wrote; with --csv run folders of `spikecut replay --out`."""
    out: Annotated[Path | None, NoDefault] = None
    """Write the Markdown to this file instead of printing it."""
    csv: Annotated[Path | None, NoDefault] = None
    """Write the rows of run folders to this file, one for every recording and rule."""
    seed: IntervalSeed = 0
    overwrite: Overwrite = False

    def refuse_early(self) -> None:
        """Refuses a file that exists."""
        for path in (self.out, self.csv):
            if path is not None:
                refuse_existing(path, overwrite=self.overwrite)

    def run(self) -> int:
        if self.csv is not None:
            from spikecut.tools.reports.run_rows import write_rows

            return write_rows(self.run_folders, self.csv, overwrite=self.overwrite)
        from spikecut.tools.reports.results import run_results

        return run_results(self)
