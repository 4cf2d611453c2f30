"""Variations of binned recordings for training. Every function takes and gives `(B, T, 2, H, W)`."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from spikecut.models.training.drop_and_mix import silenced
from spikecut.pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a training recording may be varied; every limit is symmetric and drawn uniformly.

    `rotate_deg` and `scale` and `shear` are relative to the frame's middle, in pixels that are square whatever the
    frame; `shift` is in pixels, and
    up to the share `drop` of the counted events is removed. `mirrored` gives the class that each class becomes in a
    mirror (a right hand a left one): half of the showings are mirrored, none without it; with `flipped` half of them
    are mirrored and stay what they are. With `inverted` half have ON and OFF exchanged, as if what moves were dark
    instead of bright.

    `rate` is by which share a recording plays faster or slower, `delay_steps` by how many steps it begins later or
    earlier (`retimed`). Up to the share `drop_time` of the steps and `drop_area` of the frame are silent (`silenced`).
    Up to the share `mix` of the frame comes from another recording, and so does the label (`mixed`). A limit of 0
    draws nothing, so what is trained without one does not depend on its being there.

    Raises:
        ConfigError: for a number out of its range, or a mirror that does not undo itself.
    """

    rotate_deg: float = 12.0
    scale: float = 0.12
    shear: float = 0.15
    shift: float = 3.0
    drop: float = 0.3
    mirrored: tuple[int, ...] = ()
    flipped: bool = False
    inverted: bool = False
    rate: float = 0.0
    delay_steps: int = 0
    drop_time: float = 0.0
    drop_area: float = 0.0
    mix: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rotate_deg", "shear", "shift", "delay_steps"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ConfigError(f"augmentation: {name} is {value}; expected a number of 0 or more")
        for name in ("drop", "drop_time", "drop_area", "mix"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ConfigError(f"augmentation: {name} is {value}; expected a share, from 0 to 1")
        for name in ("scale", "rate"):
            if not 0 <= (value := getattr(self, name)) < 1:
                raise ConfigError(f"augmentation: {name} is {value}; expected 0 or more, below 1")
        for label, other in enumerate(self.mirrored):
            if not 0 <= other < len(self.mirrored) or self.mirrored[other] != label:
                raise ConfigError(
                    f"augmentation: mirrored says that class {label} becomes {other}, and {other} not {label} again",
                    hint="the number at each class is the class that its mirror image shows",
                )


def augment(
    frames: Float[Tensor, "B T 2 H W"], labels: Int64[Tensor, " B"], how: Augmentation, generator: torch.Generator
) -> tuple[Float[Tensor, "B T 2 H W"], Int64[Tensor, " B"]]:
    """Each recording mirrored, turned, scaled, sheared, shifted, thinned by draws of its own; and what it then shows.

    Frames are float32 counts. What needs more than the steps of a window is done before (`retimed`), what needs
    another recording afterwards (`mixed`).
    """
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
    matrix[:, 0, 1] = (-angle.sin() + draw(n) * how.shear) * (height / width)  # the sides of the grid are 2 long
    matrix[:, 1, 0] = angle.sin() * (width / height)
    matrix[:, 1, 1] = angle.cos() * scale[:, 1]
    matrix[:, :, 2] = draw(n, 2) * torch.tensor([2 * how.shift / width, 2 * how.shift / height])
    grid = F.affine_grid(matrix, [n, 1, height, width], align_corners=False)
    moved = F.grid_sample(frames.flatten(1, 2), grid, mode="bilinear", align_corners=False)
    keep = 1 - how.drop * torch.rand(n, 1, 1, 1, 1, generator=generator)
    moved = moved.view_as(frames)
    moved = moved * (torch.rand(moved.shape, generator=generator) < keep)
    return silenced(moved, how.drop_time, how.drop_area, generator), labels
