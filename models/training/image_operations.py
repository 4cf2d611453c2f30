"""The operations of AutoAugment and RandAugment on batches of pictures: uint8 `(N, 3, H, W)` in and out.

Ranges are those of AutoAugment (Cubuk et al., arXiv 1805.09501, table 6), as RandAugment takes them, too (arXiv
1909.13719, section 3): a `strength` from 0 to 1, one for each image, is the share of the largest. Where a change has
a direction, `sign` (1 or -1) says which. Colours are worked out as Pillow does it, on whole numbers, cut off where it
cuts off; images are moved about their middle, where Pillow shears about a corner. What comes into view from outside
is the mean colour of CIFAR-10.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

Pictures = UInt8[Tensor, "N 3 H W"]
Numbers = Float32[Tensor, " N"]
MEAN_COLOUR = (125, 123, 114)  # of CIFAR-10's pictures to train on
_TRANSLATE = 150 / 331  # of the picture's side: 150 pixels of the 331 that the paper's pictures were wide


def sheared(pictures: Pictures, strength: Numbers, sign: Numbers, *, across: bool) -> Pictures:
    """Rows pushed aside (`across`) or columns, the farther from the middle the farther: by up to 0.3 of that."""
    turn = torch.eye(2).repeat(len(pictures), 1, 1)
    turn[:, 0 if across else 1, 1 if across else 0] = 0.3 * strength * sign
    return _moved(pictures, turn, torch.zeros(len(pictures), 2))


def translated(pictures: Pictures, strength: Numbers, sign: Numbers, *, across: bool) -> Pictures:
    """Pushed right or left (`across`), or down or up: by up to 150 / 331 of the image, whole pixels."""
    side = pictures.shape[3 if across else 2]
    shift = torch.zeros(len(pictures), 2)
    shift[:, 0 if across else 1] = -(_TRANSLATE * side * strength).round() * sign
    return _moved(pictures, torch.eye(2).repeat(len(pictures), 1, 1), shift)


def rotated(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """Turned about the middle, by up to 30 degrees."""
    angle = math.radians(30) * strength * sign
    turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    return _moved(pictures, turn, torch.zeros(len(pictures), 2))


def brightened(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """Every colour times 1 + 0.9 strength, or 1 - 0.9 strength, where 0 would be black."""
    return _blended(torch.zeros(1), pictures, strength, sign)


def contrasted(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """Away from the image's mean grey, or towards it, by up to 0.9 of the distance."""
    mean = (_grey(pictures).mean((1, 2, 3), keepdim=True) + 0.5).floor()
    return _blended(mean, pictures, strength, sign)


def coloured(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """Away from the grey image, or towards it, by up to 0.9 of the distance."""
    return _blended(_grey(pictures), pictures, strength, sign)


def sharpened(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """Away from the smoothed image, or towards it, by up to 0.9 of the distance; its edge stays as it is.

    Smoothed is the mean of 3 x 3 pixels, the middle one counted five times.
    """
    smooth = pictures.float()
    rows = smooth[:, :, :, :-2] + smooth[:, :, :, 1:-1] + smooth[:, :, :, 2:]
    squares = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inside = smooth[:, :, 1:-1, 1:-1]
    inside.copy_(((squares + 4 * inside) / 13 + 0.5).floor())
    return _blended(smooth, pictures, strength, sign)


def posterized(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """Only the highest bits of every colour: 8 at strength 0, 4 at strength 1."""
    dropped = (4 * strength).round().to(torch.uint8).to(pictures.device)[:, None, None, None]
    return pictures >> dropped << dropped


def solarized(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """Colours inverted that are as bright as a threshold or brighter: 256 (none) at strength 0, 0 (all) at 1."""
    threshold = (256 * (1 - strength)).round().to(pictures.device)[:, None, None, None]
    return torch.where(pictures >= threshold, 255 - pictures, pictures)


def inverted(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """255 less every colour."""
    return 255 - pictures


def stretched(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """AutoContrast: in each colour the darkest value becomes 0 and the brightest 255, in between evenly."""
    values = pictures.flatten(2).float()
    low, high = values.amin(2, keepdim=True), values.amax(2, keepdim=True)
    scale = 255 / (high - low).clamp(min=1)
    even = torch.where(high > low, (values - low) * scale, values)
    return (even + 1e-3).clamp(0, 255).to(torch.uint8).view_as(pictures)  # a hair, or 255 becomes 254.99


def equalized(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """Histogram equalisation: in each colour, values spread so that equally many pixels lie between them."""
    planes = pictures.flatten(0, 1).flatten(1).long()
    offset = 256 * torch.arange(len(planes), device=pictures.device)[:, None]
    counts = torch.bincount((planes + offset).flatten(), minlength=256 * len(planes)).view(-1, 256)
    brightest = 255 - (counts > 0).long().flip(1).argmax(1, keepdim=True)
    step = (counts.sum(1, keepdim=True) - counts.gather(1, brightest)) // 255
    table = ((counts.cumsum(1) - counts + step // 2) // step.clamp(min=1)).clamp(max=255)
    table = torch.where(step > 0, table, torch.arange(256, device=pictures.device))
    return table.gather(1, planes).to(torch.uint8).view_as(pictures)


def same(pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """The identity of RandAugment."""
    return pictures


Operation = Callable[[Pictures, Numbers, Numbers], Pictures]
OPERATIONS: dict[str, Operation] = {
    "identity": same,
    "autocontrast": stretched,
    "equalize": equalized,
    "rotate": rotated,
    "solarize": solarized,
    "color": coloured,
    "posterize": posterized,
    "contrast": contrasted,
    "brightness": brightened,
    "sharpness": sharpened,
    "shear_x": lambda pictures, strength, sign: sheared(pictures, strength, sign, across=True),
    "shear_y": lambda pictures, strength, sign: sheared(pictures, strength, sign, across=False),
    "translate_x": lambda pictures, strength, sign: translated(pictures, strength, sign, across=True),
    "translate_y": lambda pictures, strength, sign: translated(pictures, strength, sign, across=False),
    "invert": inverted,
}


def _moved(pictures: Pictures, turn: Float32[Tensor, "N 2 2"], shift: Float32[Tensor, "N 2"]) -> Pictures:
    """Every pixel (x, y) from the middle takes the nearest one at `turn (x, y) + shift`."""
    _, _, height, width = pictures.shape
    x, y = torch.arange(width) - (width - 1) / 2, torch.arange(height) - (height - 1) / 2
    at = turn[:, :, :1, None] * x + turn[:, :, 1:, None] * y[:, None] + shift[:, :, None, None]
    column = (at[:, 0] + (width - 1) / 2).round().long()
    row = (at[:, 1] + (height - 1) / 2).round().long()
    outside = (column < 0) | (column >= width) | (row < 0) | (row >= height)
    index: Int64[Tensor, "N 1 P"] = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).flatten(1)[:, None]
    taken = pictures.flatten(2).gather(2, index.to(pictures.device).expand(-1, 3, -1)).view_as(pictures)
    return torch.where(outside[:, None].to(pictures.device), _mean_colour(pictures), taken)


def _mean_colour(pictures: Pictures) -> UInt8[Tensor, "3 1 1"]:
    return torch.tensor(MEAN_COLOUR, dtype=torch.uint8, device=pictures.device)[:, None, None]


def _blended(zero: Float32[Tensor, "*_"], pictures: Pictures, strength: Numbers, sign: Numbers) -> Pictures:
    """What a factor of 1 + 0.9 strength makes of the way from `zero` (a factor of 0) to the image (a factor of 1)."""
    factor = (1 + 0.9 * strength * sign).to(pictures.device)[:, None, None, None]
    zero = zero.to(pictures.device)
    return (zero + (pictures - zero) * factor).clamp(0, 255).to(torch.uint8)


def _grey(pictures: Pictures) -> Float32[Tensor, "N 1 H W"]:
    grey = 0.299 * pictures[:, :1] + 0.587 * pictures[:, 1:2] + 0.114 * pictures[:, 2:]
    return (grey + 0.5).floor()
