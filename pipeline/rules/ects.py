"""Early classification of time series: rules that weigh being wrong against being late. No guarantee, least mean cost.

The cost of an answer is `weight` [wrong] + (1 - `weight`) t/T. All read softmax of the running mean, as the library
ml_edm does (Renault et al., arXiv 2406.18332).

| rule | idea |
|---|---|
| `sr1` | a line through the probabilities and the time (Mori et al., IEEE TNNLS 29:4569, 2018) |
| `economy` | how certainty usually goes on, so that waiting has a price (ECONOMY-gamma, Achenchabe et al., 2021) |
| `calimera` | a regression of what waiting still brings, fitted backwards (Bilski and Jastrzebska, 2023) |
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.readout import Readout, softmax
from spikecut.pipeline.recorded import RecordedOutputs, first_stops
from spikecut.pipeline.results import Evidence, Verdict
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, check, leader, sr1

_MEAN = Readout("mean")


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
        logits, _ = _MEAN.read(evidence, None)
        certainty = softmax(logits).max(axis=1)
        groups = (certainty[:, None] >= self.edges[evidence.steps - 1]).sum(axis=1)
        return Verdict(self.stops[evidence.steps - 1, groups], leader(logits), groups.astype(np.float32)), None


@dataclass(frozen=True, slots=True, eq=False)
class Calimera:
    """Stops when a kernel ridge regression expects waiting to cost more than it brings; the score is that cost.

    `seen` are the features of the calibration recordings at each step, `duals` the regression's coefficients. A
    step costs `S` kernels: by far the dearest rule.
    """

    seen: Float64[ndarray, "T-1 S F"]
    duals: Float64[ndarray, "T-1 S"]
    rule: str = "calimera"

    @property
    def horizon(self) -> int:
        """The number of steps it was made for."""
        return len(self.duals) + 1

    def decide(self, evidence: Evidence, state: None = None) -> tuple[Verdict, None]:
        """The verdict on every lane after one step; at the last, where nothing can be gained, the score is 0."""
        check(evidence, self.horizon)
        logits, _ = _MEAN.read(evidence, None)
        features = _features(softmax(logits.astype(np.float64)))
        score = np.zeros(len(logits), np.float32)
        for lane, step in enumerate(evidence.steps):
            if step < self.horizon:
                kernel = _kernel(features[lane : lane + 1], self.seen[step - 1])
                score[lane] = (kernel @ self.duals[step - 1])[0]
        return Verdict((score > 0) | (evidence.steps == self.horizon), leader(logits), score), None


def fit_sr1(recorded: RecordedOutputs, weight: float = 0.8) -> ThresholdCutoff:
    """The cheapest of ten values from -1 to 1 for each of the three gammas."""
    p = np.sort(softmax(recorded.logits(_MEAN)), axis=2)
    first, lead = p[:, :, -1], p[:, :, -1] - p[:, :, -2]
    time = np.arange(1, recorded.horizon + 1) / recorded.horizon
    best, chosen = np.inf, (0.0, 0.0, 1.0)
    values = np.linspace(-1, 1, 10).tolist()
    for g1, g2 in product(values, values):
        mixed = g1 * first + g2 * lead
        for g3 in values:
            stop = mixed + g3 * time > 0
            cost = _cost(recorded, first_stops(stop), weight)
            if cost < best - 1e-12:
                best, chosen = cost, (g1, g2, g3)
    return sr1(chosen, recorded.horizon)


def fit_economy(recorded: RecordedOutputs, weight: float = 0.8, n_groups: int | None = None) -> Economy:
    """The number of groups with the least mean cost, up to 10 and to the root of the number of recordings.

    Raises:
        ConfigError: if there are more groups than recordings.
    """
    if n_groups is not None:
        if not 1 <= n_groups <= len(recorded):
            raise ConfigError(f"{n_groups} groups of {len(recorded)} recordings")
        return _economy(recorded, weight, n_groups)
    most = min(10, int(len(recorded) ** 0.5))
    rules = [_economy(recorded, weight, groups) for groups in range(1, most + 1)]
    return min(rules, key=lambda rule: _cost(recorded, _economy_stops(recorded, rule), weight))


def fit_calimera(recorded: RecordedOutputs, delay: float = 0.25, most: int = 400, seed: int = 0) -> Calimera:
    """Fitted backwards in time; being late by the whole window costs as much as `delay` errors.

    At most `most` recordings, drawn by `seed`, are kept, for each of them is asked at every step.
    """
    if len(recorded) > most:
        recorded = recorded.pick(np.sort(np.random.default_rng(seed).permutation(len(recorded))[:most]))
    p = softmax(recorded.logits(_MEAN).astype(np.float64))
    n, horizon, _ = p.shape
    if horizon < 2:
        raise ConfigError("a window of one step leaves nothing to wait for")
    seen = np.stack([_features(p[:, t]) for t in range(horizon - 1)])
    duals = np.zeros((horizon - 1, n))
    later = 1 - p[:, -1].max(axis=1) + delay
    for t in range(horizon - 2, -1, -1):
        now = 1 - p[:, t].max(axis=1) + delay * (t + 1) / horizon
        kernel = _kernel(seen[t], seen[t])
        duals[t] = np.linalg.solve(kernel + np.eye(n), later - now)
        later = np.where(kernel @ duals[t] < 0, later, now)
    return Calimera(seen, duals)


def _economy(recorded: RecordedOutputs, weight: float, n_groups: int) -> Economy:
    certainty = softmax(recorded.logits(_MEAN)).max(axis=2).astype(np.float64)
    wrong = ~recorded.correct(_MEAN)
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
    certainty = softmax(recorded.logits(_MEAN)).max(axis=2)
    groups = (certainty[:, :, None] >= rule.edges).sum(axis=2)
    return first_stops(
        np.take_along_axis(np.broadcast_to(rule.stops, (len(groups), *rule.stops.shape)), groups[:, :, None], 2)[
            :, :, 0
        ]
    )


def _cost(recorded: RecordedOutputs, stops: Int64[ndarray, " N"], weight: float) -> float:
    right = recorded.correct(_MEAN)[np.arange(len(stops)), stops - 1]
    return float((weight * ~right + (1 - weight) * stops / recorded.horizon).mean())


def _features(p: Float64[ndarray, "N K"]) -> Float64[ndarray, "N F"]:
    """The probabilities, the lead of the first over the second, and the first."""
    two = np.sort(p, axis=1)[:, -2:]
    return np.concatenate([p, two[:, 1:] - two[:, :1], two[:, 1:]], axis=1)


def _kernel(a: Float64[ndarray, "A F"], b: Float64[ndarray, "S F"]) -> Float64[ndarray, "A S"]:
    """The radial kernel of width 1 / F, as scikit-learn's default."""
    squares = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return np.asarray(np.exp(-squares / a.shape[1]))
