"""Several processes that train one network: each computes its share of every batch, and all take the same step.

`torchrun --nproc-per-node 2 -m spikecut train …` starts them. Gradients are averaged after they are computed, so a
step is that of one process with the whole batch, but for what looks at a batch as a whole: batch normalisation has
the statistics of a share (the running ones are averaged), RCS its worst recording in every share, and dropout
draws for every share alike.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar, cast

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed, nn

T = TypeVar("T")


@contextmanager
def together() -> Iterator[None]:
    """Joins the processes that `torchrun` started, and parts from them at the end; nothing where it started none."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    distributed.init_process_group("gloo", timeout=timedelta(days=1))  # as long as one may have to draw its data
    try:
        yield
    finally:
        distributed.destroy_process_group()


def leads() -> bool:
    """Whether this is the one process that speaks and writes files."""
    return not _joined() or distributed.get_rank() == 0


@contextmanager
def leader_first() -> Iterator[None]:
    """The leading process runs the block first, and all others after it, so that they can read the files it wrote."""
    if _joined() and not leads():
        distributed.barrier()
    yield
    if _joined() and leads():
        distributed.barrier()


def from_leader(make: Callable[[], T]) -> T:
    """What `make` returns in the leading process, sent to all others, where it is not called."""
    if not _joined():
        return make()
    values = [make() if leads() else None]
    distributed.broadcast_object_list(values)
    return cast(T, values[0])


def n_processes() -> int:
    """The number of processes that train together."""
    return distributed.get_world_size() if _joined() else 1


def share_of(batch: Shaped[Tensor, "B *rest"]) -> Shaped[Tensor, "b *rest"]:
    """The share of a batch of this process: every n-th recording of n processes, beginning with its number."""
    return batch[distributed.get_rank() :: n_processes()] if _joined() else batch


def average_gradients(network: nn.Module) -> None:
    """Gives every process the mean of all processes' gradients."""
    _average([parameter.grad for parameter in network.parameters() if parameter.grad is not None])


def average_statistics(network: nn.Module) -> None:
    """Gives every process the mean of all processes' running statistics."""
    _average([buffer for buffer in network.buffers() if buffer.is_floating_point()])


def average_of(number: float) -> float:
    """The mean of a number over all processes."""
    value = torch.tensor([number], dtype=torch.float64)
    _average([value])
    return value.item()


def _joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _average(tensors: list[Tensor]) -> None:
    """In place, in one message."""
    if not _joined() or not tensors:
        return
    message = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(message)
    message /= n_processes()
    for tensor, part in zip(tensors, torch.split(message, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
