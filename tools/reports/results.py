"""`spikecut results`: run folders in, the tables of docs/results.md out."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.models.architectures.networks import build, plain
from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.intervals import Estimate
from spikecut.pipeline.metrics.seeds import accuracy, between, over_seeds, ratio
from spikecut.tools.cutoff_lookup import equal_cost_name
from spikecut.tools.reports.run_folders import Chapter, Run, chapters_of, runs_in
from spikecut.tools.time_unit import pace_of
from spikecut.tools.training.recipe import read_recipe, shipped


def run_results(folders: Sequence[Path], out: Path | None, seed: int) -> int:
    """The command: Markdown on stdout, or in a file.

    Raises:
        ConfigError: if a folder holds no run, or a run is given twice.
    """
    runs = [run for folder in folders for run in runs_in(folder)]
    text = page(runs, "spikecut results " + " ".join(map(str, folders)), seed)
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")
        print(out)
    return 0


def page(runs: Sequence[Run], command: str, seed: int) -> str:
    """All tables: one chapter a method, and what is trained differently on the same recordings side by side.

    Raises:
        ConfigError: if a run is given twice, or a method has a seed twice.
    """
    chapters = chapters_of(runs)
    lines = [
        "# Results",
        "",
        f"Printed by `{command}`",
        "from the folders that `spikecut recipe` leaves. Accuracy and steps are means over seeds; intervals are 95 %.",
        "With several seeds they cover both noises: recordings (subjects, where they are known) by bootstrap, seeds by",
        "Student's t, so two seeds make them wide; with one seed, they cover recordings alone and are about that one",
        "training. An accuracy's is Wilson's for one seed, and never narrower than Wilson's for one seed's recordings.",
        "*loss* is in points against the full window, read as the sum. *fixed* is the shortest constant that loses no",
        "more on the calibration recordings. A sweep over recorded outputs; `spikecut replay` really stops as it says.",
    ]
    for chapter in chapters:
        lines += ["", *_told(chapter, seed)]
    for same in _comparable(chapters):
        lines += ["", *_paired(same, seed)]
    return "\n".join(lines) + "\n"


def _told(chapter: Chapter, seed: int) -> Iterator[str]:
    first, runs = chapter.first, chapter.runs
    card, n, groups = first.card, len(first.names), first.groups
    title, published = _titled(card)
    pace, horizon = pace_of(card.spec), card.horizon
    still = pace.unit == "steps"
    full = chapter.grid(lambda run: run.correct[:, -1])
    about = card.provenance
    seeds = ("seed " if len(runs) == 1 else "seeds ") + ", ".join(str(run.seed) for run in runs)
    subjects = len(np.unique(groups))
    yield f"## {chapter.label}" + (f": {title}" if title else "")
    yield ""
    if "simulated" in str(about.get("data", "")):
        yield f"**Simulated data**: {about['data']}."
        yield ""
    elif about.get("data"):
        yield f"Data: {about['data']}."
        yield ""
    of = f" of {subjects} subjects" if subjects < n else ""
    yield (
        f"n = {n}{of} ({first.evaluation['part']} part), {seeds}; {_parameters(card)} parameters; {horizon} "
        f"steps{'' if still else f' of {pace.factor:g} ms'}; trained {_duration(runs)}on "
        f"{about.get('machine', 'an unnamed machine')}."
    )
    yield ""
    spread = "" if len(runs) == 1 else f"; seeds {_range([100 * run.correct[:, -1].mean() for run in runs], '.1f')}"
    yield f"Full window: **{_percent(accuracy(full, groups, seed))}**{spread}."
    if anns := [run.card.metrics["accuracy_ann"] for run in runs if "accuracy_ann" in run.card.metrics]:
        yield (
            f"The ANN of {card.spec.levels} levels that it was converted from: "
            f"{_range([100 * right for right in anns], '.1f')} % of the same recordings."
        )
    if published:
        yield f"Published: {published}"
    yield ""
    marks = sorted({max(1, round(horizon * share)) for share in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)})
    yield (
        "| everybody stopped after | "
        + " | ".join(f"{t}" if still else f"{t} ({t * pace.factor:g} ms)" for t in marks)
        + " |"
    )
    yield "|---" * (len(marks) + 1) + "|"
    by_step = chapter.grid(lambda run: run.correct.mean(axis=0)).mean(axis=0)
    yield "| right | " + " | ".join(f"{100 * by_step[t - 1]:.1f} %" for t in marks) + " |"
    yield ""
    yield "| rule | right | loss | mean steps | x full | fixed | x fixed |"
    yield "|---|---|---|---|---|---|---|"
    for rule in _shared_rules(runs):
        right = np.array([run.right[rule] for run in runs], np.float64)
        steps = np.array([run.stops[rule] for run in runs], np.float64)
        whole = np.full(steps.shape, float(horizon))
        fixed = np.array([np.full(n, run.fixed[rule]) for run in runs], np.float64)
        policies = np.array([[run.policy_cost[rule]] for run in runs])
        policy, paid = float(policies.mean()), steps + policies
        held = f"{fixed.mean():.3g} | {_plain(ratio(fixed, paid, groups, seed), '.2f')}" if fixed.all() else " |"
        yield (
            f"| {rule} | {_percent(accuracy(right, groups, seed))} "
            f"| {_points(over_seeds(full - right, groups, seed))} "
            f"| {_plain(over_seeds(steps, groups, seed, (1.0, float(horizon))), '.2f' if still else '.1f')}"
            f"{f' + {policy:.2f} for the policy' if policy else ''} "
            f"| {_plain(ratio(whole, paid, groups, seed), '.2f')} "
            f"| {held} |"
        )
    yield from _planned(chapter, seed)
    costs = [run.cost for run in runs if run.cost]
    if costs:
        yield ""
        yield from _cost_table(costs)


def _cost_table(costs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What stopping has really saved, means over seeds: rules that every seed has, so no constant of one seed alone."""
    first, by_rule = costs[0], [{row["rule"]: row for row in cost["rules"]} for cost in costs]
    shown = [rule for rule in by_rule[0] if all(rule in each for each in by_rule)]
    yield (
        f"Really stopped, one at a time, {first['n']} of the recordings{' a seed' if len(costs) > 1 else ''}, on "
        f"{first['machine']}; millions of synaptic operations, of which a dense step has "
        f"{first['dense_m_per_step']:.2f} (`spikecut cost`)."
    )
    yield ""
    yield "| rule | steps | ms | x time | additions | multiplications | x operations |"
    yield "|---|---|---|---|---|---|---|"
    for rule in shown:
        rows = [each[rule] for each in by_rule]
        means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0] if name != "rule"}
        yield (
            f"| {'full window' if rule == 'none' else rule} | {means['steps']:.1f} | {means['ms']:.1f} "
            f"| {means['x_time']:.2f} | {means['additions_m']:.2f} | {means['multiplications_m']:.2f} "
            f"| {means['x_operations']:.2f} |"
        )


def _planned(chapter: Chapter, seed: int) -> Iterator[str]:
    """Planned rules against SEENN-I at equal cost, paired over the recordings."""
    shared = _shared_rules(chapter.runs)
    pairs = [(rule, equal_cost_name(rule)) for rule in shared if equal_cost_name(rule) in shared]
    if not pairs:
        return
    yield ""
    yield (
        "A policy's cost is told in steps of the network, once a recording; *x* counts it. *confidence as …* is "
        "SEENN-I at the threshold that cost most nearly as much on the calibration recordings, the policy included."
    )
    for rule, alike in pairs:
        planned, decided = (np.array([run.right[name] for run in chapter.runs], np.float64) for name in (rule, alike))
        told = _points(over_seeds(planned - decided, chapter.first.groups, seed))
        yield f"Planning gains {told} points with {rule}."


def _comparable(chapters: Sequence[Chapter]) -> Iterator[list[Chapter]]:
    """Chapters whose networks were tested on the same recordings in the same steps."""
    by_data = defaultdict(list)
    for chapter in chapters:
        card = chapter.first.card
        by_data[chapter.first.evaluation["data_sha256"], card.spec.step_us, card.horizon].append(chapter)
    return (same for same in by_data.values() if len(same) > 1)


def _paired(chapters: Sequence[Chapter], seed: int) -> Iterator[str]:
    """Each network against the first of its data: the same recordings, seeds of their own."""
    base = chapters[0]
    names, groups = base.first.names, base.first.groups
    for other in chapters[1:]:
        if other.first.names != names:
            raise ConfigError(
                f"{other.first.folder} and {base.first.folder}: the same recordings by content, but not by name",
                hint="they are compared by the last two parts of their paths, <class>/<file>",
            )
    yield "## Paired: " + " against ".join(chapter.label for chapter in chapters)
    yield ""
    yield (
        f"Differences from {base.label}, over n = {len(names)} recordings and all seeds: of accuracy in points, the "
        "second row being that of the area under the curve, and of steps."
    )
    yield ""
    rules = _shared_rules([run for chapter in chapters for run in chapter.runs])
    horizon, others = base.first.card.horizon, chapters[1:]
    yield "| |" + "|".join(f" {other.label} " for other in others) + "|"
    yield "|---" * (len(others) + 1) + "|"
    fifth = max(1, horizon // 5)
    spans = {"full window": slice(-1, None), "mean over all steps": slice(None), f"first {fifth} steps": slice(fifth)}
    for said, span in spans.items():
        cells = []
        for other in others:
            mine, theirs = ([run.correct[:, span].mean(1) for run in one.runs] for one in (other, base))
            cells.append(_points(between(np.array(mine), np.array(theirs), groups, seed)))
        yield f"| {said} | " + " | ".join(cells) + " |"
    for rule in rules:
        cells = []
        for other in others:
            mine, theirs = ([run.stops[rule] for run in one.runs] for one in (other, base))
            steps = between(np.array(mine, np.float64), np.array(theirs, np.float64), groups, seed)
            cells.append(_plain(steps, "+.2f"))
        yield f"| steps of {rule} | " + " | ".join(cells) + " |"
    lone = [other.label for other in others if len(other.runs) == len(base.runs) == 1]
    if lone:
        yield ""
        yield (
            f"One seed a side ({', '.join(lone)}): these compare two trainings, not two methods. The intervals leave "
            "out how far another seed would lie."
        )


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
    """What is learned, as the network is kept: no running statistics."""
    return f"{sum(weights.numel() for weights in plain(build(card.spec)).parameters()):,}"


def _duration(runs: Sequence[Run]) -> str:
    """For how long they were trained: seconds below two minutes."""
    told = [float(run.card.provenance["seconds"]) for run in runs if "seconds" in run.card.provenance]
    if not told:
        return ""
    if max(told) < 120:
        return f"{_range(told, '.0f')} seconds "
    return f"{_range([seconds / 60 for seconds in told], '.0f')} minutes "


def _range(values: Sequence[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _percent(one: Estimate) -> str:
    return f"{100 * one.value:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _points(one: Estimate) -> str:
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _plain(one: Estimate, form: str = ".1f") -> str:
    return f"{one.value:{form}} ({one.low:{form}} to {one.high:{form}})"
