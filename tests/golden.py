"""Inputs and outputs of the published reference deciders, recorded by running their code (data only)."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.pipeline.recorded import RecordedOutputs

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "cutoff.json").read_text())


def recorded(case: dict[str, Any], part: str) -> RecordedOutputs:
    """The streams of one part of a golden case."""
    labels = case.get(f"{part}_labels", case.get("labels"))
    return RecordedOutputs(np.array(case[f"{part}_logits"], np.float32), np.array(labels, np.int64))


def floats(numbers: list[float]) -> list[float]:
    """JSON does not tell 2 from 2.0."""
    return [float(number) for number in numbers]


TRAIN, TEST = recorded(GOLDEN["streams"], "train"), recorded(GOLDEN["streams"], "test")
