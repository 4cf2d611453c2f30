"""Layers that are neither convolution nor cell: what a network sees of its frames, and what it forgets in training."""

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from norse.torch.module.sequential import SequentialState


def sequential(*layers: nn.Module) -> nn.Module:
    """Norse's container: layers one after another, their states in a list, None for those without memory."""
    network: nn.Module = SequentialState(*layers)
    return network


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


class Traces(nn.Module):
    """The frame, and beside it what leaky integrators of several memories hold of the frames before.

    `(B, C, H, W)` becomes `(B, C (1 + n), H, W)` for n leaks: the first layer sees where something was a
    moment ago and where it is now, graded, not only as spikes. Each trace is scaled by the root of its leak, so
    that slow ones are not drowned. The cells are Norse's LI without threshold: `v += leak (x - v)`.
    """

    def __init__(self, leaks: tuple[float, ...]) -> None:
        super().__init__()
        self.leaks = leaks

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        held = x.new_zeros(len(x), len(self.leaks), *x.shape[1:]) if state is None else state
        leaks = x.new_tensor(self.leaks).view(1, -1, 1, 1, 1)
        held = held + leaks * (x[:, None] - held)
        return torch.cat([x, (held * leaks.rsqrt()).flatten(1, 2)], 1), held

    def scan(self, x: Tensor) -> Tensor:
        """All steps `(T, B, C, H, W)` at once."""
        seen, state = [], None
        for frame in x:
            out, state = self.forward(frame, state)
            seen.append(out)
        return torch.stack(seen)


class FrameDropout(nn.Module):
    """Dropout that forgets the same features at every step of a recording, in training only.

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

    def scan(self, x: Tensor) -> Tensor:
        """All steps `(T, B, F)` at once."""
        _, kept = self.forward(x[0])
        return x if kept is None else x * kept
