"""Whole recordings through a network layer by layer, each through all steps: how networks are trained and tested.

Nothing in these networks flows back from a layer to an earlier one, so this gives what stepping gives (a test),
in a fraction of the time.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor, nn
from torch.nn.utils import parametrize

from spikecut.models.layers import FrameDropout, Traces
from spikecut.models.neurons import LIFCell
from spikecut.models.normalisation import TemporalBatchNorm
from spikecut.models.scan import Activity


def outputs_of(
    network: nn.Module, frames: Num[Tensor, "B T 2 H W"], *, bfloat16: bool = False
) -> Float[Tensor, "B T K"]:
    """The outputs of whole recordings at every step, with gradients where enabled.

    The same as `forward_step` after `forward_step` gives. With `bfloat16` the convolutions multiply in that type.
    """
    x = frames.transpose(0, 1)
    with parametrize.cached():
        for layer, pool in _with_pooling(network):
            x = layer.scan(x, pool) if isinstance(layer, LIFCell) else _through(layer, x, bfloat16)
    return x.transpose(0, 1)


def outputs_and_activity(
    network: nn.Module, frames: Num[Tensor, "B T 2 H W"], *, bfloat16: bool = False
) -> tuple[Float[Tensor, "B T K"], list[Activity]]:
    """The same outputs, and what every spiking layer did on the way, before any pooling; with gradients.

    For regularisers, which look inside. Dearer than `outputs_of`: spikes and membranes are kept for every layer,
    and pooling is a pass of its own.
    """
    x, layers = frames.transpose(0, 1), []
    with parametrize.cached():
        for layer in network.children():
            if isinstance(layer, LIFCell):
                layers.append(layer.scan_watched(x))
                x = layers[-1].spikes
            else:
                x = _through(layer, x, bfloat16)
    return x.transpose(0, 1), layers


def accuracy_by_step(
    network: nn.Module, frames: Num[Tensor, "N T 2 H W"], labels: Int64[Tensor, " N"]
) -> tuple[float, ...]:
    """The share of right answers if everyone were stopped after step 1, 2, …; frames go where the network is."""
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = torch.split(frames, 50)
        totals = torch.cat([outputs_of(network, part.to(device).float()).cumsum(1).cpu() for part in parts])
    right = totals.argmax(2) == labels[:, None]
    return tuple(right.float().mean(0).tolist())


def _through(layer: nn.Module, x: Tensor, bfloat16: bool) -> Tensor:
    """One layer that does not spike, for all steps `(T, B, ...)`."""
    if isinstance(layer, (Traces, FrameDropout)):
        return layer.scan(x)
    if isinstance(layer, TemporalBatchNorm):
        return layer.scan(x.float())
    folded, convolves = x.flatten(0, 1), isinstance(layer, nn.Conv2d)
    folded = folded.contiguous(memory_format=torch.channels_last) if convolves else folded.float()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16 and convolves):
        out: Tensor = layer(folded).unflatten(0, x.shape[:2])
    return out


def _with_pooling(network: nn.Module) -> Iterator[tuple[nn.Module, int]]:
    """The layers in their order; a maximum that follows a LIF layer comes as its pool, for one kernel does both."""
    layers = list(network.children())
    for at, layer in enumerate(layers):
        following = layers[at + 1] if at + 1 < len(layers) else None
        if isinstance(layer, LIFCell) and isinstance(following, nn.MaxPool2d):
            yield layer, int(following.kernel_size)  # type: ignore[arg-type]
        elif not (isinstance(layer, nn.MaxPool2d) and at and isinstance(layers[at - 1], LIFCell)):
            yield layer, 1
