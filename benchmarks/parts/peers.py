"""Other libraries as steppers of the same network: the table `PEERS`.

Each makes, of a trained network, something with `step(frames, state)`. A library that is not installed raises
ImportError; `site.addsitedir` adds an environment of its own that has them. Normalisation is folded, the cells are
the library's, all in evaluation mode under `inference_mode`, one thread.
"""

from collections.abc import Callable
from typing import Any

import torch
from numpy import ndarray
from torch import Tensor, nn

from benchmarks.parts.plain_cells import norse_network, with_cells
from spikecut.models.layers import Traces

Cell = Callable[[Any, Tensor, Any], tuple[Tensor, Any]]


class LayerStepper:
    """Steps layers one after another; `cell(layer, x, state)` is a step of a library's cell."""

    def __init__(
        self, layers: list[nn.Module], kind: type, cell: Callable[[Any, Tensor, Any], tuple[Tensor, Any]]
    ) -> None:
        self.layers, self.kind, self.cell = layers, kind, cell

    def step(self, frames: ndarray, state: list[Any] | None) -> tuple[ndarray, list[Any]]:
        """One step; None is rest."""
        with torch.inference_mode():
            before = [None] * len(self.layers) if state is None else state
            x, after = torch.from_numpy(frames).float(), list[Any]()
            for layer, memory in zip(self.layers, before, strict=True):
                if isinstance(layer, self.kind):
                    x, memory = self.cell(layer, x, memory)
                elif isinstance(layer, Traces):
                    x, memory = layer(x, memory)
                else:
                    x = layer(x)
                after.append(memory)
            return x.numpy(), after


class ModuleStepper:
    """Steps a module `forward(x, state)`."""

    def __init__(self, forward: Callable[[Tensor, Any], tuple[Tensor, Any]]) -> None:
        self.forward = forward

    def step(self, frames: ndarray, state: Any) -> tuple[ndarray, Any]:
        """One step; None is rest."""
        with torch.inference_mode():
            output, state = self.forward(torch.from_numpy(frames).float(), state)
        return output.numpy(), state


def norse(network: nn.Module) -> ModuleStepper:
    """Norse's `SequentialState` with Norse's cells."""
    return ModuleStepper(norse_network(network))


def compiled(network: nn.Module) -> ModuleStepper:
    """The same through `torch.compile`."""
    return ModuleStepper(torch.compile(norse_network(network)))


def spikingjelly(network: nn.Module) -> LayerStepper:
    """spikingjelly's LIF nodes, whose time constant is one number: the mean leak of a layer."""
    from spikingjelly.activation_based import neuron

    def cell(layer: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        if state is None:
            layer.reset()
        return layer(x), True

    def make(leak: Tensor, dt_s: float) -> nn.Module:
        node: nn.Module = neuron.LIFNode(tau=1 / float(leak.mean()), v_threshold=1.0, v_reset=0.0)
        return node.eval()

    return LayerStepper(with_cells(network, make), neuron.LIFNode, cell)


def snntorch(network: nn.Module) -> LayerStepper:
    """snnTorch's `Leaky`; the leak multiplies its input beforehand."""
    import snntorch as snn

    def cell(layer: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        spikes, membrane = layer(x * (1 - layer.beta), torch.zeros_like(x) if state is None else state)
        return spikes, membrane

    def make(leak: Tensor, dt_s: float) -> nn.Module:
        node: nn.Module = snn.Leaky(beta=1 - leak, threshold=1.0, reset_mechanism="zero", reset_delay=False)
        return node.eval()

    return LayerStepper(with_cells(network, make), snn.Leaky, cell)


def sinabs(network: nn.Module) -> LayerStepper:
    """sinabs' LIF layers, a time axis of one step."""
    from sinabs.activation import MembraneReset, SingleSpike
    from sinabs.layers import LIF

    def cell(layer: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        if state is None:
            layer.reset_states()
        return layer(x.unsqueeze(1)).squeeze(1), True

    def make(leak: Tensor, dt_s: float) -> nn.Module:
        tau_steps = -1 / torch.log1p(-leak)
        node: nn.Module = LIF(tau_mem=tau_steps, spike_fn=SingleSpike, reset_fn=MembraneReset())
        return node.eval()

    return LayerStepper(with_cells(network, make), LIF, cell)


PEERS: dict[str, Callable[[nn.Module], Any]] = {
    "Norse": norse,
    "torch.compile": compiled,
    "spikingjelly": spikingjelly,
    "snntorch": snntorch,
    "sinabs": sinabs,
}
