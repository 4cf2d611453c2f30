"""Does a stream still look like the recordings that a cutoff was fitted on? A test that may run for ever.

Each answer has a few numbers (event rate, density, confidence), and the calibration recordings say how often such a
number lies in each of the cells between the quantiles that a cutoff keeps (`rules.reference`). A bet on another
distribution is an e-value: what that distribution gives a cell, divided by what the calibration recordings give it, so
on average 1 or less as long as nothing has changed. The alarm is an e-detector of the Shiryaev-Roberts kind over the
mean of several bets (Shin, Ramdas and Rinaldo, arXiv 2203.03532): each new answer may be the first after a change. Its
promise: *while the stream is like the calibration recordings, one false alarm in `EVERY` answers or fewer, on average*,
with 95 % confidence over the draw of the calibration recordings, of which there may be few: a cell counts as likely as
an exact (Clopper-Pearson) bound says that it can be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy import special

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.rules.reference import LEVELS, Quantiles, Reference, place_of

EVERY = 1000  # answers a false alarm, on average
CALM = 20  # answers without an alarm, after which a stream counts as like the calibration recordings again
_DELTA = 0.05
_EDGES = np.array((0, *LEVELS, 100)) / 100
_CHANCES = np.diff(_EDGES)
_TILTS = ((-2.0, 0.0), (-1.0, 0.0), (1.0, 0.0), (2.0, 0.0), (0.0, 0.5))  # of the normal score, and of its square


@dataclass(frozen=True, slots=True)
class AnswerNumbers:
    """What is compared, of one answer: the bins up to its end in events a second and in the share of active pixels (the
    mean over the bins), and the probability of the answer."""

    rate_hz: float
    active_share: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """The stream is not like the calibration recordings: the number that says so most, and where it lies among them."""

    what: str
    place: str

    def __str__(self) -> str:
        return f"{self.what} {self.place} of the calibration data"


@dataclass(frozen=True, slots=True)
class Drift:
    """The state of the test; `Drift()` is the initial one, and `after` gives that after one more answer.

    `wealth` is that of each bet, one row for each number. `alarm` is that of the last answer; `suspended` says whether
    the promise is, since the last alarm, of `n_alarms`, and `calm` counts the answers after it.
    """

    wealth: tuple[tuple[float, ...], ...] = ()
    n: int = 0
    n_alarms: int = 0
    alarm: Alarm | None = None
    suspended: bool = False
    calm: int = 0

    def after(self, numbers: AnswerNumbers, reference: Reference) -> "Drift":
        """The state after an answer.

        Raises:
            ModelError: if the reference has no statistics of answers.
        """
        compared = compared_with(reference)
        values: dict[str, float] = {name: getattr(numbers, name) for name in compared}
        bets = np.array([bets_on(values[name], quantiles, reference.n) for name, quantiles in compared.items()])
        wealth = bets * (np.array(self.wealth or np.zeros(bets.shape)) + 1)
        if wealth.mean() < EVERY:
            calm = self.calm + 1
            kept = tuple(map(tuple, wealth.tolist()))
            return Drift(kept, self.n + 1, self.n_alarms, None, self.suspended and calm < CALM, calm)
        most = list(compared)[int(wealth.sum(axis=1).argmax())]
        alarm = Alarm(_WORDS[most], place_of(values[most], compared[most]))
        return Drift((), self.n + 1, self.n_alarms + 1, alarm, True, 0)


_WORDS = {"rate_hz": "event rate", "active_share": "density", "confidence": "confidence"}


def compared_with(reference: Reference) -> Mapping[str, Quantiles]:
    """The quantiles of the numbers of an answer.

    Raises:
        ModelError: if there are none: cutoffs of before do not have them.
    """
    quantiles = {
        "rate_hz": reference.decision_rate_hz,
        "active_share": reference.decision_active_share,
        "confidence": reference.decision_confidence,
    }
    if not all(quantiles.values()):
        raise ModelError(
            "this cutoff has no statistics of answers", hint="spikecut calibrate --statistics-only adds them"
        )
    return quantiles


def can_be_watched(reference: Reference | None) -> bool:
    """Whether a cutoff has the statistics that drift is measured by."""
    return reference is not None and bool(
        reference.decision_rate_hz and reference.decision_active_share and reference.decision_confidence
    )


def bets_on(value: float, quantiles: Quantiles, n: int) -> Float64[ndarray, " B"]:
    """The e-value of every bet for one number, among the quantiles of `n` recordings.

    Where a number equals quantiles, it lies in the cells on both sides together.

    >>> bets_on(9.0, (0, 1, 2, 3, 4, 5, 6), 1000).round(1).tolist()
    [0.0, 0.0, 4.0, 14.6, 5.9]
    """
    first = int(np.searchsorted(quantiles, value, side="left"))
    last = int(np.searchsorted(quantiles, value, side="right"))
    if not np.isfinite(value):  # it lies in no cell: as unlikely as the most unlikely one
        first = last = 0
    cells = slice(first, last + 1)
    alternatives, likely = _alternatives(), _at_most(n)
    bets: Float64[ndarray, " B"] = alternatives[:, cells].sum(axis=1) / min(1.0, likely[cells].sum())
    return bets


@lru_cache(maxsize=1)
def _alternatives() -> Float64[ndarray, "B C"]:
    """The distributions that are bet on, over the cells: lower, higher, and wider."""
    middle = special.ndtri((_EDGES[:-1] + _EDGES[1:]) / 2)
    tilted: Float64[ndarray, "B C"] = np.array(
        [_CHANCES * np.exp(one * middle + two * middle**2) for one, two in _TILTS]
    )
    tilted /= tilted.sum(axis=1, keepdims=True)
    return tilted


@lru_cache(maxsize=16)
def _at_most(n: int) -> Float64[ndarray, " C"]:
    """The most that each cell may have, 95 % sure for all together, given the quantiles of n recordings."""
    inside = n * _CHANCES
    bound: Float64[ndarray, " C"] = special.betaincinv(inside + 1, n - inside + 1, 1 - _DELTA / len(_CHANCES))
    return bound
