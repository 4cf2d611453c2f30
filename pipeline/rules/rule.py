"""A row of the table of rules: how a rule is fitted, the sentence it then promises, the types that are stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.results import StopReason
from spikecut.pipeline.rules.thresholds import ThresholdCutoff


@dataclass(frozen=True, slots=True)
class Wish:
    """The requirements of a user on a rule.

    `tolerance` is the share of right answers that stopping early may cost (of a conformal rule: the share of sets
    without the truth), `delta` the probability that this promise fails, `seed` that of splits. `among` is the number
    of promises that hold at the same time, each with this `delta`. `correction` is how conformal sets allow for looking
    often.
    """

    tolerance: float
    delta: float = 0.05
    seed: int = 0
    among: int = 1
    correction: str = "maxrank"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of `RULES`.

    `about` says in a line what stops, with its source. `fit` makes the decider, `sentence` what then holds of it.
    `deciders` are the types that may come out of `fit`, by the name under which they are stored.
    """

    about: str
    fit: Callable[[RecordedOutputs, Wish], CutoffDecider[Any]]
    sentence: Callable[[Wish], str]
    deciders: Mapping[str, type] = field(default_factory=lambda: {"threshold": ThresholdCutoff})
    too_few: Callable[[int, Wish], str] | None = None
    """Given if the sentence is about recordings that were not seen: why `n` recordings cannot carry it."""
    at_delta: bool = False
    """Whether the sentence fails with a probability of at most `delta`, so that several can hold at once."""
    plans: bool = False
    """Whether the plans of a policy must have been recorded with the outputs."""
    allows_zero: bool = True
    """Whether a tolerance of 0 can be kept."""
    stop_text: str = StopReason.cutoff.value
    """Why it stops, for people."""

    @property
    def promises(self) -> bool:
        """Whether the sentence is about recordings outside the calibration set."""
        return self.too_few is not None


def percent(share: float) -> str:
    """A share in percent, without trailing zeros.

    >>> percent(0.005), percent(0.2)
    ('0.5 %', '20 %')
    """
    return f"{100 * share:.4g} %"


def points(tolerance: float) -> str:
    """A tolerance in points of accuracy.

    >>> points(0.01), points(0.02)
    ('1 point', '2 points')
    """
    return f"{100 * tolerance:.4g} point{'s' * (tolerance != 0.01)}"


def observed_loss(wish: Wish) -> str:
    """The sentence of rules that are fitted by what was observed: no promise."""
    return (
        f"On the recordings it was fitted on it lost at most {points(wish.tolerance)} of accuracy: "
        "no guarantee for others."
    )


def by_tolerance(
    fit: Callable[[RecordedOutputs, float], CutoffDecider[Any]],
) -> Callable[[RecordedOutputs, Wish], CutoffDecider[Any]]:
    """Wraps a fit that needs the tolerance alone, so that the table can call it."""
    return lambda recorded, wish: fit(recorded, wish.tolerance)
