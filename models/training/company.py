"""Another person in the picture, as a variation for training: what moves beside does not change what is shown."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def accompanied(
    frames: Float[Tensor, "B T 2 H W"],
    labels: Int64[Tensor, " B"],
    share: float,
    companions: tuple[int, ...],
    generator: torch.Generator,
) -> Float[Tensor, "B T 2 H W"]:
    """Recordings over which, with probability `share`, one of the batch that shows a class of `companions` is laid.

    Its events are added, moved aside by up to half of the frame; what leaves the frame is lost. Labels stay: someone
    who passes, or stands beside, changes nothing of a gesture. A recording is never its own company. Where the batch
    has no companion, or with a share of 0, frames come back as they are; with a share of 0 nothing is drawn.
    """
    if share == 0:
        return frames
    n, width = len(frames), frames.shape[-1]
    wanted = torch.rand(n, generator=generator) < share
    order = torch.randperm(n, generator=generator)
    aside = ((torch.rand(n, generator=generator) - 0.5) * width).round().long()
    able = order[_among(labels[order], companions)].tolist()
    laid = frames.clone()
    for at in wanted.nonzero()[:, 0].tolist():
        others = [other for other in able if other != at]
        if others:
            laid[at] += moved_aside(frames[others[at % len(others)]], int(aside[at]))
    return laid


def moved_aside(frames: Float[Tensor, "T 2 H W"], by: int) -> Float[Tensor, "T 2 H W"]:
    """Frames moved to the right by a number of pixels (to the left if negative); what enters the frame is empty."""
    moved = torch.zeros_like(frames)
    width = frames.shape[-1]
    if abs(by) < width:
        moved[..., max(0, by) : width + min(0, by)] = frames[..., max(0, -by) : width + min(0, -by)]
    return moved


def _among(labels: Int64[Tensor, " B"], classes: tuple[int, ...]) -> Bool[Tensor, " B"]:
    return torch.isin(labels, torch.tensor(classes, dtype=torch.long))
