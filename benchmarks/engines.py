"""Engines beside one another: a step of one lane, one thread, every row a ratio to Norse within this run.

    python -m benchmarks.engines [--json] [--data FOLDER] [--quick]

Engines take turns, a few steps each; the median over the steps of each one's fastest of several passes. Networks:
`gestures` on a drawn gesture (simulated), `nmnist` on recordings of N-MNIST where `--data` has them, else on drawn
digits, five layers at 3 % firing, and noise from 0 to 60 % of the pixels.
"""

import argparse
import json
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import nn

from spikecut.models.architectures.networks import build, plain
from spikecut.models.cells.base import CellLayer
from spikecut.models.engines import ENGINES
from spikecut.models.files.checkpoint import read_card, read_weights
from spikecut.models.files.opening import locate
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.protocols import SteppedModel
from spikecut.sources.simulation.gestures import drawn_session

DENSITIES = (0.0, 0.01, 0.03, 0.1, 0.3, 0.6)
_TURN, _PASSES = 25, 4


@dataclass(frozen=True, slots=True)
class Row:
    """One engine on one stream: microseconds a step (median), their quartiles, and Norse's time over its own."""

    case: str
    engine: str
    us: float
    quartiles: tuple[float, float]
    times_norse: float


def compared(case: str, network: nn.Module, spec: NetworkSpec, frames: Sequence[ndarray], horizon: int) -> list[Row]:
    """All engines that are installed, in turns over the same frames."""
    models: dict[str, SteppedModel[Any]] = {}
    for name, engine in ENGINES.items():
        try:
            models[name] = engine.make(network, spec)
        except EnvironmentProblem as problem:
            print(f"  {name}: left out, {problem}", flush=True)
    times = {name: np.full(len(frames), np.inf) for name in models}
    for _ in range(_PASSES):
        states: dict[str, Any] = dict.fromkeys(models)
        for begin in range(0, len(frames), _TURN):
            for name, model in models.items():
                _turn(model, frames, range(begin, min(begin + _TURN, len(frames))), states, times, name, horizon)
    norse = float(np.median(times["norse"]))
    return [
        Row(
            case,
            name,
            float(np.median(t)),
            (float(np.quantile(t, 0.25)), float(np.quantile(t, 0.75))),
            norse / np.median(t),
        )
        for name, t in times.items()
    ]


def _turn(
    model: SteppedModel[Any],
    frames: Sequence[ndarray],
    steps: Iterable[int],
    states: dict[str, Any],
    times: dict[str, ndarray],
    name: str,
    horizon: int,
) -> None:
    state = states[name]
    for t in steps:
        begun = time.perf_counter()
        _, state = model.step(frames[t], None if t % horizon == 0 else state)
        times[name][t] = min(times[name][t], (time.perf_counter() - begun) * 1e6)
    states[name] = state


def shipped(name: str) -> tuple[nn.Module, NetworkSpec, int]:
    """A shipped network with its weights, and its horizon."""
    weights = locate(name)
    card = read_card(weights.with_suffix(".json"))
    network = plain(build(card.spec))
    network.load_state_dict(read_weights(weights, card))
    return network, card.spec, card.horizon


def gesture_frames(n: int) -> list[ndarray]:
    """Frames of a drawn session, from its first gesture on."""
    from spikecut.pipeline.representations.frame_sources import frames_of

    network, _ = __import__("spikecut").load_network("gestures", engine="norse")
    frames = []
    for frame in frames_of(drawn_session(700), network):
        frames.append(frame.pixels[None])
        if len(frames) == n:
            break
    return frames


def noise(spec: NetworkSpec, density: float, n: int) -> list[ndarray]:
    """Frames of which so many pixels have an event. Seeded."""
    rng = np.random.default_rng(0)
    shape = (1, spec.inputs, spec.frame.height, spec.frame.width)
    return [(rng.random(shape) < density).astype(np.uint8) for _ in range(n)]


def five_layers() -> tuple[nn.Module, NetworkSpec]:
    """Five convolutions for 128 x 128 pixels, 207 million multiplications a step, of which about 3 % of cells fire."""
    spec = NetworkSpec("compact", (32, 64, 128, 128, 128), 11, 10_000, SensorSize(128, 128))
    torch.manual_seed(0)
    return build(spec).eval(), spec


def at_firing(network: nn.Module, spec: NetworkSpec, share: float, frames: Sequence[ndarray]) -> nn.Module:
    """Biases every convolution, from the first on, so that this share of its cells fires on the frames."""
    layers = list(plain(network).children())
    with torch.no_grad():
        for at, layer in enumerate(layers):
            if not isinstance(layer, nn.Conv2d):
                continue
            low, high = -8.0, 8.0
            for _ in range(14):
                middle = (low + high) / 2
                layer.bias.fill_(middle)  # type: ignore[union-attr]
                fired = _firing(layers[: at + 2], frames)
                low, high = (middle, high) if fired < share else (low, middle)
    return network


def _firing(layers: Sequence[nn.Module], frames: Sequence[ndarray]) -> float:
    """The share of cells of the last layer that fire, over all frames."""
    states: list[Any] = [None] * len(layers)
    fired = 0.0
    for frame in frames:
        x = torch.from_numpy(frame.astype(np.float32))
        for at, layer in enumerate(layers):
            if isinstance(layer, CellLayer):
                x, states[at] = layer(x, states[at])
            else:
                x = layer(x)
        fired += float((x > 0).float().mean())
    return fired / len(frames)


def rows(data: Path | None, *, quick: bool) -> Iterable[list[Row]]:
    """The tables, one case after another."""
    n = 75 if quick else 300
    network, spec, horizon = shipped("gestures")
    yield compared("gestures, drawn", network, spec, gesture_frames(n), horizon)
    digits, digit_spec, digit_horizon = shipped("nmnist")
    yield compared("nmnist", digits, digit_spec, _digit_frames(digit_spec, data, n), digit_horizon)
    for density in DENSITIES[1::2] if quick else DENSITIES:
        yield compared(f"gestures, noise {density:.0%}", network, spec, noise(spec, density, 75), horizon)
    if not quick:
        five, five_spec = five_layers()
        frames = noise(five_spec, 0.03, 50)
        yield compared("five layers, 3 % firing", at_firing(five, five_spec, 0.03, frames[:8]), five_spec, frames, 50)


def _digit_frames(spec: NetworkSpec, data: Path | None, n: int) -> list[ndarray]:
    if data is None:
        return noise(spec, 0.03, n)
    from spikecut.pipeline.representations.frame_sources import frames_of

    network, _ = __import__("spikecut").load_network("nmnist", engine="norse")
    frames: list[ndarray] = []
    for path in sorted(data.rglob("*.bin")):
        frames += [frame.pixels[None] for frame in frames_of(path, network)][:30]
        if len(frames) >= n:
            break
    return frames[:n]


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path, help="a folder with recordings of N-MNIST (.bin)")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"engines: a step of one lane; torch {torch.__version__}, numpy {np.__version__}, {platform.machine()}")
    for table in rows(chosen.data, quick=chosen.quick):
        for row in table:
            if chosen.json:
                print(json.dumps(asdict(row)), flush=True)
            else:
                low, high = row.quartiles
                spread = f"{low:,.0f} to {high:,.0f}"
                print(
                    f"  {row.case:<26}{row.engine:<8}{row.us:>9,.0f} us  ({spread}){row.times_norse:>8.1f}x", flush=True
                )


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
