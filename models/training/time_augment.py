"""Recordings played faster, slower, later or earlier, as a variation for training."""

import torch
from jaxtyping import Float, Num
from torch import Tensor


def retimed(
    frames: Num[Tensor, "B T 2 H W"], rate: float, delay_steps: int, generator: torch.Generator
) -> Num[Tensor, "B T 2 H W"]:
    """Each recording as if it had been performed at another pace, and had begun at another moment.

    The speed is drawn from `1 - rate` to `1 + rate`, the beginning from `delay_steps` steps too early to as many too
    late. Time is stretched, not the counts of a step: the events of a step lie evenly in it, so what is played at
    half the speed has half the events a step. Only events before the first or beyond the last of the T steps are
    lost; steps without data are empty. Pass all steps of a recording and cut windows afterwards, so that a fast
    recording continues if it can.

    Frames come back as they are, and nothing is drawn, where both limits are 0; as float32 counts otherwise.
    """
    n, steps = frames.shape[:2]
    if not (rate or delay_steps):
        return frames
    speed, delay = torch.ones(n), torch.zeros(n)
    if rate:
        speed = 1 + rate * (2 * torch.rand(n, generator=generator) - 1)
    if delay_steps:
        delay = torch.randint(-delay_steps, delay_steps + 1, (n,), generator=generator).float()
    return torch.bmm(_taken(steps, speed, delay), frames.float().flatten(2)).view(frames.shape)


def _taken(steps: int, speed: Float[Tensor, " B"], delay: Float[Tensor, " B"]) -> Float[Tensor, "B T T"]:
    """The share of each step of a recording (last axis) that falls into each step of its retiming."""
    edges = (torch.arange(steps + 1) - delay[:, None]) * speed[:, None]
    begins, ends = edges[:, :-1, None], edges[:, 1:, None]
    at = torch.arange(steps)
    return (torch.minimum(ends, at + 1) - torch.maximum(begins, at)).clamp(min=0)
