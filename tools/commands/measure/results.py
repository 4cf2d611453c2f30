"""The command `results`: tables of what recipes have measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.atomic_files import refuse_existing
from spikecut.tools.options import IntervalSeed, Json, NoDefault, Overwrite


@dataclass(frozen=True)
class Results:
    """Print what recipes have measured: a summary, tables for each recipe, networks on the same recordings compared.

    Results are kept without their runs as a file: a recipe writes results.json, --json one of several runs. Such files
    are read here like runs (docs/specifications.md).

    Of a run folder of replay (docs/replay.md) the rows as a table that any program reads, also while it is unfinished.

    $ spikecut results runs/nmnist runs/nmnist-tet

    $ spikecut results runs/cifar10 runs/cifar10-rcs --json --out docs/results/cifar10.json

    $ spikecut results docs/results --out docs/results.md --overwrite

    $ spikecut results runs/nmnist-test --csv rows.csv
    """

    uses_torch: ClassVar[bool] = False

    run_folders: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="RUN [RUN ...]", help_behavior_hint="(required)"),
    ]
    """Folders that `spikecut recipe` wrote, files like its results.json, or folders of such files; with --csv run
    folders of `spikecut replay --out`."""
    out: Annotated[Path | None, NoDefault] = None
    """Write to this file instead of printing."""
    json: Json = False
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
            if self.json:
                raise ConfigError("--csv with --json: rows are one or the other", hint="leave out --json")
            from spikecut.tools.reports.run_rows import write_rows

            return write_rows(self.run_folders, self.csv, overwrite=self.overwrite)
        from spikecut.tools.reports.results import run_results

        return run_results(self)
