"""The warm replay loop with cutoff against none: wall time saved for steps saved.

Without an argument on drawn digits; `python -m benchmarks.demo_speed FOLDER [PART]` takes real recordings.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import cast

import torch

from spikecut.models.files import opening
from spikecut.pipeline.rules.thresholds import never
from spikecut.sources.datasets.parts import Part
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.batch.examples import examples_of
from spikecut.tools.batch.replay import one_pass
from spikecut.tools.cutoff_lookup import find_cutoff

ROUNDS = 5


def compare(folder: Path, part: Part, what: str) -> None:
    weights = opening.locate("nmnist")
    stepper, card = opening.load(weights)
    recordings = examples_of(folder, card, part)
    full, cutoff = never(card.horizon), find_cutoff(None, weights, card).cutoff
    one_pass(recordings.first(16), stepper, card, full, 16)
    shares = []
    for _ in range(ROUNDS):
        without = one_pass(recordings, stepper, card, full, 16)
        with_cutoff = one_pass(recordings, stepper, card, cutoff, 16)
        steps = sum(d.steps for d in without.decisions) / sum(d.steps for d in with_cutoff.decisions)
        wall = without.wall_s / with_cutoff.wall_s
        shares.append((wall / steps, wall, steps))
    share, wall, steps = (statistics.median(column) for column in zip(*shares, strict=True))
    print(f"replaying {len(recordings)} {what}, batch 16, reading included, median of {ROUNDS} alternating runs")
    print(f"  {steps:.2f}x fewer steps, {wall:.2f}x less wall time: {share:.2f} of the step reduction")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_digits(Path(folder) / "digits", 40, seed=100)
        compare(Path(folder) / "digits", "all", "drawn digits")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        compare(Path(sys.argv[1]), cast(Part, sys.argv[2] if len(sys.argv) > 2 else "test"), "recordings")
    else:
        main()
