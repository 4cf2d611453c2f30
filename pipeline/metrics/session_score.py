"""Decisions on a continuous stream against its labels: right, wrong, missed, too many, and how late."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from spikecut.pipeline.errors import EventError


class Outcome(Enum):
    """The outcome of a decision. The name is the word in JSON, the value a sentence."""

    right = "the first answer to a labelled gesture, and right"
    wrong = "the first answer to a labelled gesture, and another"
    repeated = "the same answer to the same gesture once more"
    false_alarm = "an answer where nothing is labelled, or one more answer to a gesture"


@dataclass(frozen=True, slots=True)
class Match:
    """One decision and the labelled span it answers: `span` is its place in the labels, -1 for none.

    `delay_us` is counted from the labelled onset, for first answers only.
    """

    outcome: Outcome
    span: int = -1
    delay_us: int | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """How many of each; scores of several recordings add up. `right + wrong + missed` are all labels.

    These are of first answers. Of those that were revised `mended` turned from wrong to right, `spoilt` from right to
    wrong.
    """

    right: int = 0
    wrong: int = 0
    missed: int = 0
    repeated: int = 0
    false_alarms: int = 0
    minutes: float = 0.0
    delays_us: tuple[int, ...] = ()
    mended: int = 0
    spoilt: int = 0

    @property
    def revised_right(self) -> int:
        """The labels whose last answer is right."""
        return self.right + self.mended - self.spoilt

    @property
    def revised_wrong(self) -> int:
        """The labels whose last answer is another."""
        return self.wrong - self.mended + self.spoilt

    @property
    def n_labels(self) -> int:
        return self.right + self.wrong + self.missed

    @property
    def false_alarms_per_minute(self) -> float:
        """0 for a recording without length."""
        return self.false_alarms / self.minutes if self.minutes else 0.0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.right + other.right,
            self.wrong + other.wrong,
            self.missed + other.missed,
            self.repeated + other.repeated,
            self.false_alarms + other.false_alarms,
            self.minutes + other.minutes,
            self.delays_us + other.delays_us,
            self.mended + other.mended,
            self.spoilt + other.spoilt,
        )


class Matcher:
    """Follows a stream and its labels `(label, start_us, end_us)`, ordered and not overlapping.

    The first decision that falls into a labelled span is its answer; a right one may come up to `early_us`
    before the labelled onset, since people draw that line by hand. A second one with the same label is a
    repetition, with another a false alarm, as is every decision outside all spans. Every decision is counted
    once, and every label that was played: `right`, `wrong` or `missed`. One whose onset lies before the beginning of
    the stream is not missed, and an answer to it has no delay.
    """

    def __init__(self, spans: Sequence[tuple[int, int, int]], *, early_us: int = 200_000) -> None:
        if any(end < start for _, start, end in spans) or any(a[2] > b[1] for a, b in pairwise(spans)):
            raise EventError("labels must be in the order of time and must not overlap")
        self._spans = tuple(spans)
        self._early_us = early_us
        self._at = 0
        self._begin_us: int | None = None
        self._answer: int | None = None
        self._last = Match(Outcome.false_alarm)
        self._score = Score()

    def begins(self, time_us: int) -> None:
        """The stream begins at this moment; without it, before all labels. Only the first call counts."""
        self._begin_us = time_us if self._begin_us is None else self._begin_us

    def passed(self, time_us: int) -> list[int]:
        """The labels, by their place, that were over before this moment without an answer."""
        missed = []
        while self._at < len(self._spans) and self._spans[self._at][2] < time_us:
            if self._answer is None and self._has_onset():
                missed.append(self._at)
            self._at, self._answer = self._at + 1, None
        self._score += Score(missed=len(missed))
        return missed

    def ended(self, time_us: int, enough_us: int) -> list[int]:
        """The stream is over: the labels, by their place, that were over by then without an answer.

        So is one that the end cuts short after it was played for `enough_us` or more. Later ones were not played.
        """
        missed = self.passed(time_us + 1)
        is_open = self._at < len(self._spans) and self._answer is None and self._has_onset()
        if is_open and time_us - self._spans[self._at][1] >= enough_us:
            missed.append(self._at)
            self._score += Score(missed=1)
        self._at = len(self._spans)
        return missed

    def decided(self, label: int, time_us: int) -> Match:
        """The outcome of a decision; call `passed` with its time first."""
        self._last = self._matched(label, time_us)
        return self._last

    def revised(self, label: int) -> Match:
        """The outcome of the last decision with another label in its place, whenever that came.

        The first answer stays what was scored; the revised one is counted beside it. What was no first answer to a
        label is not made one.
        """
        if self._last.outcome in (Outcome.right, Outcome.wrong):
            outcome = Outcome.right if label == self._spans[self._last.span][0] else Outcome.wrong
            if outcome is not self._last.outcome:
                is_right = outcome is Outcome.right
                self._score += Score(mended=int(is_right), spoilt=int(not is_right))
            self._last = Match(outcome, self._last.span)
        return self._last

    def _matched(self, label: int, time_us: int) -> Match:
        inside = self._at < len(self._spans) and self._reaches(label, time_us)
        if not inside or self._answer is not None:
            again = inside and self._answer == label
            self._score += Score(repeated=1) if again else Score(false_alarms=1)
            return Match(Outcome.repeated if again else Outcome.false_alarm, self._at if again else -1)
        truth, start_us, _ = self._spans[self._at]
        self._answer, delay_us = label, time_us - start_us if self._has_onset() else None
        right = label == truth
        delays_us = () if delay_us is None else (delay_us,)
        self._score += Score(right=int(right), wrong=int(not right), delays_us=delays_us)
        return Match(Outcome.right if right else Outcome.wrong, self._at, delay_us)

    def _has_onset(self) -> bool:
        """Whether the onset of the label in turn was played."""
        return self._begin_us is None or self._spans[self._at][1] >= self._begin_us

    def _reaches(self, label: int, time_us: int) -> bool:
        truth, start_us, _ = self._spans[self._at]
        return time_us >= start_us - (self._early_us if label == truth else 0)

    def score(self, minutes: float) -> Score:
        """The score of a stream of that length; call `passed` with its end first."""
        return self._score + Score(minutes=minutes)


def match(
    decisions: Iterable[tuple[int, int]], spans: Sequence[tuple[int, int, int]], end_us: int, minutes: float
) -> Score:
    """All decisions `(label, time_us)` of a finished recording against its labels.

    >>> score = match([(3, 1_200_000), (5, 4_000_000)], [(3, 1_000_000, 2_000_000)], 5_000_000, minutes=0.5)
    >>> score.right, score.false_alarms_per_minute, score.delays_us
    (1, 2.0, (200000,))
    """
    matcher = Matcher(spans)
    for label, time_us in decisions:
        matcher.passed(time_us)
        matcher.decided(label, time_us)
    matcher.passed(end_us + 1)
    return matcher.score(minutes)
