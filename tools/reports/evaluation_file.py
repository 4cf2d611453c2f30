"""`evaluation.json`, read back."""

import json
from pathlib import Path
from typing import Any

from spikecut.pipeline.errors import ModelError


def read_evaluation(run: Path) -> dict[str, Any]:
    """The results that `spikecut evaluate` wrote into a folder.

    Raises:
        ModelError: if there are none, or of another version.
    """
    path = run / "evaluation.json"
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        if (raw["kind"], raw["version"]) != ("spikecut evaluation", 1):
            raise ValueError(f"version {raw['version']}")
    except OSError as error:
        raise ModelError(f"{path}: cannot read it: {error.strerror}", hint="spikecut evaluate writes one") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: no spikecut evaluation of version 1 ({error})") from error
    return raw
