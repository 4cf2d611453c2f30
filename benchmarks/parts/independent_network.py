"""A network that others trained on genuine DVS128 Gesture, as a witness: how like the genuine gestures drawn ones look.

The weights are those of sinabs' Speck demo (Apache-2.0). Which output is which class, which polarity comes first and
how its camera stood is not published. So an assignment of outputs to classes and one of eight flips are chosen on
some people and judged on others. Nothing is trained.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn
from numpy import ndarray
from safetensors.torch import load_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor

FILE = "dvs_gesture_params.safetensors"
FLIPS = tuple(product((False, True), repeat=3))  # polarities swapped, mirrored, upside down
RIGHT_ARM, LEFT_ARM = (1, 3, 4), (2, 5, 6)
_CONVOLUTIONS = {  # stride, padding, whether pooled, by key
    "0": (2, 0, False),
    "2": (1, 1, True),
    "5": (1, 1, True),
    "8": (1, 1, True),
    "11": (1, 1, True),
    "14": (1, 1, True),
    "18": (1, 0, False),
}


@dataclass(frozen=True, slots=True)
class Witness:
    """What it says of gestures: how many of `n` are right under the assignment and flip chosen on other people.

    `n_arm_right` of `n_arm` waves and circles are given to the arm that made them.
    """

    n_right: int
    n: int
    n_arm_right: int
    n_arm: int


def answers(folder: Path, images: ndarray) -> ndarray:
    """The answer, 0 to 10, to each count image (N, 2, 128, 128) under each of `FLIPS`: (8, N)."""
    weights = load_file(folder / FILE)
    with torch.no_grad():
        return np.array([_forward(weights, _flipped(images, flip)).argmax(1).numpy() for flip in FLIPS])


def judged(given: ndarray, labels: ndarray, chooses: ndarray) -> Witness:
    """Answers (8, N) judged against labels (N,). Assignment and flip are chosen where `chooses` (N,) is true."""
    choices = [_assigned(one[chooses], labels[chooses]) for one in given]
    flip = int(np.argmax([n_right for n_right, _ in choices]))
    named, truth = choices[flip][1][given[flip][~chooses]], labels[~chooses]
    arms = np.isin(truth, RIGHT_ARM + LEFT_ARM)
    same_arm = np.isin(named, RIGHT_ARM) & np.isin(truth, RIGHT_ARM) | np.isin(named, LEFT_ARM) & np.isin(
        truth, LEFT_ARM
    )
    return Witness(int((named == truth).sum()), len(truth), int(same_arm.sum()), int(arms.sum()))


def _assigned(given: ndarray, labels: ndarray) -> tuple[int, ndarray]:
    """The one-to-one assignment of outputs to classes with most right answers: how many, and the class by output."""
    table = np.zeros((11, 11), np.int64)  # output, class
    np.add.at(table, (given, labels), 1)
    outputs, classes = linear_sum_assignment(-table)
    return int(table[outputs, classes].sum()), np.asarray(classes)


def _flipped(images: ndarray, flip: tuple[bool, ...]) -> Tensor:
    axes = tuple(axis for axis, wanted in zip((1, 3, 2), flip, strict=True) if wanted)
    return torch.from_numpy(np.ascontiguousarray(np.flip(images, axes))).float()


def _forward(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    for key, (stride, padding, pooled) in _CONVOLUTIONS.items():
        x = nn.conv2d(x, weights[f"{key}.weight"], stride=stride, padding=padding).relu()
        x = nn.avg_pool2d(x, 2) if pooled else x
    x = nn.linear(x.flatten(1), weights["22.weight"]).relu()
    return nn.linear(x, weights["24.weight"])
