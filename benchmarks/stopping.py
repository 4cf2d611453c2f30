"""The warm replay loop with cutoff against none: time saved for steps saved, engine by engine.

    python -m benchmarks.stopping [--json] [--engine NAME ...] [--rounds N] [FOLDER [PART]]

Recordings of digits are replayed in batches of 16, with and without cutoff in turns; the median over the rounds. Once
with their frames in memory (the loop alone), once from their files: to open a file costs as much as several steps of a
fast engine, and no cutoff saves it. FOLDER holds recordings of N-MNIST; without it they are drawn digits.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch

from benchmarks.parts.report import machine
from benchmarks.parts.timing import seconds_of_rounds
from spikecut.models.engines import ENGINES
from spikecut.models.files import opening
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.replay import replay
from spikecut.pipeline.rules.thresholds import never
from spikecut.sources.datasets.parts import Part
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.batch.examples import Examples, examples_of
from spikecut.tools.batch.replay import one_pass
from spikecut.tools.cutoff_lookup import find_cutoff

BATCH = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One engine: factors of steps and of CPU time, and the share of the one that the other is, over the rounds."""

    engine: str
    what: str
    fewer_steps: float
    less_time: float
    share: float
    share_range: tuple[float, float]


def compare(recordings: Examples, engine: str, rounds: int) -> Iterator[Row]:
    """Both loops in turns with one engine, from memory and from files."""
    weights = opening.locate("nmnist")
    stepper, card = opening.load(weights, engine=engine)
    rules: list[CutoffDecider[Any]] = [never(card.horizon), find_cutoff(None, weights, card).cutoff]
    frames = [list(stream) for stream in recordings.streams(card, [])]

    def from_memory(rule: CutoffDecider[Any]) -> int:
        decisions = replay(frames, stepper, rule, horizon=card.horizon, batch_size=BATCH)
        return sum(decision.steps for _, decision in decisions if decision)

    def from_files(rule: CutoffDecider[Any]) -> int:
        return sum(decision.steps for decision in one_pass(recordings, stepper, card, rule, BATCH).decisions)

    for what, loop in (("the loop alone", from_memory), ("from files", from_files)):
        full, cut = (loop(rule) for rule in rules)
        contenders = {name: partial(loop, rule) for name, rule in zip(("full", "cut"), rules, strict=True)}
        seconds = seconds_of_rounds(contenders, rounds)
        walls = np.array(seconds["full"]) / np.array(seconds["cut"])
        shares = walls / (full / cut)
        spread = float(shares.min()), float(shares.max())
        yield Row(engine, what, full / cut, float(np.median(walls)), float(np.median(shares)), spread)


def shown(row: Row) -> str:
    """A row for people."""
    low, high = row.share_range
    return (
        f"  {row.engine:<8}{row.what:<16}{row.fewer_steps:6.2f}x fewer steps, {row.less_time:6.2f}x less time: "
        f"{row.share:.2f} of the step reduction ({low:.2f} to {high:.2f})"
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
            f"replaying {len(recordings)} {'recordings' if chosen.folder else 'drawn digits'}, batch {BATCH}, "
            f"{chosen.rounds} rounds; {machine()}",
            flush=True,
        )
        for engine in chosen.engine:
            try:
                for row in compare(recordings, engine, chosen.rounds):
                    print(json.dumps(asdict(row)) if chosen.json else shown(row), flush=True)
            except EnvironmentProblem as problem:
                print(f"  {engine}: left out, {problem}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
