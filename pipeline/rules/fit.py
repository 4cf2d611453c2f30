"""Fitting any rule of the table: for a tolerated loss, with the sentence that then holds of it, or refused."""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules import RULES, observed
from spikecut.pipeline.rules.loss import reaches
from spikecut.pipeline.rules.rule import Rule, Wish
from spikecut.pipeline.rules.thresholds import never


def fit(name: str, recorded: RecordedOutputs, wish: Wish, *, or_never: bool = False) -> CutoffDecider[Any]:
    """Fits a rule of `RULES`.

    Raises:
        ConfigError: if there is no such rule, or no policy for it, or so few recordings, or so many losses among
            them, cannot carry the promise; with `or_never` such a rule never stops early instead.
    """
    check_wish(name, wish)
    how = RULES[name]
    if how.plans:
        observed.planned(recorded)  # refuses where there is no policy
    try:
        rule = how.fit(recorded, wish)
    except ConfigError:  # too few people to split
        if or_never and how.promises:
            return never(recorded.horizon)
        raise
    if how.too_few and not or_never and _never_stops(recorded, rule):
        raise ConfigError(how.too_few(len(recorded), wish), hint="more recordings, a larger tolerance, or --or-never")
    return rule


def check_wish(name: str, wish: Wish) -> None:
    """Refuses requirements that no recordings can satisfy, before a network runs.

    Raises:
        ConfigError: if there is no such rule, or it cannot promise this loss with this chance.
    """
    if name not in RULES:
        near = get_close_matches(name, RULES, n=1)
        raise ConfigError(
            f"no rule {name!r}; there are {', '.join(RULES)}", hint=f"did you mean {near[0]}?" if near else None
        )
    if not 0 <= wish.tolerance < 1:
        raise ConfigError(
            f"a tolerated loss of {wish.tolerance}; expected a share of the recordings from 0 to below 1",
            hint="2 points of accuracy are 0.02",
        )
    if not RULES[name].allows_zero and wish.tolerance == 0:
        raise ConfigError(f"rule {name!r} cannot promise a loss of nothing", hint="tolerate a loss: 1 point is 0.01")
    if not 0 < wish.delta < 1:
        raise ConfigError(f"a delta of {wish.delta}; it is a chance between 0 and 1", hint="0.05 is 95 % confidence")


def simultaneous(name: str, wish: Wish, among: int) -> Wish:
    """The wish with its share of delta, so that `among` promises hold at the same time with what delta was.

    Whichever of them is then chosen, on the same recordings, keeps what its sentence says: the probability that any of
    them fails is at most the sum of theirs (Bonferroni). A rule whose sentence has no delta keeps its wish.

    >>> simultaneous("ltt", Wish(0.01, 0.05), among=10)
    Wish(tolerance=0.01, delta=0.005, seed=0, among=10, correction='maxrank')
    """
    return replace(wish, delta=wish.delta / among, among=among) if RULES[name].at_delta and among > 1 else wish


def sentence(name: str, recorded: RecordedOutputs, wish: Wish) -> str:
    """The promise of a rule that was fitted so; weakened where several recordings are of one person."""
    rule, n_groups = RULES[name], len(set(recorded.groups))
    text = rule.sentence(wish)
    if wish.among > 1:
        text += (
            f" It is one of {wish.among} promises that hold at the same time with "
            f"{100 * (1 - wish.among * wish.delta):g} % confidence."
        )
    if rule.promises and 0 < n_groups < len(recorded):
        text += f" The {len(recorded)} recordings are of {n_groups} people: for new people it may be less."
    return text


def equal_fixed_steps(recorded: RecordedOutputs, accuracy: float) -> int:
    """The shortest constant number of steps that loses no more on these recordings than a rule of this accuracy.

    A rule may be right more often than any constant: then it is the shortest of the best.
    """
    constants = recorded.correct().mean(axis=0)
    return int(np.flatnonzero(reaches(constants, min(accuracy, float(constants.max()))))[0]) + 1


def by_tolerance() -> dict[str, Callable[[RecordedOutputs, float], CutoffDecider[Any]]]:
    """Rules that promise nothing and need no policy, each fitted by the tolerance alone."""

    def fitter(rule: Rule) -> Callable[[RecordedOutputs, float], CutoffDecider[Any]]:
        return lambda recorded, tolerance: rule.fit(recorded, Wish(tolerance))

    return {name: fitter(rule) for name, rule in RULES.items() if not rule.promises and not rule.plans}


def _never_stops(recorded: RecordedOutputs, rule: CutoffDecider[Any]) -> bool:
    return bool((sweep(recorded, rule).stops == recorded.horizon).all())
