"""The cells: Norse's box LIF with what training and streaming need around it.

Norse 1.1.0 keeps neuron parameters out of `state_dict`, starts from a 0-d state that wants a gradient,
and its surrogates ignore their width; so the leak is a parameter of ours, the state at rest has its full
shape, and the step is Norse's with a surrogate of ours (the same to the bit where Norse has it: a test).
"""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from spikecut.models.cells.activity import Activity
from spikecut.models.cells.base import CellLayer, repeated
from spikecut.models.cells.lif_scan import fire, fire_cosines, fire_watched
from spikecut.models.cells.surrogates import Surrogate, spike
from spikecut.models.graph import Dynamics

with warnings.catch_warnings():  # Norse compiles two functions we do not use with the deprecated torch.jit
    warnings.simplefilter("ignore")
    from norse.torch.functional.lif_box import LIFBoxFeedForwardState, LIFBoxParameters
    from norse.torch.module.lif_box import LIFBoxCell


class LIFCell(LIFBoxCell, CellLayer):
    """A leaky integrate-and-fire cell whose leak per step is learned: one number, or one a channel (PLIF).

    Over a step the membrane moves by the share `leak` towards its input, `v += leak (x - v)`; above 1
    it fires and returns to 0. The leak lies between 0 and 1 and is tied to the length of a step: a
    network is made for one bin width. Learned time constants: Fang et al., arXiv 2007.05785. `surrogate` is what
    gradients are computed with; it changes no output, so it belongs to a training and not to a network.
    """

    merges_maximum = True
    p: LIFBoxParameters
    dt: float

    def __init__(self, step_us: int, leak: float | Float[Tensor, " C"] = 0.3) -> None:
        super().__init__(LIFBoxParameters(method="triangle", alpha=torch.tensor(1.0)), dt=step_us * 1e-6)
        self.surrogate = Surrogate()
        share = torch.as_tensor(leak)
        self.leak_logit = nn.Parameter(torch.logit(share if share.ndim == 0 else share[:, None, None]))

    def forward(self, x: Tensor, state: LIFBoxFeedForwardState | None = None) -> tuple[Tensor, LIFBoxFeedForwardState]:
        """Spikes (0 or 1, the shape of `x`) and the new state; `None` is rest."""
        if state is None:
            state = LIFBoxFeedForwardState(v=torch.zeros_like(x))
        p = self.p._replace(tau_mem_inv=torch.sigmoid(self.leak_logit) / self.dt)
        v = state.v + self.dt * p.tau_mem_inv * (x + p.v_leak - state.v)
        spikes = spike(v - p.v_th, self.surrogate)
        return spikes, LIFBoxFeedForwardState(v=p.reset_method(spikes, v, p.v_reset, p.v_th))

    def scan(
        self, x: Float[Tensor, "t B C *HW"], steps: int | None = None, pool: int = 1
    ) -> Float[Tensor, "T B C *hw"]:
        """The spikes for all steps of whole recordings, from rest, merged over `pool` x `pool` pixels.

        A single step is repeated for `steps` steps. On other devices than the CPU it is stepped: the kernels are for
        CPUs.
        """
        if x.device.type == "cpu":
            return _like(x, fire(_with_pixels(x), self.leaks(x.shape[2]), steps or len(x), pool, self.surrogate))
        spikes = self.scan_by_steps(repeated(x, steps)).spikes
        if pool > 1:
            merged = F.max_pool2d(spikes.flatten(0, 1), pool)
            spikes = merged.view(*spikes.shape[:3], *merged.shape[2:])
        return spikes

    def scan_watched(self, x: Float[Tensor, "t B C *HW"], steps: int | None = None) -> Activity:
        """The spikes of every cell for all steps, from rest, and the membranes after them."""
        if x.device.type != "cpu":
            return self.scan_by_steps(repeated(x, steps))
        watched = fire_watched(_with_pixels(x), self.leaks(x.shape[2]), steps or len(x), self.surrogate)
        return Activity(_like(x, watched.spikes), _like(x, watched.membranes))

    def cosines(self, x: Float[Tensor, "t B C *HW"], steps: int) -> Float[Tensor, " B"]:
        """For each recording the mean cosine between its activity at every step and its aim; no gradients."""
        if x.device.type != "cpu":
            return super().cosines(x, steps)
        return fire_cosines(_with_pixels(x), self.leaks(x.shape[2]), steps)

    def learn_with(self, surrogate: Surrogate) -> None:
        """Takes the surrogate that gradients are computed with."""
        self.surrogate = surrogate

    def dynamics(self, n_channels: int) -> Dynamics:
        """The cells of a trained layer as numbers."""
        leaks = self.leaks(n_channels).detach().numpy()
        return Dynamics(1 - leaks, leaks)

    def leaks(self, n_channels: int) -> Float[Tensor, " C"]:
        """The leak of each channel."""
        return torch.sigmoid(self.leak_logit).flatten().expand(n_channels).contiguous()


def _with_pixels(x: Tensor) -> Tensor:
    """The features of a linear layer are channels of a single pixel."""
    return x if x.ndim == 5 else x[..., None, None]


def _like(x: Tensor, cells: Tensor) -> Tensor:
    return cells if x.ndim == 5 else cells.flatten(2)
