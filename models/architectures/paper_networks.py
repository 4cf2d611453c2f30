"""The architectures of the papers on event data, for comparison: convolution, batch normalisation or TEBN, LIF.

Cells keep half of their membrane a step and are not learned, as there. Convolutions carry no bias, which the
normalisation behind them would take away again. Frames are raw counts of two polarities.
"""

from dataclasses import replace

from torch import nn

from spikecut.models.architectures.layer_table import Conv, Dense, Layer, Pool, layered
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError

_TRUNK: tuple[Layer, ...] = (
    *(Conv(64), Conv(128), Pool.AVERAGE),
    *(Conv(256), Conv(256), Pool.AVERAGE),
    *(Conv(512), Conv(512), Pool.AVERAGE),
    *(Conv(512), Conv(512), Pool.AVERAGE),
)
_VGGANN = (Conv(64, kernel=4, stride=4, padding=0), *_TRUNK)

# Wu et al. (arXiv 2301.09522): CIFAR10-DVS 128 x 128, N-Caltech101 240 x 180, DVS128 Gesture 128 x 128.
# Deng et al. (arXiv 2202.11946): CIFAR10-DVS 48 x 48, VGGSNN without average pooling.
PAPERS: dict[str, tuple[Layer, ...]] = {
    "vggann": _VGGANN,
    "vggsnn": (Conv(64, kernel=8, stride=4, padding=3), *_TRUNK),
    "vggann-ncaltech101": _VGGANN,
    "vgg-gesture": (
        Conv(64, kernel=4, stride=4, padding=0),
        *(Conv(128), Pool.MAXIMUM) * 5,
        Dense(512),
    ),
    "vggsnn-woap": (
        *(Conv(64), Conv(128, stride=2)),
        *(Conv(256), Conv(256, stride=2)),
        *(Conv(512), Conv(512, stride=2)),
        *(Conv(512), Conv(512, stride=2)),
    ),
}


def paper(spec: NetworkSpec) -> nn.Module:
    """One of `PAPERS`, at the paper's widths where `spec.channels` is empty, else at these.

    Raises:
        ModelError: with another number of widths, or for a frame that is too small.
    """
    layers = PAPERS[spec.layout]
    widths = iter(widths_of(spec, tuple(layer.width for layer in layers if isinstance(layer, Conv | Dense))))
    table = [replace(layer, width=next(widths)) if isinstance(layer, Conv | Dense) else layer for layer in layers]
    return layered(spec, table, leak=0.5)


def check_batch(spec: NetworkSpec) -> None:
    """Refuses to make a published network without the normalisation that all of them have."""
    if spec.normalisation == "kernel":
        raise ModelError(
            f"architecture {spec.architecture!r} with normalisation 'kernel'; expected batch or tebn",
            hint="the papers' networks are normalised by batch statistics",
        )


def widths_of(spec: NetworkSpec, own: tuple[int, ...]) -> tuple[int, ...]:
    """The widths that a spec asks for, or, of none, the paper's `own`."""
    if len(spec.channels) not in (0, len(own)):
        raise ModelError(
            f"{len(spec.channels)} channels for architecture {spec.architecture!r}; expected {len(own)}",
            hint=f"or none, for those of the paper: {', '.join(map(str, own))}",
        )
    return spec.channels or own
