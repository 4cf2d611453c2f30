"""Small networks of every architecture, for engines and exports: the table `NETWORKS`, and frames for them."""

from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import nn

from spikecut.models.architectures.networks import build
from spikecut.models.architectures.normalisation import TemporalBatchNorm
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.events import SensorSize


def _events(architecture: str, *channels: int, side: int = 34, **more: Any) -> NetworkSpec:
    return NetworkSpec(architecture, channels, 5, 10_000, SensorSize(side, side), **more)


def _picture(architecture: str, *channels: int, **more: Any) -> NetworkSpec:
    return _events(architecture, *channels, side=32, inputs=3, normalisation="batch", **more)


NETWORKS: dict[str, NetworkSpec] = {
    "compact": _events("compact", 8, 16),
    "compact-odd": NetworkSpec("compact", (5, 7, 19), 3, 10_000, SensorSize(41, 27)),
    "compact-log": _events("compact-log", 8, 16),
    "compact-qcfs": _events("compact", 8, 16, levels=4, normalisation="batch"),
    "traces": _events("traces", 8, 16, 16, side=64),
    "vggann": _events("vggann", *(4,) * 9, side=128, normalisation="batch", levels=4),
    "vggsnn": _events("vggsnn", *(4,) * 9, side=128, normalisation="tebn", tebn_steps=4),
    "vggann-ncaltech101": NetworkSpec(
        "vggann-ncaltech101", (4,) * 9, 5, 10_000, SensorSize(240, 180), normalisation="batch"
    ),
    "vgg-gesture": _events("vgg-gesture", *(4,) * 6, 16, side=128, normalisation="batch"),
    "vggsnn-woap": _events("vggsnn-woap", *(4,) * 8, side=48, normalisation="tebn", tebn_steps=4),
    "vgg-compact": _picture("vgg-compact", 8, 8, 16),
    "vgg-compact-qcfs": _picture("vgg-compact", 8, 8, 16, levels=4),
    "vgg-compact-log": _events("vgg-compact-log", 8, 8, 16, normalisation="batch"),
    "vgg16": _picture("vgg16", 4, 4, 6, 6, 8, 16, levels=4),
    "resnet18": _picture("resnet18", 4, 8, 8, 12, levels=4),
    "resnet19": _picture("resnet19", 4, 8, 8),
    "resnet19-events": _events("resnet19", 4, 6, 8, side=33, normalisation="tebn", tebn_steps=3),
}


def network_of(name: str, seed: int = 0) -> nn.Module:
    """A network of the table, its currents large enough that cells fire in every layer."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(NETWORKS[name])
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
                module.running_var.uniform_(0.02, 0.1)  # type: ignore[union-attr]
                nn.init.normal_(module.bias, 0.5, 0.5)
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.uniform_(module.bias, 0.2, 1.2)
            if isinstance(module, TemporalBatchNorm) and len(module.scales):
                nn.init.uniform_(module.scales, 0.7, 1.4)
    return network.eval()


def frames_for(
    spec: NetworkSpec, n_steps: int, *, lanes: int = 1, density: float = 0.1, seed: int = 0
) -> list[ndarray]:
    """Drawn frames `(lanes, C, H, W)` uint8: counts of events, or pictures that are shown again and again."""
    rng = np.random.default_rng(seed)
    shape = (lanes, spec.inputs, spec.frame.height, spec.frame.width)
    if spec.inputs == 3:
        picture = rng.integers(0, 256, shape).astype(np.uint8)
        return [picture] * n_steps
    rate = -np.log1p(-density)
    return [rng.poisson(rate, shape).astype(np.uint8) for _ in range(n_steps)]
