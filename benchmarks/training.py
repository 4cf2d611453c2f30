"""A training step of the gesture network, layer by layer against Norse's cells step by step; one thread.

Every way runs in a process of its own, twice in turn, since what memory a process holds changes its speed.
"""

import subprocess
import sys
import time

import numba
import torch
from torch import Tensor, nn

from spikecut.models.architectures.networks import build, forward_step
from spikecut.models.training.layerwise import outputs_of
from spikecut.models.training.losses import evidence_loss
from spikecut.tools.machine import use
from spikecut.tools.training.recipe import read_recipe

ROUNDS = 6
WAYS = {
    "stepped": "step by step, Norse's cells",
    "layers": "layer by layer",
    "bfloat16": "layer by layer, bfloat16 convolutions",
    "kept": "the same, freed memory kept: as `spikecut train` does it",
}


def outputs(way: str, network: nn.Module, frames: Tensor) -> Tensor:
    if way != "stepped":
        return outputs_of(network, frames, bfloat16=way in ("bfloat16", "kept"))
    state, steps = None, []
    for t in range(frames.shape[1]):
        output, state = forward_step(network, frames[:, t], state)
        steps.append(output)
    return torch.stack(steps, 1)


def measure(way: str) -> float:
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    if way == "kept":
        use(1)
    torch.manual_seed(0)
    network = build(read_recipe("gestures").network)
    frames, labels = torch.poisson(torch.full((32, 75, 2, 32, 32), 0.3)), torch.randint(11, (32,))
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        evidence_loss(outputs(way, network, frames), labels).backward()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    print("forward and backward of 32 gestures of 75 steps, network 'gestures', best of 12")
    fastest = {way: float("inf") for way in WAYS}
    for _ in range(2):
        for way in WAYS:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.training", way], capture_output=True, text=True, check=True
            )
            fastest[way] = min(fastest[way], float(done.stdout))
    for way, seconds in fastest.items():
        print(f"  {WAYS[way]:<58} {seconds:5.2f} s  {seconds / fastest['stepped']:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure(sys.argv[1]))
    else:
        main()
