"""Truths about cutoffs on disk: the same decisions come back, and only for the network they were made for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.calibration import FITTERS, sweep
from spikecut.pipeline.cutoff import topk
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.fitted import FittedCutoff, load_cutoff

from golden import TEST, TRAIN

CLASSES = ("a", "b", "c", "d")


def fitted(rule: Any) -> FittedCutoff:
    return FittedCutoff(rule, "f" * 64, CLASSES, 10_000, 0.02, 48, "0" * 64, {"accuracy": 0.5})


@pytest.mark.parametrize("rule", sorted(FITTERS))
def test_a_saved_cutoff_decides_as_before(rule: str, tmp_path: Path) -> None:
    before = fitted(FITTERS[rule](TRAIN, 0.1))
    before.save(tmp_path / "cutoff.json")
    after = load_cutoff(tmp_path / "cutoff.json")
    assert sweep(TEST, after.cutoff).tolist() == sweep(TEST, before.cutoff).tolist()
    assert (after.network, after.classes, after.step_us, after.n) == ("f" * 64, CLASSES, 10_000, 48)


def test_infinity_survives_and_the_file_is_plain_json(tmp_path: Path) -> None:
    thresholds = [np.inf, 1 / 3, 0.0]
    fitted(topk(thresholds)).save(tmp_path / "cutoff.json")
    json.loads((tmp_path / "cutoff.json").read_text(), parse_constant=pytest.fail)
    assert load_cutoff(tmp_path / "cutoff.json").cutoff.thresholds.tolist() == thresholds


@pytest.mark.parametrize(
    ("network", "classes", "step_us", "message"),
    [
        ("e" * 64, CLASSES, 10_000, "fitted for weights ffffffffffff; the network has eeeeeeeeeeee"),
        ("f" * 64, ("a", "b"), 10_000, "fitted for classes a, b, c, d"),
        ("f" * 64, CLASSES, 5_000, "fitted for bin of 10000 us"),
    ],
)
def test_a_cutoff_for_another_network_is_refused(
    network: str, classes: tuple[str, ...], step_us: int, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        fitted(topk([1.0])).check(network, classes, step_us)
    fitted(topk([1.0])).check("f" * 64, CLASSES, 10_000)


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    fitted(topk([1.0])).save(tmp_path / "cutoff.json")
    with pytest.raises(ConfigError, match="exists"):
        fitted(topk([2.0])).save(tmp_path / "cutoff.json")
    fitted(topk([2.0])).save(tmp_path / "cutoff.json", overwrite=True)
    assert load_cutoff(tmp_path / "cutoff.json").cutoff.thresholds.tolist() == [2.0]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"kind": "spikecut cutoff", "version": 1}', '{"kind": "spikecut cutoff", "version": 9}'],
)
def test_what_is_no_cutoff_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "cutoff.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"cutoff\.json: not a"):
        load_cutoff(path)
    with pytest.raises(ModelError, match="cannot read the cutoff"):
        load_cutoff(tmp_path / "missing.json")
