"""Columns whose memory is used again as soon as nothing refers to it: new pages cost about as much as decoding."""

import weakref

import numpy as np
from jaxtyping import Int64, UInt8, UInt16
from numpy import ndarray

Columns = tuple[Int64[ndarray, " n"], UInt16[ndarray, " n"], UInt16[ndarray, " n"], UInt8[ndarray, " n"]]
KEPT = 4  # of a batch that is filled, one that waits, one with the caller, and one to spare


class ColumnPool:
    """Room for `n_events` events at a time, as often as wanted.

    Memory comes back when the last view of its columns is gone, wherever that was; until then it is not handed out.

    >>> pool = ColumnPool(10)
    >>> t, x, y, p = pool.columns()
    >>> [column.dtype.name for column in (t, x, y, p)]
    ['int64', 'uint16', 'uint16', 'uint8']
    """

    def __init__(self, n_events: int) -> None:
        self.n_events = n_events
        self._unused: list[ndarray] = []

    def columns(self) -> Columns:
        """Room for t, x, y and p, to be filled."""
        n = self.n_events
        memory = self._unused.pop() if self._unused else np.empty(13 * n, np.uint8)
        block = np.frombuffer(memory.data, np.uint8)  # the base of the columns, which lives as long as one of them
        loan = _Loan(block, _give_back)
        loan.memory, loan.unused = memory, self._unused
        _LOANS[id(loan)] = loan
        t, x, y, p = block[: 8 * n], block[8 * n : 10 * n], block[10 * n : 12 * n], block[12 * n :]
        return t.view(np.int64), x.view(np.uint16), y.view(np.uint16), p


class _Loan(weakref.ref[ndarray]):
    """Columns that are in use, and where their memory goes afterwards."""

    __slots__ = ("memory", "unused")
    memory: ndarray
    unused: list[ndarray]


_LOANS: dict[int, _Loan] = {}


def _give_back(loan: weakref.ref[ndarray]) -> None:
    assert isinstance(loan, _Loan)
    del _LOANS[id(loan)]
    if len(loan.unused) < KEPT:
        loan.unused.append(loan.memory)
