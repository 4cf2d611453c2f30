"""Statistics of calibration recordings that a cutoff keeps: what they were like, and its answers to them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from numpy import ndarray

from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.metrics.drift import LAST_BINS, AnswerNumbers, extremes_of
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import sweep
from spikecut.pipeline.rules.reference import Reference, quantiles_of
from spikecut.tools.batch.gathered import Gathered

_ANSWERS = 12  # that stand for a person where nobody is named


def reference_of(gathered: Gathered, cutoff: CutoffDecider[Any]) -> Reference | None:
    """The statistics of the recordings, with the network's confidence after the window and where a rule stops."""
    if gathered.statistics is None:
        return None
    recorded = gathered.recorded
    confidence = softmax(recorded.logits()).max(axis=2)
    stops = sweep(recorded, cutoff).stops
    return dataclasses.replace(
        gathered.statistics,
        answers=extremes_of(_people(gathered, stops, confidence)),
        final_confidence=quantiles_of(np.minimum(confidence[:, -1], 1)),
        decision_confidence=quantiles_of(np.minimum(confidence[np.arange(len(stops)), stops - 1], 1)),
    )


def _people(
    gathered: Gathered, stops: Int64[ndarray, " N"], confidence: Float[ndarray, "N T"]
) -> list[list[AnswerNumbers]]:
    """The numbers of the answers of each person, in the order of the recordings.

    Where nobody is named, twelve recordings in an order by chance stand for a person.
    """
    subjects: Sequence[Any] = gathered.recorded.groups
    order: Sequence[int] = range(len(gathered.streams))
    if len(set(subjects)) < 2:
        order = np.random.default_rng(0).permutation(len(gathered.streams)).tolist()
        subjects = [0] * len(order)
        for place, at in enumerate(order):
            subjects[at] = place // _ANSWERS
    people: dict[Any, list[AnswerNumbers]] = {}
    for at in order:
        stream, stop = gathered.streams[at], int(stops[at])
        last = slice(max(0, stop - LAST_BINS), stop)
        counts, active = stream.counts[last], stream.active[last]
        if len(counts):
            rate_hz = float(counts.mean()) / gathered.card.spec.step_us * 1e6
            sure = float(min(confidence[at, stop - 1], 1.0))
            people.setdefault(subjects[at], []).append(AnswerNumbers(rate_hz, float(active.mean()), sure))
    return list(people.values())
