"""From recorded outputs and labels to a fitted cutoff.

One pass of the network over held-out recordings (`replay.record_outputs`) serves every rule and every
tolerance. The *loss* of a rule is the accuracy of the full window minus its own accuracy, on the same
recordings. Fitting here looks for the earliest rule whose loss on the calibration recordings is at most the
tolerance: an observation about these recordings, not a guarantee about others. Guarantees: `ltt.py`, `conformal.py`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, first_stops
from spikecut.pipeline.rules.loss import allowed_accuracy, earliest_within, reaches
from spikecut.pipeline.rules.step_budget import Planned, granted, left_beyond
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, collapsing, confidence, entropy, fixed, never


def fit_fixed(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """The shortest fixed number of steps within the tolerance: what every adaptive rule has to beat."""
    accuracy = recorded.correct().mean(axis=0)
    within = np.flatnonzero(reaches(accuracy, allowed_accuracy(recorded, tolerance)))
    return replace(fixed(int(within[0]) + 1, recorded.horizon), readout=recorded.readout)


def fit_confidence(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """SEENN-I with the alpha that stops earliest within the tolerance, or one that never stops."""
    return earliest_within(recorded, tolerance, map(_ranged(confidence, recorded), _levels(recorded, "confidence")))


def fit_entropy(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """DT-SNN with the alpha that stops earliest within the tolerance, or one that never stops."""
    return earliest_within(recorded, tolerance, map(_ranged(entropy, recorded), _levels(recorded, "entropy")))


def fit_collapsing(recorded: RecordedOutputs, tolerance: float) -> ThresholdCutoff:
    """The collapsing bound, straight, bent inwards or outwards, that stops earliest within the tolerance."""
    leads = np.quantile(recorded.scores("top2_gap").astype(np.float64), np.linspace(0, 1, 300))
    bounds = (collapsing(2 * beta, kappa, recorded.horizon) for kappa in (0.25, 0.5, 1.0, 2.0) for beta in leads)
    return earliest_within(recorded, tolerance, bounds)


def fit_planned(recorded: RecordedOutputs, tolerance: float) -> CutoffDecider[Any]:
    """SEENN-II with the shortest budgets within the tolerance; if that is the horizon for all, a rule without a policy.

    What a policy learned on outputs that are too good (a network is surer of what trained it) is put right by one
    number, the share of its probability that may lie beyond the budget.

    Raises:
        ConfigError: if no policy's plans were recorded with the outputs.
    """
    waiting = planned(recorded)
    assert recorded.plans is not None
    correct, lanes = recorded.correct(), np.arange(len(recorded))
    floor = allowed_accuracy(recorded, tolerance)
    left = left_beyond(recorded.plans.logits)
    shares = np.append(np.unique(left), 1.0)
    between = (shares[:-1] + shares[1:]) / 2  # so that the last digits of a batch of another size decide nothing
    picks = np.unique(np.linspace(0, len(between) - 1, 1_000).round().astype(int))
    for share in between[picks[::-1]]:
        steps = granted(left, waiting.look, float(share))
        if reaches(correct[lanes, steps - 1].mean(), floor) and (steps < recorded.horizon).any():
            return replace(waiting, beyond=float(share))
    return replace(never(recorded.horizon), readout=recorded.readout)


def planned(recorded: RecordedOutputs) -> Planned:
    """SEENN-II as its policy was published to be used, with the largest logit, for the policy that was recorded.

    Raises:
        ConfigError: if none was.
    """
    plans = recorded.plans
    if plans is None:
        raise ConfigError(
            "outputs that were recorded without a policy", hint="spikecut policy trains one, beside the network"
        )
    look = recorded.horizon - plans.logits.shape[1] + 1
    return Planned(plans.policy, recorded.horizon, look, cost=plans.cost, readout=recorded.readout)


def equal_cost_confidence(recorded: RecordedOutputs, cost: float) -> float:
    """The alpha with which the mean number of steps of SEENN-I is closest to `cost`."""
    scores, levels = recorded.scores("confidence"), [0.0, *_levels(recorded, "confidence")]
    means = np.array([first_stops(scores > level).mean() for level in levels])
    return float(levels[int(np.abs(means - cost).argmin())])


def _levels(recorded: RecordedOutputs, score: str) -> list[float]:
    """Candidates for a level of a score between 0 and 1: quantiles of the observed scores, and 1, which never stops."""
    scores = recorded.scores(score).ravel().astype(np.float64)
    return [*np.unique(np.quantile(scores, np.linspace(0, 1, 1_000)).clip(0, 1)).tolist(), 1.0]


def _ranged(
    make: Callable[[float, int], ThresholdCutoff], recorded: RecordedOutputs
) -> Callable[[float], ThresholdCutoff]:
    return lambda level: make(level, recorded.horizon)
