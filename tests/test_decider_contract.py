"""Every rule of the table, and every rule made of rules, against the contract of deciders."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decider_contract import check_copies, check_is_a_value, check_lanes, check_refusals, check_sweep

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.recorded import Plans, RecordedOutputs, sweep
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.combined import Both, Either, Hold
from spikecut.pipeline.rules.fit import check_wish, fit, sentence
from spikecut.pipeline.rules.rule import Wish
from spikecut.pipeline.rules.sets.conformal import fit_conformal
from spikecut.pipeline.rules.sets.nonconformity import SetOptions
from spikecut.pipeline.rules.sets.pooled import fit_pooled
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.pipeline.rules.stored import stored_types
from spikecut.pipeline.rules.thresholds import confidence, topk

from fakes import Oracle

N, HORIZON, CLASSES = 120, 7, 4
WISH = Wish(0.2, 0.2)


def _recordings() -> RecordedOutputs:
    """Noise with a lean towards the truth, in eighths, and what a policy said of each recording."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, N)
    outputs = rng.normal(0, 0.7, (N, HORIZON, CLASSES))
    outputs[np.arange(N)[:, None], np.arange(HORIZON), labels[:, None]] += rng.uniform(0.3, 1.5, (N, 1))
    plans = Plans(rng.normal(0, 1, (N, HORIZON - 1)).astype(np.float32), "p" * 64, 0.25)
    return RecordedOutputs((np.round(outputs * 8) / 8).astype(np.float32), labels, plans=plans)


DATA = _recordings()
LEAKY = DATA.read_by(Readout("leaky", 0.25, temperatures=np.linspace(0.5, 1.1, HORIZON)))
PAIRS = replace(DATA, outputs=np.concatenate([DATA.outputs, DATA.outputs[:, ::-1]], axis=2), members=2)
FITTED = {name: fit(name, DATA, WISH) for name in RULES}
LEAKY_FITTED = {name: fit(name, LEAKY, WISH) for name in ("ltt", "conformal", "patience", "planned", "topk")}
COMBINED: dict[str, Any] = {
    "both": Both(FITTED["patience"], FITTED["conformal"]),
    "either": Either(FITTED["confidence"], LEAKY_FITTED["patience"]),
    "hold": Hold(LEAKY_FITTED["ltt"], 2),
    "hold of either": Hold(Either(confidence(0.6, HORIZON), FITTED["planned"]), 2),
    "simes": fit_conformal(DATA, 0.2, SetOptions("simes", n_checkpoints=4)),
    "bonferroni": fit_conformal(DATA, 0.2, SetOptions("bonferroni", n_checkpoints=4)),
    "topk by hand": topk([3.0, 2.5, 2.0, 1.5, 1.0, 1.0, np.inf]),
}
DECIDERS: dict[str, Any] = {
    **FITTED,
    **{f"{name}, leaky": rule for name, rule in LEAKY_FITTED.items()},
    **COMBINED,
}
POOLED = {how: fit_pooled(PAIRS, 0.3, SetOptions("simes"), pooling=how) for how in ("mean", "bonferroni", "max")}


def with_policy(rule: Any) -> Any:
    """The rule with the policy that it asks, wherever it stands in it."""
    if isinstance(rule, Planned):
        assert DATA.plans is not None
        return replace(rule, planner=Oracle(DATA.plans.logits, rule.look, "p" * 64))
    if isinstance(rule, Both | Either):
        return replace(rule, first=with_policy(rule.first), second=with_policy(rule.second))
    return replace(rule, decider=with_policy(rule.decider)) if isinstance(rule, Hold) else rule


CASES = [(name, rule, DATA) for name, rule in DECIDERS.items()] + [
    (f"pooled by {how}", rule, PAIRS) for how, rule in POOLED.items()
]
every_decider = pytest.mark.parametrize(("rule", "recorded"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])


def test_the_cases_are_of_every_type_that_is_stored() -> None:
    assert {type(rule) for _, rule, _ in CASES} | {Readout} == set(stored_types().values())


@every_decider
def test_a_decider_is_a_value(rule: Any, recorded: RecordedOutputs) -> None:
    check_is_a_value(rule, recorded)


@every_decider
def test_lanes_of_a_decider_are_independent(rule: Any, recorded: RecordedOutputs) -> None:
    check_lanes(rule, recorded)


@every_decider
def test_a_copy_of_a_decider_decides_the_same(rule: Any, recorded: RecordedOutputs, tmp_path: Path) -> None:
    check_copies(rule, recorded, tmp_path)


@every_decider
def test_a_sweep_is_what_really_running_gives_at_every_horizon(rule: Any, recorded: RecordedOutputs) -> None:
    check_sweep(with_policy(rule), recorded)


@every_decider
def test_a_decider_refuses_what_it_cannot_read(rule: Any, recorded: RecordedOutputs) -> None:
    check_refusals(rule, recorded)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_makes_the_deciders_that_its_row_names(name: str) -> None:
    rule = RULES[name]
    assert type(FITTED[name]) in rule.deciders.values()
    assert FITTED[name].horizon == HORIZON
    assert sentence(name, DATA, WISH).endswith(".")
    assert len(rule.about) > 20


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.promises])
def test_a_promise_that_the_recordings_cannot_carry_is_refused_with_the_number_it_takes(name: str) -> None:
    few = DATA.pick(np.arange(24))
    needed = "needs 299 recordings without a loss, 473 with one" if RULES[name].at_delta else "at least 197 recordings"
    with pytest.raises(ConfigError, match=needed) as error:
        fit(name, few, Wish(0.01))
    assert str(error.value).startswith(("24 recordings", "with 24 recordings"))
    assert "--or-never" in (error.value.hint or "")
    assert (sweep(few, fit(name, few, Wish(0.01), or_never=True)).stops == HORIZON).all()


@pytest.mark.parametrize("name", RULES)
def test_what_no_recordings_could_give_is_refused_beforehand(name: str) -> None:
    for wish in (Wish(1.0), Wish(-0.1), Wish(0.1, 0.0), Wish(0.1, 1.0)):
        with pytest.raises(ConfigError, match=r"tolerated loss|delta"):
            fit(name, DATA, wish)
    if RULES[name].allows_zero:
        check_wish(name, Wish(0.0))
        full = DATA.correct()[:, -1].mean()
        swept = sweep(DATA, fit(name, DATA, Wish(0.0)))
        assert (swept.labels == DATA.labels).mean() >= full
    else:
        with pytest.raises(ConfigError, match="loss of nothing"):
            fit(name, DATA, Wish(0.0))


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.plans])
def test_a_rule_that_asks_a_policy_is_refused_without_one(name: str) -> None:
    with pytest.raises(ConfigError, match="without a policy"):
        fit(name, replace(DATA, plans=None), WISH)
