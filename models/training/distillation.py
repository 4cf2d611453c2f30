"""Distillation: targets that come in part from a trained network, the teacher.

The teacher answers for the very frames that the network in training is shown, with the same variations: its answer
for a showing says more than the label, and follows it where the showing hides what the label is about (Beyer et al.,
arXiv 2106.05237). Hinton et al. (arXiv 1503.02531) is the source of the idea; for networks of events with a teacher
that sees all events in one frame, HSD (arXiv 2409.12507).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from spikecut.models.cells.conversion import as_ann
from spikecut.models.training.layerwise import outputs_of
from spikecut.models.training.losses import Targets


@dataclass(frozen=True, slots=True, eq=False)
class Teacher:
    """A trained network of the same classes, in evaluation mode, that is not trained further.

    One that was trained to be converted (`spec.levels`) answers as the ANN that it was in training.
    """

    network: nn.Module
    bfloat16: bool = False
    mirrored: tuple[int, ...] = ()

    def answer(self, frames: Float[Tensor, "B T C H W"]) -> Float[Tensor, "B K"]:
        """The share of each class after the last step: softmax of the summed outputs.

        With `mirrored`, the class that each class becomes in a mirror, of the mean of these sums for the frames and for
        their mirror images.
        """
        evidence = self._summed(frames)
        if self.mirrored:
            evidence = (evidence + self._summed(frames.flip(4))[:, list(self.mirrored)]) / 2
        return evidence.softmax(1)

    def _summed(self, frames: Float[Tensor, "B T C H W"]) -> Float[Tensor, "B K"]:
        with torch.no_grad(), as_ann(self.network):
            return outputs_of(self.network, frames, bfloat16=self.bfloat16).float().sum(1)


def taught(targets: Targets, answer: Float[Tensor, "B K"], share: float) -> Float[Tensor, "B K"]:
    """Targets of which the given share is the teacher's answer, and the rest the labels or what they were before.

    >>> taught(torch.tensor([1]), torch.tensor([[0.4, 0.6]]), 0.5)
    tensor([[0.2000, 0.8000]])
    """
    before = targets if targets.is_floating_point() else F.one_hot(targets, answer.shape[1])
    return (1 - share) * before + share * answer
