"""`spikecut results`: run folders and their results.json in, the tables of docs/results.md out, or one results.json."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
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
from spikecut.tools.reports import results_file as kept
from spikecut.tools.reports.results_page import printed
from spikecut.tools.reports.run_folders import Chapter, Run, chapters_of, runs_in
from spikecut.tools.time_unit import pace_of
from spikecut.tools.training.recipe import read_recipe, shipped

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.results import Results


def run_results(options: "Results") -> int:
    """The command: Markdown or JSON on stdout, or in a file.

    Raises:
        ConfigError: if a folder holds no run, a run or a method is given twice, or a file is damaged.
    """
    given, out = options.run_folders, options.out
    if out is not None:
        refuse_existing(out, overwrite=options.overwrite)
    results = _read(given, options.seed)
    text = kept.as_json(results) if options.json else printed(results, "spikecut results " + " ".join(map(str, given)))
    if out is None:
        print(text, end="")
    else:
        write_text(out, text, overwrite=options.overwrite)
        print(out)
    return 0


def keep_results(out: Path, seed: int = 0) -> Path:
    """Writes the results.json of a recipe beside its runs; returns its path.

    Raises:
        ConfigError: if a seed is there twice.
    """
    target = out / "results.json"
    write_text(target, kept.as_json(results_of([*runs_in(out)], seed)), overwrite=True)
    return target


def _read(given: Sequence[Path], seed: int) -> kept.RecipeResults:
    """What the arguments hold: run folders, files, or folders of files without any run."""
    runs: list[Run] = []
    files: list[Path] = []
    for path in given:
        if path.is_file() or path.suffix == ".json":
            files.append(path)
        elif stored := [] if any(path.glob("**/evaluation/evaluation.json")) else sorted(path.glob("*.json")):
            files += stored
        else:
            runs += runs_in(path)
    measured = [("a run folder", results_of(runs, seed))] if runs else []
    return kept.joined([*measured, *((str(path), kept.read_results(path)) for path in files)])


def page(runs: Sequence[Run], command: str, seed: int) -> str:
    """The page of `spikecut results` about runs; errors as `results_of`."""
    return printed(results_of(runs, seed), command)


def results_of(runs: Sequence[Run], seed: int) -> kept.RecipeResults:
    """What runs have measured: each method, and comparisons of methods on the same recordings.

    Raises:
        ConfigError: if a run is given twice, or a method has a seed twice.
    """
    chapters = chapters_of(runs)
    compared = tuple(_paired(same, seed) for same in _comparable(chapters))
    return kept.RecipeResults(tuple(_method(chapter, seed) for chapter in chapters), compared)


def _method(chapter: Chapter, seed: int) -> kept.Method:
    first, runs = chapter.first, chapter.runs
    card, groups = first.card, first.groups
    title, published = _titled(card)
    pace, data = pace_of(card.spec), str(card.provenance.get("data", ""))
    n_subjects = len(np.unique(groups))
    anns = [run.card.metrics["accuracy_ann"] for run in runs if "accuracy_ann" in run.card.metrics]
    return kept.Method(
        label=chapter.label,
        title=title,
        data=data,
        simulated="simulated" in data,
        part=str(first.evaluation["part"]),
        parameters=sum(weights.numel() for weights in plain(build(card.spec)).parameters()),
        steps=card.horizon,
        step_ms=None if pace.unit == "steps" else pace.factor,
        made=_made(runs),
        full_window=_right(chapter, card.horizon, seed),
        of_seeds=_ends([float(run.correct[:, -1].mean()) for run in runs]),
        curve=_curve(chapter, seed),
        rules=tuple(_rule_row(chapter, rule, seed) for rule in _shared_rules(runs)),
        n_subjects=n_subjects if n_subjects < len(first.names) else None,
        promised=tuple(_promised(chapter, seed)),
        planned=tuple(_planned(chapter, seed)),
        cost=_cost(runs),
        levels=card.spec.levels if anns else 0,
        ann=_ends(anns) if anns else None,
        published=published,
    )


def _made(runs: Sequence[Run]) -> kept.Made:
    """How the rows of these runs came about."""
    trainings = [run.card.provenance for run in runs]
    seconds = [_seconds(one) for one in trainings if "seconds" in one]
    texts = ("; ".join(dict.fromkeys(str(one[key]) for one in trainings if key in one)) for key in _FROM_CARDS)
    seeds = tuple(dict.fromkeys(run.seed for run in runs))
    return kept.Made(len(runs[0].names), seeds, _ends(seconds) if seconds else None, *texts)


_FROM_CARDS = ("machine", "commit", "date")


def _right(chapter: Chapter, steps: int, seed: int) -> Estimate:
    """The accuracy when everybody is stopped after so many steps."""
    return _rounded(accuracy(chapter.grid(lambda run: run.correct[:, steps - 1]), chapter.first.groups, seed))


def _curve(chapter: Chapter, seed: int) -> tuple[kept.Mark, ...]:
    horizon = chapter.first.card.horizon
    marks = sorted({max(1, round(horizon * share)) for share in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)})
    shares = [_right(chapter, t, seed) for t in marks]
    return tuple(kept.Mark(t, one.value, one.low, one.high) for t, one in zip(marks, shares, strict=True))


def _rule_row(chapter: Chapter, rule: str, seed: int) -> kept.RuleRow:
    """One row of the table of rules."""
    first, runs = chapter.first, chapter.runs
    groups, horizon = first.groups, float(first.card.horizon)
    full = chapter.grid(lambda run: run.correct[:, -1])
    right = np.array([run.right[rule] for run in runs], np.float64)
    steps = np.array([run.stops[rule] for run in runs], np.float64)
    fixed = np.array([np.full(len(first.names), run.fixed[rule]) for run in runs], np.float64)
    policies = np.array([[run.policy_cost[rule]] for run in runs])
    paid, compared = steps + policies, bool(fixed.all())
    return kept.RuleRow(
        rule,
        _rounded(accuracy(right, groups, seed)),
        _rounded(over_seeds(full - right, groups, seed)),
        _rounded(over_seeds(steps, groups, seed, (1.0, horizon))),
        _rounded(ratio(np.full(steps.shape, horizon), paid, groups, seed)),
        _short(fixed.mean()) if compared else None,
        _rounded(ratio(fixed, paid, groups, seed)) if compared else None,
        _short(policies.mean()),
    )


def _cost(runs: Sequence[Run]) -> kept.Cost | None:
    """Measured savings, means over seeds: of rules that every seed has, so no constant of one seed alone."""
    costs = [run.cost for run in runs if run.cost]
    if not costs:
        return None
    first, by_rule = costs[0], [{row["rule"]: row for row in cost["rules"]} for cost in costs]
    names = [one.name for one in fields(kept.CostRow) if one.name != "rule"]
    rows = []
    for rule in (rule for rule in by_rule[0] if all(rule in each for each in by_rule)):
        rows.append(kept.CostRow(rule, *(_short(np.mean([each[rule][name] for each in by_rule])) for name in names)))
    made = replace(_made([run for run in runs if run.cost]), n=first["n"], machine=first["machine"])
    return kept.Cost(made, _short(first["dense_m_per_step"]), tuple(rows))


def _planned(chapter: Chapter, seed: int) -> Iterator[kept.PlannedRow]:
    """Planned rules against SEENN-I at equal cost, paired over the recordings."""
    shared = _shared_rules(chapter.runs)
    for rule in (rule for rule in shared if equal_cost_name(rule) in shared):
        names = rule, equal_cost_name(rule)
        planned, decided = (np.array([run.right[name] for run in chapter.runs], np.float64) for name in names)
        yield kept.PlannedRow(rule, _rounded(over_seeds(planned - decided, chapter.first.groups, seed)))


def _promised(chapter: Chapter, seed: int) -> Iterator[kept.PromisedRow]:
    """Learn then Test against the constant of the same promise."""
    for rule in (name for name in _shared_rules(chapter.runs) if name.startswith("ltt-")):
        constant = rule.replace("ltt-", "ltt_fixed-")
        if all(constant in run.stops for run in chapter.runs):
            later, sooner = (np.array([run.stops[one] for run in chapter.runs], np.float64) for one in (constant, rule))
            times = ratio(later, sooner, chapter.first.groups, seed)
            yield kept.PromisedRow(rule, _short(later.mean()), _rounded(times))


def _comparable(chapters: Sequence[Chapter]) -> Iterator[list[Chapter]]:
    """Chapters whose networks were tested on the same recordings in the same steps."""
    by_data = defaultdict(list)
    for chapter in chapters:
        card = chapter.first.card
        by_data[chapter.first.evaluation["data_sha256"], card.spec.step_us, card.horizon].append(chapter)
    return (same for same in by_data.values() if len(same) > 1)


def _paired(chapters: Sequence[Chapter], seed: int) -> kept.Comparison:
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
    figures = {name: partial(_accuracy, span) for name, span in spans.items()}
    stops = {rule: partial(_stops, rule) for rule in _shared_rules([run for one in chapters for run in one.runs])}

    def rows(measured: Mapping[str, Callable[[Run], Any]]) -> tuple[kept.Difference, ...]:
        each = {of: tuple(_difference(other, base, one, seed) for other in others) for of, one in measured.items()}
        return tuple(kept.Difference(of, differences) for of, differences in each.items())

    return kept.Comparison(
        base.label,
        tuple(other.label for other in others),
        "simulated" in str(base.first.card.provenance.get("data", "")),
        _made([run for chapter in chapters for run in chapter.runs]),
        rows(figures),
        rows(stops),
        tuple(other.label for other in others if len(other.runs) == len(base.runs) == 1),
    )


def _difference(
    other: Chapter, base: Chapter, measured: Callable[[Run], Float64[ndarray, " N"]], seed: int
) -> Estimate:
    """A figure of every recording, of one method less that of the other."""
    mine, theirs = (np.array([measured(run) for run in one.runs]) for one in (other, base))
    return _rounded(between(mine, theirs, base.first.groups, seed))


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


def _seconds(provenance: Mapping[str, Any]) -> float:
    """A training's own, and that of its teacher and of the network that it started from."""
    earlier = (provenance[role] for role in ("teacher", "started_from") if role in provenance)
    return float(provenance.get("seconds", 0)) + sum(map(_seconds, earlier))


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return _short(min(values)), _short(max(values))


def _rounded(one: Estimate) -> Estimate:
    return Estimate(_short(one.value), _short(one.low), _short(one.high))


def _short(value: float) -> float:
    """Six digits: what is printed is what a file keeps."""
    return float(f"{value:.6g}")
