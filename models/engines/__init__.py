"""Engines, which step a trained network: the table `ENGINES`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from spikecut.models.engines.events.stepper import EventStepper
from spikecut.models.engines.lowering import lowered
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.pipeline.protocols import SteppedModel


@dataclass(frozen=True, slots=True)
class Engine:
    """A way to step a trained network: `make` takes its module with plain weights, and its spec.

    It raises a ModelError for layers or cells that it cannot step.
    """

    make: Callable[[nn.Module, NetworkSpec], SteppedModel[Any]]
    description: str


def _events(network: nn.Module, spec: NetworkSpec) -> EventStepper:
    return EventStepper(lowered(network, spec))


def _dense(network: nn.Module, spec: NetworkSpec) -> SteppedModel[Any]:
    from spikecut.models.engines.dense import stepper

    return stepper(network, spec)


def _onnx(network: nn.Module, spec: NetworkSpec) -> SteppedModel[Any]:
    from spikecut.models.engines.onnx import stepper

    return stepper(network, spec)


def _auto(network: nn.Module, spec: NetworkSpec) -> SteppedModel[Any]:
    from spikecut.models.engines.auto import stepper

    return stepper(network, spec)


ENGINES: dict[str, Engine] = {
    "auto": Engine(_auto, "by events or densely, whichever the load of a stream makes faster"),
    "norse": Engine(NetworkStepper, "PyTorch and Norse, every layer at every step"),
    "events": Engine(_events, "only what is not 0: spikes are scattered through kernels, the cost follows the events"),
    "dense": Engine(_dense, "PyTorch, every layer at every step, folded and in few passes"),
    "onnx": Engine(_onnx, "ONNX Runtime, every layer at every step (pip install spikecut[onnx])"),
}


def engine_called(name: object) -> Engine:
    """The engine of this name.

    Raises:
        ConfigError: if there is none.
    """
    if not isinstance(name, str) or name not in ENGINES:
        raise ConfigError(f"engine {name!r}; expected {' or '.join(ENGINES)}", hint=did_you_mean(str(name), ENGINES))
    return ENGINES[name]
