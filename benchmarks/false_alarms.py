"""How often people and things that make no gesture are named: `python -m benchmarks.false_alarms FOLDER ...`.

Plays every recording below the folders through the shipped network `gestures`, its onset and its cutoff. What is
called "other gestures" is counted apart: it names nothing.
"""

import sys
from pathlib import Path

import torch

from spikecut.models.files import opening
from spikecut.pipeline.recognition import Onset, recognise
from spikecut.pipeline.results import Decision
from spikecut.tools.cutoff_lookup import find_cutoff
from spikecut.tools.frame_streams import open_for
from spikecut.tools.session.observing import Tally


def main() -> None:
    torch.set_num_threads(1)
    weights = opening.locate("gestures")
    stepper, card = opening.load(weights)
    decider = find_cutoff(None, weights, card).cutoff
    print(f"network {card.name}, cutoff {card.default_cutoff}, gesture-free recordings")
    print(f"{'recording':<36} {'min':>6} {'named':>6} {'a min':>6} {'other':>6}")
    for folder in sys.argv[1:]:
        minutes, named, other = 0.0, 0, 0
        for path in sorted(Path(folder).glob("*.aedat")):
            recording, binner = open_for(path, card)
            tally = Tally()
            items = recognise(
                tally.over(binner.bins(recording)), stepper, decider, horizon=card.horizon, onset=Onset(**card.onset)
            )
            labels = [card.classes[item.label] for item in items if isinstance(item, Decision)]
            n_other = labels.count("other gestures")
            length = tally.sensor_us / 6e7
            line(path.name, length, len(labels) - n_other, n_other)
            minutes, named, other = minutes + length, named + len(labels) - n_other, other + n_other
        line(Path(folder).name, minutes, named, other)


def line(name: str, minutes: float, named: int, other: int) -> None:
    print(f"{name:<36} {minutes:>6.2f} {named:>6} {named / max(minutes, 1e-9):>6.1f} {other:>6}")


if __name__ == "__main__":
    main()
