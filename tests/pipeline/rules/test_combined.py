"""Truths about rules that remember and rules made of rules, worked by hand: when each stops, with whose answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.results import Evidence
from spikecut.pipeline.rules.combined import Both, Either, Hold
from spikecut.pipeline.rules.patience import Patience
from spikecut.pipeline.rules.sets.conformal import ConformalSets
from spikecut.pipeline.rules.thresholds import fixed, topk

AHEAD = [[0, 1, 0], [0, 2, 0], [3, 2, 0], [4, 2, 0], [5, 2, 0]]  # class 1 leads for two steps, then class 0


def answers(rule: Any, totals: Sequence[Sequence[float]]) -> list[tuple[bool, int, float]]:
    """Whether one lane would stop after each step, with which label and score."""
    state, found = None, []
    for t, total in enumerate(np.array(totals, np.float32), start=1):
        verdict, state = rule.decide(Evidence(np.array([t]), total[None], total[None]), state)
        found.append((bool(verdict.stop[0]), int(verdict.label[0]), float(verdict.score[0])))
    return found


def stops(rule: Any, totals: Sequence[Sequence[float]]) -> list[int]:
    """The steps at which a rule would stop."""
    return [t for t, (stop, _, _) in enumerate(answers(rule, totals), start=1) if stop]


def test_patience_counts_the_steps_of_the_same_answer_and_begins_anew_with_another() -> None:
    found = answers(Patience(2, 5), AHEAD)
    assert [score for _, _, score in found] == [1, 2, 1, 2, 3]
    assert stops(Patience(2, 5), AHEAD) == [2, 4, 5]
    assert stops(Patience(3, 5), AHEAD) == [5]
    assert stops(Patience(1, 5), AHEAD) == [1, 2, 3, 4, 5]
    for steps in (0, 6):
        with pytest.raises(ConfigError, match=f"a patience of {steps} steps"):
            Patience(steps, 5)


def test_both_stops_where_both_stop_with_the_score_of_the_first() -> None:
    lead, patient = topk([0.5] * 5), Patience(2, 5)
    assert stops(lead, AHEAD) == [1, 2, 3, 4, 5]
    assert stops(Both(lead, patient), AHEAD) == [2, 4, 5]
    assert [score for _, _, score in answers(Both(lead, patient), AHEAD)] == [1, 2, 1, 2, 3]
    assert stops(Both(lead, fixed(3, 5)), AHEAD) == [3, 4, 5]


def test_either_stops_where_one_stops_and_the_first_is_preferred() -> None:
    late, patient = fixed(4, 5), Patience(2, 5)
    found = answers(Either(late, patient), AHEAD)
    assert [t for t, (stop, _, _) in enumerate(found, start=1) if stop] == [2, 4, 5]
    assert found[1][2] == 2  # only patience stops: its score, two steps
    assert found[3][2] == 4  # both stop: the score of the first, the step
    sets = ConformalSets("surprise", np.full(5, 0.1), 0.1)
    verdict, _ = Either(patient, sets).decide(Evidence(np.array([1]), *[np.array([[0, 9, 0]], np.float32)] * 2))
    assert verdict.sets is not None
    assert (verdict.stop.tolist(), verdict.score.tolist()) == ([True], [-1])


def test_hold_waits_for_stops_one_after_the_other_with_the_same_answer() -> None:
    lead = topk([0.5] * 5)
    assert stops(Hold(lead, 1), AHEAD) == [1, 2, 3, 4, 5]
    assert stops(Hold(lead, 2), AHEAD) == [2, 4, 5]  # at step 3 the answer is another
    assert stops(Hold(lead, 3), AHEAD) == [5]
    pause = [[0, 1, 0], [0, 0, 0], [0, 1, 0], [0, 2, 0], [0, 3, 0]]
    assert stops(Hold(lead, 2), pause) == [4, 5]  # at step 2 it does not stop, so the count begins anew
    with pytest.raises(ConfigError, match="holding off for 0 steps"):
        Hold(lead, 0)


def test_the_horizon_of_a_pair_is_the_shorter_one() -> None:
    assert Both(Patience(2, 5), fixed(1, 3)).horizon == Either(fixed(1, 3), Patience(2, 5)).horizon == 3
    assert Hold(fixed(1, 3), 2).horizon == 3
