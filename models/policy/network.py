"""The policy of SEENN-II: a small ANN that reads the first frames and chooses the number of steps.

Li, Geller, Kim, Panda (NeurIPS 2023, arXiv 2304.01230), section 3.3. The shape is that of a ResNet-8: a stem and three
residual blocks, each of twice the channels and half the side of the one before. Activations are ReLUs; nothing spikes.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Num
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from spikecut.models.spec import INPUT_KINDS, InputKind, NetworkSpec
from spikecut.models.synaptic_operations import Operations, counting
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.protocols import SteppedModel

WIDTHS = (64, 32, 16, 8, 4)
_MOST_LOOKS: dict[InputKind, float] = {"events": float("inf"), "images": 1}  # an image is the same in every frame
_COLOURED: dict[InputKind, bool] = {"events": False, "images": True}
_SIDE = 32  # about as many squares along the longer side are looked at


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """All that is needed to build a policy again.

    It reads `look` frames of `inputs` channels (2 polarities, or 3 colours), and chooses `look` to `horizon` steps.
    `width` is the channels of its first block.

    Raises:
        ModelError: for a look beyond the horizon, several looks at a picture that stands still, or another width.
    """

    inputs: int
    frame: SensorSize
    look: int
    horizon: int
    width: int

    def __post_init__(self) -> None:
        if not 1 <= self.look <= self.horizon:
            raise ModelError(f"a look at {self.look} frames with a horizon of {self.horizon}; expected 1 to that")
        if self.inputs not in INPUT_KINDS or self.look > _MOST_LOOKS[INPUT_KINDS[self.inputs]]:
            raise ModelError(
                f"a look at {self.look} frames of {self.inputs} channels; expected events (2), or a picture (3) once"
            )
        if self.width < 1:
            raise ModelError(f"a policy of width {self.width}; expected 1 or more")

    @property
    def n_budgets(self) -> int:
        """The number of budgets that it can choose from."""
        return self.horizon - self.look + 1


class FirstLook(nn.Module):
    """Frames as they come `(B, look, C, H, W)`, as the first convolution takes them `(B, look C, h, w)`.

    Events are merged to about 32 squares along the longer side and scaled as `ln(1 + n)`; colours from 0 to 255,
    merged by their mean, are scaled to -2 to 2. Incomplete squares at the right and lower edge are filled with zeros.
    """

    def __init__(self, spec: PolicySpec) -> None:
        super().__init__()
        self.merged = max(1, round(max(spec.frame.width, spec.frame.height) / _SIDE))
        self.colours = _COLOURED[INPUT_KINDS[spec.inputs]]

    def forward(self, frames: Tensor) -> Tensor:
        x = frames.flatten(1, 2)
        if self.colours:
            x = x / 63.75 - 2
        if self.merged > 1:
            height, width = x.shape[-2:]
            x = F.pad(x, (0, -width % self.merged, 0, -height % self.merged))
            x = F.avg_pool2d(x, self.merged) * (1 if self.colours else self.merged**2)
        return x if self.colours else x.log1p()


class ResidualBlock(nn.Module):
    """Two convolutions beside a short cut (He et al., arXiv 1512.03385)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(n_in, n_out, 3, stride)
        self.second = _convolution(n_out, n_out, 3, 1)
        self.short = nn.Identity() if stride == 1 and n_in == n_out else _convolution(n_in, n_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(x).relu()) + self.short(x)
        return out.relu()


def build_policy(spec: PolicySpec) -> nn.Module:
    """A policy with fresh weights, in training mode: frames `(B, look, C, H, W)` float32 to logits `(B, P)`."""
    width, n_in = spec.width, spec.look * spec.inputs
    return nn.Sequential(
        FirstLook(spec),
        _convolution(n_in, width, 3, 2),
        nn.ReLU(),
        ResidualBlock(width, width, 1),
        ResidualBlock(width, 2 * width, 2),
        ResidualBlock(2 * width, 4 * width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, spec.n_budgets),
    )


def macs_of_policy(spec: PolicySpec) -> int:
    """The multiply-accumulates of running it once, over all of its synapses."""
    with torch.random.fork_rng():
        policy = build_policy(spec).eval()
    frames = torch.zeros(1, spec.look, spec.inputs, spec.frame.height, spec.frame.width)
    with torch.inference_mode(), counting(policy) as done:
        policy(frames)
    return sum(done, Operations()).dense


def macs_of_step(stepper: SteppedModel[Any], spec: NetworkSpec) -> int:
    """The multiply-accumulates of one step of one lane if no input is 0.

    Raises:
        ModelError: if it holds no module, or one in which there is nothing to count, or a layer that is not counted.
    """
    network = getattr(stepper, "network", None)
    frames = np.zeros((1, spec.inputs, spec.frame.height, spec.frame.width), np.uint8)
    done: list[Operations] = []
    if isinstance(network, nn.Module):
        with counting(network) as done:
            stepper.step(frames, None)
    if not done:
        raise ModelError(
            "there is nothing to count in a step of this network", hint="it needs torch's Conv2d or Linear"
        )
    return sum(done, Operations()).dense


class PolicyPlanner:
    """A trained policy behind the seam `Planner`: NumPy in, NumPy out, in evaluation mode.

    `policy` is the SHA-256 of its weights, `cost` its price in steps of the network that it was made for, and
    `trained_on` which recordings shaped it.
    """

    def __init__(
        self, network: nn.Module, spec: PolicySpec, policy: str, cost: float, trained_on: tuple[str, ...] = ()
    ) -> None:
        self.spec, self.policy, self.cost, self.trained_on = spec, policy, cost, trained_on
        self._network = _folded(network)

    @property
    def look(self) -> int:
        return self.spec.look

    def plan(self, frames: Num[ndarray, "B look C H W"]) -> Float32[ndarray, "B P"]:
        """A logit for every budget from `look` steps to the horizon.

        Raises:
            ModelError: if the frames have another shape than it was made for.
        """
        expected = (self.look, self.spec.inputs, self.spec.frame.height, self.spec.frame.width)
        if frames.shape[1:] != expected:
            raise ModelError(f"first frames of shape {frames.shape[1:]} for a policy made for {expected}")
        logits = []
        with torch.inference_mode():
            for part in np.array_split(frames, max(1, -(-len(frames) // 256))):
                logits.append(self._network(torch.from_numpy(part.astype(np.float32))))
            return torch.cat(logits).numpy()


def _folded(network: nn.Module) -> nn.Module:
    """A copy for inference: normalisation is folded into the convolutions, which saves a quarter of the time."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            layer, norm = (child[0], child[-1]) if isinstance(child, nn.Sequential) else (None, None)
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(layer, norm))
    return network


def _convolution(n_in: int, n_out: int, kernel: int, stride: int) -> nn.Module:
    layer = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(n_out))
