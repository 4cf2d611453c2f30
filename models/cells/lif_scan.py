"""A LIF layer over all the steps of a recording at once: what makes training on a CPU quick.

Between two layers of a feed-forward network nothing flows back in time, so a layer can run through all
steps before the next one begins. Its convolution then sees one large batch, and what is left, the membrane,
is a loop over time that one kernel does in a single pass, with the 2 x 2 maximum of the spikes in the same
pass. Same spikes and gradients as stepping Norse's cell (a test), whatever the surrogate.
"""

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from spikecut.models.cells.surrogates import Surrogate
from spikecut.pipeline.compiled import compiled

_Array = np.ndarray[Any, np.dtype[np.float32]]
_FAST = {"contract", "nsz", "arcp", "reassoc"}
_PARTS = 16  # sums of the leaks' gradients, so that threads do not wait for one another
_ONE, _NONE = np.float32(1), np.float32(0)
_Shape = tuple[np.float32, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What the cells of one spiking layer did at every step of whole recordings, with gradients through both.

    `spikes` are 0 or 1, `membranes` are those after the reset, in thresholds; both `(T, B, C, H, W)`. Of an ANN
    (`conversion`) they are the rates that its activations stand for, 0 to 1, and the currents that these were given.
    """

    spikes: Tensor
    membranes: Tensor


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
        _forward(currents.numpy(), leak.detach().numpy(), membrane.numpy(), spikes.numpy(), pool)
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
        _backward(
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


def _shape(surrogate: Surrogate) -> _Shape:
    """The numbers that `_slope` wants of a surrogate."""
    width = surrogate.width
    numbers = [width]
    if surrogate.kind == "arctan":
        numbers = [(math.pi / width) ** 2, 1 / width]
    elif surrogate.kind == "dspike":
        k = 2 / width
        numbers = [k, -2 * k, 2 * k / math.tanh(k * k)]
    return tuple(map(np.float32, numbers))


@compiled(parallel=True, fastmath=_FAST)
def _forward(x: _Array, leak: _Array, v: _Array, spikes: _Array, pool: int) -> None:
    """A strip of `pool` rows at a time goes through all steps: its membrane stays in the nearest cache."""
    steps, n, _, width, channels = v.shape
    strips, last = spikes.shape[2], len(x) - 1
    for at in numba.prange(n * strips):
        b, strip = at // strips, at % strips
        rest = np.zeros((pool, width, channels), np.float32)
        for t in range(steps):
            for r in range(pool):
                row, out = x[min(t, last), b, strip * pool + r], v[t, b, strip * pool + r]
                for w in range(width):
                    for c in range(channels):
                        u = rest[r, w, c]
                        u += leak[c] * (row[w, c] - u)
                        out[w, c] = u
                        rest[r, w, c] = _NONE if u > _ONE else u
            merged = spikes[t, b, strip]
            for w in range(merged.shape[0]):
                for c in range(channels):
                    merged[w, c] = _NONE
                for r in range(pool):
                    for q in range(pool):
                        seen = v[t, b, strip * pool + r, w * pool + q]
                        for c in range(channels):
                            merged[w, c] = _ONE if seen[c] > _ONE else merged[w, c]


@compiled(fastmath=_FAST)
def _slope(u: np.float32, shape: _Shape) -> np.float32:
    """`Surrogate.slope`; the kind is told by how many numbers there are, so each has a kernel of its own."""
    if len(shape) == 1:
        return max(_NONE, shape[0] - abs(u)) / (shape[0] * shape[0])
    if len(shape) == 2:
        return shape[1] / (_ONE + shape[0] * u * u)
    fall = np.exp(shape[1] * abs(u))  # 1 / cosh(x)**2 is 4 e / (1 + e)**2 with e = exp(-2 x)
    return shape[2] * fall / ((_ONE + fall) * (_ONE + fall)) if abs(u) <= shape[0] else _NONE


@compiled(parallel=True, fastmath=_FAST)
def _backward(
    v: _Array,
    leak: _Array,
    given: _Array,
    beside: _Array | None,
    back: _Array,
    sums: Any,
    pool: int,
    shape: _Shape,
    still: bool | None,
) -> None:
    """Back through time. A merged spike's gradient goes to the first that fired of its square, or to the first.

    `beside` is the gradient of what was made of the membranes themselves; None compiles to a kernel without it.
    Where the currents stood `still`, not None, `back` is a single step of zeros that takes the sum over all.
    """
    steps, n, _, width, channels = v.shape
    strips, merged_width, last = given.shape[2], given.shape[3], len(back) - 1
    for part in numba.prange(sums.shape[0]):
        later = np.zeros((pool, width, channels), np.float32)
        routed = np.zeros((pool, width, channels), np.float32)
        taken = np.zeros(channels, np.float32)
        total = np.zeros(channels, np.float32)
        for at in range(n * strips * part // sums.shape[0], n * strips * (part + 1) // sums.shape[0]):
            b, strip = at // strips, at % strips
            later[:] = _NONE
            total[:] = _NONE
            for t in range(steps - 1, -1, -1):
                for w in range(merged_width):
                    gradient = given[t, b, strip, w]
                    for c in range(channels):
                        taken[c] = _NONE
                    for r in range(pool):
                        for q in range(pool):
                            seen, to = v[t, b, strip * pool + r, w * pool + q], routed[r, w * pool + q]
                            for c in range(channels):
                                mine = _ONE - taken[c] if seen[c] > _ONE else _NONE
                                to[c] = mine * gradient[c]
                                taken[c] += mine
                    first = routed[0, w * pool]
                    for c in range(channels):
                        first[c] += (_ONE - taken[c]) * gradient[c]
                before = _NONE if t == 0 else _ONE
                for r in range(pool):
                    now, past = v[t, b, strip * pool + r], v[max(t - 1, 0), b, strip * pool + r]
                    out = back[min(t, last), b, strip * pool + r]
                    for w in range(width):
                        for c in range(channels):
                            u = now[w, c]
                            spike = _ONE if u > _ONE else _NONE
                            g = later[r, w, c]
                            slope = _slope(u - _ONE, shape)
                            g = g * (_ONE - spike) + (routed[r, w, c] - g * u) * slope
                            if beside is not None:
                                g += beside[t, b, strip * pool + r, w, c]
                            u_past = past[w, c]
                            u_past = _NONE if u_past > _ONE else before * u_past
                            if still is None:
                                out[w, c] = leak[c] * g
                            else:
                                out[w, c] += leak[c] * g
                            total[c] += g * (u - u_past)
                            later[r, w, c] = (_ONE - leak[c]) * g
            for c in range(channels):
                sums[part, c] += total[c]
