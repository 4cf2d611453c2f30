"""What a training may ask of the activity inside a network, beside the loss of its outputs.

All take the activity of every spiking layer (not the output) and give one number to be added to the
loss with a weight. Layers count alike, however large they are.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from spikecut.models.scan import Activity

_SMALL = 1e-5  # as in the published code: keeps a silent layer from dividing by 0


def rcs_loss(
    layers: Sequence[Activity], outputs: Float[Tensor, "B T K"], labels: Int64[Tensor, " B"], *, lasting: float = 0.3
) -> Float[Tensor, ""]:
    """How much the activity on the way points elsewhere than the activity at the end: at least 1, less is better.

    For every layer the worst inverse cosine among the recordings that the network gets right at the end, averaged
    over layers; 0 if it gets none right. Early answers then agree with late ones, and a cutoff may come sooner:
    regularisation of cosine similarity, RCS, by Wu et al. (arXiv 2301.09522), as their code computes it. Only one
    recording a layer receives a gradient, so only for that one it is computed.
    """
    right = lastingly_right(outputs, labels, lasting).nonzero().flatten().tolist()
    if not right:
        return outputs.new_zeros(())
    worst = []
    for layer in layers:
        with torch.no_grad():  # one at a time: they fit into the cache
            costs = [float(inverse_cosine(response(_of(layer, lane)))) for lane in right]
        at = right[costs.index(max(costs))]
        worst.append(inverse_cosine(response(_of(layer, at)))[0])
    return torch.stack(worst).mean()


def rcs_ann_loss(
    layers: Sequence[Activity], outputs: Float[Tensor, "B T K"], labels: Int64[Tensor, " B"]
) -> Float[Tensor, ""]:
    """How far the strongest activation of a layer stands above the usual ones of a recording: less is better.

    For every layer the highest current above 0 of the batch, over the root mean square of a recording's own,
    for the worst of the recordings that the ANN gets right; averaged over layers, and 0 if it gets none right. Where
    few activations tower above the rest, most cells of the spiking network made of it wait long for their
    first spike: RCS for conversion (Wu et al., arXiv 2301.09522), as their code computes it, on what the
    activations are given (`membranes` of an ANN's `Activity`).
    """
    right = lastingly_right(outputs, labels, 1.0).nonzero().flatten()
    if not len(right):
        return outputs.new_zeros(())
    worst = []
    for layer in layers:
        currents = layer.membranes.relu()
        with torch.no_grad():
            at = right[spread(currents)[right].argmin()]
        worst.append(currents.max().float() / spread(currents[:, at : at + 1])[0])
    return torch.stack(worst).mean()


def rate_loss(layers: Sequence[Activity], target: float = 0.0) -> Float[Tensor, ""]:
    """By how many spikes a cell and step the layers fire above `target`, averaged over layers.

    Spikes are what an event-driven engine and neuromorphic hardware spend time and energy on. The excess enters as
    it is and not squared, so the pull on a layer that fires 3 % is the same as on one that fires 30 %, until it is
    down to the target. The upper bound on a population's rate of Zenke and Vogels (Neural Computation 33, 2021).
    """
    return torch.stack([(layer.spikes.float().mean() - target).clamp(min=0) for layer in layers]).mean()


def response(layer: Activity) -> Float[Tensor, "T B *cells"]:
    """The graded activity that RCS compares: the spike, and how far the membrane is on its way to the next.

    The threshold is 1. At 0, where a spike leaves it, a membrane receives no gradient (`clamp` would give it one).
    """
    return layer.spikes + layer.membranes.relu()


def inverse_cosine(responses: Float[Tensor, "T B *cells"]) -> Float[Tensor, " B"]:
    """One over the mean cosine between a layer's activity at every step and its mean over the last 30 % of the steps.

    That mean is a fixed aim and receives no gradient. Where 30 % are less than one step it is that of all steps.
    """
    cells = responses.movedim(2, -1).flatten(2)  # channels last, as they lie in memory
    last = int(0.3 * len(cells))
    aim = cells[-last:].detach().mean(0)  # -0 is the beginning: all steps
    cosines = torch.einsum("tbf,bf->tb", cells, aim) / (_length(cells) * _length(aim))
    return 1 / (cosines.mean(0) + _SMALL)


def spread(currents: Float[Tensor, "T B *cells"]) -> Float[Tensor, " B"]:
    """The root mean square over all cells of a layer, and over steps where there are several."""
    return (currents.float().square().mean([0, *range(2, currents.ndim)]) + _SMALL).sqrt()


def lastingly_right(outputs: Float[Tensor, "B T K"], labels: Int64[Tensor, " B"], lasting: float) -> Bool[Tensor, " B"]:
    """Whose outputs by themselves are right in all of the last steps: a share `lasting` of all, or all if that is 0."""
    last = int(lasting * outputs.shape[1])
    return (outputs[:, -last:].argmax(2) == labels[:, None]).all(1)


def _of(layer: Activity, lane: int) -> Activity:
    return Activity(layer.spikes[:, lane : lane + 1], layer.membranes[:, lane : lane + 1])


def _length(cells: Float[Tensor, "*B F"]) -> Float[Tensor, "*B"]:
    squares: Tensor = torch.linalg.vector_norm(cells, dim=-1).square()
    return (squares + _SMALL).sqrt()
