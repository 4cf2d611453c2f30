"""A readout that is taught by a few recordings: rows for new classes, changes to those of old ones; the body stays.

The network's output is `W s + b` of what its last layer fires, and evidence is the sum of the outputs. So what a
recording is to the readout is the running sum of its inputs at a few marks, and fitting the readout is a multinomial
regression on those sums: seconds, and convex. docs/adr/0034-teaching.md says what was tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional as F

from spikecut.models.files.memory import Memory
from spikecut.models.layers import LogCounts, sequential
from spikecut.models.training.augment import Augmentation, augment
from spikecut.models.training.layerwise import outputs_of
from spikecut.pipeline.errors import ModelError

COPIES = 12  # variations of each recording
_SHARED = 3  # rows made of each row of a user's with deviations that others have
_AT_ONCE = 512  # frames
_STRENGTH = 3e-3  # of the squares of what is learned
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Readout:
    """The weights and biases of a linear readout."""

    weight: Float32[ndarray, "K F"]
    bias: Float32[ndarray, " K"]


def body_and_readout(network: nn.Module) -> tuple[nn.Module, nn.Linear]:
    """The layers up to the readout, and the readout.

    Raises:
        ModelError: if the network does not end in a linear layer.
    """
    *body, readout = network.eval().children()
    if not isinstance(readout, nn.Linear):
        raise ModelError(f"the network ends in a {type(readout).__name__}; expected a linear readout")
    return sequential(*body), readout


def marks_of(horizon: int) -> tuple[int, ...]:
    """Eight steps, the early ones closer together, the last at the end of the window.

    >>> marks_of(75)
    (5, 10, 15, 20, 30, 45, 60, 75)
    """
    shares = (1 / 15, 2 / 15, 1 / 5, 4 / 15, 2 / 5, 3 / 5, 4 / 5, 1)
    return tuple(sorted({max(1, round(share * horizon)) for share in shares}))


def sums_of(body: nn.Module, frames: Float[Tensor, "N T C H W"], marks: Sequence[int]) -> Float32[ndarray, "N M F"]:
    """What the readout's inputs sum to from one mark to the next."""
    parts, edges = [], [0, *marks]
    with torch.inference_mode():
        for part in torch.split(frames[:, : marks[-1]], max(1, _AT_ONCE // marks[-1])):
            summed = outputs_of(body, part.float()).cumsum(1)
            parts.append(F.pad(summed, (0, 0, 1, 0))[:, edges].diff(dim=1))
    return torch.cat(parts).numpy()


def merged(network: nn.Module, frames: Float[Tensor, "N T C H W"]) -> Float[Tensor, "N T C h w"]:
    """Frames counted on the grid that the network's first layer merges them to, where it does."""
    first = next(iter(network.children()))
    side = frames.shape[-1] // first.side if isinstance(first, LogCounts) and first.side else 1
    if side <= 1:
        return frames
    counted: Tensor = F.avg_pool2d(frames.flatten(0, 2)[:, None], side)[:, 0] * side**2
    merged_frames: Tensor = counted.unflatten(0, frames.shape[:3])
    return merged_frames


def varied(frames: Float[Tensor, "T C H W"], seed: int) -> Float[Tensor, "R T C H W"]:
    """The recording, and `COPIES` of it: turned, scaled, sheared, shifted, thinned, every second one with ON for OFF.

    None is mirrored, which would make another gesture of it.
    """
    shift = frames.shape[-1] / 16
    how = Augmentation(rotate_deg=6, scale=0.1, shear=0.05, shift=shift, drop=0.4, inverted=True)
    labels, generator = torch.zeros(COPIES, dtype=torch.int64), torch.Generator().manual_seed(seed)
    copies, _ = augment(frames.float().repeat(COPIES, 1, 1, 1, 1), labels, how, generator)
    return torch.cat([frames.float()[None], copies])


def taught_readout(memory: Memory, seed: int, rows: Bool[ndarray, " N"] | None = None) -> Readout:
    """The readout that the rows of a memory teach (default: all).

    Rows of classes without a user's recordings are the trained ones. Cross-entropy of the evidence at every mark, every
    class of equal weight, and a penalty on what is learned. How people differ in the old classes is taken for how they
    will differ in the user's (Hariharan and Girshick, arXiv 1606.02819): each of the user's rows is also shown with
    deviations of others from the mean of their class.
    """
    inputs, labels = _shown(memory, np.ones(len(memory.labels), np.bool_) if rows is None else rows, seed)
    marks = torch.tensor(memory.origin.marks, dtype=torch.float32)
    start = _extended(memory)
    weight, bias = torch.from_numpy(start.weight), torch.from_numpy(start.bias)
    learned = torch.from_numpy(np.unique(memory.labels[memory.taught]))
    more = torch.zeros(len(learned), weight.shape[1], requires_grad=True)
    offset = torch.zeros(len(learned), requires_grad=True)
    before = inputs @ weight.T + bias * marks[:, None]
    weights = 1 / torch.bincount(labels, minlength=len(weight)).float()[labels]
    weights = weights / weights.sum()
    solver = torch.optim.LBFGS([more, offset], max_iter=200, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        logits = before.index_add(2, learned, inputs @ more.T + offset * marks[:, None])
        entropy = F.cross_entropy(logits.flatten(0, 1), labels.repeat_interleave(len(marks)), reduction="none")
        total = (weights * entropy.view(len(labels), -1).mean(1)).sum() + _STRENGTH * more.square().sum()
        total.backward()
        return total

    solver.step(loss)
    weight, bias = weight.index_add(0, learned, more.detach()), bias.index_add(0, learned, offset.detach())
    return Readout(weight.numpy(), bias.numpy())


def cross_taught(memory: Memory, seed: int) -> Float32[ndarray, "N T K"]:
    """The outputs for each recording of readouts that were taught without it, a fifth of the recordings at a time.

    Those of the first row of each key, in their order. Within two marks every step has the same output.
    """
    keys = np.array(memory.origin.keys)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    folds = np.random.default_rng(seed).permutation(len(first)) % _FOLDS
    outputs = np.zeros((len(keys), memory.origin.marks[-1], len(memory.origin.classes)), np.float32)
    for fold in range(_FOLDS):
        apart = folds[group] == fold
        readout = taught_readout(memory, seed, ~apart)
        outputs[apart] = outputs_at(memory, apart, readout)
    return outputs[np.sort(first)]


def outputs_at(memory: Memory, rows: Bool[ndarray, " N"], readout: Readout) -> Float32[ndarray, "n T K"]:
    """The outputs of a readout for some rows; within two marks every step has their mean."""
    lengths = np.diff([0, *memory.origin.marks])
    means = memory.features[rows].astype(np.float32) / lengths[:, None].astype(np.float32)
    return np.repeat(means @ readout.weight.T + readout.bias, lengths, axis=1)


def first_rows(memory: Memory) -> Int64[ndarray, " n"]:
    """The row of each recording as it is, without its variations."""
    return np.sort(np.unique(np.array(memory.origin.keys), return_index=True)[1])


def _shown(memory: Memory, which: Bool[ndarray, " N"], seed: int) -> tuple[Float[Tensor, "R M F"], Int64[Tensor, " R"]]:
    """The running sums to learn from, and their labels: the rows, and those of the user with deviations of others."""
    sums = np.cumsum(memory.features[which], axis=1, dtype=np.float32)
    labels, own = memory.labels[which], memory.taught[which]
    others, of = sums[~own], labels[~own]
    means = np.zeros((len(memory.origin.classes), *sums.shape[1:]), np.float32)
    for label in np.unique(of):
        means[label] = others[of == label].mean(0)
    more = np.tile(sums[own], (_SHARED, 1, 1))
    if len(others):
        drawn = np.random.default_rng(seed).integers(0, len(others), len(more))
        more += others[drawn] - means[of[drawn]]
    return torch.from_numpy(np.concatenate([sums, more])), torch.from_numpy(
        np.concatenate([labels, np.tile(labels[own], _SHARED)])
    )


def _extended(memory: Memory) -> Readout:
    """The trained readout, with rows of zeros for the new classes."""
    n = len(memory.origin.classes) - memory.origin.n_old
    return Readout(np.pad(memory.weight, ((0, n), (0, 0))), np.pad(memory.bias, (0, n)))
