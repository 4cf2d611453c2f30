"""Bytes that come while they are read: standard input, or a file that another program is writing.

They are read once and in order, and nothing is kept but the beginning, which the readers of headers look at. A run of
zeros is held back until something else follows: writers allocate room in advance (`zero_tail`).
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # the class for this system, which can be derived from

Take = Callable[[int], bytes]
HEADER_LIMIT = 1 << 20
ZERO_TAIL_BYTES = 1024
BEHIND_HEADER = 512  # bytes behind the header by which a format is known, and its first packets


class Incoming(_Path):
    """The name of bytes that come; opened as a file it is their beginning (`files.open_binary`).

    `trailing` are the zeros at their end that no event was written to, known after the last of `blocks`.
    """

    take: Take
    beginning: bytes
    has_ended: bool
    trailing: int

    @classmethod
    def of(cls, name: str | Path, take: Take) -> "Incoming":
        """`take(n)` waits for at least one byte and returns at most `n`; none at the end."""
        one = cls(name)
        one.take, one.beginning, one.has_ended, one.trailing = take, b"", False, 0
        return one

    def wait_for_header(self) -> None:
        """Returns when the lines of a header and somewhat more have come, or all there is."""
        while not self.has_ended and len(self.beginning) < HEADER_LIMIT:
            if len(self.beginning) >= header_bytes(self.beginning) + BEHIND_HEADER:
                return
            more = self.take(1 << 16)
            self.beginning, self.has_ended = self.beginning + more, not more

    def opened(self) -> BinaryIO:
        """The beginning, as a file."""
        return io.BytesIO(self.beginning)

    def blocks(self, begin: int, n_most: int, record_bytes: int | None = None) -> Iterator[bytes]:
        """All bytes from `begin` on as they come, at most `n_most` at a time, and at the end an empty block.

        With `record_bytes`, the most that an event takes, a long run of zeros at the end is left out but for the part
        that may belong to the last event.
        """
        zeros = 0
        for block in self._taken(begin, n_most):
            body = block.rstrip(b"\0")
            if body:
                yield from _zeros(zeros, n_most)
                zeros = 0
                yield body
            zeros += len(block) - len(body)
        if record_bytes is not None and zeros >= ZERO_TAIL_BYTES:
            zeros, self.trailing = record_bytes - 1, zeros - record_bytes + 1
        yield from _zeros(zeros, n_most)
        yield b""

    def _taken(self, begin: int, n_most: int) -> Iterator[bytes]:
        beginning, self.beginning = self.beginning, b""
        for at in range(begin, len(beginning), n_most):
            yield beginning[at : at + n_most]
        while not self.has_ended:
            block = self.take(n_most)
            self.has_ended = not block
            if block:
                yield block


def header_bytes(head: bytes) -> int:
    """How many bytes the lines take that begin a file with `#` or `%`; all there are if the last of them has no end.

    >>> header_bytes(b"% evt 3.0" + bytes([10, 0, 128])), header_bytes(b"#!AER-DAT2.0")
    (10, 12)
    """
    at = 0
    while head[at : at + 1] in (b"#", b"%"):
        end = head.find(b"\n", at)
        zero = head.find(b"\0", at, end if end >= 0 else len(head))
        if zero >= 0:  # no line of text: the events have begun
            return at
        if end < 0:
            return len(head)
        at = end + 1
    return at


def _zeros(n: int, n_most: int) -> Iterator[bytes]:
    while n > 0:
        yield bytes(min(n, n_most))
        n -= n_most
