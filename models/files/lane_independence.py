"""Checks that the lanes (the recordings of a batch) of a module are independent, by stepping it.

The output for one recording must not depend on the other recordings of the batch, nor on earlier calls. Then lanes may
leave when they are decided and others take their place (Norse's cells allow it to the bit).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from spikecut.models.state_trees import cloned, take
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.lanes import leaves, mapped

Call = Callable[[Tensor, Any], Any]
_STEPS, _LANES = 3, 3
_CELLS = "of Norse take LIFCell, LICell, ...: LIF and LI without Cell read the first axis as time, not as lanes"
_PLAIN = Tensor | int | float | str | None


def lane_axes(call: Call, frame: SensorSize, n_classes: int) -> Any:
    """The axis along which the lanes lie, for every tensor of a network's state; None where all lanes share one.

    `call` makes one step: frames `(B, 2, H, W)` float32 and a state, None at rest, to `(output, state)`. It is called
    with drawn frames, a few lanes and a few steps: alone, together, again beside other neighbours.

    Raises:
        ModelError: if a step fails, an output is not `(B, n_classes)` finite numbers, the state cannot be divided
            into lanes, the lanes depend on one another, or the module remembers something between the calls.
    """
    rate = torch.full((_STEPS, _LANES, 2, frame.height, frame.width), 0.5)
    frames = torch.poisson(rate, generator=torch.Generator().manual_seed(0))
    neighbours = torch.cat([frames[:, :1], 2 * frames[:, 1:].flip(0) + 1], 1)

    alone = [_step(call, frames[0, lane : lane + 1], None, n_classes) for lane in range(_LANES)]
    together = _walk(call, [frames], n_classes)[0]
    axes = mapped(_axis, alone[0], together[0])
    for later in together[1:]:
        mapped(_constant, together[0], later, axes)

    again, beside = _walk(call, [frames, neighbours], n_classes)
    if not _same(again, together):
        raise ModelError(
            "the network says something else when it is asked again from rest",
            hint="it must keep no memory of its own (hand it back as state; None is rest) and draw no random numbers",
        )
    first = torch.tensor([0])
    if not all(
        _same(take(one, axes, first), take(two, axes, first)) for one, two in zip(together, beside, strict=True)
    ):
        raise _dependent("on the other lanes of the batch")
    apart = [float((one[0] - together[0][0][lane]).abs().max()) for lane, one in enumerate(alone)]
    if min(apart) > 0.05 * float(together[0][0].abs().max()):  # the last digits may differ, and so a rare spike
        raise _dependent("on how many lanes there are")
    return axes[1]


def _walk(call: Call, clips: list[Tensor], n_classes: int) -> list[list[tuple[Tensor, Any]]]:
    """Output and state after every step of each clip, from rest; the clips take turns."""
    states: list[Any] = [None] * len(clips)
    steps: list[list[tuple[Tensor, Any]]] = [[] for _ in clips]
    for t in range(_STEPS):
        for i, clip in enumerate(clips):
            output, states[i] = _step(call, clip[t], states[i], n_classes)
            steps[i].append(cloned((output, states[i])))
    return steps


def _step(call: Call, frames: Tensor, state: Any, n_classes: int) -> tuple[Tensor, Any]:
    try:
        returned = call(frames.clone(), state)  # a module may write into its input
    except Exception as error:
        what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
        if state is None:
            raise ModelError(
                f"the network fails on its first frames, of shape {tuple(frames.shape)}: {what}",
                hint="it is called as net(frames, None) with float32 counts; frame= says which size it was made for",
            ) from error
        raise ModelError(f"the network fails on the state that it gave back itself: {what}") from error
    if not (isinstance(returned, tuple) and len(returned) == 2):
        raise ModelError(
            f"the network returns a {type(returned).__name__}; expected (output, state)",
            hint="norse.torch.SequentialState hands the state on; in a module of your own, return both",
        )
    output = returned[0]
    expected = (len(frames), n_classes)
    if not isinstance(output, Tensor) or output.shape != expected:
        shown = f"of shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"in a {type(output).__name__}"
        raise ModelError(f"outputs {shown} a step; expected {expected}: lanes, and one number for each class")
    if not torch.isfinite(output).all():
        raise ModelError("the network's output is not finite on counts drawn at random")
    return output, returned[1]


def _axis(alone: Any, together: Any) -> int | None:
    """The axis along which a leaf of one lane is longer for several lanes."""
    for leaf in (alone, together):
        if not isinstance(leaf, _PLAIN):
            raise ModelError(
                f"the network's state holds a {type(leaf).__name__}",
                hint="expected tensors, numbers and None, in lists, tuples, named tuples and dicts",
            )
    if not isinstance(alone, Tensor) or not isinstance(together, Tensor) or alone.shape == together.shape:
        return None
    pairs = list(enumerate(zip(alone.shape, together.shape, strict=False)))
    axes = [axis for axis, sizes in pairs if sizes[0] != sizes[1]]
    if alone.ndim != together.ndim or [pairs[axis][1] for axis in axes] != [(1, _LANES)]:
        raise ModelError(
            f"a state of shape {tuple(alone.shape)} for one lane, {tuple(together.shape)} for {_LANES}; "
            "expected one axis for the lanes"
        )
    return axes[0]


def _constant(first: Any, later: Any, axis: int | None) -> None:
    """Refuses leaves without a lane axis that change from step to step, because lanes start at different times."""
    if axis is None and not _same(first, later):
        raise ModelError(
            "the network's state holds something that changes from step to step but is one for all lanes",
            hint=f"a count of steps must be a tensor with one entry for each lane, since they start apart; {_CELLS}",
        )
    if axis is not None and first.shape != getattr(later, "shape", None):
        raise ModelError(
            f"a state of shape {tuple(first.shape)} after the first step, {tuple(getattr(later, 'shape', ()))} later",
            hint="it must keep its shape; a window that grows can be a tensor filled with zeros",
        )


def _same(one: Any, other: Any) -> bool:
    mine, theirs = leaves(one), leaves(other)
    pairs = zip(mine, theirs, strict=False)
    equal = (
        torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a is b or a == b for a, b in pairs
    )
    return len(mine) == len(theirs) and all(equal)


def _dependent(what: str) -> ModelError:
    return ModelError(
        f"what the network says of one lane depends {what}",
        hint=f"the first axis must be the batch throughout; {_CELLS}",
    )
