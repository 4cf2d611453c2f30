"""Networks as people write them around Norse's cells, with numbers so round that their sums are exact in any order.

Weights are quarters, leaks are halves, frames are small counts: for the few steps of a test every float32 result is
exact, so a lane says the same to the bit in a batch of any size.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import norse.torch

from spikecut.pipeline.events import Frame, SensorSize

snn: Any = norse.torch
SENSOR = SensorSize(6, 4)
PIXELS = 2 * 4 * 6
HALF, ONE = torch.tensor(0.5), torch.tensor(1.0)
LIF = snn.LIFParameters(tau_syn_inv=HALF, tau_mem_inv=HALF, v_leak=torch.tensor(0.25), method="triangle")
LI = snn.LIParameters(tau_syn_inv=HALF, tau_mem_inv=HALF, v_leak=torch.tensor(-0.5))


def round_numbers(net: nn.Module, seed: int = 0) -> nn.Module:
    """Every weight a quarter of a small integer."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(torch.randint(-3, 4, weight.shape, generator=rng) / 4)
    return net


def sequence(*layers: nn.Module) -> nn.Module:
    network: nn.Module = snn.SequentialState(*layers)
    return network


def convolutional() -> nn.Module:
    """Synaptic currents, a state whose first membrane has no shape, and LI cells whose output is their state."""
    first, last = snn.LIFCell(LIF, dt=1.0), snn.LICell(LI, dt=1.0)
    return sequence(nn.Conv2d(2, 3, 3), first, nn.Flatten(), nn.Linear(3 * 2 * 4, 3), last)


def integrate_and_fire() -> nn.Module:
    """It rests where it is reset, far from zero; what comes out are spikes."""
    parameters = snn.IAFParameters(v_th=ONE, v_reset=torch.tensor(-2.0))
    return sequence(nn.Flatten(), nn.Linear(PIXELS, 3), snn.IAFCell(parameters))


def recurrent() -> nn.Module:
    cell = snn.LIFRecurrentCell(5, 5, p=LIF, dt=1.0)
    return sequence(nn.Flatten(), nn.Linear(PIXELS, 5), cell, nn.Linear(5, 3))


def adaptive() -> nn.Module:
    """Its threshold at first has no shape either."""
    parameters = snn.LSNNParameters(HALF, HALF, HALF, v_th=ONE, beta=HALF, method="triangle")
    return sequence(nn.Flatten(), nn.Linear(PIXELS, 3), snn.LSNNRecurrentCell(3, 3, parameters, dt=1.0))


def refractory() -> nn.Module:
    """Named tuples within named tuples."""
    parameters = snn.LIFRefracParameters(LIF, torch.tensor(2.0))
    return sequence(nn.Flatten(), nn.Linear(PIXELS, 3), snn.LIFRefracCell(parameters, dt=1.0))


def fed_back() -> nn.Module:
    box = snn.LIFBoxParameters(tau_mem_inv=HALF, v_leak=torch.tensor(0.5), method="triangle")
    loop = snn.RecurrentSequential(nn.Linear(3, 3), snn.LIFBoxCell(box, dt=1.0))
    return sequence(nn.Flatten(), nn.Linear(PIXELS, 3), loop)


class OwnStates(nn.Module):
    """States in a dict, one of them with the lanes second, one written into; a constant that all lanes share."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Linear(PIXELS, 3)
        self.cell = snn.LIFBoxCell(snn.LIFBoxParameters(tau_mem_inv=HALF, v_leak=HALF), dt=1.0)

    def forward(self, x: Tensor, state: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        drive = self.weight(x.flatten(1))
        if state is None:
            held = torch.full((2, len(x), 3), 1.5)
            state = {"cell": None, "held": held, "scale": torch.tensor(0.5), "steps": torch.zeros(len(x)), "word": "on"}
        spikes, cell = self.cell(drive, state["cell"])
        state["held"] *= 0.5
        state["held"][0] += spikes
        state["steps"] += 1
        state["cell"] = cell
        return state["held"].sum(0) * state["scale"] + state["steps"][:, None], state


class InPlace(nn.Module):
    """It writes into the frames it is shown, and its output is its state."""

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x.mul_(0.5)
        state = x.new_full((len(x), 3), 0.25) if state is None else state
        state.mul_(0.5).add_(x.flatten(1)[:, :3])
        return state, state


class Forgetful(nn.Module):
    """No state at all."""

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        return x.flatten(1)[:, :3], None


KINDS: dict[str, Callable[[], nn.Module]] = {
    "convolutional": convolutional,
    "integrate and fire": integrate_and_fire,
    "recurrent": recurrent,
    "adaptive": adaptive,
    "refractory": refractory,
    "fed back": fed_back,
    "states of its own": OwnStates,
    "in place": InPlace,
    "no state": Forgetful,
}


def clips(n: int, steps: int, seed: int = 0) -> np.ndarray:
    """Counts `(T, B, 2, H, W)`."""
    shape = (steps, n, 2, SENSOR.height, SENSOR.width)
    return np.random.default_rng(seed).poisson(0.6, shape).astype(np.uint8)


def stream(clip: np.ndarray) -> list[Frame]:
    """One recording `(T, 2, H, W)` as the frames that a binner would hand out."""
    return [Frame(t, 0, 10 * t, 10 * (t + 1), pixels, int(pixels.sum())) for t, pixels in enumerate(clip)]


def alone(net: nn.Module, clip: np.ndarray) -> np.ndarray:
    """What a module says of one recording, asked in the plainest way: the truth about every other way."""
    said, state = [], None
    with torch.no_grad():
        for pixels in clip:
            output, state = net.eval()(torch.tensor(pixels[None], dtype=torch.float32), state)
            said.append(output[0].clone().numpy())
    return np.stack(said)
