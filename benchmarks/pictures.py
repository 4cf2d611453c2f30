"""A training step of the small network for pictures against its convolutions alone; one thread, processor time.

What is beside the convolutions (colours, normalisation, membranes, pooling, the loss) has no reason to take long.
"""

import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from spikecut.models.architectures.networks import build
from spikecut.models.spec import NetworkSpec
from spikecut.models.training.layerwise import outputs_and_layers, outputs_of
from spikecut.models.training.losses import evidence_loss
from spikecut.models.training.regularisation import rcs_ann_loss, rcs_loss
from spikecut.pipeline.events import SensorSize
from spikecut.tools.machine import use

BATCH, STEPS, LEVELS, ROUNDS = 128, 4, 4, 4


def best(work: Callable[[], object]) -> float:
    """Seconds of the quickest of a few rounds, after one that compiles."""
    work()
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def training_step(network: nn.Module, pictures: Tensor, labels: Tensor, levels: int, rcs: bool) -> None:
    steps = None if levels else STEPS
    if not rcs:
        evidence_loss(outputs_of(network, pictures, steps=steps, bfloat16=True), labels).backward()
        return
    outputs, layers = outputs_and_layers(network, pictures, steps=steps, bfloat16=True)
    answers = outputs.detach()[:, -1].argmax(1)  # all right, so that none is left out
    cost = (
        rcs_ann_loss([one.currents for one in layers], outputs, answers)
        if levels
        else rcs_loss(layers, outputs, answers)
    )
    (evidence_loss(outputs, labels) + cost).backward()


def convolutions(network: nn.Module, side: int, steps: int) -> tuple[float, float]:
    """Seconds forward and backward of all convolutions by themselves, and millions of multiplications a step."""
    seconds = millions = 0.0
    for layer in network.children():
        if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
            side //= 2
        if isinstance(layer, nn.Conv2d):
            first = layer.in_channels == 3
            x = torch.randn(BATCH * (1 if first else steps), layer.in_channels, side, side).bfloat16()
            x = x.contiguous(memory_format=torch.channels_last).requires_grad_(not first)
            alone = nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1, bias=False).bfloat16()
            alone = alone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            seconds += best(partial(_there_and_back, alone, x, torch.ones_like(alone(x))))
            millions += layer.weight.numel() * side**2 / 1e6
    return seconds, millions


def _there_and_back(layer: nn.Module, x: Tensor, gradient: Tensor) -> None:
    layer(x).backward(gradient)


def main() -> None:
    use(1)
    for levels in (0, LEVELS):
        torch.manual_seed(0)
        network = build(NetworkSpec("vgg-compact", (), 10, 1_000, SensorSize(32, 32), "batch", inputs=3, levels=levels))
        pictures, labels = torch.randint(256, (BATCH, 1, 3, 32, 32)).float(), torch.randint(10, (BATCH,))
        alone, millions = convolutions(network, 32, 1 if levels else STEPS)
        what = f"ANN of {levels} levels" if levels else f"{STEPS} steps"
        print(f"vgg-compact, {millions:.1f} million multiplications a step, batch {BATCH}, {what}")
        print(f"  {'convolutions alone':<20} {alone:6.3f} s")
        for name, rcs in (("training step", False), ("training step, RCS", True)):
            seconds = best(partial(training_step, network, pictures, labels, levels, rcs))
            each = seconds / BATCH * 1000
            print(f"  {name:<20} {seconds:6.3f} s  {seconds / alone:.2f}  {each:.2f} s for 1,000 pictures")


if __name__ == "__main__":
    main()
