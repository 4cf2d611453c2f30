"""Layers beside convolutions and cells: scaling of inputs, residual connections, traces and dropout."""

import warnings
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikecut.models.state_trees import containers_anew

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from norse.torch.module.sequential import SequentialState


def sequential(*layers: nn.Module) -> nn.Module:
    """Norse's container: layers one after another, their states in a list, None for those without memory."""
    network: nn.Module = SequentialState(*layers)
    return network


def take_place(network: Any, at: int, layer: nn.Module) -> None:
    """Puts a layer without memory into Norse's container, which has noted of each whether it has one."""
    network[at] = layer
    network.stateful_layers[at] = False


@runtime_checkable
class Scanned(Protocol):
    """A layer that handles all steps of a recording together; all others are called on them as one large batch."""

    def scan(self, x: Tensor, steps: int | None = None) -> Tensor:
        """All steps `(t, B, ...)` at once, from rest; a single one is repeated for `steps` where that matters."""
        ...


def lasting(x: Tensor, steps: int | None) -> Tensor:
    """A single step, repeated for `steps` steps; several are returned as they are."""
    return x.expand(steps, *x.shape[1:]) if steps and len(x) == 1 else x


class LogCounts(nn.Module):
    """`ln(1 + n)` of the events at every pixel, or in every square of a `side` x `side` grid over the frame.

    A storm of events, or a hot pixel, does not drown the rest. Frames that were counted on the grid
    already, as training reads them, pass as they are.
    """

    def __init__(self, side: int | None = None) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        merged = x.shape[-1] // (self.side or x.shape[-1])
        if merged > 1:
            x = F.avg_pool2d(x, merged) * merged**2
        return x.log1p()


class Colours(nn.Module):
    """Pictures of 0 to 255 in red, green and blue, centred and scaled to the spread that photographs have.

    Means and standard deviations are those of the 50,000 training pictures of CIFAR-10, whatever the pictures are:
    what normalises the first convolution takes up the rest.
    """

    mean = (125.3, 123.0, 113.9)
    spread = (63.0, 62.1, 66.7)

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.new_tensor(self.mean).view(3, 1, 1)) / x.new_tensor(self.spread).view(3, 1, 1)


class Averaged(nn.Module):
    """All steps of a recording merged into their mean, in training only: what an ANN is shown of it.

    The spiking network that is made of the ANN is stepped, and what each step brings passes as it is.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x

    def scan(self, x: Tensor, steps: int | None = None) -> Tensor:
        """All steps `(T, B, ...)` at once; one of them is left where they are averaged."""
        return x.mean(0, keepdim=True) if self.training and len(x) > 1 else x


class Residual(nn.Module):
    """A residual connection: two paths for the same input, whose currents are added (He et al., arXiv 1512.03385).

    Its state is that of both. Without layers the `shortcut` is the input itself.
    """

    def __init__(self, main: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, x: Tensor, state: tuple[Any, Any] | None = None) -> tuple[Tensor, tuple[Any, Any]]:
        before = containers_anew(state or (None, None))  # Norse writes into the lists
        main, after = self.main(x, before[0])
        shortcut, beside = self.shortcut(x, before[1])
        return main + shortcut, (after, beside)


class Traces(nn.Module):
    """The frame, and beside it leaky integrators of the frames before, with several time constants.

    `(B, C, H, W)` becomes `(B, C (1 + n), H, W)` for n leaks: the first layer sees where something was a
    moment ago and where it is now, graded, not only as spikes. Each trace is scaled by the root of its leak, so
    that slow ones are not drowned. The cells are Norse's LI without threshold: `v += leak (x - v)`.
    """

    def __init__(self, leaks: tuple[float, ...]) -> None:
        super().__init__()
        self.leaks = leaks

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        traces = x.new_zeros(len(x), len(self.leaks), *x.shape[1:]) if state is None else state
        leaks = x.new_tensor(self.leaks).view(1, -1, 1, 1, 1)
        traces = traces + leaks * (x[:, None] - traces)
        return torch.cat([x, (traces * leaks.rsqrt()).flatten(1, 2)], 1), traces

    def scan(self, x: Tensor, steps: int | None = None) -> Tensor:
        """All steps `(T, B, C, H, W)` at once."""
        outputs, state = [], None
        for frame in lasting(x, steps):
            out, state = self.forward(frame, state)
            outputs.append(out)
        return torch.stack(outputs)


class FrameDropout(nn.Module):
    """Dropout with the same mask at every step of a recording, in training only.

    A fresh mask at every step would average out over the steps and teach nothing.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        if not self.training or self.share == 0:
            return x, None
        if state is None:
            state = (torch.rand_like(x) >= self.share) / (1 - self.share)
        return x * state, state

    def scan(self, x: Tensor, steps: int | None = None) -> Tensor:
        """All steps `(T, B, F)` at once."""
        _, kept = self.forward(x[0])
        return x if kept is None else x * kept
