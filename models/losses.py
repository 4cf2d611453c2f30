"""What a network is trained for: to be right at every step, not only at the last."""

from torch import Tensor
from torch.nn import functional as F


def evidence_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the summed outputs after every step, averaged over steps and recordings.

    `outputs` is `(B, T, K)`, per step. The deciders read softmax of the running sum, so that is what is
    trained: each output becomes the evidence that its step adds, and the sum a log posterior that
    means the same at every step. Li et al. (arXiv 2305.17346) train on partial sums likewise.

    >>> import torch
    >>> outputs = torch.tensor([[[0.0, 0.0], [2.0, 0.0]]])
    >>> round(evidence_loss(outputs, torch.tensor([0])).item(), 4)
    0.41
    """
    totals = outputs.cumsum(1)
    return F.cross_entropy(totals.flatten(0, 1), labels.repeat_interleave(outputs.shape[1]))
