"""A cutoff on disk: what it decides by, and what it was fitted on. JSON; infinity is written "inf"."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.pipeline.cutoff import ThresholdCutoff
from spikecut.pipeline.errors import ConfigError, ModelError

_KIND, _VERSION = "spikecut cutoff", 1


@dataclass(frozen=True, slots=True)
class FittedCutoff:
    """A rule, and the network and recordings it was fitted for.

    `network` is the SHA-256 of the weights, `data` that of the calibration recordings' digests;
    `tolerance` is the share of right answers it was allowed to cost on those `n` recordings, and
    `observed` what it did there. An observation, not a guarantee.
    """

    cutoff: ThresholdCutoff
    network: str
    classes: tuple[str, ...]
    step_us: int
    tolerance: float
    n: int
    data: str
    observed: Mapping[str, float] = field(default_factory=dict)

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
        """
        target = Path(path)
        if target.exists() and not overwrite:
            raise ConfigError(f"{target} exists", hint="choose another folder, or pass --overwrite")
        target.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "kind": _KIND,
            "version": _VERSION,
            "rule": self.cutoff.rule,
            "score": self.cutoff.score,
            "readout": "sum",
            "thresholds": ["inf" if math.isinf(b) else b for b in self.cutoff.thresholds.tolist()],
            "tolerance": self.tolerance,
            "observed": dict(self.observed),
            "fitted_on": {
                "network": self.network,
                "classes": list(self.classes),
                "step_us": self.step_us,
                "n": self.n,
                "data": self.data,
            },
        }
        target.write_text(json.dumps(document, indent=1) + "\n")


def load_cutoff(path: str | PathLike[str]) -> FittedCutoff:
    """Reads a fitted cutoff back: the same decisions to the bit.

    Raises:
        ModelError: if the file is missing, not a cutoff, of another version, or lacks something.
    """
    try:
        raw: dict[str, Any] = json.loads(Path(path).read_text())
        if (raw.get("kind"), raw.get("version")) != (_KIND, _VERSION):
            raise ModelError(f"{path}: not a {_KIND} of version {_VERSION}")
        if raw["readout"] != "sum":
            raise ModelError(f"{path}: readout {raw['readout']!r}; this version reads the sum of the outputs")
        fitted_on = raw["fitted_on"]
        thresholds = np.array([math.inf if b == "inf" else float(b) for b in raw["thresholds"]])
        return FittedCutoff(
            cutoff=ThresholdCutoff(raw["rule"], raw["score"], thresholds),
            network=fitted_on["network"],
            classes=tuple(fitted_on["classes"]),
            step_us=fitted_on["step_us"],
            tolerance=raw["tolerance"],
            n=fitted_on["n"],
            data=fitted_on["data"],
            observed=raw["observed"],
        )
    except OSError as error:
        raise ModelError(f"{path}: cannot read the cutoff: {error.strerror}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path}: not a fitted cutoff ({error})") from error
