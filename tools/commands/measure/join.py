"""The command `join`: the run folders of shards become one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro


@dataclass(frozen=True)
class Join:
    """Join the run folders of all shards of a replay into the folder that one run would have made.

    Shards are what `spikecut replay --shard I/N --out RUN` makes, on any machines and in any order (docs/cluster.md).

    $ spikecut join runs/part1 runs/part2 --out runs/whole

    $ spikecut join runs/part* --out runs/whole
    """

    uses_torch: ClassVar[bool] = False

    runs: tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN")]]
    """The run folders of all shards, each once, in any order."""
    out: Path
    """The folder to make. What was not finished is gone on with by the command of a shard without --shard."""

    def run(self) -> int:
        from spikecut.tools.batch.joining import run_join

        return run_join(self)
