"""`spikecut results`: run folders in, the tables of docs/results.md out."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from spikecut.models.checkpoint import ModelCard, read_card
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics import Estimate, bootstrap_difference, bootstrap_mean, bootstrap_ratio
from spikecut.pipeline.recorded import load_outputs
from spikecut.tools.recipe import read_recipe, shipped
from spikecut.tools.report import read_evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One training, evaluated. `stops` are the steps of each rule's answers, `right` whether those are right."""

    folder: Path
    card: ModelCard
    evaluation: dict[str, Any]
    names: tuple[str, ...]
    correct: Bool[ndarray, "N T"]
    stops: dict[str, Int64[ndarray, " N"]]
    right: dict[str, Bool[ndarray, " N"]]

    @property
    def fixed(self) -> dict[str, int]:
        """The constant that each rule is held against: of equal calibrated loss."""
        return {row["name"]: row["fixed_steps"] for row in self.evaluation["rules"]}


def run_results(folders: Sequence[Path], out: Path | None, seed: int) -> int:
    """The command: Markdown on stdout, or in a file.

    Raises:
        ConfigError: if a folder holds no run.
    """
    runs = [run for folder in folders for run in _runs(folder)]
    text = page(runs, "spikecut results " + " ".join(map(str, folders)), seed)
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")
        print(out)
    return 0


def page(runs: Sequence[Run], command: str, seed: int) -> str:
    """All tables: one chapter a recipe, and what is trained differently on the same recordings side by side."""
    chapters = defaultdict(list)
    for run in runs:
        chapters[run.card.name].append(run)
    lines = [
        "# Results",
        "",
        f"Printed by `{command}`",
        "from the folders that `spikecut recipe` leaves. Accuracy and steps are means over seeds; intervals are 95 %,",
        "by bootstrap over recordings (each recording's answers averaged over the seeds first). *loss* is in points",
        "against the full window. *fixed* is the shortest constant that loses no more on the calibration recordings. A",
        "sweep over recorded outputs, which equals what `spikecut replay` really stops.",
    ]
    for members in chapters.values():
        lines += ["", *_chapter(members, seed)]
    for same in _comparable(list(chapters.values())):
        lines += ["", *_paired(same, seed)]
    return "\n".join(lines) + "\n"


def _runs(folder: Path) -> Iterator[Run]:
    found = sorted(path.parent.parent for path in folder.glob("**/evaluation/evaluation.json"))
    if not found:
        raise ConfigError(f"{folder}: no run in it", hint="spikecut recipe makes one: NAME.json and evaluation/")
    return map(_read, found)


def _read(folder: Path) -> Run:
    evaluation = read_evaluation(folder / "evaluation")
    card = read_card(folder / f"{evaluation['model']}.json")
    if card.weights_sha256 != evaluation["network"]:
        raise ConfigError(f"{folder}: card and evaluation are of different trainings", hint="run the recipe again")
    recorded, about = load_outputs(folder / "evaluation" / "outputs.npz")
    stops, right = defaultdict(list), defaultdict(list)
    with (folder / "evaluation" / "decisions.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            stops[row["rule"]].append(int(row["step"]))
            right[row["rule"]].append(row["answer"] == row["truth"])
    return Run(
        folder,
        card,
        evaluation,
        tuple(about["names"]),
        recorded.correct(),
        {name: np.array(values, np.int64) for name, values in stops.items()},
        {name: np.array(values, np.bool_) for name, values in right.items()},
    )


def _chapter(runs: Sequence[Run], seed: int) -> Iterator[str]:
    first = runs[0]
    card, n = first.card, len(first.names)
    title, published = _told(card)
    step_ms, horizon = card.spec.step_us / 1000, card.horizon
    full = _over_seeds([run.correct[:, -1] for run in runs])
    about = card.provenance
    minutes = [run.card.provenance.get("seconds", 0) / 60 for run in runs]
    seeds = ", ".join(str(run.evaluation["seed"]) for run in runs)
    yield f"## {card.name}: {title}"
    yield ""
    if "simulated" in str(about.get("data", "")):
        yield f"**Simulated data**: {about['data']}."
        yield ""
    yield (
        f"n = {n} ({first.evaluation['part']} part), seeds {seeds}; {_parameters(runs)} parameters; {horizon} steps of "
        f"{step_ms:g} ms; trained {_range(minutes, '.0f')} minutes on {about.get('machine', 'an unnamed machine')}."
    )
    yield ""
    spread = "" if len(runs) == 1 else f"; seeds {_range([100 * run.correct[:, -1].mean() for run in runs], '.1f')}"
    yield f"Full window: **{_percent(bootstrap_mean(full, _rng(seed)))}**{spread}."
    if published:
        yield f"Published: {published}"
    yield ""
    marks = sorted({max(1, round(horizon * share)) for share in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)})
    yield "| everybody stopped after | " + " | ".join(f"{t} ({t * step_ms:g} ms)" for t in marks) + " |"
    yield "|---" * (len(marks) + 1) + "|"
    shares = [f"{100 * _over_seeds([run.correct[:, t - 1] for run in runs]).mean():.1f} %" for t in marks]
    yield "| right | " + " | ".join(shares) + " |"
    yield ""
    yield "| rule | right | loss | mean steps | x full | fixed | x fixed |"
    yield "|---|---|---|---|---|---|---|"
    for rule in first.stops:
        if any(rule not in run.stops for run in runs):
            continue
        right = _over_seeds([run.right[rule] for run in runs])
        steps = _over_seeds([run.stops[rule] for run in runs])
        fixed = _over_seeds([np.full(n, run.fixed[rule] or horizon) for run in runs])
        yield (
            f"| {rule} | {_percent(bootstrap_mean(right, _rng(seed)))} "
            f"| {_points(bootstrap_difference(full, right, _rng(seed)))} "
            f"| {_plain(bootstrap_mean(steps, _rng(seed)))} "
            f"| {_plain(bootstrap_ratio(np.full(n, float(horizon)), steps, _rng(seed)), '.2f')} "
            f"| {fixed.mean():.3g} | {_plain(bootstrap_ratio(fixed, steps, _rng(seed)), '.2f')} |"
        )


def _comparable(chapters: Sequence[Sequence[Run]]) -> Iterator[list[Sequence[Run]]]:
    """Chapters whose networks were tested on the same recordings in the same steps."""
    by_data = defaultdict(list)
    for members in chapters:
        card = members[0].card
        by_data[members[0].evaluation["data_sha256"], card.spec.step_us, card.horizon].append(members)
    return (same for same in by_data.values() if len(same) > 1)


def _paired(chapters: Sequence[Sequence[Run]], seed: int) -> Iterator[str]:
    """Each network against the first of its data: the same recordings, resampled together."""
    base = chapters[0]
    names = " against ".join(members[0].card.name for members in chapters)
    yield f"## Paired: {names}"
    yield ""
    yield f"Differences in points from {base[0].card.name}, over n = {len(base[0].names)} recordings, seeds averaged."
    yield ""
    rules = [rule for rule in base[0].stops if all(rule in run.stops for members in chapters for run in members)]
    columns = [
        "full window",
        "mean over all steps",
        "first fifth of the steps",
        *(f"steps of {rule}" for rule in rules),
    ]
    yield "| network | " + " | ".join(columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    horizon = base[0].card.horizon
    spans = (slice(-1, None), slice(None), slice(0, max(1, horizon // 5)))
    for members in chapters[1:]:
        order = [members[0].names.index(name) for name in base[0].names]
        cells = []
        for span in spans:
            mine = _over_seeds([run.correct[:, span].mean(1) for run in members])[order]
            theirs = _over_seeds([run.correct[:, span].mean(1) for run in base])
            cells.append(_points(bootstrap_difference(mine, theirs, _rng(seed))))
        for rule in rules:
            mine = _over_seeds([run.stops[rule] for run in members])[order]
            theirs = _over_seeds([run.stops[rule] for run in base])
            cells.append(_plain(bootstrap_difference(mine, theirs, _rng(seed)), "+.2f"))
        yield f"| {members[0].card.name} | " + " | ".join(cells) + " |"


def _told(card: ModelCard) -> tuple[str, str]:
    """Title and published figures of a recipe that ships."""
    if card.name not in shipped():
        return str(card.provenance.get("attribution", "")), ""
    recipe = read_recipe(card.name)
    return recipe.title, recipe.published


def _parameters(runs: Sequence[Run]) -> str:
    from safetensors.numpy import load_file

    run = runs[0]
    weights = load_file(run.folder / f"{run.card.name}.safetensors")
    return f"{sum(value.size for value in weights.values()):,}"


def _over_seeds(values: Sequence[Any]) -> Float64[ndarray, " N"]:
    return np.asarray(np.mean(np.asarray(values, np.float64), axis=0))


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _range(values: Sequence[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _percent(one: Estimate) -> str:
    return f"{100 * one.value:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _points(one: Estimate) -> str:
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _plain(one: Estimate, form: str = ".1f") -> str:
    return f"{one.value:{form}} ({one.low:{form}} to {one.high:{form}})"
