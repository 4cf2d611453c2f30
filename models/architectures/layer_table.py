"""Networks as tables: convolutions, blocks, pools and dense layers in their order, made into layers over cells."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from torch import nn

from spikecut.models.architectures.normalisation import Window, convolution, normalised
from spikecut.models.cells import cell_for, cell_of, pooling_for
from spikecut.models.layers import Averaged, Colours, LogCounts, Residual, sequential
from spikecut.models.spec import InputKind, NetworkSpec
from spikecut.pipeline.errors import ModelError


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution into normalised cells."""

    width: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer into normalised cells."""

    width: int


@dataclass(frozen=True, slots=True)
class Block:
    """Two 3 x 3 convolutions beside a shortcut, and cells after their sum: the basic block of residual networks.

    Where width or size change the shortcut is a 1 x 1 convolution, of every second pixel, or `pooled`, of the mean
    of 2 x 2.
    """

    width: int
    stride: int = 1
    pooled: bool = False


class Pool(Enum):
    """Pooling: of 2 x 2 pixels to their mean or maximum (in a converted network always the mean), or of all pixels."""

    AVERAGE = "average"
    MAXIMUM = "maximum"
    ALL = "all"


Layer = Conv | Dense | Block | Pool


def layered(
    spec: NetworkSpec, layers: Iterable[Layer], *, leak: float, learned: bool = False, of_logarithm: bool = False
) -> nn.Module:
    """The network of a table, up to its linear readout, with fresh weights as the papers draw them.

    `leak` is the share that a cell takes of its input, `learned` from there or kept. The first convolution sees the
    frame, or logarithms of its counts.

    Raises:
        ModelError: for a frame that is too small.
    """
    made: list[nn.Module] = [*([LogCounts()] if of_logarithm else []), *first_layers(spec)]
    n_in, height, width = spec.inputs, spec.frame.height, spec.frame.width
    for layer in layers:
        if isinstance(layer, Conv):
            k, s, p = layer.kernel, layer.stride, layer.padding
            made += convolution(spec, n_in, layer.width, leak=leak, window=Window(k, s, p))
            n_in, height, width = layer.width, (height + 2 * p - k) // s + 1, (width + 2 * p - k) // s + 1
        elif isinstance(layer, Block):
            made.append(_residual(spec, n_in, layer, leak, learned))
            n_in, height, width = layer.width, -(-height // layer.stride), -(-width // layer.stride)
        elif isinstance(layer, Dense):
            made += [nn.Flatten(), nn.Linear(n_in * height * width, layer.width, bias=False)]
            made.append(normalised(spec, layer.width, leak))
            n_in, height, width = layer.width, 1, 1
        elif layer is Pool.ALL:
            made.append(nn.AdaptiveAvgPool2d(1))
            height, width = 1, 1
        else:
            made.append(nn.AvgPool2d(2) if layer is Pool.AVERAGE else pooling_for(spec))
            height, width = height // 2, width // 2
        if not isinstance(layer, Pool):
            made.append(cell_for(spec, leak, learned=learned))
        if min(height, width) < 1:
            raise ModelError(f"a {spec.frame} frame is too small for architecture {spec.architecture!r}")
    network = sequential(*made, nn.Flatten(), nn.Linear(n_in * height * width, spec.n_classes))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


_FIRST: dict[InputKind, tuple[Callable[[], nn.Module], ...]] = {"events": (), "images": (Colours,)}


def first_layers(spec: NetworkSpec) -> list[nn.Module]:
    """The layers before the first convolution: scaling of colours, and for an ANN the mean over the steps."""
    return [*(layer() for layer in _FIRST[spec.input_kind]), *([Averaged()] if cell_of(spec).from_ann else [])]


def _residual(spec: NetworkSpec, n_in: int, block: Block, leak: float, learned: bool) -> Residual:
    main = [
        *convolution(spec, n_in, block.width, leak=leak, window=Window(stride=block.stride)),
        cell_for(spec, leak, learned=learned),
        *convolution(spec, block.width, block.width, leak=leak),
    ]
    if block.stride == 1 and n_in == block.width:
        return Residual(sequential(*main), sequential())
    stride = 1 if block.pooled else block.stride
    shortcut = convolution(spec, n_in, block.width, leak=leak, window=Window(1, stride, 0))
    if block.pooled and block.stride > 1:
        shortcut = [nn.AvgPool2d(block.stride, ceil_mode=True), *shortcut]
    return Residual(sequential(*main), sequential(*shortcut))
