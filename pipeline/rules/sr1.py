"""SR1: stops where a line through the probabilities and the time is crossed. No guarantee, least mean cost.

Mori, Mendiburu, Dasgupta, Lozano, IEEE TNNLS 29:4569 (2018), as the library ml_edm does it (Renault et al.,
arXiv 2406.18332): the cost of an answer is `weight` [wrong] + (1 - `weight`) t/T.
"""

from itertools import product
from typing import Any

import numpy as np

from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, first_stops
from spikecut.pipeline.rules.loss import MEAN, WEIGHTS, cheapest_within, mean_cost
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, sr1


def fit_sr1(recorded: RecordedOutputs, weight: float = 0.8) -> ThresholdCutoff:
    """The cheapest of ten values from -1 to 1 for each of the three gammas."""
    p, right = np.sort(softmax(recorded.logits(MEAN)), axis=2), recorded.correct(MEAN)
    first, lead = p[:, :, -1], p[:, :, -1] - p[:, :, -2]
    time = np.arange(1, recorded.horizon + 1) / recorded.horizon
    best, chosen = np.inf, (0.0, 0.0, 1.0)
    values = np.linspace(-1, 1, 10).tolist()
    for g1, g2 in product(values, values):
        mixed = g1 * first + g2 * lead
        for g3 in values:
            stop = mixed + g3 * time > 0
            cost = mean_cost(right, first_stops(stop), weight)
            if cost < best - 1e-12:
                best, chosen = cost, (g1, g2, g3)
    return sr1(chosen, recorded.horizon)


def fit_sr1_within(recorded: RecordedOutputs, tolerance: float) -> CutoffDecider[Any]:
    """Of the cheapest lines for several weights, the one that stops earliest within the tolerance."""
    return cheapest_within(recorded, tolerance, (fit_sr1(recorded, weight) for weight in WEIGHTS))
