"""The command `combine`: a cutoff made of fitted ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from spikecut.tools.options import Count, Overwrite


@dataclass(frozen=True)
class Combine:
    """Combine fitted cutoffs of one network: stop when both stop, when either does, or when one holds its answer.

    $ spikecut combine both nmnist.conformal-5pt.json nmnist.patience-2pt.json --out careful.json

    $ spikecut combine hold nmnist.confidence-2pt.json --steps 3 --out steady.json
    """

    uses_torch: ClassVar[bool] = False

    how: tyro.conf.Positional[Literal["both", "either", "hold"]]
    """both, either: two cutoffs; label, score and set are the first's (of either: of the one that stops). hold: one."""
    cutoffs: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="FILE [FILE]", help_behavior_hint="(required)"),
    ]
    """Files that calibrate wrote."""
    out: Path
    """The file to write, for --cutoff of run, replay, evaluate and why."""
    steps: Count = 2
    """For hold: at how many steps one after the other the cutoff must stop, each time with the same answer."""
    overwrite: Overwrite = False

    def run(self) -> int:
        from spikecut.tools.batch.combine import run_combine

        return run_combine(self)
