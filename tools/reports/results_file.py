"""`results.json`: the tables of recipes as values, small enough to be committed (docs/specifications.md).

Shares and losses are between 0 and 1, steps are the network's, and a list of three numbers is a value with the ends of
its 95 % interval. What prints them is `results_page.py`.
"""

import json
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import ConfigError, SpikecutError
from spikecut.pipeline.files.strict import read_json, typed, unexpected
from spikecut.pipeline.metrics.intervals import Estimate

KIND, VERSION = "spikecut results", 1
_MOST_BYTES = 2**20
_HINT = "spikecut recipe writes results.json, spikecut results RUNS --json any others (docs/specifications.md)"


@dataclass(frozen=True, slots=True)
class Made:
    """How rows came about: `n` recordings, trainings by their seeds, the least and most seconds a training took."""

    n: int
    seeds: tuple[int, ...]
    seconds: tuple[float, float] | None = None
    machine: str = ""
    commit: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """The share of right answers after so many steps of everybody."""

    steps: int
    right: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule beside the full window and beside `fixed`, the shortest constant of equal calibrated loss.

    `policy` is the cost of the rule's policy in steps a recording, which the ratios count.
    """

    rule: str
    right: Estimate
    loss: Estimate
    steps: Estimate
    x_full: Estimate
    fixed: float | None = None
    x_fixed: Estimate | None = None
    policy: float = 0.0


@dataclass(frozen=True, slots=True)
class PromisedRow:
    """A rule beside the constant with the same promise, and how many times as many steps that takes."""

    rule: str
    constant: float
    x: Estimate


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A planned rule beside SEENN-I at equal cost: what planning gains in accuracy."""

    rule: str
    gain: Estimate


@dataclass(frozen=True, slots=True)
class CostRow:
    """What really stopping saved: time, and millions of synaptic operations. `none` is the full window."""

    rule: str
    steps: float
    ms: float
    x_time: float
    additions_m: float
    multiplications_m: float
    x_operations: float


@dataclass(frozen=True, slots=True)
class Cost:
    made: Made
    dense_m_per_step: float
    rules: tuple[CostRow, ...]


@dataclass(frozen=True, slots=True)
class Method:
    """Trainings of one network on the same recordings that differ by their seed alone.

    `step_ms` is missing where a step has no length, as before a picture. `of_seeds` and `ann` are the least and the
    most accurate of several: the full window, and the ANN of so many `levels` that the network was converted from.
    `taken_from` says where values come from that no run folder gave.
    """

    label: str
    title: str
    data: str
    simulated: bool
    part: str
    parameters: int
    steps: int
    step_ms: float | None
    made: Made
    full_window: Estimate
    of_seeds: tuple[float, float]
    curve: tuple[Mark, ...]
    rules: tuple[RuleRow, ...]
    n_subjects: int | None = None
    promised: tuple[PromisedRow, ...] = ()
    planned: tuple[PlannedRow, ...] = ()
    cost: Cost | None = None
    levels: int = 0
    ann: tuple[float, float] | None = None
    published: str = ""
    taken_from: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of each of the other methods less that of the first: a share of right answers, or steps of a rule."""

    of: str
    differences: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Methods on the same recordings, paired. `lone` are the others of one seed beside a base of one seed."""

    base: str
    others: tuple[str, ...]
    simulated: bool
    made: Made
    accuracy: tuple[Difference, ...]
    steps: tuple[Difference, ...]
    lone: tuple[str, ...] = ()
    taken_from: str = ""

    def __post_init__(self) -> None:
        for row in (*self.accuracy, *self.steps):
            if len(row.differences) != len(self.others):
                raise ConfigError(f"{row.of!r} has {len(row.differences)} differences; expected {len(self.others)}")


@dataclass(frozen=True, slots=True)
class RecipeResults:
    """All that one file holds."""

    methods: tuple[Method, ...]
    comparisons: tuple[Comparison, ...] = ()


def read_results(path: Path) -> RecipeResults:
    """The results in a file.

    Raises:
        ConfigError: if it cannot be read, is of another kind or version, or has a field that is unknown, missing or of
            another type, naming the place.
    """
    try:
        raw = read_json(path, _MOST_BYTES)
        if raw.get("kind") != KIND:
            raise unexpected("kind", raw.get("kind"), repr(KIND))
        if type(raw.get("version")) is not int or raw["version"] != VERSION:
            raise unexpected("version", raw.get("version"), str(VERSION))
        _check_texts(raw, "")
        return typed(RecipeResults, {key: raw[key] for key in raw if key not in ("kind", "version")}, special=_special)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}", hint=_HINT) from error
    except SpikecutError as error:
        raise ConfigError(f"{path}: {error}", hint=_HINT) from error


def joined(several: Iterable[tuple[str, RecipeResults]]) -> RecipeResults:
    """Results from several places, each with its name, as one.

    Raises:
        ConfigError: if two places hold the same method.
    """
    methods: dict[str, Method] = {}
    homes: dict[str, str] = {}
    comparisons: list[Comparison] = []
    for home, one in several:
        for method in one.methods:
            if method.label in methods:
                raise ConfigError(
                    f"{method.label!r} is in {homes[method.label]} and in {home}", hint="leave one of the two out"
                )
            methods[method.label], homes[method.label] = method, home
        comparisons += one.comparisons
    return RecipeResults(tuple(methods.values()), tuple(comparisons))


def as_json(results: RecipeResults) -> str:
    """The text of a file: a line for every row."""
    return "\n".join(_lines({"kind": KIND, "version": VERSION, **_plain(results)}, "")) + "\n"


def _special(kind: Any, raw: Any, place: str) -> Any:
    """An estimate is a list of its value and the ends of its interval."""
    if kind is not Estimate:
        return NotImplemented
    if not (isinstance(raw, list) and len(raw) == 3 and all(type(one) in (int, float) for one in raw)):
        raise unexpected(place, raw, "[value, low, high]")
    if not (raw[1] <= raw[2] and max(map(abs, raw)) < 1e12):
        raise ConfigError(f"{place}: found {raw!s:.80}; expected finite [value, low, high] with low at most high")
    return Estimate(*map(float, raw))


def _check_texts(raw: Any, place: str) -> None:
    """Refuses control characters, which a page would hand on to a terminal."""
    if isinstance(raw, str) and any(ord(one) < 32 or ord(one) == 127 for one in raw):
        raise unexpected(place, raw, "text without control characters")
    inside = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    for key, one in inside:
        _check_texts(str(key), f"a key of {place or 'the file'}")
        _check_texts(one, f"{place}[{key}]" if isinstance(key, int) else f"{place}.{key}".lstrip("."))


def _plain(value: Any) -> Any:
    """JSON's own types: an estimate is a list, and fields that have their default are left out."""
    if isinstance(value, Estimate):
        return [value.value, value.low, value.high]
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if not is_dataclass(value):
        return value
    given = ((one.name, getattr(value, one.name), one.default) for one in fields(value))
    return {name: _plain(one) for name, one, default in given if default is MISSING or one != default}


def _lines(value: Any, indent: str) -> list[str]:
    """JSON with one line for whatever holds no other table."""
    items = list(value.items() if isinstance(value, dict) else ((None, one) for one in _listed(value)))
    if not any(
        isinstance(one, dict) or any(isinstance(inner, dict | list) for inner in _listed(one)) for _, one in items
    ):
        return [json.dumps(value, ensure_ascii=False, allow_nan=False)]
    deeper = indent + " "
    blocks = []
    for key, one in items:
        first, *rest = _lines(one, deeper)
        blocks.append([deeper + ("" if key is None else f"{json.dumps(key)}: ") + first, *rest])
    for block in blocks[:-1]:
        block[-1] += ","
    start, end = "{}" if isinstance(value, dict) else "[]"
    return [start, *(line for block in blocks for line in block), indent + end]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
