"""The compiled loops of AEDAT4: events of a packet to columns, and the next packet behind damage."""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

HEADER_BYTES = 8
FARTHEST_US = 1 << 62
STREAMS = 1 << 16
LARGEST_PACKET = 1 << 27
_LZ4, _ZSTD = 0x184D2204, 0xFD2FB528
_CHECKED = 28  # bytes of a header and of what follows it that are looked at


@compiled(nogil=True)
def split(words: Any, t: Any, x: Any, y: Any, p: Any) -> int:
    """Columns from records of two 64-bit words: time; x, y and polarity. Returns how many were sound.

    A polarity beyond 1 and a time beyond 2**62 us are none that a camera writes: those events are left out.
    """
    n, two = np.uint64(words.shape[0] // 2), np.uint64(2)
    one = np.uint64(1)
    on_bits, time_bits = np.int64(0), np.int64(0)
    for i in range(n):
        time, pixel = words[two * i], words[two * i + one]
        on = pixel >> 32 & 0xFF
        t[i] = time
        x[i] = pixel & 0xFFFF
        y[i] = pixel >> 16 & 0xFFFF
        p[i] = on
        on_bits |= on
        time_bits |= time ^ time >> 63  # a negative time without its sign
    if on_bits <= 1 and time_bits < FARTHEST_US:
        return int(n)
    kept = np.uint64(0)
    for i in range(n):
        if p[i] <= 1 and -FARTHEST_US <= t[i] <= FARTHEST_US:
            t[kept], x[kept], y[kept], p[kept] = t[i], x[i], y[i], p[i]
            kept += np.uint64(1)
    return int(kept)


@compiled(nogil=True)
def word_at(data: Any, at: Any) -> Any:
    """Four bytes, little-endian."""
    low = np.int64(data[at]) | np.int64(data[at + 1]) << 8
    return low | np.int64(data[at + 2]) << 16 | np.int64(data[at + 3]) << 24


@compiled(nogil=True)
def is_header(data: Any, at: Any, remaining: Any) -> Any:
    """Whether a packet may begin at a byte of `data`, with `remaining` bytes of the file behind its header.

    The stream's number is small, and what follows is a frame of LZ4 or Zstandard, or a buffer of this very length.
    """
    if at + HEADER_BYTES + 4 > data.shape[0] or word_at(data, at) >= STREAMS:
        return False
    size, first = word_at(data, at + 4), word_at(data, at + 8)
    if size < 8 or size > LARGEST_PACKET or size > remaining:
        return False
    if first in (_LZ4, _ZSTD):
        return True
    if first + 4 != size or at + _CHECKED > data.shape[0]:
        return False
    strange = 0
    for place in range(at + 16, at + 20):  # four capitals or digits name its type
        strange += data[place] < 48 or data[place] > 90
    return strange == 0


@compiled(nogil=True)
def next_header(data: Any, begin: int, end: int, remaining: int, lenient: bool) -> Any:
    """The first byte in `begin <= at < end` at which a packet may begin and another follow it, or `end`.

    `remaining` are the bytes of the file from the first of `data` on. Where what would follow it is not among `data`,
    `lenient` decides.
    """
    first, last = np.uint64(begin), np.uint64(max(begin, min(end, data.shape[0] - HEADER_BYTES - 4)))
    for place in range(first, last):
        size_bytes = data[place + np.uint64(4)] | data[place + np.uint64(5)] | data[place + np.uint64(6)]
        if data[place + np.uint64(2)] or data[place + np.uint64(3)] or not size_bytes | data[place + np.uint64(7)]:
            continue
        at = np.int64(place)
        behind = remaining - at - HEADER_BYTES
        if is_header(data, at, behind):
            following = at + HEADER_BYTES + word_at(data, at + 4)
            if following == remaining:
                return at
            if following + _CHECKED > data.shape[0]:
                if lenient:
                    return at
            elif is_header(data, following, remaining - following - HEADER_BYTES) or is_frame(data, following):
                return at
    return end


@compiled(nogil=True)
def is_frame(data: Any, at: Any) -> Any:
    """Whether a compressed frame begins at a byte: the table at the end of a file has no header before it."""
    first = word_at(data, at)
    return first in (_LZ4, _ZSTD)
