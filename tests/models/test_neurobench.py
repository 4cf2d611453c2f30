"""NeuroBench counts the operations of our networks as we do: asked where it is installed, as an independent check."""

from typing import Any

import pytest
import torch
from engine_networks import NETWORKS, frames_for, network_of
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from spikecut.models.architectures.networks import forward_step, plain
from spikecut.models.synaptic_operations import Operations, counting

neurobench = pytest.importorskip("neurobench.metrics.workload", reason="NeuroBench is not installed")


class _AllSteps(nn.Module):
    """A network that takes all steps `(B, T, C, H, W)` of a recording and gives the sum of its outputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        state: Any = None
        total = torch.zeros(len(x), 1)
        for t in range(x.shape[1]):
            output, state = forward_step(self.network, x[:, t], state)
            total = total + output
        return total


@pytest.mark.parametrize(
    "name", ["compact", "vgg-compact", "vggsnn-woap", "vgg-gesture", "resnet19", "compact-qcfs", "vgg16"]
)
def test_neurobench_counts_the_same_operations(name: str) -> None:
    benchmarks, models = pytest.importorskip("neurobench.benchmarks"), pytest.importorskip("neurobench.models")
    network, frames = plain(network_of(name)), frames_for(NETWORKS[name], 3)
    clip = torch.stack([torch.from_numpy(frame).float() for frame in frames], 1)
    with torch.inference_mode():
        with counting(network) as done:
            _AllSteps(network)(clip)
        ours = sum(done, Operations())
        model = models.TorchModel(_AllSteps(network))
        loader = DataLoader(TensorDataset(clip, torch.zeros(1, dtype=torch.int64)))
        found = benchmarks.Benchmark(model, loader, [], [], [[], [neurobench.SynapticOperations]]).run(quiet=True)
    theirs = found["SynapticOperations"]
    assert theirs["Effective_ACs"] + theirs["Effective_MACs"] == pytest.approx(ours.effective, rel=1e-6)
    assert 0.8 * ours.dense < theirs["Dense"] <= ours.dense  # it leaves out the zeros around a map
