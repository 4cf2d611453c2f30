"""Fitted cutoffs from gathered outputs: every rule for every tolerance, each with its promise and its figures."""

from collections.abc import Iterable, Iterator, Sequence

from spikecut.pipeline.recorded import sweep
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.fit import check_wish, equal_fixed_steps, fit, sentence, simultaneous
from spikecut.pipeline.rules.loss import outcome
from spikecut.pipeline.rules.observed import equal_cost_confidence
from spikecut.pipeline.rules.rule import Wish
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.tools.batch.calibration_statistics import reference_of
from spikecut.tools.batch.gathered import LabelledOutputs
from spikecut.tools.cutoff_lookup import called


def check_wishes(rules: Iterable[str], wishes: Iterable[Wish]) -> None:
    """Refuses rules and requirements that no recordings can satisfy, before a network runs.

    Raises:
        ConfigError: as `check_wish`.
    """
    names = list(rules)
    for wish in wishes:
        for rule in names:
            check_wish(rule, wish)


def wanted(rules: Sequence[str], wishes: Sequence[Wish], *, at_once: bool) -> list[tuple[str, Wish]]:
    """Every rule for every tolerance; with `at_once` the promises share their delta, so that all hold simultaneously.

    >>> [(rule, wish.delta) for rule, wish in wanted(["ltt", "topk"], [Wish(0.01), Wish(0.02)], at_once=True)]
    [('ltt', 0.025), ('topk', 0.05), ('ltt', 0.025), ('topk', 0.05)]
    """
    every = [(rule, wish) for wish in wishes for rule in rules]
    n_at_delta = sum(RULES[rule].promises and RULES[rule].at_delta for rule, _ in every)
    return [(rule, simultaneous(rule, wish, n_at_delta)) for rule, wish in every] if at_once else every


def notes_on(rules: Iterable[str], *, at_once: bool, flag: str) -> Iterator[str]:
    """What choosing among several promises costs; `flag` is how they would hold at once.

    >>> list(notes_on(["ltt", "conformal"], at_once=True, flag="simultaneous=True"))
    ['simultaneous=True leaves conformal as it is: its promise has no delta to divide']
    """
    promised = [rule for rule in rules if RULES[rule].promises]
    without = sorted({rule for rule in promised if not RULES[rule].at_delta})
    if at_once and without:
        yield f"{flag} leaves {', '.join(without)} as it is: its promise has no delta to divide"
    elif len(promised) > 1 and not at_once:
        yield (
            f"{len(promised)} promises are fitted on the same recordings. Each holds for a rule that was chosen "
            f"beforehand; the one that turns out earliest breaks its promise more often. With {flag} all hold at once"
        )


def fit_all(
    gathered: LabelledOutputs, every: Iterable[tuple[str, Wish]], *, or_never: bool = False
) -> dict[str, FittedCutoff]:
    """The fitted cutoffs by their names, such as `ltt-2pt`.

    Raises:
        ConfigError: as `fit`.
    """
    return {
        called(rule, wish.tolerance): fitted_cutoff(gathered, rule, wish, or_never=or_never) for rule, wish in every
    }


def fitted_cutoff(gathered: LabelledOutputs, rule: str, wish: Wish, *, or_never: bool = False) -> FittedCutoff:
    """A rule fitted on gathered outputs, with its figures on them."""
    recorded = gathered.recorded
    cutoff = fit(rule, recorded, wish, or_never=or_never)
    observed = outcome(recorded, sweep(recorded, cutoff))
    planned = {}
    if isinstance(cutoff, Planned):
        cost = observed.mean_steps + cutoff.cost
        planned = {"mean_cost": cost, "equal_cost_confidence": equal_cost_confidence(recorded, cost)}
    return FittedCutoff(
        cutoff=cutoff,
        network=gathered.card.weights_sha256,
        classes=gathered.card.classes,
        step_us=gathered.card.spec.step_us,
        tolerance=wish.tolerance,
        n=len(recorded),
        data=gathered.data,
        promise=sentence(rule, recorded, wish),
        observed={
            "accuracy": observed.accuracy,
            "mean_steps": observed.mean_steps,
            "full_window_accuracy": float(recorded.correct()[:, -1].mean()),
            "equal_fixed_steps": equal_fixed_steps(recorded, observed.accuracy),
            **planned,
        },
        delta=wish.delta,
        seed=wish.seed,
        fit=gathered.fit,
        reference=reference_of(gathered, cutoff),
        simulated=gathered.simulated,
    )
