"""Early recognition as it is drawn elsewhere: Top-1 and Top-5 against the observed share of the window.

EEvAct (Neumeier et al., arXiv 2507.07734) reports both scores for growing observation time. Here every recording is
observed up to the end of each step, and answered from the readout of all steps until then.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from spikecut.pipeline.metrics.intervals import Estimate, wilson
from spikecut.pipeline.recorded import RecordedOutputs

TOP = 5


@dataclass(frozen=True, slots=True)
class EarlyCurve:
    """The accuracy after each step, with Wilson intervals; `share` is that of the network's window, above 0 to 1.

    Recordings that last as long as the window are observed to the same share of their own length. `top5` is the share
    of recordings whose true class is among the five leading ones; None for networks of five classes or fewer, where it
    says nothing.
    """

    share: tuple[float, ...]
    top1: tuple[Estimate, ...]
    top5: tuple[Estimate, ...] | None


def early_curve(recorded: RecordedOutputs) -> EarlyCurve:
    """Top-1 and Top-5 of recorded outputs after every step, with the readout of the recordings."""
    n, horizon = len(recorded), recorded.horizon
    shares = tuple((t + 1) / horizon for t in range(horizon))
    tops = [
        tuple(wilson(int(right), n) for right in among(recorded, leading).sum(axis=0))
        for leading in ((1, TOP) if recorded.n_classes > TOP else (1,))
    ]
    return EarlyCurve(shares, tops[0], tops[1] if len(tops) > 1 else None)


def among(recorded: RecordedOutputs, leading: int) -> Bool[ndarray, "N T"]:
    """Whether the true class is among so many leading ones after each step; of equal classes the first leads.

    >>> outputs = np.array([[[3, 2, 2, 0]]], np.float32)
    >>> [among(RecordedOutputs(outputs, np.array([label])), 2).item() for label in range(4)]
    [True, True, False, False]
    """
    logits = recorded.logits()
    true = np.take_along_axis(logits, recorded.labels[:, None, None], axis=2)
    earlier = np.arange(recorded.n_classes) < recorded.labels[:, None, None]
    ahead = (logits > true) | ((logits == true) & earlier)
    return np.asarray(ahead.sum(axis=2) < leading)
