"""The warm replay loop with cutoff against none: wall time saved for steps saved, engine by engine.

    python -m benchmarks.stopping [--json] [--engine NAME ...] [--rounds N] [FOLDER [PART]]

Recordings of digits are replayed in batches of 16, reading and counting included, with and without cutoff in turns; the
median over the rounds. FOLDER holds recordings of N-MNIST; without it they are drawn digits.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np
import torch

from benchmarks.parts.report import machine
from spikecut.models.engines import ENGINES
from spikecut.models.files import opening
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.rules.thresholds import never
from spikecut.sources.datasets.parts import Part
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.batch.examples import Examples, examples_of
from spikecut.tools.batch.replay import one_pass
from spikecut.tools.cutoff_lookup import find_cutoff


@dataclass(frozen=True, slots=True)
class Row:
    """One engine: factors of steps and of wall time, and the share of the one that the other is, over the rounds."""

    engine: str
    fewer_steps: float
    less_wall: float
    share: float
    share_range: tuple[float, float]


def compare(recordings: Examples, engine: str, rounds: int) -> Row:
    """Both loops in turns with one engine."""
    weights = opening.locate("nmnist")
    stepper, card = opening.load(weights, engine=engine)
    full, cutoff = never(card.horizon), find_cutoff(None, weights, card).cutoff
    walls, steps = [], 1.0
    for turn in range(rounds + 1):
        without = one_pass(recordings, stepper, card, full, 16)
        with_cutoff = one_pass(recordings, stepper, card, cutoff, 16)
        steps = sum(d.steps for d in without.decisions) / sum(d.steps for d in with_cutoff.decisions)
        if turn:  # the first is to warm up
            walls.append(without.wall_s / with_cutoff.wall_s)
    shares = np.array(walls) / steps
    return Row(
        engine, steps, float(np.median(walls)), float(np.median(shares)), (float(shares.min()), float(shares.max()))
    )


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    parser.add_argument("part", choices=get_args(Part), nargs="?", default="test", metavar="PART")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--engine", nargs="+", default=list(ENGINES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", type=int, default=20, help="drawn digits of each class")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    _, card = opening.load_module("nmnist")
    with tempfile.TemporaryDirectory() as scratch:
        folder, part = chosen.folder, cast(Part, chosen.part)
        if folder is None:
            folder, part = Path(scratch) / "digits", "all"
            write_digits(folder, chosen.each, seed=100)
        recordings = examples_of(folder, card, part)
        print(
            f"replaying {len(recordings)} {'recordings' if chosen.folder else 'drawn digits'}, batch 16, reading "
            f"included, {chosen.rounds} rounds; {machine()}",
            flush=True,
        )
        for engine in chosen.engine:
            try:
                row = compare(recordings, engine, chosen.rounds)
            except EnvironmentProblem as problem:
                print(f"  {engine}: left out, {problem}", flush=True)
                continue
            if chosen.json:
                print(json.dumps(asdict(row)), flush=True)
                continue
            low, high = row.share_range
            print(
                f"  {row.engine:<8}{row.fewer_steps:.2f}x fewer steps, {row.less_wall:.2f}x less wall time: "
                f"{row.share:.2f} of the step reduction ({low:.2f} to {high:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
