"""Every rule against what the published code answered on the same outputs (`tests/data/cutoff.json`)."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.evidence.scores import top2_gap
from spikecut.pipeline.recorded import Plans, RecordedOutputs, sweep
from spikecut.pipeline.rules import ltt
from spikecut.pipeline.rules.calimera import fit_calimera
from spikecut.pipeline.rules.economy import fit_economy
from spikecut.pipeline.rules.loss import outcome
from spikecut.pipeline.rules.sets.conformal import ConformalSets, fit_conformal
from spikecut.pipeline.rules.sets.nonconformity import SetOptions
from spikecut.pipeline.rules.sr1 import fit_sr1
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.pipeline.rules.thresholds import entropy
from spikecut.pipeline.rules.topk import topk_thresholds_reference

from golden import GOLDEN, TEST, TRAIN

MEAN = Readout("mean")


@pytest.mark.parametrize(
    "case",
    [c for c in GOLDEN["seenn1_and_dtsnn"]["cases"] if c["metric"] == "entropy"],
    ids=lambda c: str(c["threshold_on_score"]),
)
def test_entropy_stops_where_dt_snn_stopped(case: dict[str, Any]) -> None:
    swept = sweep(TEST, entropy(case["threshold_on_score"], 6))
    assert swept.stops.tolist() == case["timesteps"]
    assert 100 * outcome(TEST, swept).accuracy == case["accuracy_percent"]


@pytest.mark.parametrize("case", GOLDEN["seenn2"]["cases"], ids=lambda c: str(c["beta"]))
def test_a_planned_budget_is_spent_as_by_seenn_ii(case: dict[str, Any]) -> None:
    accuracy, steps = map(float, re.findall(r"Acc: ([\d.]+), Time: ([\d.]+)", case["stdout"][-1])[0])
    said = TEST.outputs[:, 0] @ np.array(case["W_after_one_step"], np.float32)
    swept = sweep(replace(TEST, plans=Plans(said, "p")), Planned("p", 6))
    assert outcome(TEST, swept).accuracy == pytest.approx(accuracy)
    assert outcome(TEST, swept).mean_steps == pytest.approx(steps)


@pytest.mark.parametrize("case", GOLDEN["ltt_accuracy_gap"]["cases"], ids=lambda c: f"{c['accuracy_gap']}-{c['delta']}")
def test_learn_then_test_finds_the_thresholds_of_the_reference(case: dict[str, Any]) -> None:
    gap, delta, grid = case["accuracy_gap"], case["delta"], np.round(np.arange(100, -1, -1) * 0.01, 2)
    train = TRAIN.read_by(MEAN)
    marginal = ltt.fit_marginal(train, gap, delta, grid=grid)
    assert marginal.thresholds[0] == pytest.approx(float(case["marginal_lambda"]))
    assert sweep(TEST, marginal).stops.tolist() == case["marginal_test_timesteps"]
    proposed = ltt._propose(train.pick(np.arange(24)), gap, "confidence", grid)
    np.testing.assert_allclose(proposed, np.array(case["conditional_eta_stage1"], np.float64))
    conditional = ltt.fit_conditional(train, gap, delta, grid=grid, seed=None)
    np.testing.assert_allclose(conditional.thresholds, np.array(case["conditional_lambda_stage2"], np.float64))
    assert sweep(TEST, conditional).stops.tolist() == case["conditional_test_timesteps"]


def spikes(part: str) -> RecordedOutputs:
    case = GOLDEN["spikecp_original"]
    return RecordedOutputs(
        np.array(case[f"{part}_output_spikes_n_t_k"], np.float32), np.array(case[f"{part}_labels"], np.int64)
    )


@pytest.mark.parametrize(
    "case", GOLDEN["spikecp_original"]["cases"], ids=lambda c: f"{c['alpha_total']}-{c['set_size_target']}"
)
@pytest.mark.parametrize(
    ("score", "name", "key"),
    [("surprise", "global", "thr_global(neg log softmax)"), ("silence", "local", "thr_local(count score)")],
)
def test_conformal_sets_are_those_of_spikecp(case: dict[str, Any], score: str, name: str, key: str) -> None:
    rule = fit_conformal(
        spikes("calibration"),
        case["alpha_total"],
        SetOptions("bonferroni", case["set_size_target"], 4, score),
    )
    assert isinstance(rule, ConformalSets)
    expected = np.array([np.inf if q == 99999 else q for q in case[key]])
    np.testing.assert_allclose(rule.quantiles[[1, 3, 5, 7]], expected, rtol=1e-5)
    swept = sweep(spikes("test"), rule)
    assert swept.stops.tolist() == [2 * (at + 1) for at in case[name]["stop_checkpoint_index0"]]
    assert swept.sets is not None
    assert swept.sets.sum(axis=1).tolist() == case[name]["set_size_at_stop"]
    covered = swept.sets[np.arange(16), spikes("test").labels].mean()
    assert covered == pytest.approx(case[name]["coverage"])


@pytest.mark.parametrize(
    "case", GOLDEN["spikecp_snncutoff"]["cases"], ids=lambda c: f"{c['alpha']}-{c['set_size_threshold']}"
)
def test_the_port_of_spikecp_without_correction_is_reproduced(case: dict[str, Any]) -> None:
    """Its score is -ln(p + 1e-5), its comparison strict, its rank taken among n + 2: our sets with other quantiles."""
    quantiles = np.array(case["s_threshold"], np.float64)
    found = np.sort(-np.log(softmax(TRAIN.logits())[np.arange(48), :, TRAIN.labels] + 1e-5), axis=0)
    k = int(np.ceil((1 - case["alpha"]) * 50)) - 1
    ours = found[k - 1] if 1 <= k <= 48 else np.full(6, np.inf)
    np.testing.assert_allclose(ours, quantiles, rtol=1e-5)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.nextafter(-np.log(np.exp(-quantiles) - 1e-5), -np.inf)
    rule = ConformalSets("surprise", np.where(np.isinf(quantiles), np.inf, plain), 0.1, case["set_size_threshold"])
    swept = sweep(TEST, rule)
    assert swept.stops.tolist() == case["timesteps"]


@pytest.mark.parametrize("case", GOLDEN["ects"]["alpha"], ids=lambda c: str(c["alpha"]))
def test_sr1_and_economy_stop_where_ml_edm_stopped(case: dict[str, Any]) -> None:
    line = fit_sr1(TRAIN, case["alpha"])
    assert sweep(TEST, line).stops.tolist() == case["stopping_rule_SR1"]["stop"]
    np.testing.assert_allclose(
        [*line.weights, -6 * line.thresholds[0]], case["stopping_rule_SR1"]["opt_gammas"], rtol=1e-6
    )
    economy = fit_economy(TRAIN, case["alpha"], 3)
    np.testing.assert_allclose(economy.edges, case["economy_gamma_k3"]["thresholds_T_K-1"], rtol=1e-5)
    assert sweep(TEST, economy).stops.tolist() == case["economy_gamma_k3"]["stop"]


@pytest.mark.parametrize("case", GOLDEN["ects"]["calimera_original"]["cases"], ids=lambda c: str(c["delay_penalty"]))
def test_calimera_expects_what_its_authors_code_expected(case: dict[str, Any]) -> None:
    rule = fit_calimera(TRAIN, float(case["delay_penalty"]))
    swept = sweep(TEST, rule)
    assert swept.stops.tolist() == case["stop"]
    assert outcome(TEST, swept).accuracy == case["accuracy"]


def test_the_lead_is_the_smallest_log_likelihood_ratio_of_msprt() -> None:
    """The matrix of the reference holds z_k - z_l; its bound asks the leader's smallest entry, which is our lead."""
    case = GOLDEN["msprt_llr"]
    logits = np.array(case["order0_logits_t_k"], np.float32).cumsum(axis=0)
    ratios = np.array(case["order0_llr_t_k_l"])
    leads = top2_gap(logits, np.arange(1, 5))
    for t, lead in enumerate(leads):
        first = int(logits[t].argmax())
        assert lead == min(ratios[t, first, other] for other in range(3) if other != first)


@pytest.mark.parametrize("case", GOLDEN["topk"]["cases"], ids=lambda c: str(c["epsilon"]))
def test_on_its_own_calibration_the_share_that_topk_asks_for_is_stable(case: dict[str, Any]) -> None:
    betas, epsilon = topk_thresholds_reference(TRAIN, float(case["epsilon"])), float(case["epsilon"])
    gaps, correct = TRAIN.scores("top2_gap"), TRAIN.correct()
    for t, beta in enumerate(betas[:-1]):
        stopping = gaps[:, t] > beta
        if beta < 0.99 * gaps.max() and stopping.any():
            assert correct[stopping][:, t:].all(axis=1).mean() >= 1 - epsilon - 1e-9
