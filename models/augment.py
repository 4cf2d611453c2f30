"""Variations of binned recordings for training. Every function takes and gives `(B, T, 2, H, W)`."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a training recording may be varied; every limit is symmetric and drawn uniformly.

    `rotate_deg` and `scale` and `shear` are relative to the frame's middle, `shift` is in pixels, and
    up to the share `drop` of the counted events is taken away. `mirrored` says what each class becomes in a
    mirror (a right hand a left one): half of the showings are mirrored, none without it; with `flipped` half of them
    are mirrored and stay what they are. With `inverted` half have ON and OFF exchanged, as if what moves were dark
    instead of bright.
    """

    rotate_deg: float = 12.0
    scale: float = 0.12
    shear: float = 0.15
    shift: float = 3.0
    drop: float = 0.3
    mirrored: tuple[int, ...] = ()
    flipped: bool = False
    inverted: bool = False


def augment(frames: Tensor, labels: Tensor, how: Augmentation, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each recording turned, scaled, sheared, shifted, thinned by draws of its own; and what it then shows."""
    n, _, _, height, width = frames.shape
    if how.mirrored or how.flipped:
        flip = torch.rand(n, generator=generator) < 0.5
        frames = torch.where(flip[:, None, None, None, None], frames.flip(4), frames)
        if how.mirrored:
            labels = torch.where(flip, torch.tensor(how.mirrored)[labels], labels)
    if how.inverted:
        swap = torch.rand(n, generator=generator) < 0.5
        frames = torch.where(swap[:, None, None, None, None], frames.flip(2), frames)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    angle = draw(n) * math.radians(how.rotate_deg)
    scale = 1 + draw(n, 2) * how.scale
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0] = angle.cos() * scale[:, 0]
    matrix[:, 0, 1] = -angle.sin() + draw(n) * how.shear
    matrix[:, 1, 0] = angle.sin()
    matrix[:, 1, 1] = angle.cos() * scale[:, 1]
    matrix[:, :, 2] = draw(n, 2) * torch.tensor([2 * how.shift / width, 2 * how.shift / height])
    grid = F.affine_grid(matrix, [n, 1, height, width], align_corners=False)
    moved = F.grid_sample(frames.flatten(1, 2), grid, mode="bilinear", align_corners=False)
    keep = 1 - how.drop * torch.rand(n, 1, 1, 1, 1, generator=generator)
    moved = moved.view_as(frames)
    return moved * (torch.rand(moved.shape, generator=generator) < keep), labels
