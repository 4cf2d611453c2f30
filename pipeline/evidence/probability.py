"""Softmax, and its negative logarithm, however large the logits are. The last axis is that of classes."""

import math

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from numpy import ndarray


def all_finite(values: Float32[ndarray, "B K"]) -> bool:
    """Whether no value is infinite or none at all (NaN).

    >>> all_finite(np.float32([[1, 2]])), all_finite(np.float32([[1, np.inf]])), all_finite(np.float32([[3e38, 3e38]]))
    (True, False, True)
    """
    return math.isfinite(np.vdot(values, values)) or bool(np.isfinite(values).all())  # a sum of squares may overflow


def softmax(logits: Float[ndarray, "... K"]) -> Float[ndarray, "... K"]:
    """Probabilities, in the precision of the logits.

    >>> softmax(np.log(np.array([[1, 3]], np.float32))).round(6)
    array([[0.25, 0.75]], dtype=float32)
    """
    weights = np.exp(logits - np.maximum.reduce(logits, axis=-1, keepdims=True))
    return np.asarray(weights / np.add.reduce(weights, axis=-1, keepdims=True))


def log_odds(logits: Float32[ndarray, "B K"], labels: Int64[ndarray, " B"]) -> Float64[ndarray, " B"]:
    """ln p / (1 - p) of one class a lane, p its softmax probability; exact for probabilities that round to 1.

    >>> log_odds(np.float32([[0, 0], [0, 800]]), np.array([0, 1]))
    array([  0., 800.])
    """
    lanes = np.arange(len(logits))
    others = logits.astype(np.float64)
    chosen = others[lanes, labels]
    others[lanes, labels] = -np.inf
    most = others.max(axis=-1)
    return np.asarray(chosen - most - np.log(np.exp(others - most[:, None]).sum(axis=-1)))


def negative_log_softmax(logits: Float32[ndarray, "... K"]) -> Float64[ndarray, "... K"]:
    """-ln of the softmax probabilities, in double precision; exact for probabilities that round to 0.

    >>> negative_log_softmax(np.array([[0, 800]], np.float32))
    array([[800.,   0.]])
    """
    lead = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(lead).sum(axis=-1, keepdims=True)) - lead)
