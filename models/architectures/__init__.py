"""Network architectures: tables of layers over cells; the table `ARCHITECTURES`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from spikecut.models.architectures.event_networks import compact, traces
from spikecut.models.architectures.image_networks import PICTURES, picture_net, vgg_compact
from spikecut.models.architectures.layer_table import Conv, Dense
from spikecut.models.architectures.paper_networks import PAPERS, check_batch, paper
from spikecut.models.cells import cell_of
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.files.strict import did_you_mean

EVENTS, COLOURS = 2, 3  # channels of a frame: polarities, or the colours of an image


@dataclass(frozen=True, slots=True)
class Architecture:
    """A kind of network: how it is built, and what it is built for.

    `inputs` are the channels of a frame that it takes. `widths` are the channels of its convolutions and dense layers
    in the paper, which `spec.channels` may replace; without any, `spec.channels` may be any number. An architecture
    that `converts` may be trained as an ANN (`spec.levels`). One that reads the `whole_sensor` merges pixels itself.
    `checks` refuse with a ModelError what else does not fit.
    """

    build: Callable[[NetworkSpec], nn.Module]
    description: str
    inputs: tuple[int, ...] = (EVENTS, COLOURS)
    widths: tuple[int, ...] = ()
    converts: bool = True
    whole_sensor: bool = False
    checks: tuple[Callable[[NetworkSpec], None], ...] = ()


def _paper(name: str, description: str) -> Architecture:
    widths = tuple(layer.width for layer in PAPERS[name] if isinstance(layer, Conv | Dense))
    return Architecture(paper, description, widths=widths, checks=(check_batch,))


def _image(name: str, description: str) -> Architecture:
    return Architecture(picture_net, description, widths=PICTURES[name][0], checks=(check_batch,))


ARCHITECTURES: dict[str, Architecture] = {
    "compact": Architecture(compact, "convolutions, each halved by a maximum, then one linear readout"),
    "compact-log": Architecture(
        partial(compact, of_logarithm=True), "the same on logarithms of the counts of events", inputs=(EVENTS,)
    ),
    "traces": Architecture(
        traces,
        "for movement: the first layer sees now and before, cells from quick to slow (Perez-Nieves et al., 2021)",
        inputs=(EVENTS,),
        converts=False,
        whole_sensor=True,
    ),
    "vggann": _paper("vggann", "CIFAR10-DVS, 128 x 128 (Wu et al., arXiv 2301.09522)"),
    "vggsnn": _paper("vggsnn", "CIFAR10-DVS, 128 x 128, trained as it is stepped (Wu et al.)"),
    "vggann-ncaltech101": _paper("vggann-ncaltech101", "N-Caltech101, 240 x 180 (Wu et al.)"),
    "vgg-gesture": _paper("vgg-gesture", "DVS128 Gesture, 128 x 128 (Wu et al.)"),
    "vggsnn-woap": _paper("vggsnn-woap", "CIFAR10-DVS, 48 x 48, without pooling (Deng et al., arXiv 2202.11946)"),
    "vgg-compact": Architecture(vgg_compact, "a VGG that a CPU can train: stages of equal width, any number of them"),
    "vgg-compact-log": Architecture(
        partial(vgg_compact, of_logarithm=True), "the same on logarithms of the counts of events", inputs=(EVENTS,)
    ),
    "vgg16": _image("vgg16", "thirteen convolutions, two dense layers (Bu et al., ICLR 2022; Wu et al.)"),
    "resnet18": _image("resnet18", "a 3 x 3 stem, four stages of two blocks (He et al., arXiv 1512.03385; Wu et al.)"),
    "resnet19": _image("resnet19", "stages of three, three and two blocks (Li et al., arXiv 2304.01230)"),
}


def architecture_of(spec: NetworkSpec) -> Architecture:
    """The architecture that a spec names.

    Raises:
        ModelError: if there is none of this name, it takes other inputs, or cells or normalisation do not go with it.
    """
    name = spec.layout
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ModelError(f"architecture {name!r}; expected one of {known}", hint=did_you_mean(name, ARCHITECTURES))
    architecture = ARCHITECTURES[name]
    if spec.inputs not in architecture.inputs:
        others = [other for other, row in ARCHITECTURES.items() if spec.inputs in row.inputs]
        raise ModelError(
            f"architecture {name!r} with inputs {spec.inputs}; expected {' or '.join(map(str, architecture.inputs))}",
            hint=f"frames of {spec.inputs} channels are for {', '.join(others)}",
        )
    if spec.levels and not architecture.converts:
        raise ModelError(
            f"architecture {name!r} with levels {spec.levels}; expected 0",
            hint="its cells forget at their own pace, and what is converted from an ANN forgets nothing",
        )
    cell_of(spec)
    for check in architecture.checks:
        check(spec)
    return architecture
