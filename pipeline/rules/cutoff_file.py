"""A fitted rule on disk: what it decides by, what it promises, and what it was fitted on. JSON; nothing is executed."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.pipeline.atomic_files import write_text
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.readout import Readout
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.combined import Both, Either, Hold

_KIND, _VERSION = "spikecut cutoff", 2
_PARTS = {"both": Both, "either": Either, "hold": Hold, "readout": Readout}


@dataclass(frozen=True, slots=True)
class FittedCutoff:
    """A rule, and the network and recordings it was fitted for.

    `network` is the SHA-256 of the weights (of an ensemble those of all, joined by +), `data` that of the
    calibration recordings' digests; `promise` is the sentence that holds of it, `tolerance` the loss or the level in
    that sentence; `observed` is what it did on those `n` recordings: accuracy, mean_steps, full_window_accuracy, and
    `equal_fixed_steps`, the shortest constant that lost no more there. `delta` is how likely the promise may fail,
    `seed` what split the recordings.
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
    delta: float = 0.05
    seed: int = 0

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
            "decider": _plain(self.cutoff),
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
            },
        }
        write_text(path, json.dumps(document, indent=1) + "\n", overwrite=overwrite)


def load_cutoff(path: str | PathLike[str]) -> FittedCutoff:
    """Reads a fitted rule back: the same decisions to the bit.

    Raises:
        ModelError: if the file is missing, not a cutoff, of another version, or lacks something.
    """
    try:
        raw: dict[str, Any] = json.loads(Path(path).read_text())
        if (raw.get("kind"), raw.get("version")) != (_KIND, _VERSION):
            raise ModelError(f"{path}: not a {_KIND} of version {_VERSION}", hint="spikecut calibrate fits one")
        fitted_on = raw["fitted_on"]
        return FittedCutoff(
            cutoff=_made(raw["decider"]),
            network=fitted_on["network"],
            classes=tuple(fitted_on["classes"]),
            step_us=fitted_on["step_us"],
            tolerance=raw["tolerance"],
            n=fitted_on["n"],
            data=fitted_on["data"],
            promise=raw["promise"],
            observed=raw["observed"],
            delta=raw["delta"],
            seed=raw["seed"],
        )
    except OSError as error:
        raise ModelError(f"{path}: cannot read the cutoff: {error.strerror}") from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path}: not a fitted cutoff ({error})") from error


def stored_types() -> dict[str, type]:
    """Everything that a file may hold, by the name under which it is stored."""
    return {name: kind for rule in RULES.values() for name, kind in rule.deciders.items()} | _PARTS


def _plain(value: Any) -> Any:
    """A frozen value as what JSON knows: rules by their type's name, arrays with their dtype, infinity as "inf"."""
    if is_dataclass(value):
        saved = [f.name for f in fields(value) if f.metadata.get("saved", True)]
        names = {kind: name for name, kind in stored_types().items()}
        return {"type": names[type(value)]} | {name: _plain(getattr(value, name)) for name in saved}
    if isinstance(value, np.ndarray):
        value = value.astype({"f": np.float64, "i": np.int64, "b": np.bool_}[value.dtype.kind])
        return {"dtype": value.dtype.name, "shape": list(value.shape), "values": _plain(value.ravel().tolist())}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.integer | np.floating):
        return _plain(value.item())
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def _made(raw: Any) -> Any:
    if isinstance(raw, dict) and "dtype" in raw:
        if raw["dtype"] not in ("float64", "int64", "bool"):
            raise ValueError(f"an array of {raw['dtype']!r}")
        values = [float(one) if isinstance(one, str) else one for one in raw["values"]]
        return np.array(values, raw["dtype"]).reshape(raw["shape"])
    if isinstance(raw, dict):
        return stored_types()[raw["type"]](**{name: _made(value) for name, value in raw.items() if name != "type"})
    return tuple(_made(one) for one in raw) if isinstance(raw, list) else raw
