"""`evaluation.json` and `cost.json`, read back: size, depth, and the types of the fields that reports use."""

import hashlib
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.files.strict import read_json, shaped

FILES = ("outputs.npz", "anytime.csv", "curves.csv", "decisions.csv", "early.csv")
_MOST_BYTES = 256 * 2**20
_Interval = tuple[float, float, float]  # value, low, high


class _Named(TypedDict):
    name: str
    fixed_steps: int
    policy_cost: NotRequired[float]


class Swept(TypedDict):
    """What tables over runs use of an evaluation; `files` are SHA-256 of the files beside it, by their names."""

    model: str
    network: str
    part: str
    seed: int
    data_sha256: str
    rules: list[_Named]
    files: NotRequired[dict[str, str]]


class _EqualCost(TypedDict):
    cost: _Interval
    accuracy: _Interval
    other_cost: _Interval
    other_accuracy: _Interval
    gain: _Interval


class _Rule(_Named):
    promise: str
    accuracy: _Interval
    loss: _Interval
    mean_steps: _Interval
    earlier_than_full: _Interval
    earlier_than_fixed: _Interval | None
    early_loss: _Interval | None
    early_loss_by_step: list[float | None]
    agreement: _Interval
    right_by_step: list[int]
    wrong_by_step: list[int]
    coverage: _Interval | None
    equal_cost: NotRequired[_EqualCost | None]


class _Anytime(TypedDict):
    accuracy: list[_Interval]
    floor: float
    calibration_error: list[float]


class _Early(TypedDict):
    share: list[float]
    ms: list[float] | None
    top1: list[_Interval]
    top5: list[_Interval] | None


class _Curve(TypedDict):
    score: Literal["top2_gap", "confidence", "entropy"]
    mean_steps: list[_Interval]
    accuracy: list[_Interval]


class _Risk(TypedDict):
    coverage: list[float]
    risk: list[float]


class Shown(TypedDict):
    """What a page uses of an evaluation."""

    command: str
    data: str
    n: int
    n_trained_on: int
    fitted_here: list[str]
    step_us: int
    unit: NotRequired[str]
    horizon: int
    classes: list[str]
    default_rule: NotRequired[str]
    anytime: _Anytime
    early: NotRequired[_Early]
    rules: list[_Rule]
    curves: list[_Curve]
    risk_coverage: _Risk
    confusion: dict[str, list[list[int]]]


class _RuleCost(TypedDict):
    rule: str
    steps: float
    ms: float
    x_time: float
    additions_m: float
    multiplications_m: float
    x_operations: float


class Costs(TypedDict):
    """What tables over runs use of `cost.json`."""

    network: str
    n: int
    machine: str
    dense_m_per_step: float
    rules: list[_RuleCost]


def read_evaluation(run: Path) -> dict[str, Any]:
    """The results that `spikecut evaluate` wrote into a folder, with the fields of `Swept`; others are unchecked.

    Raises:
        ModelError: if there are none, of another version, damaged, or of other recordings than the files beside them.
    """
    path = run / "evaluation.json"
    try:
        raw = read_json(path, _MOST_BYTES)
        if raw.get("kind") != "spikecut evaluation" or type(raw.get("version")) is not int or raw["version"] != 1:
            raise ConfigError("of another kind or version")
        shaped(Swept, raw)
    except OSError as error:
        raise ModelError(f"{path}: cannot read it: {error.strerror}", hint="spikecut evaluate writes one") from error
    except ConfigError as error:
        raise ModelError(f"{path}: no spikecut evaluation of version 1: {error}") from error
    for name, sha256 in raw.get("files", {}).items():
        _check_file(run, name, sha256)
    return raw


def check_shown(run: Path, evaluation: dict[str, Any]) -> None:
    """Checks that an evaluation has what a page shows, the fields of `Shown`.

    Raises:
        ModelError: naming the field.
    """
    try:
        shaped(Shown, evaluation)
        _check_lengths(evaluation)
    except ConfigError as error:
        raise ModelError(f"{run / 'evaluation.json'}: cannot be shown: {error}", hint="evaluate anew") from error


def read_costs(path: Path) -> dict[str, Any]:
    """What `spikecut cost` wrote.

    Raises:
        ConfigError: if it cannot be read, or is something else.
    """
    try:
        raw = read_json(path, _MOST_BYTES)
        shaped(Costs, raw)
    except (OSError, ConfigError) as error:
        raise ConfigError(f"{path}: not what spikecut cost writes: {error}", hint="run it again") from error
    return raw


def _check_file(run: Path, name: str, sha256: str) -> None:
    """Refuses a file beside an evaluation that is not the one it was written with; a missing one may be missing."""
    if name not in FILES:
        raise ModelError(f"{run / 'evaluation.json'}: files: no evaluation writes {name!r}")
    try:
        with (run / name).open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ModelError(f"{run / name}: cannot read it: {error.strerror}") from error
    if actual != sha256:
        raise ModelError(
            f"{run / name}: SHA-256 {actual[:12]}; evaluation.json beside it was written with {sha256[:12]}",
            hint="an evaluation was interrupted, or the file was changed: spikecut evaluate --overwrite",
        )


def _check_lengths(evaluation: dict[str, Any]) -> None:
    """Checks what lies side by side in plots to be of one length.

    Raises:
        ConfigError: naming the field.
    """
    anytime, risk, k = evaluation["anytime"], evaluation["risk_coverage"], len(evaluation["classes"])
    pairs = [
        ("anytime", anytime["accuracy"], anytime["calibration_error"]),
        ("risk_coverage", risk["coverage"], risk["risk"]),
        *((f"curves of {one['score']}", one["mean_steps"], one["accuracy"]) for one in evaluation["curves"]),
        *((f"rule {one['name']}", one["right_by_step"], one["wrong_by_step"]) for one in evaluation["rules"]),
    ]
    if early := evaluation.get("early"):  # which older evaluations lack
        pairs += [("early", early["share"], early[name]) for name in ("ms", "top1", "top5") if early[name] is not None]
    for place, one, other in pairs:
        if not one or len(one) != len(other):
            raise ConfigError(f"{place}: lists of {len(one)} and {len(other)}; expected as many in both, at least 1")
    for row in evaluation["rules"]:
        table = evaluation["confusion"].get(row["name"], [])
        if len(table) != k or any(len(line) != k for line in table):
            raise ConfigError(f"confusion of {row['name']}: expected a table of {k} by {k} classes")
