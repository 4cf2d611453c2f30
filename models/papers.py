"""The architectures of the papers on event data, for comparison: convolution, batch normalisation or TEBN, LIF.

Cells keep half of their membrane a step and are not learned, as there. Convolutions carry no bias, which the
normalisation behind them would take away again. Frames are raw counts of two polarities.
"""

from dataclasses import dataclass, replace

from torch import nn

from spikecut.models.layers import sequential
from spikecut.models.neurons import LIFCell
from spikecut.models.normalisation import TemporalBatchNorm, convolution
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError

_LEAK = 0.5


@dataclass(frozen=True, slots=True)
class _Conv:
    """A convolution into normalised LIF cells."""

    width: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


@dataclass(frozen=True, slots=True)
class _Dense:
    """A linear layer into normalised LIF cells."""

    width: int


_AVERAGE, _MAXIMUM = nn.AvgPool2d, nn.MaxPool2d
_Layer = _Conv | _Dense | type[nn.AvgPool2d] | type[nn.MaxPool2d]
_TRUNK: tuple[_Layer, ...] = (
    *(_Conv(64), _Conv(128), _AVERAGE),
    *(_Conv(256), _Conv(256), _AVERAGE),
    *(_Conv(512), _Conv(512), _AVERAGE),
    *(_Conv(512), _Conv(512), _AVERAGE),
)
_VGGANN = (_Conv(64, kernel=4, stride=4, padding=0), *_TRUNK)

# Wu et al. (arXiv 2301.09522): CIFAR10-DVS 128 x 128, N-Caltech101 240 x 180, DVS128 Gesture 128 x 128.
# Deng et al. (arXiv 2202.11946): CIFAR10-DVS 48 x 48, VGGSNN without average pooling.
PAPERS: dict[str, tuple[_Layer, ...]] = {
    "vggann": _VGGANN,
    "vggsnn": (_Conv(64, kernel=8, stride=4, padding=3), *_TRUNK),
    "vggann-ncaltech101": _VGGANN,
    "vgg-gesture": (
        _Conv(64, kernel=4, stride=4, padding=0),
        *(_Conv(128), _MAXIMUM) * 5,
        _Dense(512),
    ),
    "vggsnn-woap": (
        *(_Conv(64), _Conv(128, stride=2)),
        *(_Conv(256), _Conv(256, stride=2)),
        *(_Conv(512), _Conv(512, stride=2)),
        *(_Conv(512), _Conv(512, stride=2)),
    ),
}


def paper(spec: NetworkSpec) -> nn.Module:
    """One of `PAPERS`, at the paper's widths where `spec.channels` is empty, else at these.

    Raises:
        ModelError: without batch normalisation, with another number of widths, or for a frame that is too small.
    """
    if spec.normalisation == "kernel":
        raise ModelError(
            f"architecture {spec.architecture!r} with normalisation 'kernel'; expected batch or tebn",
            hint="the papers' networks are normalised by batch statistics",
        )
    layers: list[nn.Module] = []
    n_in, height, width = spec.inputs, spec.frame.height, spec.frame.width
    for layer in _at_widths(spec):
        if isinstance(layer, _Conv):
            k, s, p = layer.kernel, layer.stride, layer.padding
            layers += [*convolution(spec, n_in, layer.width, leak=_LEAK, kernel=k, stride=s, padding=p), _cell(spec)]
            n_in, height, width = layer.width, (height + 2 * p - k) // s + 1, (width + 2 * p - k) // s + 1
        elif isinstance(layer, _Dense):
            norm = TemporalBatchNorm(layer.width, spec.tebn_steps, gain=1 / _LEAK)
            layers += [nn.Flatten(), nn.Linear(n_in * height * width, layer.width, bias=False), norm, _cell(spec)]
            n_in, height, width = layer.width, 1, 1
        else:
            layers.append(layer(2))
            height, width = height // 2, width // 2
        if min(height, width) < 1:
            raise ModelError(f"a {spec.frame} frame is too small for architecture {spec.architecture!r}")
    network = sequential(*layers, nn.Flatten(), nn.Linear(n_in * height * width, spec.n_classes))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def _at_widths(spec: NetworkSpec) -> list[_Layer]:
    layers = PAPERS[spec.architecture]
    own = [layer.width for layer in layers if isinstance(layer, (_Conv, _Dense))]
    if len(spec.channels) not in (0, len(own)):
        raise ModelError(
            f"{len(spec.channels)} channels for architecture {spec.architecture!r}; expected {len(own)}",
            hint=f"or none, for those of the paper: {', '.join(map(str, own))}",
        )
    widths = iter(spec.channels or own)
    return [replace(layer, width=next(widths)) if isinstance(layer, (_Conv, _Dense)) else layer for layer in layers]


def _cell(spec: NetworkSpec) -> LIFCell:
    cell = LIFCell(spec.step_us, _LEAK)
    cell.leak_logit.requires_grad_(False)
    return cell
