"""A rule as somebody outside writes it: one module, with its decider, how it is fitted, and its row of the table."""

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.results import Evidence, Verdict
from spikecut.pipeline.rules.loss import allowed_accuracy, outcome, reaches
from spikecut.pipeline.rules.rule import Rule, Wish, observed_loss
from spikecut.pipeline.rules.thresholds import check, leader


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Stops a lane when its leading class was the largest of `enough` single steps. The score is their number."""

    enough: int
    horizon: int
    rule: str = "votes"

    def decide(self, evidence: Evidence, state: ndarray | None = None) -> tuple[Verdict, ndarray]:
        """The verdict on every lane; the state counts the votes of each class."""
        check(evidence, self.horizon)
        votes = np.zeros(evidence.total.shape, np.int64) if state is None else state.copy()
        lanes, label = np.arange(len(votes)), leader(evidence.total)
        votes[lanes, evidence.output.argmax(axis=1)] += 1
        score = votes[lanes, label]
        return Verdict(score >= self.enough, label, score.astype(np.float32)), votes


def fit_votes(recorded: RecordedOutputs, wish: Wish) -> Votes:
    """The fewest votes within the tolerance."""
    floor = allowed_accuracy(recorded, wish.tolerance)
    for enough in range(1, recorded.horizon):
        rule = Votes(enough, recorded.horizon)
        if reaches(outcome(recorded, sweep(recorded, rule)).accuracy, floor):
            return rule
    return Votes(recorded.horizon, recorded.horizon)


VOTES = Rule("the leading class was the largest at so many steps", fit_votes, observed_loss, {"votes": Votes})
