"""Spiking cells, their surrogate gradients, and their counterparts in training: the table `CELLS`."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from spikecut.models.cells.base import CellLayer
from spikecut.models.cells.conversion import ConvertedCell
from spikecut.models.cells.lif import LIFCell
from spikecut.models.cells.surrogates import Surrogate
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.files.strict import did_you_mean


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of cell: how a layer of it is made, and the properties that architectures depend on.

    `make` takes a network's spec and the share of its input that a cell takes in a step: one number, or one a channel.
    A layer that is not `learned` keeps it. `state` describes the state of a cell. `pooling` makes the 2 x 2 maximum of
    its outputs, or a substitute. `normalisations` are those that it can follow. `leaky` cells take the share `leak`
    of their input, so that normalised currents begin `1 / leak` times as large; others take all of it. `kernel_gain` is
    the length at which standardised kernels begin. A cell `from_ann` is trained as an activation of `spec.levels`.
    """

    make: Callable[[NetworkSpec, float | Tensor, bool], CellLayer]
    description: str
    state: str
    pooling: Callable[[int], nn.Module] = nn.MaxPool2d
    normalisations: tuple[str, ...] = ("kernel", "batch", "tebn")
    leaky: bool = True
    kernel_gain: float = 4.0
    from_ann: bool = False


def _lif(spec: NetworkSpec, leak: float | Tensor, learned: bool) -> CellLayer:
    cell = LIFCell(spec.step_us, leak)
    cell.leak_logit.requires_grad_(learned)
    return cell


def _converted(spec: NetworkSpec, leak: float | Tensor, learned: bool) -> CellLayer:
    return ConvertedCell(spec.levels)


CELLS: dict[str, Cell] = {
    "lif": Cell(
        make=_lif,
        description="leaky integrate and fire, reset to 0; the leak learned (Fang et al., arXiv 2007.05785)",
        state="the membrane, in thresholds",
    ),
    "qcfs": Cell(
        make=_converted,
        description="an activation in stairs, stepped as integrate and fire with soft reset (Bu et al., ICLR 2022)",
        state="the membrane above half of the threshold",
        pooling=nn.AvgPool2d,  # the maximum of rates is no rate of maxima
        normalisations=("kernel", "batch"),
        leaky=False,
        kernel_gain=2**0.5,
        from_ann=True,
    ),
}


def cell_of(spec: NetworkSpec) -> Cell:
    """The cell that a spec names.

    Raises:
        ModelError: if there is none of this name, or it does not go with the levels or the normalisation.
    """
    if spec.cell not in CELLS:
        raise ModelError(
            f"cell {spec.cell!r} in architecture {spec.architecture!r}; expected {' or '.join(CELLS)}",
            hint=did_you_mean(spec.cell, CELLS),
        )
    cell = CELLS[spec.cell]
    if cell.from_ann != bool(spec.levels):
        raise ModelError(
            f"cell {spec.cell!r} with levels {spec.levels}; expected {'1 or more' if cell.from_ann else '0'}",
            hint="levels are those of the activation that a converted cell is trained as",
        )
    if spec.normalisation not in cell.normalisations:
        raise ModelError(
            f"cell {spec.cell!r} with normalisation {spec.normalisation!r}; expected {' or '.join(cell.normalisations)}"
        )
    return cell


def cell_for(spec: NetworkSpec, leak: float | Tensor, *, learned: bool = True) -> CellLayer:
    """A layer of the cells that the spec names, of this leak."""
    return cell_of(spec).make(spec, leak, learned)


def pooling_for(spec: NetworkSpec) -> nn.Module:
    """The pooling of 2 x 2 outputs of these cells: their maximum, or their mean."""
    return cell_of(spec).pooling(2)


def learn_with(network: nn.Module, surrogate: Surrogate) -> None:
    """Gives every spiking cell of a network the surrogate that its gradients are to be computed with."""
    for module in network.modules():
        if isinstance(module, CellLayer):
            module.learn_with(surrogate)
