"""Every rule by its name: how it is fitted for a tolerated loss, and the sentence that then holds of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules import ltt, observed
from spikecut.pipeline.rules.conformal import fit_conformal
from spikecut.pipeline.rules.ects import fit_calimera, fit_economy, fit_sr1
from spikecut.pipeline.rules.observed import outcome
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, msprt, never


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user asks of a rule: the loss `tolerance` (of a conformal rule: the share of sets without the truth),
    the chance `delta` that a promise may fail, and the seed of splits."""

    tolerance: float
    delta: float = 0.05
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fit:
    """A way to fit a rule. `promises` says whether the sentence speaks of recordings that were not seen, `plans`
    whether a policy must have been recorded with the outputs."""

    make: Callable[[RecordedOutputs, Wish], CutoffDecider[Any]]
    sentence: Callable[[Wish], str]
    promises: bool = False
    plans: bool = False


def fit(name: str, recorded: RecordedOutputs, wish: Wish, *, or_never: bool = False) -> CutoffDecider[Any]:
    """Fits a rule of `FITS`.

    Raises:
        ConfigError: if there is no such rule, or no policy for it, or so few recordings, or so many losses among
            them, cannot carry the promise; with `or_never` such a rule never stops early instead.
    """
    check_wish(name, wish)
    if FITS[name].plans:
        observed.planned(recorded)  # refuses where there is no policy
    try:
        rule = FITS[name].make(recorded, wish)
    except ConfigError:  # too few people to split
        if or_never and FITS[name].promises:
            return never(recorded.horizon)
        raise
    if FITS[name].promises and not or_never and _never_stops(recorded, rule):
        raise ConfigError(_too_few(name, recorded, wish), hint="more recordings, a larger tolerance, or --or-never")
    return rule


def check_wish(name: str, wish: Wish) -> None:
    """Refuses what no recordings could give, before a network is asked for any.

    Raises:
        ConfigError: if there is no such rule, or it cannot promise this loss with this chance.
    """
    if name not in FITS:
        raise ConfigError(f"no rule {name!r}; there are {', '.join(FITS)}")
    if not 0 <= wish.tolerance < 1:
        raise ConfigError(
            f"a tolerated loss of {wish.tolerance}; expected a share of the recordings from 0 to below 1",
            hint="2 points of accuracy are 0.02",
        )
    if name in _NOT_NOTHING and wish.tolerance == 0:
        raise ConfigError(f"rule {name!r} cannot promise a loss of nothing", hint="tolerate a loss: 1 point is 0.01")
    if not 0 < wish.delta < 1:
        raise ConfigError(f"a delta of {wish.delta}; it is a chance between 0 and 1", hint="0.05 is 95 % confidence")


def sentence(name: str, recorded: RecordedOutputs, wish: Wish) -> str:
    """What holds of a rule that was fitted so; where several recordings are one person's, what that takes away."""
    told, n_groups = FITS[name].sentence(wish), len(set(recorded.groups))
    if FITS[name].promises and 0 < n_groups < len(recorded):
        told += f" The {len(recorded)} recordings are of {n_groups} people: for new people it may be less."
    return told


def equal_fixed_steps(recorded: RecordedOutputs, accuracy: float) -> int:
    """The shortest constant number of steps that loses no more on these recordings than a rule of this accuracy.

    A rule may be right more often than any constant: then it is the shortest of the best.
    """
    constants = recorded.correct().mean(axis=0)
    return int(np.flatnonzero(constants >= min(accuracy, float(constants.max())) - 1e-12)[0]) + 1


def _never_stops(recorded: RecordedOutputs, rule: CutoffDecider[Any]) -> bool:
    return bool((sweep(recorded, rule).stops == recorded.horizon).all())


def _too_few(name: str, recorded: RecordedOutputs, wish: Wish) -> str:
    n, points = len(recorded), f"a loss of {100 * wish.tolerance:.4g} point{'s' * (wish.tolerance != 0.01)}"
    if name == "conformal":
        return (
            f"with {n} recordings, half of them to rank and half to expect, sets that miss the truth in "
            f"{100 * wish.tolerance:.4g} % at most never get small enough to stop early"
        )
    needed = [ltt.recordings_needed(wish.tolerance, wish.delta, lost) for lost in (0, 1, 2)]
    return (
        f"{n} recordings cannot carry the promise of {name!r}: at delta {wish.delta:g}, {points} needs {needed[0]} "
        f"recordings without a loss, {needed[1]} with one, {needed[2]} with two"
        + ("; the conditional rule tests on half of them" if name == "ltt_conditional" else "")
    )


def _cheapest_within(
    recorded: RecordedOutputs, tolerance: float, rules: Iterable[CutoffDecider[Any]]
) -> CutoffDecider[Any]:
    """Of rules that weigh cost against time, the earliest within the tolerance."""
    floor = recorded.correct()[:, -1].mean() - tolerance - 1e-12
    best: tuple[float, CutoffDecider[Any]] = (float(recorded.horizon), never(recorded.horizon))
    for rule in rules:
        found = outcome(recorded, sweep(recorded, rule))
        if found.accuracy >= floor and found.mean_steps < best[0]:
            best = found.mean_steps, rule
    return best[1]


def _observed(wish: Wish) -> str:
    points = f"{100 * wish.tolerance:.4g} point{'s' * (wish.tolerance != 0.01)}"
    return f"On the recordings it was fitted on it lost at most {points} of accuracy: no guarantee for others."


def _marginal(wish: Wish) -> str:
    return (
        f"With {100 * (1 - wish.delta):g} % confidence, stopping early turns at most {100 * wish.tolerance:.4g} % of "
        "answers from right to wrong, on recordings drawn independently like those it was fitted on."
    )


def _conditional(wish: Wish) -> str:
    return (
        f"With {100 * (1 - wish.delta):g} % confidence, at every step: of the answers given by then at most "
        f"{100 * wish.tolerance:.4g} % turn from right to wrong, on recordings drawn independently like those it saw."
    )


def _covers(wish: Wish) -> str:
    return (
        f"The set at the stop holds the truth with a probability of at least {100 * (1 - wish.tolerance):g} %, for "
        "recordings exchangeable with those it was fitted on. It speaks of the set, not of its first class."
    )


def _modelled(wish: Wish) -> str:
    return (
        f"Answers before the end of the window would be wrong for at most {100 * wish.tolerance:.4g} % of recordings, "
        "if the network's outputs were exact log-likelihoods, which they are not. Nothing was fitted."
    )


def _plain(
    make: Callable[[RecordedOutputs, float], CutoffDecider[Any]],
) -> Callable[[RecordedOutputs, Wish], CutoffDecider[Any]]:
    return lambda recorded, wish: make(recorded, wish.tolerance)


def _msprt(recorded: RecordedOutputs, wish: Wish) -> ThresholdCutoff:
    return replace(msprt(wish.tolerance, recorded.n_classes, recorded.horizon), readout=recorded.readout)


def _sr1(recorded: RecordedOutputs, wish: Wish) -> CutoffDecider[Any]:
    return _cheapest_within(recorded, wish.tolerance, (fit_sr1(recorded, weight) for weight in _WEIGHTS))


def _economy(recorded: RecordedOutputs, wish: Wish) -> CutoffDecider[Any]:
    return _cheapest_within(recorded, wish.tolerance, (fit_economy(recorded, weight) for weight in _WEIGHTS))


def _calimera(recorded: RecordedOutputs, wish: Wish) -> CutoffDecider[Any]:
    rules = (fit_calimera(recorded, delay, seed=wish.seed) for delay in (0.02, 0.05, 0.1, 0.2, 0.5))
    return _cheapest_within(recorded, wish.tolerance, rules)


_NOT_NOTHING = ("ltt", "ltt_conditional", "ltt_fixed", "ltt_planned", "conformal", "msprt")
_WEIGHTS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
FITS: dict[str, Fit] = {
    "ltt": Fit(lambda r, w: ltt.fit_marginal(r, w.tolerance, w.delta), _marginal, promises=True),
    "ltt_conditional": Fit(
        lambda r, w: ltt.fit_conditional(r, w.tolerance, w.delta, seed=w.seed), _conditional, promises=True
    ),
    "ltt_fixed": Fit(lambda r, w: ltt.fit_fixed(r, w.tolerance, w.delta), _marginal, promises=True),
    "ltt_planned": Fit(lambda r, w: ltt.fit_planned(r, w.tolerance, w.delta), _marginal, promises=True, plans=True),
    "conformal": Fit(lambda r, w: fit_conformal(r, w.tolerance, seed=w.seed), _covers, promises=True),
    **{name: Fit(_plain(make), _observed) for name, make in observed.FITTERS.items()},
    "planned": Fit(_plain(observed.fit_planned), _observed, plans=True),
    "sr1": Fit(_sr1, _observed),
    "economy": Fit(_economy, _observed),
    "calimera": Fit(_calimera, _observed),
    "msprt": Fit(_msprt, _modelled),
}
