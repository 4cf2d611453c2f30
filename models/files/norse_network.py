"""A user's Norse network as a `SteppedModel`, with a card, so that every command takes it."""

import copy
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, Num
from numpy import ndarray
from torch import Tensor, nn

from spikecut.models.card import ModelCard
from spikecut.models.files.fingerprint import fingerprint
from spikecut.models.files.lane_independence import lane_axes
from spikecut.models.pickling import to_bytes
from spikecut.models.spec import NetworkSpec
from spikecut.models.state_trees import cloned, containers_anew, joined, take
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.events import SensorSize

UNNAMED = "network"


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """The state of some lanes: those that are `resting` have none yet, `tree` holds the others in their order."""

    resting: Bool[ndarray, " B"]
    tree: Any


class NorseNetwork:
    """A module that passed the check of lane independence; `from_norse` makes it. `card` is its model card.

    It holds a copy of the module in evaluation mode and remembers nothing between calls. It can be copied and pickled.
    One that came from a Python file is pickled as that: another process executes the file again (`opened_by`, a
    function and its arguments).
    """

    opened_by: tuple[Callable[..., "NorseNetwork"], tuple[Any, ...]] | None = None

    def __init__(self, network: nn.Module, card: ModelCard) -> None:
        self.card = card
        self.network = network
        with torch.inference_mode():
            self._axes = lane_axes(self._call, card.spec.frame, card.spec.n_classes)

    @property
    def n_outputs(self) -> int:
        return self.card.spec.n_classes

    def step(self, frames: Num[ndarray, "B C H W"], state: Lanes | None) -> tuple[Float32[ndarray, "B K"], Lanes]:
        """One step for every lane.

        The module defines its own state at rest (Norse's IAF rests at its reset, LIF at its leak, and a cell without
        a state makes one from its input). So lanes at rest make their first step together, without a state, and are
        joined to the others after it.

        Raises:
            ModelError: if the frames have another size than the network was made for.
        """
        expected = (2, self.card.spec.frame.height, self.card.spec.frame.width)
        if frames.shape[1:] != expected:
            raise ModelError(f"frames of shape {frames.shape[1:]} for a network made for {expected}")
        resting = np.ones(len(frames), np.bool_) if state is None else state.resting
        with torch.inference_mode():
            pixels = torch.from_numpy(np.array(frames, np.float32))  # its own, since a module may write into its input
            if state is None or resting.all():
                output, tree = self._call(pixels, None)
            elif not resting.any():
                output, tree = self._call(pixels, state.tree)
            else:
                going, fresh = map(torch.from_numpy, (np.flatnonzero(~resting), np.flatnonzero(resting)))
                both = tuple(self._call(pixels[going], state.tree)), tuple(self._call(pixels[fresh], None))
                axes, places = (0, self._axes), torch.cat([going, fresh]).argsort()
                output, tree = take(joined(*both, axes), axes, places)
        # a copy, since what Norse's LI cells say is their membrane itself
        return output.to(torch.float32, copy=True).numpy(), Lanes(np.zeros(len(frames), np.bool_), tree)

    def select(self, state: Lanes, lanes: Int64[ndarray, " L"]) -> Lanes:
        """The state of the lanes that go on, exact to the bit; -1 is a lane at rest."""
        resting = (lanes < 0) | state.resting[lanes]
        rows = np.cumsum(~state.resting) - 1
        kept = rows[lanes[~resting]]
        if not len(kept):
            return Lanes(resting, None)
        with torch.inference_mode():
            return Lanes(resting, take(state.tree, self._axes, torch.from_numpy(kept)))

    def copy(self, state: Lanes) -> Lanes:
        """A state to come back to."""
        return Lanes(state.resting.copy(), cloned(state.tree))

    def __reduce__(self) -> tuple[Any, ...]:
        return self.opened_by or (_restored, (to_bytes(vars(self)),))

    def __deepcopy__(self, memo: dict[int, Any]) -> "NorseNetwork":
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin

    def _call(self, pixels: Tensor, tree: Any) -> Any:
        """One step of the module, in containers of its own: Norse's `SequentialState` writes into the list it gets."""
        return self.network(pixels, containers_anew(tree))


def _restored(pickled: bytes) -> NorseNetwork:
    network = object.__new__(NorseNetwork)
    vars(network).update(pickle.loads(pickled))
    return network


def from_norse(
    net: nn.Module,
    *,
    classes: Sequence[str],
    step_us: int,
    sensor: SensorSize,
    frame: SensorSize | None = None,
    horizon: int | None = None,
    name: str = UNNAMED,
) -> NorseNetwork:
    """Your own spiking network, to be stopped early like those that ship.

    `net` is any module with `forward(x, state) -> (output, state)`: a `norse.torch.SequentialState`, or your own
    around Norse's cells. `x` are counts `(B, 2, H, W)` float32, OFF and ON events of one bin; the state is None at
    rest, and then whatever the module returned; the output `(B, K)` is one number for each class, and rules
    decide upon its sum over the steps unless fitted otherwise. It is stepped as a copy on the CPU, in evaluation mode.

    `step_us` is the bin that it was trained on (Norse's own `dt` is not read). `frame` is smaller than the `sensor`
    by a whole factor if the network reads frames at a lower resolution. `horizon` is the number of steps of a full
    window; without one, as many as a second holds. `name` is what tables call it; in a file it is by default that of
    the file.

    In a file `my_network.py` that ends in `network = from_norse(...)` it works with every command:
    `spikecut calibrate FOLDER --model my_network.py`, then `spikecut run FILE --model my_network.py`. The command
    executes the file. Cutoffs lie beside it and belong to this network alone: to its weights, its neurons'
    parameters, the source of its classes, its classes' names and its bin. The card does not know which recordings
    trained it: keep those out of calibration and test.

    Raises:
        ModelError: if the module cannot be stepped lane by lane: it fails, its output has another shape, one lane
            depends on the others, or it keeps memory of its own.
        ConfigError: if the classes, the bin, the frame or the horizon are invalid.

    >>> import torch, norse.torch as snn
    >>> from spikecut import SensorSize
    >>> layers = torch.nn.Flatten(), torch.nn.Linear(2 * 17 * 17, 3), snn.LICell()
    >>> network = from_norse(
    ...     snn.SequentialState(*layers),
    ...     classes=["circle", "square", "star"], step_us=10_000, sensor=SensorSize(34, 34), frame=SensorSize(17, 17),
    ... )
    >>> frames = np.zeros((5, 2, 17, 17), np.uint8)
    >>> output, state = network.step(frames, None)
    >>> output.shape, network.card.horizon
    ((5, 3), 100)
    """
    if not isinstance(net, nn.Module):
        raise ModelError(f"from_norse takes a torch.nn.Module, not a {type(net).__name__}")
    frame = _checked_frame(sensor, sensor if frame is None else frame)
    _check_names(classes)
    _check_counts({"step_us": step_us, "horizon": 1 if horizon is None else horizon})
    network = _copied(net)
    spec = NetworkSpec("norse", (), len(classes), step_us, frame)
    card = ModelCard(
        name=name,
        spec=spec,
        classes=tuple(classes),
        sensor=sensor,
        horizon=horizon or max(1, 1_000_000 // step_us),
        weights_sha256=fingerprint(network, (*classes, step_us, frame.width, frame.height)),
        default_cutoff="ltt-2pt",  # the default of `spikecut calibrate`
    )
    return NorseNetwork(network, card)


def _checked_frame(sensor: SensorSize, frame: SensorSize) -> SensorSize:
    for what, size in (("sensor", sensor), ("frame", frame)):
        if not isinstance(size, SensorSize):
            raise ConfigError(f"{what}={size!r}; expected a SensorSize", hint=f"{what}=SensorSize(width, height)")
    factor = sensor.width // frame.width
    if not factor or (sensor.width, sensor.height) != (frame.width * factor, frame.height * factor):
        raise ConfigError(f"a {frame} frame of a {sensor} sensor; expected a whole factor, the same both ways")
    return frame


def _check_names(classes: Sequence[str]) -> None:
    if isinstance(classes, str) or not all(isinstance(one, str) for one in classes):
        raise ConfigError(f"classes={classes!r}; expected a list of names")
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise ConfigError(f"classes={classes!r}; expected at least two names, each once")


def _check_counts(numbers: dict[str, Any]) -> None:
    for what, value in numbers.items():
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"{what}={value!r}; expected a whole number from 1 on")


def _copied(net: nn.Module) -> nn.Module:
    """A copy of the module: later training does not change the copy, and stepping does not change the original.

    (Norse's `IAFCell` marks its parameters, shared by all such cells, as wanting a gradient when it is stepped.)
    """
    try:
        return copy.deepcopy(net).cpu().eval().requires_grad_(False)
    except Exception as error:
        raise ModelError(
            f"the network cannot be copied: {type(error).__name__}: {error}",
            hint="a module may hold parameters, buffers and plain values, but nothing that was computed with gradient",
        ) from error
