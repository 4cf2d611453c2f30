"""Cutoff rules: how each decides, how it is fitted, and how it is stored.

`RULES` is the table of all: whatever fits, lists, explains, stores or refuses rules reads it. A rule of your own is one
module and one row: `RULES["mine"] = Rule(...)`.
"""

from dataclasses import replace

from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.rules import ltt, observed
from spikecut.pipeline.rules.calimera import Calimera, fit_calimera_within
from spikecut.pipeline.rules.economy import Economy, fit_economy_within
from spikecut.pipeline.rules.patience import Patience, fit_patience
from spikecut.pipeline.rules.rule import Rule, Wish, by_tolerance, observed_loss, percent
from spikecut.pipeline.rules.sets.conformal import ConformalSets, covers, fit_conformal, sets_stay_large
from spikecut.pipeline.rules.sets.nonconformity import SetOptions
from spikecut.pipeline.rules.sets.pooled import PooledSets
from spikecut.pipeline.rules.sr1 import fit_sr1_within
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, msprt
from spikecut.pipeline.rules.topk import fit_topk, fit_topk_reference


def _msprt(recorded: RecordedOutputs, wish: Wish) -> ThresholdCutoff:
    return replace(msprt(wish.tolerance, recorded.n_classes, recorded.horizon), readout=recorded.readout)


def _as_modelled(wish: Wish) -> str:
    return (
        f"Answers before the end of the window would be wrong for at most {percent(wish.tolerance)} of recordings, "
        "if the network's outputs were exact log-likelihoods, which they are not. Nothing was fitted."
    )


RULES: dict[str, Rule] = {
    "ltt": Rule(
        "Learn then Test: one threshold with a promise (Ringel et al., arXiv 2402.00857)",
        lambda recorded, wish: ltt.fit_marginal(recorded, wish.tolerance, wish.delta),
        ltt.marginal,
        too_few=ltt.too_few("ltt"),
        at_delta=True,
        allows_zero=False,
    ),
    "ltt_conditional": Rule(
        "the same at every step: early answers are as safe as late ones (Ringel et al., arXiv 2402.00857)",
        lambda recorded, wish: ltt.fit_conditional(recorded, wish.tolerance, wish.delta, seed=wish.seed),
        ltt.conditional,
        too_few=ltt.too_few("ltt_conditional", "; the conditional rule tests on half of them"),
        at_delta=True,
        allows_zero=False,
    ),
    "ltt_fixed": Rule(
        "a constant number of steps with the promise of ltt (Angelopoulos et al., arXiv 2110.01052)",
        lambda recorded, wish: ltt.fit_fixed(recorded, wish.tolerance, wish.delta),
        ltt.marginal,
        too_few=ltt.too_few("ltt_fixed"),
        at_delta=True,
        allows_zero=False,
        stop_text="the fixed time was reached",
    ),
    "ltt_planned": Rule(
        "SEENN-II with the promise of ltt (Li et al., arXiv 2304.01230; Ringel et al., arXiv 2402.00857)",
        lambda recorded, wish: ltt.fit_planned(recorded, wish.tolerance, wish.delta),
        ltt.marginal,
        {"planned": Planned, "threshold": ThresholdCutoff},
        too_few=ltt.too_few("ltt_planned"),
        at_delta=True,
        plans=True,
        allows_zero=False,
        stop_text="the steps that its policy granted",
    ),
    "conformal": Rule(
        "a set of classes that holds the truth, small enough (SpikeCP: Chen, Park, Simeone, arXiv 2305.11322)",
        lambda recorded, wish: fit_conformal(recorded, wish.tolerance, SetOptions(wish.correction), seed=wish.seed),
        covers,
        {"conformal": ConformalSets, "pooled": PooledSets},
        too_few=sets_stay_large,
        allows_zero=False,
    ),
    "fixed": Rule(
        "the shortest constant number of steps: the baseline of every comparison",
        by_tolerance(observed.fit_fixed),
        observed_loss,
        stop_text="the fixed time was reached",
    ),
    "topk": Rule(
        "the lead of the first class over the second, one threshold a step (Wu et al., arXiv 2301.09522)",
        by_tolerance(fit_topk),
        observed_loss,
    ),
    "topk_reference": Rule(
        "the same with thresholds as the published code computes them (Wu et al., arXiv 2301.09522)",
        by_tolerance(fit_topk_reference),
        observed_loss,
    ),
    "confidence": Rule(
        "SEENN-I: the largest softmax probability (Li et al., arXiv 2304.01230)",
        by_tolerance(observed.fit_confidence),
        observed_loss,
    ),
    "entropy": Rule(
        "DT-SNN: the entropy of the softmax probabilities (Li et al., arXiv 2305.17346)",
        by_tolerance(observed.fit_entropy),
        observed_loss,
    ),
    "collapsing": Rule(
        "a bound on the lead that falls to 0 as time runs out (beta (1 - t/T)^kappa)",
        by_tolerance(observed.fit_collapsing),
        observed_loss,
    ),
    "patience": Rule(
        "the answer has stayed the same for so many steps (Zhou et al., arXiv 2006.04152)",
        by_tolerance(fit_patience),
        observed_loss,
        {"patience": Patience},
    ),
    "planned": Rule(
        "SEENN-II: a policy chooses the number of steps from the first frames (Li et al., arXiv 2304.01230)",
        by_tolerance(observed.fit_planned),
        observed_loss,
        {"planned": Planned, "threshold": ThresholdCutoff},
        plans=True,
        stop_text="the steps that its policy granted",
    ),
    "sr1": Rule(
        "a line through probabilities and time is crossed (Mori et al., IEEE TNNLS 29:4569, 2018)",
        by_tolerance(fit_sr1_within),
        observed_loss,
    ),
    "economy": Rule(
        "ECONOMY-gamma: waiting on costs more than it brings, by groups (Achenchabe et al., 2021)",
        by_tolerance(fit_economy_within),
        observed_loss,
        {"economy": Economy, "threshold": ThresholdCutoff},
    ),
    "calimera": Rule(
        "a regression expects waiting to cost more than it brings (Bilski and Jastrzebska, 2023)",
        fit_calimera_within,
        observed_loss,
        {"calimera": Calimera, "threshold": ThresholdCutoff},
    ),
    "msprt": Rule(
        "matrix SPRT: the lead reaches ln((K - 1) / tolerance), nothing is fitted (Armitage 1950)",
        _msprt,
        _as_modelled,
        allows_zero=False,
    ),
}


def __getattr__(name: str) -> object:
    """What the module of this name held before it became a folder."""
    from spikecut.moved import look_up

    return look_up(__name__, name)
