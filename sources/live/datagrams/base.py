"""What a layout of datagrams offers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Int64, UInt8, UInt16
from numpy import ndarray

from spikecut.pipeline.events import EventBatch, SensorSize

PAYLOAD_BYTES = 1_400  # fits into one packet of Ethernet, whatever tunnels add
Columns = tuple[Int64[ndarray, " N"], UInt16[ndarray, " N"], UInt16[ndarray, " N"], UInt8[ndarray, " N"]]


class Encoder(Protocol):
    """Turns a stream into datagrams; it holds the place in the stream."""

    @property
    def slice_us(self) -> int:
        """The most sensor time that one datagram should hold."""
        ...

    def datagrams(self, piece: EventBatch) -> Iterator[bytes]:
        """The datagrams of a piece of the stream, which follows the one before."""
        ...

    def ending(self) -> Iterator[bytes]:
        """The datagrams that say that the stream is over; none where the layout cannot say so."""
        ...


@dataclass(frozen=True, slots=True)
class WordLayout:
    """Words of `n_bytes`, one an event.

    `unpack` makes columns of the bytes of whole words, with times of `time_bits` that wrap (0: no times); it returns
    None if they are no words of this layout. `pack` makes bytes of a batch.
    """

    n_bytes: int
    time_bits: int
    unpack: Callable[[bytes], Columns | None]
    pack: Callable[[EventBatch], bytes]


@dataclass(frozen=True, slots=True)
class Layout:
    """One row of `LAYOUTS`: what it is, for people, and how it is sent. `words` is None for our own layout."""

    name: str
    encoder: Callable[[SensorSize], Encoder]
    words: WordLayout | None = None

    def __str__(self) -> str:
        return self.name
