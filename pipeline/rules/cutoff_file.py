"""A fitted rule on disk: what it decides by, what it promises, and what it was fitted on. JSON; nothing is executed."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike
from typing import Any

from jaxtyping import Float64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, ModelError, SpikecutError
from spikecut.pipeline.files.arguments import check_path
from spikecut.pipeline.files.atomic_files import write_text
from spikecut.pipeline.files.strict import nearest, read_json, typed
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.reference import Reference
from spikecut.pipeline.rules.rejection import Sensitivity
from spikecut.pipeline.rules.stored import made, plain, stored_types

_KIND, _VERSION = "spikecut cutoff", 2
_MOST_BYTES = 64 * 2**20
_LONGEST = 2**20  # steps
_DELTA = 0.05
_SHARES = ("accuracy", "full_window_accuracy", "equal_cost_confidence")


@dataclass(frozen=True, slots=True)
class FittedCutoff:
    """A rule, and the network and recordings it was fitted for.

    `network` is the SHA-256 of the weights (of an ensemble those of all, joined by +), `data` that of the
    calibration recordings' digests; `promise` is the sentence that holds of it, `tolerance` the loss or the level in
    that sentence; `observed` is what it did on those `n` recordings: accuracy, mean_steps, full_window_accuracy, and
    `equal_fixed_steps`, the shortest constant that lost no more there. `delta` is how likely the promise may fail,
    `seed` what split the recordings. `fit` says how another sensor was shown to the network, empty for its own.
    `simulated` says whether nothing real was among the recordings, so that nothing is promised of real ones; None in
    older files, and where nobody knows.
    `reference` are statistics of the recordings, None in older files; `sensitivity` the levels at which its answers are
    rejected where no gesture is, None where none were fitted.
    """

    cutoff: CutoffDecider[Any]
    network: str
    classes: tuple[str, ...]
    step_us: int
    tolerance: float
    n: int
    data: str
    promise: str = ""
    observed: Mapping[str, float] = field(default_factory=dict)
    delta: float = _DELTA
    seed: int = 0
    fit: str = ""
    reference: Reference | None = None
    sensitivity: Sensitivity | None = None
    simulated: bool | None = None

    @property
    def is_promised(self) -> bool:
        """Whether its sentence is a promise about new recordings, and not what was observed on old ones."""
        row = RULES.get(self.cutoff.rule)  # none for a combination, which promises nothing of its own
        return row is not None and row.promises

    def check(self, network: str, classes: tuple[str, ...], step_us: int) -> None:
        """Refuses a network other than the one it was fitted for.

        Raises:
            ModelError: naming the first difference.
        """
        for what, mine, theirs in (
            ("weights", self.network[:12], network[:12]),
            ("classes", ", ".join(self.classes), ", ".join(classes)),
            ("bin of", f"{self.step_us} us", f"{step_us} us"),
        ):
            if mine != theirs:
                raise ModelError(
                    f"this cutoff was fitted for {what} {mine}; the network has {theirs}",
                    hint="fit one for this network: spikecut calibrate",
                )

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Writes the JSON file.

        Raises:
            ConfigError: if the file exists and `overwrite` is not set.
            EnvironmentProblem: if it cannot be written.
            InUse: if another process is writing it.
        """
        document = {
            "kind": _KIND,
            "version": _VERSION,
            "decider": plain(self.cutoff),
            "promise": self.promise,
            "tolerance": self.tolerance,
            "delta": self.delta,
            "seed": self.seed,
            "observed": dict(self.observed),
            "fitted_on": {
                "network": self.network,
                "classes": list(self.classes),
                "step_us": self.step_us,
                "n": self.n,
                "data": self.data,
                **({"fit": self.fit} if self.fit else {}),
                **({} if self.simulated is None else {"simulated": self.simulated}),
            },
        }
        document |= {
            name: asdict(part)
            for name, part in (("reference", self.reference), ("sensitivity", self.sensitivity))
            if part is not None
        }
        write_text(path, json.dumps(document, indent=1) + "\n", overwrite=overwrite)


def load_cutoff(path: str | PathLike[str]) -> FittedCutoff:
    """Reads a fitted rule back: the same decisions to the bit.

    Raises:
        ModelError: if the file is missing, not a cutoff, of another version, or holds what no cutoff can; naming the
            field, what was found there and what was expected.
        ConfigError: if it is no path.

    >>> import spikecut.models
    >>> fitted = load_cutoff(f"{spikecut.models.__path__[0]}/weights/nmnist.ltt-2pt.json")
    >>> fitted.cutoff.rule, fitted.cutoff.horizon, fitted.n
    ('ltt', 30, 203)
    >>> fitted.promise[:37]
    'With 95 % confidence, stopping early '
    """
    check_path(path, "a cutoff")
    try:
        raw = read_json(path, _MOST_BYTES)
        version = raw.get("version")
        if raw.pop("kind", None) != _KIND or type(version) is not int or version not in (1, _VERSION):
            raise ModelError(f"not a {_KIND} of version {_VERSION}", hint="spikecut calibrate fits one")
        stored = typed(_Stored, _of_version_1(raw) if version == 1 else raw)
        fitted_on = stored.fitted_on
        cutoff = made(stored.decider)
        _check(cutoff, fitted_on)
    except OSError as error:
        raise ModelError(f"{path}: cannot read the cutoff: {error.strerror}") from error
    except SpikecutError as error:
        raise ModelError(f"{path}: not a fitted cutoff: {error}", hint=error.hint) from error
    return FittedCutoff(
        cutoff=cutoff,
        network=fitted_on.network,
        classes=fitted_on.classes,
        step_us=fitted_on.step_us,
        tolerance=stored.tolerance,
        n=fitted_on.n,
        data=fitted_on.data,
        promise=stored.promise,
        observed=stored.observed,
        delta=stored.delta,
        seed=stored.seed,
        fit=fitted_on.fit,
        reference=stored.reference,
        sensitivity=stored.sensitivity,
        simulated=fitted_on.simulated,
    )


@dataclass(frozen=True, slots=True)
class _FittedOn:
    network: str
    classes: tuple[str, ...]
    step_us: int
    n: int
    data: str
    fit: str = ""
    simulated: bool | None = None

    def __post_init__(self) -> None:
        if self.step_us < 1 or self.n < 0 or not self.classes:
            raise ModelError(
                f"fitted_on: {self.n} recordings of {len(self.classes)} classes in bins of {self.step_us} us; expected "
                "0 or more, 1 or more, and 1 us or more"
            )


@dataclass(frozen=True, slots=True)
class _Stored:
    """The file as it stands."""

    version: int
    decider: dict[str, Any]
    promise: str
    tolerance: int | float
    delta: int | float
    seed: int
    observed: dict[str, int | float]
    fitted_on: _FittedOn
    reference: Reference | None = None
    sensitivity: Sensitivity | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance <= 1 or not 0 <= self.delta <= 1 or self.seed < 0:
            raise ModelError(
                f"tolerance {self.tolerance:g}, delta {self.delta:g}, seed {self.seed}; expected shares and 0 or more"
            )
        for name, value in self.observed.items():
            most = 1 if name in _SHARES else math.inf
            if not 0 <= value <= most:
                raise ModelError(f"observed.{name}: found {value:g}; expected 0 {'to 1' if most == 1 else 'or more'}")


def _of_version_1(raw: dict[str, Any]) -> dict[str, Any]:
    """A cutoff of version 1 as one of version 2: thresholds on the summed outputs, without a promise."""
    if raw.pop("readout", None) != "sum" or not isinstance(raw.get("thresholds"), list):
        raise ModelError("a cutoff of version 1 without the readout 'sum' or without thresholds")
    values = raw.pop("thresholds")
    array = {"dtype": "float64", "shape": [len(values)], "values": values}
    decider = {"type": "threshold", "rule": raw.pop("rule", None), "score": raw.pop("score", None), "thresholds": array}
    return {"promise": "", "delta": _DELTA, "seed": 0, **raw, "decider": decider}


def _check(cutoff: Any, fitted_on: _FittedOn) -> None:
    """Checks across fields: the parts of a rule must fit together and to the recordings."""
    known = {*RULES, *stored_types(), "none"}
    if cutoff.rule not in known:
        raise ConfigError(f"decider.rule: no rule is called {cutoff.rule[:60]!r}{nearest(cutoff.rule, known)}")
    if not 1 <= cutoff.horizon <= _LONGEST:
        raise ModelError(f"decider: a horizon of {cutoff.horizon} steps; expected 1 to {_LONGEST:,}")
    temperatures = getattr(getattr(cutoff, "readout", None), "temperatures", None)
    if temperatures is not None and (len(temperatures) < cutoff.horizon or not _divides(temperatures)):
        raise ModelError(
            f"decider.readout.temperatures: {len(temperatures)} from {temperatures.min():g} to {temperatures.max():g}; "
            f"expected one for each of {cutoff.horizon} steps, from 1e-30 to 1e30"
        )
    for name in ("first", "second", "decider"):
        if hasattr(cutoff, name):
            _check(getattr(cutoff, name), fitted_on)


def _divides(temperatures: Float64[ndarray, " T"]) -> bool:
    return bool(((temperatures >= 1e-30) & (temperatures <= 1e30)).all())
