"""Networks and frames for benchmarks of stepping."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
from numpy import ndarray
from torch import nn

from spikecut.models.architectures.networks import build, plain
from spikecut.models.cells.base import CellLayer
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.fit import fit_for
from spikecut.sources import open_recording
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.sources.simulation.gestures import drawn_session


def gesture_frames(spec: NetworkSpec, n: int) -> list[ndarray]:
    """The first frames of a drawn session."""
    frames = CountBinner(spec.frame, spec.step_us).bins(drawn_session(700))
    return [frame.pixels[None] for frame in islice(frames, n)]


def digit_frames(spec: NetworkSpec, files: Sequence[Path], n: int, horizon: int) -> list[ndarray]:
    """The first frames of recordings of digits, `horizon` of each."""
    frames: list[ndarray] = []
    for path in files:
        bins = CountBinner(spec.frame, spec.step_us).bins(open_recording(path, sensor=spec.frame))
        pixels = [frame.pixels[None] for frame in islice(bins, horizon)]
        if len(pixels) == horizon:
            frames += pixels
        if len(frames) >= n:
            break
    return frames[:n]


def digits_in(data: Path | None, folder: Path) -> list[Path]:
    """Recordings of N-MNIST, of a folder or a `.zip` that is unpacked in `folder`; without data, drawn digits."""
    if data is None:
        write_digits(folder / "digits", 2, seed=100)
        return sorted((folder / "digits").rglob("*.bin"))
    if data.suffix == ".zip":
        with ZipFile(data) as archive:
            members = [name for name in sorted(archive.namelist()) if name.endswith(".bin")]
            archive.extractall(folder, members[:: max(1, len(members) // 40)])
        data = folder
    return sorted(data.rglob("*.bin"))


def recording_frames(spec: NetworkSpec, path: Path, n: int) -> list[ndarray]:
    """The first frames of a recording; a sensor of another size is squeezed into the frame."""
    recording = open_recording(path)
    bins = fit_for("squeeze", recording.sensor, spec.frame).binner(spec.step_us).bins(recording)
    return [frame.pixels[None] for frame in islice(bins, n)]


def noise(spec: NetworkSpec, density: float, n: int) -> list[ndarray]:
    """Frames of which so many pixels have an event. Seeded."""
    rng = np.random.default_rng(0)
    shape = (1, spec.inputs, spec.frame.height, spec.frame.width)
    return [(rng.random(shape) < density).astype(np.uint8) for _ in range(n)]


def five_layers() -> tuple[nn.Module, NetworkSpec]:
    """Five convolutions for 128 x 128 pixels: 208 million multiplications in a dense step."""
    spec = NetworkSpec("compact", (32, 64, 128, 128, 128), 11, 10_000, SensorSize(128, 128))
    torch.manual_seed(0)
    return build(spec).eval(), spec


def at_firing(network: nn.Module, share: float, frames: Sequence[ndarray]) -> nn.Module:
    """Scales the kernels of every convolution, from the first on, until this share of its cells fires on the frames.

    Without biases nothing fires where nothing comes in, as in a trained network.
    """
    layers = list(plain(network).children())
    with torch.no_grad():
        for at, layer in enumerate(layers):
            if not isinstance(layer, nn.Conv2d):
                continue
            layer.bias.zero_()  # type: ignore[union-attr]
            kernel, low, high = layer.weight.clone(), -8.0, 8.0
            for _ in range(14):
                middle = (low + high) / 2
                layer.weight.copy_(kernel * 2**middle)
                low, high = (middle, high) if _firing(layers[: at + 2], frames) < share else (low, middle)
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
