"""Patience: stops when the label has stayed the same for a number of steps (Zhou et al., arXiv 2006.04152)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import SUM, Readout
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.results import Evidence, Verdict
from spikecut.pipeline.rules.loss import allowed_accuracy, outcome, reaches
from spikecut.pipeline.rules.thresholds import Held, check, leader

Counts = Int64[ndarray, " B"]


@dataclass(frozen=True, slots=True, eq=False)
class Patience:
    """Stops a lane whose label has been the same for `steps` steps. The score is the number of equal steps so far."""

    steps: int
    horizon: int
    readout: Readout = SUM
    rule: str = "patience"

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= self.horizon:
            raise ConfigError(f"a patience of {self.steps} steps; expected 1 to {self.horizon}")

    def decide(
        self, evidence: Evidence, state: tuple[Counts, Counts, Held | None] | None = None
    ) -> tuple[Verdict, tuple[Counts, Counts, Held | None]]:
        """The verdict on every lane; the state is the last label, and for how many steps it has been the same."""
        check(evidence, self.horizon)
        before, run, leaky_sum = state or (*at_rest(evidence), None)
        logits, leaky_sum = self.readout.read(evidence, leaky_sum)
        label = leader(logits)
        run = np.where(label == before, run, 0) + 1
        return Verdict(run >= self.steps, label, run.astype(np.float32)), (label, run, leaky_sum)


def fit_patience(recorded: RecordedOutputs, tolerance: float) -> Patience:
    """The smallest patience within the tolerance."""
    floor = allowed_accuracy(recorded, tolerance)
    for steps in range(1, recorded.horizon):
        rule = Patience(steps, recorded.horizon, recorded.readout)
        if reaches(outcome(recorded, sweep(recorded, rule)).accuracy, floor):
            return rule
    return Patience(recorded.horizon, recorded.horizon, recorded.readout)


def at_rest(evidence: Evidence) -> tuple[Counts, Counts]:
    """A label, and for how many steps it has been the same, before the first step: zeros."""
    n = len(evidence.steps)
    return np.zeros(n, np.int64), np.zeros(n, np.int64)
