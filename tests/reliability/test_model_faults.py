"""Faults of networks and cutoffs (rows M and X12 of the list of faults): named by their field, and nothing is run."""

import hashlib
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.models.files.checkpoint import read_card
from spikecut.models.files.opening import SHIPPED, load
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.results import Evidence
from spikecut.pipeline.rules.thresholds import topk
from spikecut.tools.cutoff_lookup import find_cutoff

CARD, WEIGHTS, CUTOFF = SHIPPED / "nmnist.json", SHIPPED / "nmnist.safetensors", SHIPPED / "nmnist.topk-2pt.json"
CLASSES = list(json.loads(CARD.read_text())["classes"])


def changed(source: Path, target: Path, keys: str, value: Any) -> Path:
    """A copy of a JSON file with one value replaced, named by its keys joined by dots."""
    document = json.loads(source.read_text())
    *above, last = keys.split(".")
    table = document
    for key in above:
        table = table[key]
    table[last] = value
    target.write_text(json.dumps(document))
    return target


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        ("horizon", 2.5, "horizon: found 2.5; expected a whole number"),
        ("horizon", 0, "0 steps of 10000 us"),
        ("classes", CLASSES[:1], "1 class names for 10 outputs"),
        ("classes", [*CLASSES[:-1], "0"], "expected every name once"),
        ("classes", "0123456789", "classes: found '0123456789'; expected a list"),
        ("spec.step_us", 0, "steps of 0 us"),
        ("spec.n_classes", 1, "10 class names for 1 outputs"),
        ("sensor", {"width": 0, "height": 3}, "a sensor of 0 x 3 pixels"),
        ("name", "../../nmnist", "name: found '../../nmnist'"),
        ("name", ".hidden", "name: found '.hidden'"),
    ],
)
def test_every_field_of_a_card_is_bounded(keys: str, value: Any, words: str, tmp_path: Path) -> None:
    """X12."""
    shutil.copy(WEIGHTS, tmp_path)
    changed(CARD, tmp_path / "nmnist.json", keys, value)
    with pytest.raises(ModelError) as caught:
        load(tmp_path / "nmnist.safetensors")
    assert words in str(caught.value)
    assert "nmnist.json" in str(caught.value)


def test_a_cutoff_with_too_few_thresholds_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """X12."""
    array = {"dtype": "float64", "shape": [29], "values": [0.5] * 29}
    path = changed(CUTOFF, tmp_path / "cutoff.json", "decider.thresholds", array)
    with pytest.raises(ModelError, match="decider: a rule for 29 steps; the network takes 30"):
        find_cutoff(str(path), WEIGHTS, read_card(CARD))


@pytest.mark.parametrize("signed", [False, True])
def test_a_pickle_in_the_place_of_weights_is_refused_and_not_run(tmp_path: Path, signed: bool) -> None:
    """M01: even where the card vouches for it."""
    target = tmp_path / "run"

    class Payload:
        def __reduce__(self) -> Any:
            return Path.touch, (target,)

    data = pickle.dumps(Payload())
    (tmp_path / "nmnist.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest() if signed else json.loads(CARD.read_text())["weights_sha256"]
    changed(CARD, tmp_path / "nmnist.json", "weights_sha256", digest)
    with pytest.raises(ModelError, match=r"nmnist\.safetensors"):
        load(tmp_path / "nmnist.safetensors")
    assert not target.exists()


def test_equal_outputs_stop_no_rule_before_the_horizon() -> None:
    """M03: without a leader the gap is 0, which is above no threshold."""
    outputs = np.full((1, 10), 3.0, np.float32)
    verdict, _ = topk([0.0, 0.0]).decide(Evidence(np.array([1]), outputs, outputs))
    assert verdict.stop.tolist() == [False]
