"""A network of one's own, with weights that need no file: quarters, so that every sum is exact."""

import norse.torch as snn
import torch

from spikecut import SensorSize, from_norse


class Shifted(torch.nn.Module):
    """A class of the user's own, whose source is a part of the fingerprint."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :64] + x.flatten(1)[:, 64:]


readout = torch.nn.Linear(64, 4, bias=False)
with torch.no_grad():
    squares = torch.arange(64)
    for at, corner in enumerate((squares % 8 > 3, squares < 32, squares > 31, squares % 8 < 4)):
        readout.weight[at] = corner / 4
half = torch.tensor(0.5)
cell = snn.LIFBoxCell(snn.LIFBoxParameters(tau_mem_inv=half, v_th=half), dt=1.0)
network = from_norse(
    snn.SequentialState(Shifted(), readout, cell),
    classes=["east", "north", "south", "west"],
    step_us=10_000,
    sensor=SensorSize(8, 8),
    horizon=12,
)
