"""Does a stream still look like the recordings that a cutoff was fitted on? A test of people, not of single answers.

Answers of one person are alike: whoever moves fast does so in all gestures, and of answers taken one by one a few
such people would raise alarm after alarm. So the unit is a person. Of each answer three numbers are taken: events a
second and the share of active pixels over its last bins, and its confidence. Over `WINDOW` answers in a row their means
are compared with those of the calibration recordings, person by person: how low and how high such a mean ever came. The
alarm sounds where one lies beyond all of them. Its promise follows from exchangeability alone (conformal prediction;
Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005): *of people like the `n` of the calibration
recordings, with about as many answers each, at most `6 / (n + 1)` raise an alarm*: for each number one way in n + 1 to
have the highest mean of all, and one to have the lowest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.pipeline.rules.reference import Extremes

WINDOW = 6  # answers in a row whose mean is compared
LAST_BINS = 10  # before the end of an answer: how it began depends on where the recording was cut
NUMBERS = {"rate_hz": "event rate", "active_share": "density", "confidence": "confidence"}
_SIDES = 2 * len(NUMBERS)


@dataclass(frozen=True, slots=True)
class AnswerNumbers:
    """What is compared, of one answer: over its last bins the events in events a second and the mean share of active
    pixels; and the probability of the answer."""

    rate_hz: float
    active_share: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Drift:
    """The state of the test; `Drift()` is the initial one, and `after` gives that after one more answer.

    `last` are the numbers of the last answers, at most `WINDOW`. `beyond` says what lies beyond the calibration
    recordings now, empty if nothing does; `n_alarms` counts how often that began.
    """

    last: tuple[AnswerNumbers, ...] = ()
    n: int = 0
    n_alarms: int = 0
    beyond: str = ""

    @property
    def suspended(self) -> bool:
        """Whether what was promised for the calibration recordings is suspended."""
        return bool(self.beyond)

    def after(self, numbers: AnswerNumbers, extremes: Extremes) -> "Drift":
        """The state after an answer. It is what it was until `WINDOW` answers have come."""
        last = (*self.last, numbers)[-WINDOW:]
        if len(last) < WINDOW:
            return Drift(last, self.n + 1, self.n_alarms, self.beyond)
        beyond = _beyond(last, extremes)
        return Drift(last, self.n + 1, self.n_alarms + bool(beyond and not self.beyond), beyond)


def stated_rate(n_people: int) -> float:
    """The share of people like the calibration data's that raise an alarm, at most.

    >>> round(stated_rate(59), 3), stated_rate(3)
    (0.1, 1.0)
    """
    return min(1.0, _SIDES / (n_people + 1))


def extremes_of(people: Sequence[Sequence[AnswerNumbers]]) -> Extremes | None:
    """How low and how high the mean of `WINDOW` answers in a row ever came, of each person the answers in their order.

    People with fewer answers do not count; None if none has as many.
    """
    windows = [_means(answers) for answers in people if len(answers) >= WINDOW]
    if not windows:
        return None
    low, high = (
        np.min([one.min(axis=0) for one in windows], axis=0),
        np.max([one.max(axis=0) for one in windows], axis=0),
    )
    bounds = [(float(least), float(most)) for least, most in zip(low, high, strict=True)]
    return Extremes(len(windows), WINDOW, *bounds)


def _means(answers: Sequence[AnswerNumbers]) -> Float64[ndarray, "W 3"]:
    """The means of every window of answers."""
    numbers = np.array([[getattr(one, name) for name in NUMBERS] for one in answers])
    windows = np.lib.stride_tricks.sliding_window_view(numbers, WINDOW, axis=0)
    means: Float64[ndarray, "W 3"] = windows.mean(axis=-1)
    return means


def _beyond(last: Sequence[AnswerNumbers], extremes: Extremes) -> str:
    """What of the last answers lies beyond the calibration recordings, in words."""
    words = []
    for (name, what), mean in zip(NUMBERS.items(), _means(last)[0], strict=True):
        low, high = getattr(extremes, name)
        if mean > high or not np.isfinite(mean):
            words.append(f"{what} higher than any")
        elif mean < low:
            words.append(f"{what} lower than any")
    return ", ".join(words)
