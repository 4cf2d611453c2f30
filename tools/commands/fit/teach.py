"""The command `teach`: a network learns a user's own classes from a few recordings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from spikecut.tools.options import (
    FileOptions,
    FitOptions,
    Labelled,
    NoDefault,
    PartOf,
    Seed,
    Threads,
    own_flags_first,
)


@own_flags_first
@dataclass(frozen=True, kw_only=True)
class Teach(FitOptions, FileOptions):
    """Teach a network new classes, or your own way with old ones, from about ten recordings each.

    The result is a network of its own: OUT.safetensors with its card, a cutoff and its memory. The same command with
    recordings that were added later takes in the new ones. The body of the network stays as it is; its memory of the
    old classes lies beside it, or is made of --old.

    $ spikecut teach my_gestures --model gestures --out mine

    $ spikecut teach more_classes --model nmnist --old Train --out mine
    """

    uses_torch: ClassVar[bool] = True

    folder: Labelled
    model: Annotated[str | None, NoDefault] = None
    """The network to start from: a shipped network's name or a .safetensors file. Default: OUT, if it is there already,
    else gestures."""
    out: Annotated[Path | None, NoDefault] = None
    """The network to write, such as mine: files of this name with .safetensors, .json and .memory.npz."""
    part: PartOf = "all"
    old: Annotated[Path | None, NoDefault] = None
    """Recordings of the old classes, for a network without a memory, or in place of it."""
    remember: bool = False
    """Teach nothing: only make the memory of the network from these recordings, in OUT's folder or beside it."""
    seed: Seed = 0
    """The random seed of the variations of recordings."""
    threads: Threads = 1

    def run(self) -> int:
        from spikecut.tools.training.teach import run_teach

        return run_teach(self)
