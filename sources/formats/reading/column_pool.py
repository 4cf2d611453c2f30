"""Columns whose memory is used again as soon as nothing refers to it: new pages cost about as much as decoding."""

import sys

import numpy as np
from jaxtyping import Int64, UInt8, UInt16
from numpy import ndarray

Columns = tuple[Int64[ndarray, " n"], UInt16[ndarray, " n"], UInt16[ndarray, " n"], UInt8[ndarray, " n"]]
KEPT = 4  # a batch that is filled, one that waits, one with the caller, and one to spare
_UNUSED = 3  # references to a block that only the pool knows: the list, the loop variable and the argument


class ColumnPool:
    """Room for `n_events` events at a time, as often as wanted.

    Columns are never handed out while an earlier caller refers to them or to a view of them: then there are new ones.

    >>> pool = ColumnPool(10)
    >>> t, x, y, p = pool.columns()
    >>> [column.dtype.name for column in (t, x, y, p)]
    ['int64', 'uint16', 'uint16', 'uint8']
    """

    def __init__(self, n_events: int) -> None:
        self.n_events = n_events
        self._blocks: list[UInt8[ndarray, " bytes"]] = []

    def columns(self) -> Columns:
        """Room for t, x, y and p, to be filled."""
        n = self.n_events
        block = self._block()
        t, x, y, p = block[: 8 * n], block[8 * n : 10 * n], block[10 * n : 12 * n], block[12 * n :]
        return t.view(np.int64), x.view(np.uint16), y.view(np.uint16), p

    def _block(self) -> UInt8[ndarray, " bytes"]:
        for block in self._blocks:
            if sys.getrefcount(block) == _UNUSED:
                return block
        block = np.empty(13 * self.n_events, np.uint8)
        if len(self._blocks) < KEPT:
            self._blocks.append(block)
        return block
