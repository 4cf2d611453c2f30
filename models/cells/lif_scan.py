"""A LIF layer over all the steps of a recording at once: what makes training on a CPU quick.

Between two layers of a feed-forward network nothing flows back in time, so a layer can run through all
steps before the next one begins. Its convolution then sees one large batch, and what is left, the membrane,
is a loop over time that one kernel does in a single pass, with the 2 x 2 maximum of the spikes in the same
pass. Same spikes and gradients as stepping Norse's cell (a test), whatever the surrogate.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikecut.models.cells.activity import Activity, last_steps
from spikecut.models.cells.lif_kernels import backward_kernel, cosines_kernel, forward_kernel
from spikecut.models.cells.surrogates import Surrogate

_PARTS = 16  # sums of the leaks' gradients, so that threads do not wait for one another


def fire(x: Tensor, leak: Tensor, steps: int, pool: int, surrogate: Surrogate) -> Tensor:
    """The spikes of a LIF layer for currents `(T, B, C, H, W)`, merged by maximum over `pool` x `pool` pixels.

    `v += leak (x - v)` from rest, a spike and back to 0 above 1; `leak` has shape `(C,)`. Currents of a single
    step stand still for all `steps`. What does not fill a square at the right and lower edge is left out, as by
    `MaxPool2d`. Computed in float32, given back in the type of `x`.
    """
    spikes: Tensor = _Fire.apply(x, leak, steps, pool, surrogate)[0]  # type: ignore[no-untyped-call]
    return spikes


def fire_watched(x: Tensor, leak: Tensor, steps: int, surrogate: Surrogate) -> Activity:
    """The same without merging, and the membranes beside the spikes."""
    spikes, membranes = _Fire.apply(x, leak, steps, 1, surrogate)  # type: ignore[no-untyped-call]
    return Activity(spikes, (1 - spikes) * membranes)


def fire_cosines(x: Tensor, leak: Tensor, steps: int) -> Tensor:
    """`cosines` of the responses of a LIF layer to currents `(T, B, C, H, W)`, for each recording; no gradients."""
    currents = x.detach().permute(0, 1, 3, 4, 2).flatten(2, 3).float().contiguous()
    out = np.empty(currents.shape[1], np.float32)
    cosines_kernel(currents.numpy(), leak.detach().numpy(), out, steps, last_steps(steps))
    return torch.from_numpy(out)


class _Fire(torch.autograd.Function):
    """Merged spikes, and the membranes that they were decided on (only where `pool` leaves nothing out)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, leak: Tensor, steps: int, pool: int, surrogate: Surrogate
    ) -> tuple[Tensor, Tensor]:
        currents = x.permute(0, 1, 3, 4, 2).to(torch.float32).contiguous()  # C last: the memory of channels_last
        _, n, height, width, channels = currents.shape
        membrane = torch.empty(steps, n, height, width, channels)
        spikes = torch.empty(steps, n, height // pool, width // pool, channels)
        forward_kernel(currents.numpy(), leak.detach().numpy(), membrane.numpy(), spikes.numpy(), pool)
        ctx.save_for_backward(membrane, leak)
        ctx.pool, ctx.surrogate, ctx.dtype, ctx.given = pool, surrogate, x.dtype, len(x)
        ctx.set_materialize_grads(False)
        return spikes.to(x.dtype).permute(0, 1, 4, 2, 3), membrane.permute(0, 1, 4, 2, 3)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, Tensor, None, None, None]:
        membrane, leak = ctx.saved_tensors
        given, beside = (None if g is None else g.permute(0, 1, 3, 4, 2).float().contiguous() for g in gradients)
        if given is None:
            steps, n, height, width, channels = membrane.shape
            given = torch.zeros(steps, n, height // ctx.pool, width // ctx.pool, channels)
        still = True if ctx.given < len(membrane) else None
        covered = still is None and membrane.shape[2] % ctx.pool == 0
        back = (torch.empty_like if covered else torch.zeros_like)(membrane[: ctx.given])
        sums = np.zeros((_PARTS, len(leak)))
        backward_kernel(
            membrane.numpy(),
            leak.detach().numpy(),
            given.numpy(),
            None if beside is None else beside.numpy(),
            back.numpy(),
            sums,
            ctx.pool,
            _shape(ctx.surrogate),
            still,
        )
        leaks = torch.from_numpy((sums.sum(0) / leak.detach().numpy()).astype(np.float32))
        return back.permute(0, 1, 4, 2, 3).to(ctx.dtype), leaks, None, None, None


def _shape(surrogate: Surrogate) -> tuple[np.float32, ...]:
    """The numbers by which a kernel knows a surrogate; how many they are says of which kind it is."""
    width = surrogate.width
    numbers = [width]
    if surrogate.kind == "arctan":
        numbers = [(math.pi / width) ** 2, 1 / width]
    elif surrogate.kind == "dspike":
        k = 2 / width
        numbers = [k, -2 * k, 2 * k / math.tanh(k * k)]
    return tuple(map(np.float32, numbers))
