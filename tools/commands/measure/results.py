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

    $ spikecut results runs/nmnist runs/nmnist-tet

    $ spikecut results runs --out docs/results.md
    """

    uses_torch: ClassVar[bool] = False

    run_folders: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="RUN [RUN ...]", help_behavior_hint="(required)"),
    ]
    """Folders that `spikecut recipe` wrote."""
    out: Annotated[Path | None, NoDefault] = None
    """Write the Markdown to this file instead of printing it."""
    seed: IntervalSeed = 0
    overwrite: Overwrite = False

    def refuse_early(self) -> None:
        """Refuses a file that exists."""
        if self.out is not None:
            refuse_existing(self.out, overwrite=self.overwrite)

    def run(self) -> int:
        from spikecut.tools.reports.results import run_results

        return run_results(self)
