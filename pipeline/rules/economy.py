"""ECONOMY-gamma: how certainty usually goes on, so that waiting has a price. No guarantee, least mean cost.

Achenchabe, Bondu, Cornuejols, Dachraoui, Machine Learning 110 (2021), as the library ml_edm does it (Renault et al.,
arXiv 2406.18332): the cost of an answer is `weight` [wrong] + (1 - `weight`) t/T; reads softmax of the running mean.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, first_stops
from spikecut.pipeline.results import Evidence, Verdict
from spikecut.pipeline.rules.loss import MEAN, WEIGHTS, cheapest_within, mean_cost
from spikecut.pipeline.rules.thresholds import check, leader


@dataclass(frozen=True, slots=True, eq=False)
class Economy:
    """ECONOMY-gamma: groups of certainty, and for every step and group whether stopping now is the cheapest.

    `edges` cut the largest probability at each step into groups; `stops` says which groups stop. The score is the
    group, counted from 0, the least certain.
    """

    edges: Float64[ndarray, "T E"]
    stops: Bool[ndarray, "T G"]
    rule: str = "economy"

    @property
    def horizon(self) -> int:
        """The number of steps it was made for."""
        return len(self.stops)

    def decide(self, evidence: Evidence, state: None = None) -> tuple[Verdict, None]:
        """The verdict on every lane after one step."""
        check(evidence, self.horizon)
        logits, _ = MEAN.read(evidence, None)
        certainty = softmax(logits).max(axis=1)
        groups = (certainty[:, None] >= self.edges[evidence.steps - 1]).sum(axis=1)
        return Verdict(self.stops[evidence.steps - 1, groups], leader(logits), groups.astype(np.float32)), None


def fit_economy(recorded: RecordedOutputs, weight: float = 0.8, n_groups: int | None = None) -> Economy:
    """The number of groups with the least mean cost, up to 10 and to the root of the number of recordings.

    Raises:
        ConfigError: if there are more groups than recordings.
    """
    if n_groups is not None:
        if not 1 <= n_groups <= len(recorded):
            raise ConfigError(f"{n_groups} groups of {len(recorded)} recordings")
        return _economy(recorded, weight, n_groups)
    most, right = min(10, int(len(recorded) ** 0.5)), recorded.correct(MEAN)
    rules = [_economy(recorded, weight, groups) for groups in range(1, most + 1)]
    return min(rules, key=lambda rule: mean_cost(right, _economy_stops(recorded, rule), weight))


def fit_economy_within(recorded: RecordedOutputs, tolerance: float) -> CutoffDecider[Any]:
    """Of the cheapest groups for several weights, those that stop earliest within the tolerance."""
    return cheapest_within(recorded, tolerance, (fit_economy(recorded, weight) for weight in WEIGHTS))


def _economy(recorded: RecordedOutputs, weight: float, n_groups: int) -> Economy:
    certainty = softmax(recorded.logits(MEAN)).max(axis=2).astype(np.float64)
    wrong = ~recorded.correct(MEAN)
    horizon = recorded.horizon
    edges = np.quantile(certainty, np.arange(1, n_groups) / n_groups, axis=0, method="higher").T.reshape(
        horizon, n_groups - 1
    )
    groups = (certainty[:, :, None] >= edges).sum(axis=2)
    error = np.full((horizon, n_groups), 0.5)
    for t, g in product(range(horizon), range(n_groups)):
        if (inside := groups[:, t] == g).any():
            error[t, g] = wrong[inside, t].mean()
    late = (1 - weight) * np.arange(1, horizon + 1) / horizon
    stops = np.ones((horizon, n_groups), bool)
    for t in range(horizon - 1):
        likely = np.eye(n_groups)  # row: the group now; column: how likely each group is then
        cheapest = weight * error[t] + late[t]
        for u in range(t + 1, horizon):
            likely = likely @ _transition(groups[:, u - 1], groups[:, u], n_groups)
            later = weight * (likely @ error[u]) + late[u]
            stops[t] &= cheapest <= later + 1e-12
    return Economy(edges, stops)


def _transition(now: Int64[ndarray, " N"], then: Int64[ndarray, " N"], n_groups: int) -> Float64[ndarray, "G G"]:
    counts = np.zeros((n_groups, n_groups))
    np.add.at(counts, (now, then), 1)
    totals = counts.sum(axis=1, keepdims=True)
    return np.where(totals > 0, counts / np.maximum(totals, 1), 1 / n_groups)


def _economy_stops(recorded: RecordedOutputs, rule: Economy) -> Int64[ndarray, " N"]:
    certainty = softmax(recorded.logits(MEAN)).max(axis=2)
    groups = (certainty[:, :, None] >= rule.edges).sum(axis=2)
    return first_stops(
        np.take_along_axis(np.broadcast_to(rule.stops, (len(groups), *rule.stops.shape)), groups[:, :, None], 2)[
            :, :, 0
        ]
    )
