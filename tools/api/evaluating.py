"""`spikecut.evaluate`: rules compared on recordings that neither trained the network nor fitted the rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.evaluation import Anytime, Assessment, anytime
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.sources.datasets.parts import Part
from spikecut.tools.api.recording import record, warn
from spikecut.tools.batch.evaluation import assess_all, fitted_on
from spikecut.tools.batch.gathered import LabelledOutputs, overlap_text
from spikecut.tools.cutoff_lookup import cutoffs_for

Cutoffs = Mapping[str, FittedCutoff | CutoffDecider[Any]] | FittedCutoff | CutoffDecider[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Rules on `n` recordings, each figure an `Estimate`: `value`, and `low` and `high` of its 95 % interval.

    `rules` has of each rule its `accuracy`, `loss` (points against the full window), `mean_steps` and more; a step
    lasts `step_us` microseconds, and the full window has `horizon` of them. `anytime` is the network without any rule:
    `anytime.accuracy[t - 1]` after t steps, the last is that of the full window. `fitted_here` names rules that were
    fitted on these very recordings, so that their figures flatter; `n_trained_on` of them trained the network.

    All of it is a sweep over recorded outputs; nothing was stopped. Time saved is measured by `replay`, which stops.
    """

    n: int
    horizon: int
    step_us: int
    anytime: Anytime
    rules: Mapping[str, Assessment]
    fitted_here: tuple[str, ...] = ()
    n_trained_on: int = 0


def evaluate(
    data: Any, network: Any = None, cutoffs: Cutoffs | None = None, *, part: Part = "test", seed: int = 0
) -> Evaluation:
    """Accuracy against time of rules on labelled recordings, with intervals: `spikecut evaluate` without its files.

    `data` and `network` are those of `record`; of a data set on the disk one `part` is read. `cutoffs` are what
    `calibrate`, `fit` or `load_cutoff` gave, or rules such as `confidence(0.9, horizon)`, by their names, or one alone.
    Without any, those that lie beside the network's file. `seed` is that of bootstrap intervals.

    A `SpikecutWarning` says if recordings trained the network, or fitted a rule.

    Raises:
        ConfigError, SourceError: as `record`; or if there are no cutoffs.
        ModelError: as `record`, or if a cutoff was fitted for another network.

    >>> import spikecut
    >>> network, card = spikecut.load_network("nmnist")
    >>> digits = [(spikecut.DrawnDigit(n % 10, seed=n), n % 10) for n in range(20)]
    >>> evaluation = evaluate(digits, network, spikecut.confidence(0.9, card.horizon))
    >>> rule = evaluation.rules["confidence"]
    >>> rule.accuracy.low < rule.accuracy.value <= 1, rule.mean_steps.value < evaluation.horizon
    (True, True)
    """
    outputs = record(data, network, part=part)
    rules = _named(cutoffs, outputs)
    for fitted in rules.values():
        if isinstance(fitted, FittedCutoff):
            fitted.check(outputs.card.weights_sha256, outputs.card.classes, outputs.card.spec.step_us)
    fitted_here = tuple(fitted_on(outputs, rules))
    if outputs.n_trained_on:
        warn(f"{overlap_text(outputs.n_trained_on, outputs.card)} trained the network")
    if fitted_here:
        warn(f"fitted on these very recordings, so their figures flatter: {', '.join(fitted_here)}")
    return Evaluation(
        n=len(outputs.recorded),
        horizon=outputs.recorded.horizon,
        step_us=outputs.card.spec.step_us,
        anytime=anytime(outputs.recorded),
        rules={name: figures for name, (figures, _) in assess_all(outputs.recorded, rules, seed).items()},
        fitted_here=fitted_here,
        n_trained_on=outputs.n_trained_on,
    )


def _named(cutoffs: Cutoffs | None, outputs: LabelledOutputs) -> Mapping[str, FittedCutoff | CutoffDecider[Any]]:
    """The rules by their names."""
    if cutoffs is None and outputs.weights.is_file():
        cutoffs = cutoffs_for((), outputs.weights, outputs.card)
    rules = cutoffs if isinstance(cutoffs, Mapping) else {} if cutoffs is None else {_rule(cutoffs).rule: cutoffs}
    for name, one in rules.items():
        if not hasattr(_rule(one), "decide"):
            raise ConfigError(f"cutoffs: {name!r} is a {type(one).__name__}; expected a FittedCutoff or a rule")
    if not rules:
        raise ConfigError("no cutoffs to evaluate", hint="calibrate(...) or fit(...) makes some; or confidence(0.9, T)")
    return rules


def _rule(cutoff: Any) -> Any:
    """The rule of a fitted cutoff, or the rule itself."""
    rule = cutoff.cutoff if isinstance(cutoff, FittedCutoff) else cutoff
    if not isinstance(getattr(rule, "rule", None), str):
        raise ConfigError(
            f"cutoffs: found a {type(cutoff).__name__}; expected a FittedCutoff, a rule, or several by name"
        )
    return rule
