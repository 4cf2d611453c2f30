"""What a taught network may claim: figures of recordings that each readout did not learn from, and no promise."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import binomtest

from spikecut.models.card import ModelCard
from spikecut.models.files.memory import Memory
from spikecut.models.training.teaching import Readout, first_rows, outputs_at
from spikecut.pipeline.metrics.intervals import share_bound, wilson
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.fit import equal_fixed_steps
from spikecut.pipeline.rules.loss import outcome
from spikecut.pipeline.rules.ltt import recordings_needed
from spikecut.pipeline.rules.observed import fit_confidence
from spikecut.pipeline.rules.thresholds import ThresholdCutoff

_TOLERANCE, _DELTA = 0.02, 0.05
CUTOFF = "confidence-2pt"
_PROMISED = (0.1, 0.05, 0.02, 0.01)


def metrics_of(memory: Memory, recorded: RecordedOutputs) -> dict[str, Any]:
    """The card's figures on the recordings that taught, each answered by a readout that was taught without it."""
    rows, right = first_rows(memory), recorded.correct()[:, -1]
    own, labels = memory.taught[rows], memory.labels[rows]
    full = wilson(int(right[own].sum()), int(own.sum()))
    by_class = {
        name: _counted(right[own & (labels == k)])
        for k, name in enumerate(memory.origin.classes)
        if (own & (labels == k)).any()
    }
    old = np.zeros(len(memory.labels), np.bool_)
    old[rows] = ~own
    before = outputs_at(memory, old, Readout(memory.weight, memory.bias)).sum(1).argmax(1)
    of_old = {
        "n": int((~own).sum()),
        "right_before": int((before == labels[~own]).sum()),
        "right": int(right[~own].sum()),
        "note": "recordings of the network's memory, which trained its body",
    }
    return {
        "part": "the recordings that taught it, each answered by a readout taught without it",
        "n": int(own.sum()),
        "accuracy_full_window": round(full.value, 4),
        "interval_95_wilson": [round(full.low, 4), round(full.high, 4)],
        "by_class": by_class,
        "old_classes": of_old,
        "promise": promise_of(int(own.sum())),
    }


def promise_of(n: int) -> dict[str, Any]:
    """What n recordings can carry: nothing, for they taught; and how many others of the same kind would."""
    return {
        "promise": "none: what taught a network cannot vouch for it",
        "as_many_others": f"{n} others, none lost: at most {share_bound(0, n):.0%} lost, with 95 % confidence",
        "others_needed_without_a_loss": {f"{loss:.0%}": recordings_needed(loss, _DELTA) for loss in _PROMISED},
    }


def cutoff_for(card: ModelCard, memory: Memory, recorded: RecordedOutputs, seed: int) -> FittedCutoff:
    """SEENN-I with the smallest threshold that loses too much neither of the user's recordings nor of the old ones."""
    own = memory.taught[first_rows(memory)]
    parts = [recorded.pick(np.flatnonzero(one)) for one in (own, ~own) if one.any()]
    fitted = [fit_confidence(part, _TOLERANCE) for part in parts]
    cutoff: ThresholdCutoff = max(fitted, key=lambda one: float(one.thresholds.min()))
    observed = outcome(recorded, sweep(recorded, cutoff))
    n, keys = int(own.sum()), sorted(set(memory.origin.keys))
    needed = recordings_needed(0.1, _DELTA)
    return FittedCutoff(
        cutoff=cutoff,
        network=card.weights_sha256,
        classes=card.classes,
        step_us=card.spec.step_us,
        tolerance=_TOLERANCE,
        n=len(recorded),
        data=hashlib.sha256("".join(keys).encode()).hexdigest(),
        promise=(
            f"No promise: its {n} recordings taught the network. On them and {len(recorded) - n} of the old classes, "
            f"each answered by a readout taught without it, stopping early lost at most 2 points of each. {needed} "
            "others of yours, none of them lost, would carry the promise of at most 10 % lost (spikecut calibrate)."
        ),
        observed={
            "accuracy": observed.accuracy,
            "mean_steps": observed.mean_steps,
            "full_window_accuracy": float(recorded.correct()[:, -1].mean()),
            "equal_fixed_steps": equal_fixed_steps(recorded, observed.accuracy),
        },
        delta=_DELTA,
        seed=seed,
    )


def described(card: ModelCard, cutoff: FittedCutoff) -> Iterator[str]:
    """What was taught, in a few lines."""
    metrics = card.metrics
    for name, counted in metrics["by_class"].items():
        low, high = (f"{end:.0%}" for end in counted["interval_95_clopper_pearson"])
        yield f"{name}: {counted['right']} of {counted['n']} right when left out ({low} to {high})"
    old = metrics["old_classes"]
    yield f"old classes: {old['right']} of {old['n']} right, {old['right_before']} before"
    yield cutoff.promise


def _counted(right: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
    n_right, n = int(right.sum()), len(right)
    interval = binomtest(n_right, n).proportion_ci(0.95, method="exact")
    ends = [round(float(interval.low), 4), round(float(interval.high), 4)]
    return {"n": n, "right": n_right, "interval_95_clopper_pearson": ends}
