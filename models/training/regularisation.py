"""Regularisers of the activity inside a network, added to the loss of its outputs.

All look at every spiking layer (not at the output) and give one number to be added to the loss with a weight. Layers
count alike, however large they are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from spikecut.models.cells.activity import SMALL, Activity, cosines, response
from spikecut.models.training.layer_activity import Driven

_NO_GRADIENT = 1e-12  # a norm below it is taken for it, so that a ratio stays finite


@dataclass(frozen=True, slots=True)
class Pull:
    """How strongly RCS pulled at the weights in the first batch of an epoch, which counts from 1.

    `ratio` is the norm of the gradient of RCS, times its weight, over that of the task's loss (`gradient_ratio`).
    `right` is the share of the recordings that are right at the end: only these may be pulled at.
    """

    epoch: int
    ratio: float
    right: float


def rcs_loss(
    layers: Sequence[Driven], outputs: Float[Tensor, "B T K"], labels: Int64[Tensor, " B"], *, lasting: float = 0.3
) -> Float[Tensor, ""]:
    """RCS: the inverse cosine similarity of the activity at each step to that at the end; at least 1, less is better.

    For every layer the worst inverse cosine among the recordings that the network gets right at the end, averaged
    over layers; 0 if it gets none right. Early answers then agree with late ones, and a cutoff may come sooner:
    regularisation of cosine similarity, RCS, by Wu et al. (arXiv 2301.09522), as their code computes it. Only one
    recording a layer receives a gradient, so only for that one it is computed.
    """
    right = lastingly_right(outputs, labels, lasting).nonzero().flatten()
    if not len(right):
        return outputs.new_zeros(())
    worst = []
    for layer in layers:
        at = int(right[layer.cosines().to(right.device)[right].argmin()])
        worst.append(1 / (cosines(response(layer.activity(at)))[0] + SMALL))
    return torch.stack(worst).mean()


def rcs_ann_loss(
    currents: Sequence[Float[Tensor, "T B ..."]], outputs: Float[Tensor, "B T K"], labels: Int64[Tensor, " B"]
) -> Float[Tensor, ""]:
    """RCS for ANNs: the largest current into a layer over the root mean square of a recording's; less is better.

    Takes what every activation of an ANN is given. For every layer the highest current above 0 of the batch, over the
    root mean square of a recording's own, for the worst of the recordings that the ANN gets right; averaged
    over layers, and 0 if it gets none right. Where few activations tower above the rest, most cells of the spiking
    network made of it wait long for their first spike: RCS for conversion (Wu et al., arXiv 2301.09522), as
    their code computes it.
    """
    right = lastingly_right(outputs, labels, 1.0).nonzero().flatten()
    if not len(right):
        return outputs.new_zeros(())
    worst = []
    for layer in (one.movedim(2, -1) for one in currents):  # as they lie in memory
        cells = [0, *range(2, layer.ndim)]
        with torch.no_grad():
            squares = layer.relu().square().mean(cells, dtype=torch.float32)
            lanes = torch.stack([layer.amax(cells).argmax(), right[squares[right].argmin()]])
        top, own = layer.index_select(1, lanes).relu().float().unbind(1)
        worst.append(top.max() / (own.square().mean() + SMALL).sqrt())
    return torch.stack(worst).mean()


def rate_loss(layers: Sequence[Activity], target: float = 0.0) -> Float[Tensor, ""]:
    """By how many spikes a cell and step the layers fire above `target`, averaged over layers.

    Spikes are what an event-driven engine and neuromorphic hardware spend time and energy on. The excess enters as
    it is and not squared, so the pull on a layer that fires 3 % is the same as on one that fires 30 %, until it is
    down to the target. The upper bound on a population's rate of Zenke and Vogels (Neural Computation 33, 2021).
    """
    return torch.stack([(layer.spikes.float().mean() - target).clamp(min=0) for layer in layers]).mean()


def gradient_ratio(regulariser: Tensor, task: Tensor, weights: Sequence[Tensor]) -> float:
    """The norm of a regulariser's gradient over that of the task's loss, both with respect to all weights.

    Gradients are not clipped, those that the weights keep are left alone, and the graph of both losses stays for the
    training's own way back. A regulariser that no recording enters has the ratio 0.
    """
    norms = []
    for loss in (regulariser, task):
        gradients: tuple[Tensor | None, ...] = ()
        if loss.grad_fn is not None:
            gradients = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        norms.append(math.sqrt(sum(one.double().square().sum().item() for one in gradients if one is not None)))
    return norms[0] / max(norms[1], _NO_GRADIENT)


def lastingly_right(outputs: Float[Tensor, "B T K"], labels: Int64[Tensor, " B"], lasting: float) -> Bool[Tensor, " B"]:
    """Whether outputs, each by itself, are right in the last steps: the share `lasting` of them, or all if it is 0."""
    last = int(lasting * outputs.shape[1])
    return (outputs[:, -last:].argmax(2) == labels[:, None]).all(1)
