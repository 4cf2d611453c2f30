"""A network that others trained on genuine DVS128 Gesture, as a witness: how like the genuine gestures drawn ones look.

The weights are those of sinabs' Speck demo (Apache-2.0). Which output is which class, which polarity comes first and
how its camera stood is not published. So an assignment of outputs to classes is chosen on some people and judged on
others. Images are mirrored: of the eight flips (mirrored, upside down, polarities swapped) this one fits version 1 of
the drawing best, by little. Nothing is trained.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn
from numpy import ndarray
from safetensors.torch import load_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor

FILE = "dvs_gesture_params.safetensors"
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
    """What it says of gestures: how many of `n` are right under the assignment chosen on other people.

    `n_arm_right` of `n_arm` waves and circles are given to the arm that made them.
    """

    n_right: int
    n: int
    n_arm_right: int
    n_arm: int


def answers(folder: Path, images: ndarray) -> ndarray:
    """The answer, 0 to 10, to each count image (N, 2, 128, 128), mirrored: (N,)."""
    weights = load_file(folder / FILE)
    with torch.no_grad():
        mirrored = torch.from_numpy(np.ascontiguousarray(images[..., ::-1])).float()
        return np.asarray(_forward(weights, mirrored).argmax(1).numpy())


def judged(given: ndarray, labels: ndarray, chooses: ndarray) -> Witness:
    """Answers (N,) judged against labels (N,). The assignment is chosen where `chooses` (N,) is true."""
    named, truth = _assigned(given[chooses], labels[chooses])[given[~chooses]], labels[~chooses]
    arms = np.isin(truth, RIGHT_ARM + LEFT_ARM)
    same_arm = np.isin(named, RIGHT_ARM) & np.isin(truth, RIGHT_ARM) | np.isin(named, LEFT_ARM) & np.isin(
        truth, LEFT_ARM
    )
    return Witness(int((named == truth).sum()), len(truth), int(same_arm.sum()), int(arms.sum()))


def _assigned(given: ndarray, labels: ndarray) -> ndarray:
    """The class of each output, in the one-to-one assignment with most right answers."""
    table = np.zeros((11, 11), np.int64)  # output, class
    np.add.at(table, (given, labels), 1)
    return np.asarray(linear_sum_assignment(-table)[1])


def _forward(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    for key, (stride, padding, pooled) in _CONVOLUTIONS.items():
        x = nn.conv2d(x, weights[f"{key}.weight"], stride=stride, padding=padding).relu()
        x = nn.avg_pool2d(x, 2) if pooled else x
    x = nn.linear(x.flatten(1), weights["22.weight"]).relu()
    return nn.linear(x, weights["24.weight"])
