"""Whole recordings through a network layer by layer, each through all steps: how networks are trained and tested.

Nothing in these networks flows back from a layer to an earlier one, so this gives what stepping gives (a test),
in a fraction of the time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeGuard

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from spikecut.models.cells.base import CellLayer
from spikecut.models.cells.conversion import as_ann
from spikecut.models.layers import Residual, Scanned
from spikecut.models.training.layer_activity import Driven
from spikecut.models.training.mixed_steps import Configuration

_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
_AT_ONCE = 512  # frames that an evaluation carries through a layer together


@dataclass(frozen=True, slots=True)
class _Way:
    """Options of one pass through a network; `watched` gets each layer of cells and the currents into it."""

    steps: int
    bfloat16: bool
    watched: list[Driven] | None = None
    configuration: Configuration | None = None


def outputs_of(
    network: nn.Module,
    frames: Num[Tensor, "B t C H W"],
    *,
    steps: int | None = None,
    bfloat16: bool = False,
    configuration: Configuration | None = None,
) -> Float[Tensor, "B T K"]:
    """The outputs of whole recordings at every step, with gradients where enabled.

    The same as `forward_step` after `forward_step` gives. A single frame, as of an image, is repeated for `steps`
    steps; layers before the first cells then compute it once. An ANN (`conversion`) has one output, T = 1.
    With `bfloat16` the convolutions multiply in that type, and everything between them and the cells is kept in it.
    With a `configuration` every stage takes its own number of steps, and T is that of the last one (`mixed_steps`).
    """
    return _outputs(network, frames, _Way(steps or frames.shape[1], bfloat16, None, configuration))


def outputs_and_layers(
    network: nn.Module,
    frames: Num[Tensor, "B t C H W"],
    *,
    steps: int | None = None,
    bfloat16: bool = False,
    configuration: Configuration | None = None,
) -> tuple[Float[Tensor, "B T K"], list[Driven]]:
    """The same outputs, and every spiking layer with the currents into it, for regularisers."""
    watched: list[Driven] = []
    return _outputs(network, frames, _Way(steps or frames.shape[1], bfloat16, watched, configuration)), watched


def stages_of(network: nn.Module, n_layers: int) -> list[list[nn.Module]]:
    """The layers of a network in stages of `n_layers` spiking layers each, for mixed time-step training.

    A stage begins with what leads to its first spiking layer, and ends with the pooling behind its last. A residual
    block, up to the cells after the sum, counts as one layer. The readout belongs to the last stage, which has what is
    left where the layers do not come out even.
    """
    layers = list(network.children())
    cells = [at for at, layer in enumerate(layers) if isinstance(layer, CellLayer)]
    starts = [0]
    for at in cells[n_layers - 1 : -1 : n_layers]:
        starts.append(next(i for i in range(at + 1, len(layers)) if not isinstance(layers[i], _POOLING)))
    return [layers[begin:end] for begin, end in pairwise((*starts, len(layers)))]


def calibrate_statistics(
    network: nn.Module, batches: Iterable[Num[Tensor, "B t C H W"]], *, steps: int | None = None
) -> None:
    """Replaces the statistics of batch normalisation by their plain means over these batches, in place.

    All layers take all steps, as in use. Nothing else of the network changes; it is in evaluation mode afterwards. Of a
    network without batch normalisation no batch is taken.
    """
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # of the mean over all batches so far
        norm.train()
    with torch.no_grad():
        for batch in batches:
            outputs_of(network, batch.float(), steps=steps)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.eval()


def accuracy_by_step(
    network: nn.Module, frames: Num[Tensor, "N t C H W"], labels: Int64[Tensor, " N"], *, steps: int | None = None
) -> tuple[float, ...]:
    """The share of right answers if all recordings stopped after step 1, 2, …; frames go to the network's device."""
    network.eval()
    return _accuracy(network, frames, labels, steps or frames.shape[1])


def accuracy_as_ann(network: nn.Module, frames: Num[Tensor, "N t C H W"], labels: Int64[Tensor, " N"]) -> float:
    """The share of right answers of the ANN that a converted network was made from, for comparison with it."""
    network.eval()
    with as_ann(network):
        return _accuracy(network, frames, labels, frames.shape[1])[-1]


def multiplies_in_bfloat16(device: torch.device) -> bool:
    """Whether convolutions in bfloat16 are worth it there: on a GPU, and on a processor with AVX-512.

    Without it torch emulates the type, and a training takes several times as long as in float32.
    """
    return device.type != "cpu" or "AVX512" in torch.backends.cpu.get_cpu_capability()


def _accuracy(network: nn.Module, frames: Tensor, labels: Tensor, steps: int) -> tuple[float, ...]:
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = torch.split(frames, max(1, _AT_ONCE // steps))
        totals = [outputs_of(network, part.to(device).float(), steps=steps).cumsum(1).cpu() for part in parts]
    right = torch.cat(totals).argmax(2) == labels[:, None]
    return tuple(right.float().mean(0).tolist())


def _outputs(network: nn.Module, frames: Tensor, way: _Way) -> Tensor:
    with parametrize.cached():
        return _through_stages(network, frames.transpose(0, 1), way).transpose(0, 1)


def _through_stages(network: nn.Module, x: Tensor, way: _Way) -> Tensor:
    """A whole network for all steps `(t, B, ...)`; without a configuration it is one stage."""
    if way.configuration is None:
        return _through_all(list(network.children()), x, way)
    stages = stages_of(network, way.configuration.layers)
    for stage, transition in zip(stages, way.configuration.transitions, strict=True):
        if len(x) > 1:  # the layers themselves repeat a single step
            x = transition.of(x)
        x = _through_all(stage, x, replace(way, steps=transition.after))
    return x


def _through_all(layers: Sequence[nn.Module], x: Tensor, way: _Way) -> Tensor:
    """The layers of a stage, or of one way through a residual block, for all steps `(T, B, ...)`."""
    for layer, pool in _with_pooling(layers):
        if isinstance(layer, Residual):
            main, shortcut = (list(one.children()) for one in (layer.main, layer.shortcut))
            x = _through_all(main, x, way) + _through_all(shortcut, x, way)
        elif isinstance(layer, CellLayer):
            if way.watched is not None:
                way.watched.append(Driven(layer, x, way.steps))
            x = layer.scan(x, way.steps, pool)
        elif isinstance(layer, Scanned):
            x = layer.scan(x, way.steps)
        else:
            x = _at_each_step(layer, x, way)
    return x


def _at_each_step(layer: nn.Module, x: Tensor, way: _Way) -> Tensor:
    """One layer without memory: the steps are one large batch."""
    folded, convolves = x.flatten(0, 1), isinstance(layer, nn.Conv2d)
    if convolves:
        folded = folded.contiguous(memory_format=torch.channels_last)
    elif not isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        folded = folded.float()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=way.bfloat16 and convolves):
        out: Tensor = (_of_every_other(layer, folded) if _skips(layer) else layer(folded)).unflatten(0, x.shape[:2])
    return out


def _skips(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether it is a 1 x 1 convolution of every so many pixels, as beside a residual block that halves the frame."""
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.stride != (1, 1)


def _of_every_other(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """The same as `layer(x)`: the pixels are taken first.

    What oneDNN does in its place writes beyond its memory on processors without AVX-512, if channels are fewer than
    eight (gradients of weights, channels last; torch 2.13).
    """
    down, right = layer.stride
    return F.conv2d(x[..., ::down, ::right], layer.weight, layer.bias, groups=layer.groups)


def _with_pooling(layers: Sequence[nn.Module]) -> Iterator[tuple[nn.Module, int]]:
    """The layers in their order; a maximum that follows cells which merge it themselves comes as their `pool`."""

    def merges(layer: nn.Module) -> bool:
        return isinstance(layer, CellLayer) and layer.merges_maximum

    for at, layer in enumerate(layers):
        following = layers[at + 1] if at + 1 < len(layers) else None
        if merges(layer) and isinstance(following, nn.MaxPool2d):
            yield layer, int(following.kernel_size)  # type: ignore[arg-type]
        elif not (isinstance(layer, nn.MaxPool2d) and at and merges(layers[at - 1])):
            yield layer, 1
