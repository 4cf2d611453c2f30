"""How the recordings of a run are divided into batches: whole sources, so that each is opened once, in a fixed way.

The division depends on the data set alone, not on the number of processes or on what is done already: the same
recordings make the same parts in every run.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

import numpy as np

from spikecut.sources.datasets.base import Example
from spikecut.tools.batch.executors.base import Batch
from spikecut.tools.batch.run_folder.parts import key_of

_LEAST, _MOST, _WANTED = 8, 64, 32  # recordings of a batch, and how many batches a small data set is divided into


def batch_of(run_key: str, items: Sequence[str]) -> Batch:
    """The batch of some items of a run."""
    return Batch(key_of(run_key, items), tuple(sorted(items)))


def batches_of(
    run_key: str,
    ids: Sequence[str],
    members: Sequence[Example],
    finished: Collection[str] = (),
    size: int | None = None,
) -> Iterator[Batch]:
    """All batches of a run, shuffled, so that what is done early stands for all; of those done in part what is left.

    `size` is that of the whole run where these are a share of it, and then its batches.
    """
    divided = divisions(members, size or size_for(len(ids)))
    for place in np.random.default_rng(0).permutation(len(divided)).tolist():
        start, stop = divided[place]
        if left := [item for item in ids[start:stop] if item not in finished]:
            yield batch_of(run_key, left)


def size_for(n: int) -> int:
    """The least number of recordings in a batch, but the last, of a run over `n`."""
    return min(_MOST, max(_LEAST, -(-n // _WANTED)))


def divisions(members: Sequence[Example], size: int) -> list[tuple[int, int]]:
    """Where batches of whole sources begin and end. What begins and ends with a batch is divided as in the whole."""
    divided: list[tuple[int, int]] = []
    start = stop = 0
    for _, group in groupby(members, key=lambda member: id(member.source)):
        if stop - start >= size:
            divided.append((start, stop))
            start = stop
        stop += len(list(group))
    return [*divided, (start, stop)]
