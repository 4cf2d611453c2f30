"""Variations of images for training: cropped, mirrored, changed by a policy, with a hole. uint8 in and out.

Draws come from one generator on the CPU, whatever device the images are on.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from spikecut.models.training.image_operations import MEAN_COLOUR, OPERATIONS
from spikecut.pipeline.errors import ConfigError

_POLICIES = ("", "autoaugment", "randaugment")
# The policy found for CIFAR-10 (Cubuk et al., arXiv 1805.09501, table 7): one of 25 pairs, each of an operation, the
# probability that it is done, and its strength in ninths of the range.
_CIFAR10_POLICY = (
    (("invert", 0.1, 7), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 8), ("equalize", 0.9, 2)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 7), ("autocontrast", 0.4, 8)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 3)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
    (("color", 0.9, 9), ("equalize", 0.6, 6)),
    (("autocontrast", 0.8, 4), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 3)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 2), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 8), ("invert", 0.1, 3)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 1)),
)
_RANDOM = tuple(name for name in OPERATIONS if name != "invert")  # the fourteen of RandAugment


@dataclass(frozen=True, slots=True)
class PictureAugmentation:
    """How an image may be varied before it is shown in training.

    `crop` pixels of the mean colour are put around it, and an image of its own size is cut out somewhere. With
    `flipped` half of the showings are mirrored. `policy` is `autoaugment`, the one found for CIFAR-10 (Cubuk et al.,
    arXiv 1805.09501), or `randaugment` (arXiv 1909.13719): `operations` of fourteen after one another, all of strength
    `magnitude` (0 to 10). Last, a square of `cutout` pixels a side becomes the mean colour, its middle anywhere in the
    image (Cutout, DeVries and Taylor, arXiv 1708.04552). 0 or nothing leaves each of these out.

    Raises:
        ConfigError: for a number out of its range, or another policy.
    """

    crop: int = 4
    flipped: bool = True
    policy: str = ""
    operations: int = 2
    magnitude: float = 5.0
    cutout: int = 0

    def __post_init__(self) -> None:
        for name, least in (("crop", 0), ("cutout", 0), ("operations", 1)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"pictures: {name} is {value}; expected {least} or more")
        if not 0 <= self.magnitude <= 10:
            raise ConfigError(f"pictures: magnitude is {self.magnitude}; expected 0 to 10")
        if self.policy not in _POLICIES:
            raise ConfigError(f"pictures: policy {self.policy!r}; expected autoaugment, randaugment or none")


def augment_pictures(
    pictures: UInt8[Tensor, "B 3 H W"],
    labels: Int64[Tensor, " B"],
    how: PictureAugmentation,
    generator: torch.Generator,
) -> tuple[UInt8[Tensor, "B 3 H W"], Int64[Tensor, " B"]]:
    """Each image varied by draws of its own; what it shows stays the same."""
    if how.crop:
        pictures = _cropped(pictures, how.crop, generator)
    if how.flipped:
        flip = torch.rand(len(pictures), generator=generator) < 0.5
        pictures = torch.where(_each(flip, pictures), pictures.flip(3), pictures)
    if how.policy:
        pictures = _by_policy(pictures, how, generator)
    if how.cutout:
        pictures = _with_hole(pictures, how.cutout, generator)
    return pictures, labels


def _cropped(pictures: UInt8[Tensor, "B 3 H W"], padding: int, generator: torch.Generator) -> UInt8[Tensor, "B 3 H W"]:
    n, _, height, width = pictures.shape
    top, left = torch.randint(2 * padding + 1, (2, n), generator=generator).to(pictures.device)
    around = _filled(pictures, height + 2 * padding, width + 2 * padding)
    around[:, :, padding : padding + height, padding : padding + width] = pictures
    places = around.unfold(2, height, 1).unfold(3, width, 1)
    return places[torch.arange(n, device=pictures.device), :, top, left]


def _by_policy(
    pictures: UInt8[Tensor, "B 3 H W"], how: PictureAugmentation, generator: torch.Generator
) -> UInt8[Tensor, "B 3 H W"]:
    n, names = len(pictures), list(OPERATIONS)
    if how.policy == "autoaugment":
        pair = torch.randint(len(_CIFAR10_POLICY), (n,), generator=generator)
        which = torch.tensor([[names.index(name) for name, _, _ in pairs] for pairs in _CIFAR10_POLICY])[pair]
        chance = torch.tensor([[chance for _, chance, _ in pairs] for pairs in _CIFAR10_POLICY])[pair]
        strength = torch.tensor([[ninths / 9 for _, _, ninths in pairs] for pairs in _CIFAR10_POLICY])[pair]
        which = which.where(torch.rand(which.shape, generator=generator) < chance, names.index("identity"))
    else:
        drawn = torch.randint(len(_RANDOM), (n, how.operations), generator=generator)
        which = torch.tensor([names.index(name) for name in _RANDOM])[drawn]
        strength = torch.full(which.shape, how.magnitude / 10)
    sign = torch.randint(2, which.shape, generator=generator) * 2.0 - 1
    pictures = pictures.clone()
    for turn in range(which.shape[1]):
        for operation in sorted(set(which[:, turn].tolist())):
            if names[operation] == "identity":
                continue
            these = (which[:, turn] == operation).nonzero().flatten()
            at = these.to(pictures.device)
            change = OPERATIONS[names[operation]]
            pictures[at] = change(pictures[at], strength[these, turn], sign[these, turn])
    return pictures


def _with_hole(pictures: UInt8[Tensor, "B 3 H W"], side: int, generator: torch.Generator) -> UInt8[Tensor, "B 3 H W"]:
    n, _, height, width = pictures.shape

    def inside(cells: int) -> Bool[Tensor, "B cells"]:
        first = torch.randint(cells, (n,), generator=generator)[:, None] - side // 2
        places = torch.arange(cells)
        return (places >= first) & (places < first + side)

    rows, columns = inside(height), inside(width)
    hole = (rows[:, None, :, None] & columns[:, None, None, :]).to(pictures.device)
    return torch.where(hole, _filled(pictures, 1, 1), pictures)


def _filled(pictures: UInt8[Tensor, "B 3 H W"], height: int, width: int) -> UInt8[Tensor, "B 3 h w"]:
    colour = torch.tensor(MEAN_COLOUR, dtype=torch.uint8, device=pictures.device)[:, None, None]
    return colour.expand(len(pictures), 3, height, width).clone()


def _each(marks: Bool[Tensor, " B"], pictures: Tensor) -> Bool[Tensor, "B 1 1 1"]:
    return marks.to(pictures.device)[:, None, None, None]
