"""Truths about ECONOMY and CALIMERA at the edges of their decisions, worked by hand."""

import numpy as np

from spikecut.pipeline.results import Evidence
from spikecut.pipeline.rules.calimera import Calimera
from spikecut.pipeline.rules.economy import Economy


def evidence(total: list[float], step: int) -> Evidence:
    """One lane after some steps."""
    array = np.array([total], np.float32)
    return Evidence(np.array([step]), array, array)


def test_a_certainty_on_the_edge_belongs_to_the_group_above_it() -> None:
    """Two equal classes are certain to 0.5."""
    rule = Economy(np.array([[0.5], [0.5]]), np.array([[False, True], [True, True]]))
    verdict, _ = rule.decide(evidence([1.0, 1.0], 1))
    assert (verdict.stop.tolist(), verdict.score.tolist()) == ([True], [1.0])
    below = Economy(np.array([[0.51], [0.5]]), np.array([[False, True], [True, True]]))
    verdict, _ = below.decide(evidence([1.0, 1.0], 1))
    assert (verdict.stop.tolist(), verdict.score.tolist()) == ([False], [0.0])


def test_waiting_goes_on_while_it_costs_nothing_and_ends_with_the_window() -> None:
    """The kernel of a lane and a recording that looked the same is 1: the expected cost is the coefficient."""
    features = np.array([[[0.5, 0.5, 0.0, 0.5]]])
    for coefficient, stop in ((0.0, False), (-0.001, False), (0.001, True)):
        rule = Calimera(features, np.array([[coefficient]]))
        verdict, _ = rule.decide(evidence([1.0, 1.0], 1))
        assert verdict.stop.tolist() == [stop]
        np.testing.assert_allclose(verdict.score, [coefficient], rtol=1e-6)
        last, _ = rule.decide(evidence([1.0, 1.0], 2))
        assert (last.stop.tolist(), last.score.tolist()) == ([True], [0.0])
