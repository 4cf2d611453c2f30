"""Truths about cutoffs on disk: the same decisions come back, and only for the network they were made for."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikecut
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.recorded import Plans, sweep
from spikecut.pipeline.rules.calimera import fit_calimera
from spikecut.pipeline.rules.combined import Both, Either, Hold
from spikecut.pipeline.rules.cutoff_file import FittedCutoff, load_cutoff
from spikecut.pipeline.rules.economy import fit_economy
from spikecut.pipeline.rules.fit import by_tolerance
from spikecut.pipeline.rules.ltt import fit_conditional, fit_marginal
from spikecut.pipeline.rules.patience import Patience
from spikecut.pipeline.rules.rejection import Level, Sensitivity
from spikecut.pipeline.rules.sets.conformal import fit_conformal
from spikecut.pipeline.rules.sets.nonconformity import SetOptions
from spikecut.pipeline.rules.sets.pooled import fit_pooled
from spikecut.pipeline.rules.sr1 import fit_sr1
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.pipeline.rules.stored import stored_types
from spikecut.pipeline.rules.thresholds import confidence, topk

from fakes import Oracle
from golden import TEST, TRAIN

CLASSES = ("a", "b", "c", "d")
LEAKY = Readout("leaky", 0.25, temperatures=np.array([1.0, 1.5, 2.0, 2.5, 3.0, 3.5]))
ORACLE = Oracle(np.zeros((16, 5)), look=2, policy="p" * 64)
PLANS = Plans((np.arange(80.0).reshape(16, 5) * 7 % 11).astype(np.float32), "p" * 64)
RULES: dict[str, Any] = {
    **{name: fit(TRAIN, 0.1) for name, fit in by_tolerance().items()},
    "ltt": fit_marginal(TRAIN.read_by(LEAKY), 0.3, 0.1),
    "ltt conditional": fit_conditional(TRAIN, 0.3, 0.2),
    **{
        f"conformal {how}": fit_conformal(TRAIN, 0.2, SetOptions(how))
        for how in ("maxrank", "bonferroni", "simes", "none")
    },
    "pooled": fit_pooled(TRAIN, 0.4),
    "sr1": fit_sr1(TRAIN),
    "economy": fit_economy(TRAIN),
    "calimera": fit_calimera(TRAIN),
    "planned": Planned("p" * 64, 6, 2, 0.3, 0.1, LEAKY, planner=ORACLE),
    "both": Both(confidence(0.8, 6), Patience(2, 6)),
    "either": Either(confidence(0.9, 6), Hold(confidence(0.7, 6), 2)),
}


def fitted(rule: Any) -> FittedCutoff:
    return FittedCutoff(rule, "f" * 64, CLASSES, 10_000, 0.02, 48, "0" * 64, "It promises nothing.", {"accuracy": 0.5})


def test_every_type_of_rule_is_tried() -> None:
    assert {type(rule) for rule in (*RULES.values(), RULES["either"].second, LEAKY)} == set(stored_types().values())


@pytest.mark.parametrize("name", RULES)
def test_a_saved_cutoff_decides_as_before(name: str, tmp_path: Path) -> None:
    before = fitted(RULES[name])
    before.save(tmp_path / "cutoff.json")
    after = load_cutoff(tmp_path / "cutoff.json")
    swept, again = (sweep(replace(TEST, plans=PLANS), one.cutoff) for one in (before, after))
    assert swept.stops.tolist() == again.stops.tolist()
    assert swept.labels.tolist() == again.labels.tolist()
    assert (swept.sets is None) == (again.sets is None)
    if swept.sets is not None:
        np.testing.assert_array_equal(swept.sets, again.sets)
    assert after.promise == before.promise
    assert (after.network, after.classes, after.step_us, after.n) == ("f" * 64, CLASSES, 10_000, 48)


@pytest.mark.parametrize("name", ["both", "either"])
def test_a_rule_of_two_rules_is_stored_as_its_parts_by_name(name: str, tmp_path: Path) -> None:
    fitted(RULES[name]).save(tmp_path / "cutoff.json")
    stored = json.loads((tmp_path / "cutoff.json").read_text())["decider"]
    assert list(stored) == ["type", "first", "second", "rule"]
    assert (stored["type"], stored["rule"], stored["first"]["rule"]) == (name, name, "confidence")


def test_infinity_survives_and_the_file_is_plain_json(tmp_path: Path) -> None:
    thresholds = [np.inf, 1 / 3, 0.0]
    fitted(topk(thresholds)).save(tmp_path / "cutoff.json")
    json.loads((tmp_path / "cutoff.json").read_text(), parse_constant=pytest.fail)
    assert load_cutoff(tmp_path / "cutoff.json").cutoff.thresholds.tolist() == thresholds  # type: ignore[attr-defined]


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
    assert load_cutoff(tmp_path / "cutoff.json").cutoff.thresholds.tolist() == [2.0]  # type: ignore[attr-defined]


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


SHIPPED = Path(spikecut.__file__).parent / "models" / "weights" / "gestures.ltt-1pt.json"
LOW, NORMAL, HIGH = (
    Level(threshold, 1, 10.0, 0.4744, rate, 2, 100, 0.0616, 0.95)
    for threshold, rate in ((9.3, 0.5), (4.0, 1.0), (-1.5, 4.0))
)
LEVELS = Sensitivity(LOW, NORMAL, HIGH, "d" * 64)


def test_levels_of_sensitivity_are_stored_with_the_rule(tmp_path: Path) -> None:
    replace(fitted(topk([1.0])), sensitivity=LEVELS).save(tmp_path / "cutoff.json")
    assert load_cutoff(tmp_path / "cutoff.json").sensitivity == LEVELS


def test_a_file_without_levels_is_what_it_was(tmp_path: Path) -> None:
    fitted(topk([1.0])).save(tmp_path / "cutoff.json")
    assert "sensitivity" not in json.loads((tmp_path / "cutoff.json").read_text())
    assert load_cutoff(tmp_path / "cutoff.json").sensitivity is None
    assert load_cutoff(SHIPPED).sensitivity is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normal": None}, r"sensitivity\.normal: found None; expected a table"),
        ({"high": {"threshold": 1.0}}, r"sensitivity\.high\.\w+ is missing"),
        ({"loud": {}}, r"sensitivity\.loud: no such key"),
        (
            {"low": {**asdict(LEVELS.low), "alarms": 0.5}},
            r"sensitivity\.low\.alarms: found 0\.5; expected a whole number",
        ),
        ({"low": {**asdict(LEVELS.low), "minutes": 0}}, "expected 0 or more, a time above 0"),
        ({"low": asdict(LEVELS.high)}, "rise with the sensitivity"),
    ],
)
def test_levels_that_cannot_be_are_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "cutoff.json"
    replace(fitted(topk([1.0])), sensitivity=LEVELS).save(path)
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "sensitivity": {**raw["sensitivity"], **change}}))
    with pytest.raises(ModelError, match=message):
        load_cutoff(path)
