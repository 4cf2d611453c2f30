"""The command `report`: one page about an evaluation, or two evaluations compared."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from spikecut.tools.options import IntervalSeed, NoDefault, Overwrite


@dataclass(frozen=True)
class Report:
    """Write one self-contained HTML page about an evaluation, with its figures; or compare two evaluations.

    Wrong answers of the network's default rule are pictures, where the recordings are still in their place.

    $ spikecut report runs/evaluation

    $ spikecut report --compare runs/before runs/after
    """

    uses_torch: ClassVar[bool] = False

    run_: Annotated[
        tyro.conf.Positional[Path | None], tyro.conf.arg(name="run", metavar="RUN", help_behavior_hint="")
    ] = None
    """The folder that `spikecut evaluate` wrote."""
    compare: Annotated[tuple[Path, Path] | None, tyro.conf.arg(metavar="BEFORE AFTER", help_behavior_hint="")] = None
    """Two such folders: print the paired differences of the second from the first."""
    out: Annotated[Path | None, NoDefault] = None
    """The page to write. Default: report.html in the folder."""
    seed: IntervalSeed = 0
    overwrite: Overwrite = False

    def run(self) -> int:
        from spikecut.tools.reports.report import run_report

        return run_report(self)
