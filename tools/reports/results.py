"""`spikecut results`: run folders in, the tables of docs/results.md out."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.models.architectures.networks import build, plain
from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.atomic_files import refuse_existing, write_text
from spikecut.pipeline.metrics.intervals import Estimate
from spikecut.pipeline.metrics.seeds import accuracy, between, over_seeds, ratio
from spikecut.tools.cutoff_lookup import equal_cost_name
from spikecut.tools.reports.rendering import render
from spikecut.tools.reports.run_folders import Chapter, Run, chapters_of, runs_in
from spikecut.tools.time_unit import pace_of
from spikecut.tools.training.recipe import read_recipe, shipped

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.results import Results


def run_results(options: "Results") -> int:
    """The command: Markdown on stdout, or in a file.

    Raises:
        ConfigError: if a folder holds no run, or a run is given twice.
    """
    folders, out = options.run_folders, options.out
    if out is not None:
        refuse_existing(out, overwrite=options.overwrite)
    runs = [run for folder in folders for run in runs_in(folder)]
    text = page(runs, "spikecut results " + " ".join(map(str, folders)), options.seed)
    if out is None:
        print(text, end="")
    else:
        write_text(out, text, overwrite=options.overwrite)
        print(out)
    return 0


def page(runs: Sequence[Run], command: str, seed: int) -> str:
    """All tables: one section a method, and comparisons of methods on the same recordings.

    Raises:
        ConfigError: if a run is given twice, or a method has a seed twice.
    """
    chapters = chapters_of(runs)
    return render(
        "results.md",
        command=command,
        methods=[_method(chapter, seed) for chapter in chapters],
        paired=[_paired(same, seed) for same in _comparable(chapters)],
    )


def _method(chapter: Chapter, seed: int) -> dict[str, Any]:
    """The values of the template for one method."""
    card, runs = chapter.first.card, chapter.runs
    title, published = _titled(card)
    unit, data = pace_of(card.spec), str(card.provenance.get("data", ""))
    marks = sorted({max(1, round(card.horizon * share)) for share in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)})
    by_step = chapter.grid(lambda run: run.correct.mean(axis=0)).mean(axis=0)
    return {
        "label": chapter.label,
        "title": title,
        "data": data,
        "simulated": "simulated" in data,
        "about": _about(chapter),
        "full_window": _full_window(chapter, seed),
        "ann": _ann(runs),
        "published": published,
        "marks": [f"{t}" if unit.unit == "steps" else f"{t} ({t * unit.factor:g} ms)" for t in marks],
        "accuracy": [f"{100 * by_step[t - 1]:.1f} %" for t in marks],
        "rules": [_rule_cells(chapter, rule, seed) for rule in _shared_rules(runs)],
        "promised": _promised(chapter, seed),
        "planned": _planned(chapter, seed),
        "cost": _cost([run.cost for run in runs if run.cost]),
    }


def _about(chapter: Chapter) -> str:
    """The number of recordings, the seeds, the size of the network, and the duration of the training."""
    first, runs = chapter.first, chapter.runs
    card, n, unit = first.card, len(first.names), pace_of(first.card.spec)
    subjects = len(np.unique(first.groups))
    seeds = ("seed " if len(runs) == 1 else "seeds ") + ", ".join(str(run.seed) for run in runs)
    return (
        f"n = {n}{f' of {subjects} subjects' if subjects < n else ''} ({first.evaluation['part']} part), {seeds}; "
        f"{_parameters(card)} parameters; {card.horizon} "
        f"steps{'' if unit.unit == 'steps' else f' of {unit.factor:g} ms'}; trained {_duration(runs)}on "
        f"{card.provenance.get('machine', 'an unnamed machine')}."
    )


def _full_window(chapter: Chapter, seed: int) -> str:
    full = chapter.grid(lambda run: run.correct[:, -1])
    ends = [100 * run.correct[:, -1].mean() for run in chapter.runs]
    spread = "" if len(ends) == 1 else f"; seeds {_range(ends, '.1f')}"
    return f"Full window: **{_percent(accuracy(full, chapter.first.groups, seed))}**{spread}."


def _ann(runs: Sequence[Run]) -> str:
    """The accuracy of the ANN that a network was converted from; nothing for others."""
    anns = [run.card.metrics["accuracy_ann"] for run in runs if "accuracy_ann" in run.card.metrics]
    if not anns:
        return ""
    return (
        f"The ANN of {runs[0].card.spec.levels} levels that it was converted from: "
        f"{_range([100 * right for right in anns], '.1f')} % of the same recordings."
    )


def _rule_cells(chapter: Chapter, rule: str, seed: int) -> list[str]:
    """One row of the table of rules."""
    first, runs = chapter.first, chapter.runs
    groups, horizon, form = (
        first.groups,
        first.card.horizon,
        ".2f" if pace_of(first.card.spec).unit == "steps" else ".1f",
    )
    full = chapter.grid(lambda run: run.correct[:, -1])
    right = np.array([run.right[rule] for run in runs], np.float64)
    steps = np.array([run.stops[rule] for run in runs], np.float64)
    whole = np.full(steps.shape, float(horizon))
    fixed = np.array([np.full(len(first.names), run.fixed[rule]) for run in runs], np.float64)
    policies = np.array([[run.policy_cost[rule]] for run in runs])
    policy, paid = float(policies.mean()), steps + policies
    return [
        rule,
        _percent(accuracy(right, groups, seed)),
        _points(over_seeds(full - right, groups, seed)),
        _plain(over_seeds(steps, groups, seed, (1.0, float(horizon))), form)
        + (f" + {policy:.2f} for the policy" if policy else ""),
        _plain(ratio(whole, paid, groups, seed), ".2f"),
        f"{fixed.mean():.3g} | {_plain(ratio(fixed, paid, groups, seed), '.2f')}" if fixed.all() else " |",
    ]


def _cost(costs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Measured savings, means over seeds: of rules that every seed has, so no constant of one seed alone."""
    if not costs:
        return None
    first, by_rule = costs[0], [{row["rule"]: row for row in cost["rules"]} for cost in costs]
    rows = []
    for rule in (rule for rule in by_rule[0] if all(rule in each for each in by_rule)):
        measured = [each[rule] for each in by_rule]
        two = ("x_time", "additions_m", "multiplications_m", "x_operations")
        forms = {"steps": ".1f", "ms": ".1f", **dict.fromkeys(two, ".2f")}
        figures = [f"{np.mean([row[name] for row in measured]):{form}}" for name, form in forms.items()]
        rows.append(["full window" if rule == "none" else rule, *figures])
    return {
        "n": first["n"],
        "several_seeds": len(costs) > 1,
        "machine": first["machine"],
        "dense": f"{first['dense_m_per_step']:.2f}",
        "rules": rows,
    }


def _planned(chapter: Chapter, seed: int) -> list[tuple[str, str]]:
    """Planned rules against SEENN-I at equal cost, paired over the recordings: the rule and its gain."""
    shared = _shared_rules(chapter.runs)
    gains = []
    for rule in (rule for rule in shared if equal_cost_name(rule) in shared):
        names = rule, equal_cost_name(rule)
        planned, decided = (np.array([run.right[name] for run in chapter.runs], np.float64) for name in names)
        gains.append((rule, _points(over_seeds(planned - decided, chapter.first.groups, seed))))
    return gains


def _promised(chapter: Chapter, seed: int) -> list[tuple[str, str, str]]:
    """Learn then Test against the constant of the same promise: the rule, that constant, and how much later it is."""
    gains = []
    for rule in (name for name in _shared_rules(chapter.runs) if name.startswith("ltt-")):
        constant = rule.replace("ltt-", "ltt_fixed-")
        if all(constant in run.stops for run in chapter.runs):
            later, sooner = (np.array([run.stops[one] for run in chapter.runs], np.float64) for one in (constant, rule))
            gains.append((rule, f"{later.mean():.3g}", _plain(ratio(later, sooner, chapter.first.groups, seed), ".2f")))
    return gains


def _comparable(chapters: Sequence[Chapter]) -> Iterator[list[Chapter]]:
    """Chapters whose networks were tested on the same recordings in the same steps."""
    by_data = defaultdict(list)
    for chapter in chapters:
        card = chapter.first.card
        by_data[chapter.first.evaluation["data_sha256"], card.spec.step_us, card.horizon].append(chapter)
    return (same for same in by_data.values() if len(same) > 1)


def _paired(chapters: Sequence[Chapter], seed: int) -> dict[str, Any]:
    """Each network against the first of its data: the same recordings, seeds of their own."""
    base, others = chapters[0], chapters[1:]
    for other in others:
        if other.first.names != base.first.names:
            raise ConfigError(
                f"{other.first.folder} and {base.first.folder}: the same recordings by content, but not by name",
                hint="they are compared by the last two parts of their paths, <class>/<file>",
            )
    fifth = max(1, base.first.card.horizon // 5)
    spans = {"full window": slice(-1, None), "mean over all steps": slice(None), f"first {fifth} steps": slice(fifth)}
    rows = [
        [name, *(_points(_difference(other, base, partial(_accuracy, span), seed)) for other in others)]
        for name, span in spans.items()
    ]
    for rule in _shared_rules([run for chapter in chapters for run in chapter.runs]):
        differences = (_difference(other, base, partial(_stops, rule), seed) for other in others)
        rows.append([f"steps of {rule}", *(_plain(one, "+.2f") for one in differences)])
    return {
        "labels": [chapter.label for chapter in chapters],
        "base": base.label,
        "n": len(base.first.names),
        "others": [other.label for other in others],
        "rows": rows,
        "lone": [other.label for other in others if len(other.runs) == len(base.runs) == 1],
    }


def _difference(
    other: Chapter, base: Chapter, measured: Callable[[Run], Float64[ndarray, " N"]], seed: int
) -> Estimate:
    """A figure of every recording, of one method less that of the other."""
    mine, theirs = (np.array([measured(run) for run in one.runs]) for one in (other, base))
    return between(mine, theirs, base.first.groups, seed)


def _accuracy(span: slice, run: Run) -> Float64[ndarray, " N"]:
    return np.asarray(run.correct[:, span].mean(1))


def _stops(rule: str, run: Run) -> Float64[ndarray, " N"]:
    return np.asarray(run.stops[rule], np.float64)


def _shared_rules(runs: Sequence[Run]) -> list[str]:
    return [rule for rule in runs[0].stops if all(rule in run.stops for run in runs)]


def _titled(card: ModelCard) -> tuple[str, str]:
    """Title and published figures: of the recipe that ships, unless the card names another; older cards name none."""
    title = str(card.provenance.get("title", ""))
    if card.name in shipped():
        recipe = read_recipe(card.name)
        if title in ("", recipe.title):
            return recipe.title, recipe.published
    return title or str(card.provenance.get("attribution", "")), ""


def _parameters(card: ModelCard) -> str:
    """The number of learned parameters in the stored network, without running statistics."""
    return f"{sum(weights.numel() for weights in plain(build(card.spec)).parameters()):,}"


def _duration(runs: Sequence[Run]) -> str:
    """The duration of all trainings that led to the network: in seconds below two minutes."""
    seconds = [_seconds(run.card.provenance) for run in runs if "seconds" in run.card.provenance]
    if not seconds:
        return ""
    if max(seconds) < 120:
        return f"{_range(seconds, '.0f')} seconds "
    return f"{_range([one / 60 for one in seconds], '.0f')} minutes "


def _seconds(provenance: Mapping[str, Any]) -> float:
    """A training's own, and that of its teacher and of the network that it started from."""
    earlier = (provenance[role] for role in ("teacher", "started_from") if role in provenance)
    return float(provenance.get("seconds", 0)) + sum(map(_seconds, earlier))


def _range(values: Sequence[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _percent(one: Estimate) -> str:
    return f"{100 * one.value:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _points(one: Estimate) -> str:
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _plain(one: Estimate, form: str = ".1f") -> str:
    return f"{one.value:{form}} ({one.low:{form}} to {one.high:{form}})"
