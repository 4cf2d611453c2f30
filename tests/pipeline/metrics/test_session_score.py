"""Truths about scoring a stream: every decision and every label is counted exactly once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import EventError
from spikecut.pipeline.metrics.session_score import Match, Matcher, Outcome, Score, match

SPANS = [(3, 1_000_000, 2_000_000), (5, 3_000_000, 4_000_000)]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50), st.integers(1, 50)), max_size=8),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 900)), max_size=20),
    st.integers(0, 30),
)
def test_every_decision_and_every_label_is_counted_once(
    pieces: list[tuple[int, int, int]], decisions: list[tuple[int, int]], early: int
) -> None:
    spans, at = [], 0
    for label, pause, length in pieces:
        spans.append((label, at + pause, at + pause + length))
        at += pause + length
    decisions = sorted(decisions, key=lambda decision: decision[1])
    matcher = Matcher(spans, early_us=early)
    for label, time_us in decisions:
        matcher.passed(time_us)
        matcher.decided(label, time_us)
    matcher.passed(10_000)
    score = matcher.score(2.0)
    assert score.n_labels == len(spans)
    assert score.right + score.wrong + score.repeated + score.false_alarms == len(decisions)
    assert len(score.delays_us) == score.right + score.wrong
    assert all(-early <= delay for delay in score.delays_us)


def test_the_worked_example() -> None:
    matcher = Matcher(SPANS)
    found = []
    for label, time_us in [(1, 500_000), (3, 850_000), (3, 1_500_000), (4, 1_900_000), (3, 2_500_000)]:
        assert matcher.passed(time_us) == []
        found.append(matcher.decided(label, time_us))
    assert [m.outcome for m in found] == [
        Outcome.false_alarm,  # nothing is labelled there, nor soon
        Outcome.right,  # 150 ms before the hand-made onset
        Outcome.repeated,
        Outcome.false_alarm,  # a second answer, and another
        Outcome.false_alarm,  # between two gestures
    ]
    assert [m.span for m in found] == [-1, 0, 0, -1, -1]
    assert found[1].delay_us == -150_000
    assert matcher.passed(5_000_000) == [1]
    assert matcher.score(0.5) == Score(1, 0, 1, 1, 3, 0.5, (-150_000,))
    assert matcher.score(0.5).false_alarms_per_minute == 6


def test_scores_of_two_recordings_add_up() -> None:
    one = match([(3, 1_100_000)], SPANS, 5_000_000, 1.0)
    two = match([(9, 3_100_000)], SPANS, 5_000_000, 2.0)
    assert one + two == Score(1, 1, 2, 0, 0, 3.0, (100_000, 100_000))


def test_labels_that_overlap_are_refused() -> None:
    with pytest.raises(EventError, match="overlap"):
        Matcher([(1, 0, 10), (2, 9, 20)])


def test_before_the_onset_only_the_right_answer_counts_as_one() -> None:
    """A span from 1 s on: right at 0.9 s answers it; another at 0.9 s is a false alarm, and the span stays open."""
    early = Matcher([(3, 1_000_000, 2_000_000)])
    assert early.decided(3, 900_000) == Match(Outcome.right, 0, -100_000)
    hasty = Matcher([(3, 1_000_000, 2_000_000)])
    assert hasty.decided(5, 900_000).outcome is Outcome.false_alarm
    assert hasty.decided(3, 1_500_000) == Match(Outcome.right, 0, 500_000)


@pytest.mark.parametrize(("time_us", "outcome"), [(799_999, Outcome.false_alarm), (800_000, Outcome.right)])
def test_a_right_answer_may_come_200_ms_early_and_no_more(time_us: int, outcome: Outcome) -> None:
    assert Matcher(SPANS).decided(3, time_us).outcome is outcome


def test_a_span_lasts_to_its_end_and_an_answer_at_the_end_is_one() -> None:
    matcher = Matcher(SPANS)
    assert matcher.passed(2_000_000) == []
    assert matcher.decided(3, 2_000_000) == Match(Outcome.right, 0, 1_000_000)
    other = Matcher(SPANS)
    assert other.passed(2_000_001) == [0]
    assert other.decided(3, 2_000_001).outcome is Outcome.false_alarm


def test_spans_may_touch_and_may_be_a_moment() -> None:
    matcher = Matcher([(1, 0, 10), (2, 10, 10), (3, 10, 20)])
    assert matcher.passed(11) == [0, 1]
    with pytest.raises(EventError, match="order"):
        Matcher([(1, 10, 9)])


def test_a_label_that_ends_with_the_recording_and_has_no_answer_is_missed() -> None:
    assert match([], [(3, 1_000_000, 2_000_000)], 2_000_000, 1.0).missed == 1


def test_false_alarms_a_minute_are_of_minutes_and_of_none_in_a_recording_without_length() -> None:
    assert Score(false_alarms=3, minutes=0.5).false_alarms_per_minute == 6
    assert Score(false_alarms=3).false_alarms_per_minute == 0


def test_gestures_that_were_not_played_are_not_missed() -> None:
    """Played from 1.5 s to 3.4 s: the onset of the first lies before it, of the second 0.4 s were played."""
    for enough_us, n_missed in ((500_000, 0), (400_000, 1)):
        matcher = Matcher([*SPANS, (7, 6_000_000, 7_000_000)])
        matcher.begins(1_500_000)
        assert matcher.passed(2_500_000) == []
        assert matcher.ended(3_400_000, enough_us) == [1] * n_missed
        assert matcher.score(1.0).n_labels == n_missed


def test_an_answer_to_a_gesture_whose_onset_was_not_played_has_no_delay() -> None:
    matcher = Matcher(SPANS)
    matcher.begins(1_500_000)
    assert matcher.decided(3, 1_600_000) == Match(Outcome.right, 0, None)
    assert matcher.score(1.0) == Score(right=1, minutes=1.0)


def test_what_is_over_at_the_end_of_the_stream_is_missed_however_short_it_was() -> None:
    matcher = Matcher(SPANS)
    matcher.begins(0)
    assert matcher.ended(4_000_000, 1_500_000) == [0, 1]
    answered = Matcher(SPANS)
    answered.decided(3, 1_200_000)
    assert answered.ended(1_900_000, 100_000) == []
    assert answered.score(1.0).n_labels == 1


def test_the_first_answer_is_scored_and_the_revised_one_counted_beside_it() -> None:
    """A wrong first answer that is mended, a right one that is spoilt and mended again, and a false alarm."""
    matcher = Matcher([*SPANS, (6, 5_000_000, 6_000_000)])
    assert matcher.decided(4, 1_200_000).outcome is Outcome.wrong
    assert matcher.revised(3) == Match(Outcome.right, 0)
    assert (matcher.score(1.0).revised_right, matcher.score(1.0).revised_wrong) == (1, 0)
    matcher.passed(2_500_000)
    assert matcher.decided(3, 2_500_000).outcome is Outcome.false_alarm
    assert matcher.revised(5).outcome is Outcome.false_alarm
    matcher.passed(3_500_000)
    assert matcher.decided(5, 3_500_000).outcome is Outcome.right
    assert matcher.revised(1) == Match(Outcome.wrong, 1)
    assert matcher.revised(2) == Match(Outcome.wrong, 1)
    assert matcher.revised(5) == Match(Outcome.right, 1)
    matcher.passed(5_500_000)
    assert matcher.decided(6, 5_500_000).outcome is Outcome.right
    assert matcher.revised(5) == Match(Outcome.wrong, 2)
    score = matcher.score(1.0)
    assert (score.right, score.wrong, score.false_alarms) == (2, 1, 1)
    assert (score.revised_right, score.revised_wrong) == (2, 1)
    assert (score.mended, score.spoilt) == (2, 2)
    assert (score + score).revised_right == 4
