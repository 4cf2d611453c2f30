"""Scores of the evidence so far: one number a lane after each step, which rules compare with a threshold.

Equal leaders count as a lead of 0. All read logits `(B, K)` and the number of steps made.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.evidence.probability import softmax

Logits = Float32[ndarray, "B K"]
Scores = Float32[ndarray, " B"]


def step_number(logits: Logits, steps: Int64[ndarray, " B"], weights: tuple[float, ...] = ()) -> Scores:
    """The number of steps made, for rules that stop at a fixed step."""
    return steps.astype(np.float32)


def top2_gap(logits: Logits, steps: Int64[ndarray, " B"], weights: tuple[float, ...] = ()) -> Scores:
    """How far the leader is ahead: highest minus second highest logit.

    The Top-K cutoff of Wu et al. (arXiv 2301.09522) stops when this exceeds beta. Equal leaders give
    0, which never exceeds a beta of 0 or more.

    Raises:
        ModelError: if there is one class only; it has no runner-up.

    >>> top2_gap(np.array([[1, 5, 2], [3, 3, 0]], np.float32), np.array([1, 1]))
    array([3., 0.], dtype=float32)
    """
    n_classes = logits.shape[1]
    if n_classes < 2:
        raise ModelError("one class has no runner-up, so there is no gap to measure")
    first_two = np.partition(logits, (n_classes - 2, n_classes - 1), axis=1)
    return np.asarray(first_two[:, -1] - first_two[:, -2])


def largest_probability(logits: Logits, steps: Int64[ndarray, " B"], weights: tuple[float, ...] = ()) -> Scores:
    """The largest entry of softmax(logits).

    >>> largest_probability(np.log(np.array([[1, 3]], np.float32)), np.array([1])).round(6)
    array([0.75], dtype=float32)
    """
    weights = np.exp(logits - np.maximum.reduce(logits, axis=1, keepdims=True))  # the largest is exactly 1
    return np.asarray(1 / np.add.reduce(weights, axis=1), np.float32)


def certainty(logits: Logits, steps: Int64[ndarray, " B"], weights: tuple[float, ...] = ()) -> Scores:
    """1 - entropy / ln K of softmax(logits): 0 if all classes are equal, 1 if one is certain.

    >>> certainty(np.array([[50, 50, 0, 0]], np.float32), np.array([1])).round(3)
    array([0.5], dtype=float32)
    """
    n_classes = logits.shape[1]
    if n_classes < 2:
        raise ModelError("one class leaves nothing to be uncertain about")
    lead = logits - logits.max(axis=1, keepdims=True)
    weight = np.exp(lead)
    norm = weight.sum(axis=1)
    entropy = np.log(norm) - (weight * lead).sum(axis=1) / norm
    return np.asarray(1 - entropy / np.log(n_classes), np.float32)


def mixed_lead(logits: Logits, steps: Int64[ndarray, " B"], weights: tuple[float, ...] = ()) -> Scores:
    """g1 p(1) + g2 (p(1) - p(2)): the part of SR1 that looks at the probabilities."""
    n_classes = logits.shape[1]
    if n_classes < 2:
        raise ModelError("one class has no runner-up, so there is no gap to measure")
    two = np.partition(softmax(logits), (n_classes - 2, n_classes - 1), axis=1)
    return np.asarray(weights[0] * two[:, -1] + weights[1] * (two[:, -1] - two[:, -2]), np.float32)


SCORES: dict[str, Callable[[Logits, Int64[ndarray, " B"], tuple[float, ...]], Scores]] = {
    "step": step_number,
    "top2_gap": top2_gap,
    "confidence": largest_probability,
    "entropy": certainty,
    "sr1": mixed_lead,
}
