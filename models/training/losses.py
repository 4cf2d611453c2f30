"""Losses over all steps: a network is trained to be right at every step, not only at the last.

Every loss takes the instantaneous outputs of all steps and the targets, and gives one number. They differ in
what is compared with the target: each output by itself, their running sum, or their mean over all steps. A target
is a label, or a share of each class where a recording shows more than one (`drop_and_mix.mixed`).
"""

import math
from dataclasses import dataclass, fields

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from spikecut.pipeline.errors import ConfigError

Targets = Int64[Tensor, " B"] | Float[Tensor, "B K"]


@dataclass(frozen=True, slots=True)
class Loss:
    """A weighted sum of the losses below, as plain numbers for a recipe or a card.

    `evidence`, `per_step` and `mean` are weights. `tet_lambda` turns the per-step part into the TET loss, with
    `tet_means` as the value that its outputs are pulled to. `label_smoothing` spreads that share of every
    label evenly over the classes.

    Raises:
        ConfigError: for a number out of its range, weights that are all 0, or a TET lambda without its part.
    """

    evidence: float = 1.0
    per_step: float = 0.0
    mean: float = 0.0
    tet_lambda: float = 0.0
    tet_means: float = 1.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        for number in fields(self):
            if not math.isfinite(value := getattr(self, number.name)) or (value < 0 and number.name != "tet_means"):
                raise ConfigError(f"loss: {number.name} is {value}; expected a number of 0 or more")
        if self.evidence + self.per_step + self.mean == 0:
            raise ConfigError(
                "loss: the weights of evidence, per_step and mean are all 0", hint="give one of them a weight"
            )
        if self.tet_lambda > 1 or self.label_smoothing >= 1:
            raise ConfigError(
                f"loss: tet_lambda {self.tet_lambda}, label_smoothing {self.label_smoothing}; they are shares of 1"
            )
        if self.tet_lambda > 0 and self.per_step == 0:
            raise ConfigError(
                f"loss: tet_lambda is {self.tet_lambda} where per_step is 0", hint="TET weights the per-step loss"
            )

    def __call__(self, outputs: Float[Tensor, "B T K"], targets: Targets) -> Float[Tensor, ""]:
        """The loss of a batch; a part of weight 0 is not computed."""
        smooth, total = self.label_smoothing, outputs.new_zeros(())
        if self.evidence:
            total = total + self.evidence * evidence_loss(outputs, targets, label_smoothing=smooth)
        if self.per_step:
            tet = tet_loss(outputs, targets, means=self.tet_means, lamb=self.tet_lambda, label_smoothing=smooth)
            total = total + self.per_step * tet
        if self.mean:
            total = total + self.mean * mean_loss(outputs, targets, label_smoothing=smooth)
        return total


def evidence_loss(
    outputs: Float[Tensor, "B T K"], targets: Targets, *, label_smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """Cross-entropy of the summed outputs after every step, averaged over steps and recordings.

    The deciders read softmax of the running sum, so that is what is trained: each output becomes the
    evidence that its step adds, and the sum a log posterior that means the same at every step. Li et al.
    (arXiv 2305.17346) train on partial sums likewise.

    >>> import torch
    >>> outputs = torch.tensor([[[0.0, 0.0], [2.0, 0.0]]])
    >>> round(evidence_loss(outputs, torch.tensor([0])).item(), 4)
    0.41
    """
    return per_step_loss(outputs.cumsum(1), targets, label_smoothing=label_smoothing)


def per_step_loss(
    outputs: Float[Tensor, "B T K"], targets: Targets, *, label_smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """Cross-entropy of every output by itself, averaged over steps and recordings.

    >>> import torch
    >>> outputs = torch.tensor([[[0.0, 0.0], [2.0, 0.0]]])
    >>> round(per_step_loss(outputs, torch.tensor([0])).item(), 4)  # ln 2 and ln (1 + e^-2), averaged
    0.41
    """
    every = targets.repeat_interleave(outputs.shape[1], 0)
    return F.cross_entropy(outputs.flatten(0, 1), every, label_smoothing=label_smoothing)


def tet_loss(
    outputs: Float[Tensor, "B T K"],
    targets: Targets,
    *,
    means: float = 1.0,
    lamb: float = 1e-3,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The per-step loss, with a share `lamb` of it replaced by the squared distance of all outputs from `means`.

    The second part keeps the outputs of a few steps from growing at the cost of the rest. Temporal efficient
    training: Deng et al., arXiv 2202.11946; `lamb` is its lambda, `means` its constant phi.
    """
    right = per_step_loss(outputs, targets, label_smoothing=label_smoothing)
    return (1 - lamb) * right + lamb * (outputs - means).square().mean()


def mean_loss(outputs: Float[Tensor, "B T K"], targets: Targets, *, label_smoothing: float = 0.0) -> Float[Tensor, ""]:
    """Cross-entropy of the mean output over all steps: the usual loss, which asks nothing of early answers."""
    return F.cross_entropy(outputs.mean(1), targets, label_smoothing=label_smoothing)
