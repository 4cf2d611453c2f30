"""Whether a file is read in its own order, or sorted first: set by `sorting.Sorted`, asked by `ordering.in_order`."""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
SORTER: ContextVar[Callable[[Iterable[Any]], Iterable[Any]] | None] = ContextVar("sorter", default=None)
"""What sorts the events of a file before they are judged; by default nothing does."""


def sorted_if_wanted(chunks: Iterable[T]) -> Iterable[T]:
    """The chunks of a file as they are, or sorted by what is set."""
    sorter = SORTER.get()
    return chunks if sorter is None else sorter(chunks)
