"""Every implementation against the contract of its seam."""

import tracemalloc

import numpy as np
import pytest
import torch

from spikecut.models.architectures.networks import NetworkSpec, build
from spikecut.models.engines.norse import NetworkStepper
from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.representations import REPRESENTATIONS, representation

from contracts import check_binner, check_model, long_stream
from fakes import Script, frames

SENSOR = SensorSize(16, 12)
NETWORKS = {
    "compact": NetworkSpec("compact", (4, 6), 3, 1_000, SENSOR),
    "compact, of pictures": NetworkSpec("compact", (4, 6), 3, 1_000, SENSOR, inputs=3),
    "converted": NetworkSpec("compact", (4, 6), 3, 1_000, SENSOR, levels=4),
    "residual": NetworkSpec("resnet18", (4, 4, 6, 6), 3, 1_000, SENSOR, "batch", inputs=3),
    "residual, converted": NetworkSpec("resnet19", (4, 6, 6), 3, 1_000, SENSOR, "batch", inputs=3, levels=4),
}
BINNERS = {
    "uint8": CountBinner(SENSOR, 1_000),
    "uint16": CountBinner(SENSOR, 1_000, counter="uint16"),
    "float32": CountBinner(SENSOR, 1_000, counter="float32"),
    "binary": CountBinner(SENSOR, 1_000, binary=True),
    "cropped": CountBinner(SENSOR, 1_000, crop=(2, 3, 9, 5)),
    "downsampled": CountBinner(SENSOR, 1_000, downsample=3),
    **{name: representation(name, SENSOR, step_us=1_000) for name in REPRESENTATIONS},
    **{f"{name} by number": representation(name, SENSOR, n_events=70) for name in REPRESENTATIONS},
}


def part_of_a_stream(n: int = 2_000, end_us: int = 100_000) -> EventBatch:
    rng = np.random.default_rng(5)
    t = np.sort(rng.integers(0, end_us, n))
    x, y = rng.integers(0, 16, n).astype(np.uint16), rng.integers(0, 12, n).astype(np.uint16)
    return EventBatch(t, x, y, rng.integers(0, 2, n).astype(np.uint8), 0, end_us, SENSOR)


@pytest.mark.parametrize("name", BINNERS)
def test_every_binner_keeps_the_contract(name: str) -> None:
    check_binner(BINNERS[name], list(long_stream(3, part_of_a_stream())))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_keeps_the_contract_of_a_model(name: str) -> None:
    spec = NETWORKS[name]
    torch.manual_seed(0)
    clip = np.random.default_rng(1).poisson(0.5, (4, 3, spec.inputs, 12, 16)).astype(np.uint8)
    check_model(NetworkStepper(build(spec), spec), list(clip))


def test_the_fake_of_the_tests_keeps_it_too() -> None:
    outputs = np.random.default_rng(2).normal(size=(3, 4, 5)).astype(np.float32)
    clip = [np.stack([frames([lane])[0].pixels for lane in range(3)])] * 4
    check_model(Script(outputs), clip)


@pytest.mark.parametrize("name", BINNERS)
def test_memory_is_the_same_after_a_hundred_times_the_stream(name: str) -> None:
    def peak(n_batches: int) -> int:
        tracemalloc.start()
        try:
            for _ in BINNERS[name].bins(long_stream(n_batches, template)):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    template = part_of_a_stream(500, end_us=20_000)  # 20 frames
    peak(1)  # compiled, imported
    assert peak(100) < 1.5 * peak(1) + 20_000
