"""Commands that measure on labelled recordings: `replay`, `evaluate`, `report`. Heavy imports wait in `run`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from spikecut.tools.cli_data import Part


@dataclass(frozen=True)
class Replay:
    """Decide a folder of <class>/<recording>: accuracy, steps and time, with and without cutoff.

    $ spikecut replay N-MNIST/Test --model nmnist

    $ spikecut replay Train --model nmnist --part test --json
    """

    folder: tyro.conf.Positional[Path]
    """The folder that holds one folder a class; of pictures also their archive."""
    model: str = "nmnist"
    """A shipped network's name, a .safetensors file, or a .py that makes one with from_norse (it is executed)."""
    cutoff: tuple[str, ...] = ()
    """Rules or files to compare with the full window. Default: all that lie beside the network."""
    part: Part = "all"
    """Which part of the folder: the network's own division, by name."""
    batch_size: int = 16
    """How many recordings are stepped together."""
    seed: int = 0
    """For the bootstrap intervals."""
    json: bool = False
    """One JSON object instead of the table."""

    def run(self) -> int:
        from spikecut.tools.batch.replay import run_replay

        return run_replay(
            self.folder,
            model=self.model,
            cutoffs=self.cutoff,
            part=self.part,
            batch_size=self.batch_size,
            seed=self.seed,
            as_json=self.json,
        )


@dataclass(frozen=True)
class Evaluate:
    """Compare all fitted cutoffs on one pass of the network: accuracy against time, with intervals.

    $ spikecut evaluate drawn_test --model gestures --out runs/evaluation

    $ spikecut evaluate runs/evaluation/outputs.npz --model gestures --cutoff ltt topk --out runs/two
    """

    folder: tyro.conf.Positional[Path]
    """A folder of <class>/<recording>, of DVS128 Gesture, of pictures or their archive; or an outputs.npz."""
    out: Path
    """Where the results go."""
    model: str = "nmnist"
    """A shipped network's name, a .safetensors file, or a .py that makes one with from_norse (it is executed)."""
    cutoff: tuple[str, ...] = ()
    """Names or files of cutoffs. Default: all that lie beside the network."""
    part: Part = "test"
    """Which part of the folder."""
    seed: int = 0
    """For the intervals."""
    overwrite: bool = False
    """Replace the results of an earlier evaluation."""
    json: bool = False
    """Everything as one JSON object instead of the table."""

    def run(self) -> int:
        from spikecut.tools.batch.evaluate import run_evaluate

        return run_evaluate(
            self.folder,
            model=self.model,
            cutoffs=self.cutoff,
            part=self.part,
            out=self.out,
            seed=self.seed,
            overwrite=self.overwrite,
            as_json=self.json,
        )


@dataclass(frozen=True)
class Cost:
    """Stop recordings one at a time, as a stream is: time and synaptic operations of every cutoff against none.

    $ spikecut cost N-MNIST/Test --model nmnist

    $ spikecut cost Train --model runs/mine/seed0/mine.safetensors --part test --n 100 --out cost.json
    """

    folder: tyro.conf.Positional[Path]
    """The folder of <class>/<recording>, or of DVS128 Gesture; pictures or their archive."""
    model: str = "nmnist"
    """A shipped network's name, a .safetensors file, or a .py that makes one with from_norse (it is executed)."""
    cutoff: tuple[str, ...] = ()
    """Names or files of cutoffs. Default: all that lie beside the network."""
    part: Part = "test"
    """Which part of the folder."""
    n: int = 200
    """On how many recordings, drawn at random."""
    rounds: int = 3
    """How often each is timed; the shortest counts."""
    seed: int = 0
    """Of the draw."""
    out: Path | None = None
    """Write the figures there too, as JSON."""

    def run(self) -> int:
        from spikecut.tools.batch.cost import run_cost

        return run_cost(
            self.folder,
            model=self.model,
            cutoffs=self.cutoff,
            part=self.part,
            n=self.n,
            rounds=self.rounds,
            seed=self.seed,
            out=self.out,
        )


@dataclass(frozen=True)
class Report:
    """Write one self-contained HTML page from an evaluation, with its pictures; or compare two.

    $ spikecut report runs/evaluation

    $ spikecut report --compare runs/before runs/after
    """

    run_: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(name="run", metavar="RUN")] = None
    """The folder that evaluate wrote."""
    compare: Annotated[tuple[Path, Path] | None, tyro.conf.arg(metavar="PATH PATH")] = None
    """Two such folders: prints paired differences of the second from the first."""
    out: Path | None = None
    """The page. Default: report.html in the folder."""
    seed: int = 0
    """For the intervals of a comparison."""

    def run(self) -> int:
        from spikecut.tools.reports.report import run_report

        return run_report(self.run_, compare=self.compare or (), out=self.out, seed=self.seed)


@dataclass(frozen=True)
class Results:
    """Print what recipes have measured: one table a recipe, and networks on the same recordings against each other.

    $ spikecut results runs/nmnist runs/nmnist-tet

    $ spikecut results runs --out docs/results.md
    """

    run_folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders that spikecut recipe filled."""
    out: Path | None = None
    """Write the Markdown there instead of printing it."""
    seed: int = 0
    """For the intervals."""

    def run(self) -> int:
        from spikecut.tools.reports.results import run_results

        return run_results(self.run_folders, self.out, self.seed)
