"""Reads the folders that `spikecut recipe` writes: trainings, grouped where they differ by their seed alone."""

import csv
import io
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.models.files.checkpoint import read_card
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.files.limits import small_text
from spikecut.pipeline.outputs_file import load_outputs
from spikecut.tools.reports.evaluation_file import read_costs, read_evaluation
from spikecut.tools.training.recipe import UNUSED_AUGMENTATION

_TRAINED = {"data": "trained on", "downsample": "downsample", "spare_steps": "spare_steps", "transforms": "transforms"}


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One training, evaluated. `stops` are the steps of each rule's answers, `right` whether those are right.

    Recordings are in the order of their `names`, `<class>/<file>`, so that runs which reached them by other paths
    agree. `groups` number the person of each recording. `cost` are the results of `spikecut cost`, empty if it did not
    run.
    """

    folder: Path
    card: ModelCard
    evaluation: dict[str, Any]
    names: tuple[str, ...]
    groups: Int64[ndarray, " N"]
    correct: Bool[ndarray, "N T"]
    stops: dict[str, Int64[ndarray, " N"]]
    right: dict[str, Bool[ndarray, " N"]]
    cost: dict[str, Any]

    @property
    def fixed(self) -> dict[str, int]:
        """The constant that each rule is compared with: of equal calibrated loss."""
        return {row["name"]: row["fixed_steps"] for row in self.evaluation["rules"]}

    @property
    def policy_cost(self) -> dict[str, float]:
        """The cost of each rule's policy, in steps a recording; 0 for rules without one."""
        return {row["name"]: row.get("policy_cost", 0.0) for row in self.evaluation["rules"]}

    @property
    def seed(self) -> int:
        """Of the training."""
        return int(self.card.provenance.get("plan", {}).get("seed", self.evaluation["seed"]))

    @property
    def method(self) -> dict[str, Any]:
        """What runs must share to differ by their seed alone, each part by its name."""
        unused = UNUSED_AUGMENTATION[self.card.spec.input_kind]
        plan = {
            name: value for name, value in self.card.provenance.get("plan", {}).items() if name not in ("seed", unused)
        }
        tested = {"part": self.evaluation["part"], "data": self.evaluation["data_sha256"][:16]}
        made_of = self.card.provenance.get("made_of", {})
        trained = {words: made_of[name] for name, words in _TRAINED.items() if name in made_of}
        return _flat({**asdict(self.card.spec), "horizon": self.card.horizon, **plan, **trained, **tested})


@dataclass(frozen=True, slots=True, eq=False)
class Chapter:
    """Trainings of one network on the same recordings that differ by their seed alone; `label` tells it apart."""

    label: str
    runs: list[Run]

    @property
    def first(self) -> Run:
        return self.runs[0]

    def grid(self, of: Callable[[Run], Any]) -> Float64[ndarray, "S N"]:
        """An array over runs and recordings, from one array of every run."""
        return np.array([of(run) for run in self.runs], np.float64)


def runs_in(folder: Path) -> Iterator[Run]:
    """The runs in a folder; an evaluation that belongs to no run is skipped, with a note on stderr.

    Raises:
        ConfigError: if there is no run.
    """
    n_runs = 0
    for path in sorted(folder.glob("**/evaluation/evaluation.json")):
        evaluation, run = read_evaluation(path.parent), path.parent.parent
        card = run / f"{evaluation['model']}.json"
        if not card.is_file():
            print(f"passed over {path.parent}: no run of a recipe, for there is no {card}", file=sys.stderr)
        elif read_card(card).weights_sha256 != evaluation["network"]:
            print(f"passed over {path.parent}: it is of another training than {card}", file=sys.stderr)
        else:
            n_runs += 1
            yield _read(run, read_card(card), evaluation)
    if not n_runs:
        raise ConfigError(f"{folder}: no run in it", hint="spikecut recipe makes one: NAME.json and evaluation/")


def chapters_of(runs: Sequence[Run]) -> list[Chapter]:
    """Runs by name and method; where a name has several methods, the label says in what they differ.

    Raises:
        ConfigError: if a run is given twice, a method has a seed twice, or its runs are not on the same recordings.
    """
    folders: set[Path] = set()
    for run in runs:
        if run.folder.resolve() in folders:
            raise ConfigError(f"{run.folder}: given twice", hint="name every run folder, or one above it, once")
        folders.add(run.folder.resolve())
    by_name: dict[str, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        same = by_name[run.card.name][json.dumps(run.method, sort_keys=True)]
        if twin := next((one for one in same if one.seed == run.seed), None):
            raise ConfigError(
                f"{run.folder}: seed {run.seed} of {run.card.name!r} again, as in {twin.folder}",
                hint="a seed counts once: leave one of the two out",
            )
        if same and same[0].names != run.names:
            raise ConfigError(f"{run.folder}: other recordings than {same[0].folder}, by their names")
        same.append(run)
    chapters = []
    for name, methods in by_name.items():
        each = [members[0].method for members in methods.values()]
        keys = dict.fromkeys(key for method in each for key in method)
        differ = [key for key in keys if len({method.get(key) for method in each}) > 1]
        for members in methods.values():
            mine = ", ".join(f"{key} {members[0].method.get(key)}" for key in differ)
            chapters.append(Chapter(f"{name} ({mine})" if mine else name, members))
    return chapters


def _read(folder: Path, card: ModelCard, evaluation: dict[str, Any]) -> Run:
    recorded, about = load_outputs(folder / "evaluation" / "outputs.npz")
    if not isinstance(named := about.get("names"), list) or len(named) != len(recorded):
        raise ModelError(f"{folder / 'evaluation' / 'outputs.npz'}: expected the names of {len(recorded)} recordings")
    names = ["/".join(PurePath(str(name)).parts[-2:]) for name in named]
    stops, right = _decisions(folder / "evaluation" / "decisions.csv", len(names))
    order = np.argsort(np.array(names), kind="stable")
    whose = np.unique(np.array(recorded.groups or named), return_inverse=True)[1]
    return Run(
        folder,
        card,
        evaluation,
        tuple(names[i] for i in order),
        np.asarray(whose[order], np.int64),
        recorded.correct()[order],
        {name: np.array(values, np.int64)[order] for name, values in stops.items()},
        {name: np.array(values, np.bool_)[order] for name, values in right.items()},
        _cost(folder, card),
    )


def _decisions(path: Path, n: int) -> tuple[dict[str, list[int]], dict[str, list[bool]]]:
    """The steps of every rule's answers to `n` recordings, and whether they are right.

    Raises:
        ModelError: if the file cannot be read, or answers another number of recordings.
    """
    stops, right = defaultdict(list), defaultdict(list)
    try:
        for row in csv.DictReader(io.StringIO(small_text(path, "table-bytes"), newline="")):
            stops[row["rule"]].append(int(row["step"]))
            right[row["rule"]].append(row["answer"] == row["truth"])
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ModelError(f"{path}: no table of decisions", hint="spikecut evaluate --overwrite") from error
    if wrong := next((rule for rule, steps in stops.items() if len(steps) != n), None):
        raise ModelError(f"{path}: {len(stops[wrong])} answers of {wrong} to {n} recordings")
    return stops, right


def _cost(folder: Path, card: ModelCard) -> dict[str, Any]:
    file = folder / "cost.json"
    if not file.is_file():
        return {}
    costs = read_costs(file)
    if costs["network"] == card.weights_sha256:
        return costs
    print(f"passed over {file}: it is of another training than {folder / card.name}.json", file=sys.stderr)
    return {}


def _flat(table: dict[str, Any]) -> dict[str, str]:
    """Nested tables under names joined by dots, values as text."""
    flat: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": text for inner, text in _flat(value).items()}
        else:
            flat[name] = str(list(value)) if isinstance(value, list | tuple) else str(value)
    return flat
