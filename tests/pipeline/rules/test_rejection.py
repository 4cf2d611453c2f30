"""Truths about answers that are none: a rule is held back until it is sure, and a class that is no gesture is not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from decider_contract import check_is_a_value, check_lanes, check_sweep

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.evidence.probability import log_odds, softmax
from spikecut.pipeline.recorded import sweep
from spikecut.pipeline.results import Decision, StopReason
from spikecut.pipeline.rules.patience import Patience
from spikecut.pipeline.rules.rejection import NOTHING, Level, Rejecting, Sensitivity, Sure
from spikecut.pipeline.rules.thresholds import confidence

from golden import TEST

LEVEL = Level(
    threshold=2.0,
    alarms=1,
    minutes=10.0,
    alarms_bound=0.4744,
    alarms_a_minute=1.0,
    rejected=2,
    n=100,
    rejected_bound=0.0616,
    confidence=0.95,
)


def decision(label: int, total: list[float]) -> Decision:
    return Decision(label, 3, StopReason.cutoff, 0.9, 0, 30, 5, np.array(total, np.float32))


def test_log_odds_are_those_of_the_softmax_probability() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 6)).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 6, 50)
    p = softmax(logits.astype(np.float64))[np.arange(50), labels]
    np.testing.assert_allclose(log_odds(logits, labels), np.log(p / (1 - p)), rtol=1e-9)


def test_an_answer_is_none_if_its_class_is_no_gesture_or_it_is_not_sure() -> None:
    """Two equal others: the log-odds of 3 over 0 and 0 are 3 - ln 2 = 2.307."""
    total = [0.0, 3.0, 0.0]
    assert not NOTHING.refuses(decision(1, total))
    assert Rejecting((1,)).refuses(decision(1, total))
    assert not Rejecting((0,)).refuses(decision(1, total))
    assert not Rejecting((), 2.30).refuses(decision(1, total))
    assert Rejecting((), 2.31).refuses(decision(1, total))
    assert Rejecting((1,), -9.0).refuses(decision(1, total))


@pytest.mark.parametrize("rule", [confidence(0.6, 6), Patience(2, 6)])
@pytest.mark.parametrize("rejecting", [Rejecting((), 1.0), Rejecting((2,), 2.0)])
def test_a_rule_that_must_be_sure_keeps_the_contract_of_rules(rule: Any, rejecting: Rejecting) -> None:
    sure = Sure(rule, rejecting, rule.rule)
    check_is_a_value(sure, TEST)
    check_lanes(sure, TEST)
    check_sweep(sure, TEST)
    assert (sure.rule, sure.horizon) == (rule.rule, 6)


def test_a_rule_that_must_be_sure_stops_no_earlier_and_with_a_no_as_early() -> None:
    plain = sweep(TEST, confidence(0.6, 6))
    sure = sweep(TEST, Rejecting((2,), 2.0).over(confidence(0.6, 6)))
    assert (sure.stops >= plain.stops).all()
    is_no = plain.labels == 2
    assert is_no.any()
    np.testing.assert_array_equal(sure.stops[is_no], plain.stops[is_no])
    assert (sure.stops > plain.stops).any()


def test_without_a_threshold_a_rule_is_itself() -> None:
    rule = confidence(0.6, 6)
    assert NOTHING.over(rule) is rule
    assert Rejecting((2,)).over(rule) is rule


def test_the_sentence_of_a_level_has_both_rates() -> None:
    assert LEVEL.sentence == (
        "With 95 % confidence, at most 0.47 false alarms a minute of movement like the recorded (1 in 10.0 min), and "
        "at most 6.2 % of gestures rejected (2 of 100)."
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": np.inf}, "a threshold of inf"),
        ({"minutes": 0.0}, "a time above 0"),
        ({"alarms_bound": 1.5}, "no more than is tolerated"),
        ({"rejected": 101}, "101 of 100 rejected"),
        ({"confidence": 1.0}, "a share between 0 and 1"),
    ],
)
def test_a_level_that_cannot_be_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        replace(LEVEL, **change)  # type: ignore[arg-type]


def test_a_higher_sensitivity_asks_for_less() -> None:
    low = replace(LEVEL, threshold=3.0)
    assert Sensitivity(low, LEVEL, LEVEL).level("low") is low
    assert list(Sensitivity(low, LEVEL, LEVEL).levels()) == ["low", "normal", "high"]
    with pytest.raises(ModelError, match="rise with the sensitivity"):
        Sensitivity(LEVEL, low, LEVEL)
