"""The architectures for images: those of the papers on CIFAR and Tiny-ImageNet, and a small one for a CPU.

An image is shown at every step, so the first convolution sees numbers and all later ones spikes. `spec.channels` scale
a network: one width for each of its stages, none for those of the paper.
"""

from collections.abc import Callable

from torch import nn

from spikecut.models.architectures.layer_table import Block, Conv, Dense, Layer, Pool, layered
from spikecut.models.architectures.paper_networks import widths_of
from spikecut.models.spec import NetworkSpec

_COMPACT = (32, 64, 128, 128, 192, 192)


def vgg16(a: int, b: int, c: int, d: int, e: int, dense: int) -> list[Layer]:
    """Thirteen convolutions and two dense layers, pooled by means (Bu et al., ICLR 2022; Wu et al., arXiv 2301.09522).

    Their dense layers are not normalised; here they are, as spiking cells need it.
    """
    stages: list[list[Layer]] = [[Conv(a)] * 2, [Conv(b)] * 2, [Conv(c)] * 3, [Conv(d)] * 3, [Conv(e)] * 3]
    return [*(layer for stage in stages for layer in (*stage, Pool.AVERAGE)), Dense(dense), Dense(dense)]


def resnet18(a: int, b: int, c: int, d: int) -> list[Layer]:
    """A 3 x 3 stem and four stages of two blocks, as for CIFAR (He et al., arXiv 1512.03385; Wu et al.)."""
    stages = [[Block(a)] * 2, *([Block(n, 2), Block(n)] for n in (b, c, d))]
    return [Conv(a), *(block for stage in stages for block in stage), Pool.ALL]


def resnet19(a: int, b: int, c: int) -> list[Layer]:
    """Stages of three, three and two blocks whose shortcuts shrink by the mean (Li et al., arXiv 2304.01230)."""
    stages = [[Block(a)] * 3, [Block(b, 2, True), *[Block(b)] * 2], [Block(c, 2, True), Block(c)]]
    return [Conv(a), *(block for stage in stages for block in stage), Pool.ALL]


PICTURES: dict[str, tuple[tuple[int, ...], Callable[..., list[Layer]]]] = {
    "vgg16": ((64, 128, 256, 512, 512, 4096), vgg16),
    "resnet18": ((64, 128, 256, 512), resnet18),
    "resnet19": ((128, 256, 512), resnet19),
}


def picture_net(spec: NetworkSpec) -> nn.Module:
    """One of `PICTURES`; its cells keep half of their membrane a step and are not learned.

    Raises:
        ModelError: with another number of widths, or for a frame that is too small.
    """
    own, table = PICTURES[spec.layout]
    return layered(spec, table(*widths_of(spec, own)), leak=0.5)


def vgg_compact(spec: NetworkSpec, *, of_logarithm: bool = False) -> nn.Module:
    """A VGG that a CPU can train: a convolution for each of `spec.channels`, any number of them.

    Neighbours of the same width are a stage, and after each stage the frame is halved; leaks are learned. Without
    channels it has six convolutions, 32 to 192 wide: 28 million multiplications a step for an image of 32 x 32, and
    0.9 million for the first layer, once.

    Raises:
        ModelError: for a frame that is too small.
    """
    widths, layers = spec.channels or _COMPACT, list[Layer]()
    for at, width in enumerate(widths):
        layers.append(Conv(width))
        if widths[at + 1 : at + 2] != (width,):
            layers.append(Pool.MAXIMUM)
    return layered(spec, layers, leak=0.5, learned=True, of_logarithm=of_logarithm)
