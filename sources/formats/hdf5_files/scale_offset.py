"""HDF5's filter 6, scale-offset of whole numbers: each chunk as its minimum, and differences of as few bits as suffice.

A packed chunk: the bits of a difference (4 bytes), the size of the minimum (1), the minimum (8), 8 bytes without
meaning, then the differences, highest bit first, without gaps, and a spare byte. No bits: all values are the minimum.
As many bits as a value has: the values as they are. Where the dataset has a fill value, the highest difference stands
for it. Source: H5Zscaleoffset.c (The HDF Group).
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled
from spikecut.sources.formats.hdf5_files.kernels import fletcher32

SCALE_OFFSET, N_PARAMETERS = 6, 20
MOST_ADDED = 64
"""More bytes than packing ever adds to a chunk."""
_KIND, _BITS, _ROWS, _CLASS, _SIZE, _SIGN, _ORDER, _HAS_FILL, _FILL = range(9)
_WHOLE_NUMBERS, _INTEGER_CLASS = 2, 0
_HEADER_BYTES = 21
_WIDEST = 57  # bits that eight bytes hold wherever they begin


@compiled(nogil=True)
def unpack_bits(data: Any, n_bits: Any, lowest: Any, fill_code: Any, fill: Any, out: Any) -> None:
    """Adds `lowest` to numbers of `n_bits` (1 to 63) bits, highest bit first; those equal to `fill_code` become `fill`.

    All four numbers are uint64, `data` is uint8 and long enough, `out` unsigned.
    """
    n = np.uint64(out.shape[0])
    n_fast = np.uint64(0)
    if data.shape[0] >= 8 and n_bits <= np.uint64(_WIDEST):
        n_fast = min(n, np.uint64((data.shape[0] - 8) * 8 + 7) // n_bits + np.uint64(1))
    shift, bit = np.uint64(64) - n_bits, np.uint64(0)
    for i in range(n_fast):
        at = bit >> np.uint64(3)
        word = (
            np.uint64(data[at]) << np.uint64(56)
            | np.uint64(data[at + np.uint64(1)]) << np.uint64(48)
            | np.uint64(data[at + np.uint64(2)]) << np.uint64(40)
            | np.uint64(data[at + np.uint64(3)]) << np.uint64(32)
            | np.uint64(data[at + np.uint64(4)]) << np.uint64(24)
            | np.uint64(data[at + np.uint64(5)]) << np.uint64(16)
            | np.uint64(data[at + np.uint64(6)]) << np.uint64(8)
            | np.uint64(data[at + np.uint64(7)])
        )
        value = (word << (bit & np.uint64(7))) >> shift
        out[i] = fill if value == fill_code else value + lowest
        bit += n_bits
    for i in range(n_fast, n):
        value = np.uint64(0)
        for _ in range(n_bits):
            byte = np.uint64(data[bit >> np.uint64(3)])
            value = value << np.uint64(1) | byte >> (np.uint64(7) - (bit & np.uint64(7))) & np.uint64(1)
            bit += np.uint64(1)
        out[i] = fill if value == fill_code else value + lowest


@compiled(nogil=True)
def unpack_chunks(data: Any, sizes: Any, rows: Any, out: Any) -> Any:
    """Unpacks chunks that follow one another, each with its Fletcher checksum, into `out`; returns how many.

    It stops before a chunk that is damaged, or of no bits, or of more than 57. `out` is unsigned, without a fill value.
    """
    end = np.int64(0)
    for number in range(sizes.shape[0]):
        begin, end = end, end + sizes[number]
        n = sizes[number] - 4
        if n < _HEADER_BYTES or end > data.shape[0]:
            return number
        stored, n_bits, lowest = np.int64(0), np.uint64(0), np.uint64(0)
        for i in range(4):
            stored |= np.int64(data[begin + n + i]) << np.int64(8 * i)
            n_bits |= np.uint64(data[begin + i]) << np.uint64(8 * i)
        if stored != fletcher32(data[begin : begin + n]) or n_bits < 1 or n_bits > _WIDEST or data[begin + 4] != 8:
            return number
        for i in range(8):
            lowest |= np.uint64(data[begin + 5 + i]) << np.uint64(8 * i)
        n_payload = (rows * np.int64(n_bits) + 7) // 8
        if n_bits >= np.uint64(8 * out.itemsize) or _HEADER_BYTES + n_payload > n:
            return number
        payload = data[begin + _HEADER_BYTES : begin + _HEADER_BYTES + n_payload]
        nothing = np.uint64(0xFFFFFFFFFFFFFFFF)
        unpack_bits(payload, n_bits, lowest, nothing, np.uint64(0), out[number * rows : (number + 1) * rows])
    return sizes.shape[0]


@compiled(nogil=True)
def pack_bits(values: Any, n_bits: Any, lowest: Any, words: Any) -> None:
    """Differences from `lowest` as numbers of `n_bits` (1 to 63) bits, highest bit first, in 64-bit words."""
    word, filled, at = np.uint64(0), np.uint64(0), np.uint64(0)
    for i in range(np.uint64(values.shape[0])):
        value = np.uint64(values[i]) - lowest
        if filled + n_bits <= np.uint64(64):
            word = word << n_bits | value
            filled += n_bits
        else:
            left = np.uint64(64) - filled
            rest = n_bits - left
            words[at] = word << left | value >> rest
            at += np.uint64(1)
            word, filled = value, rest
    if filled:
        words[at] = word << (np.uint64(64) - filled)


def parameters(dtype: np.dtype[Any], rows: int) -> tuple[int, ...]:
    """The parameters of the filter for chunks of `rows` little-endian whole numbers without a fill value."""
    signed = int(dtype.kind == "i")
    return (_WHOLE_NUMBERS, 0, rows, _INTEGER_CLASS, dtype.itemsize, signed, 0, 0, *[0] * (N_PARAMETERS - _FILL))


def of_whole_numbers(values: Sequence[int]) -> bool:
    """Whether these are parameters for whole numbers, from which nothing is lost."""
    known = len(values) == N_PARAMETERS and values[_SIZE] in (1, 2, 4, 8) and values[_ORDER] in (0, 1)
    return known and (values[_KIND], values[_CLASS]) == (_WHOLE_NUMBERS, _INTEGER_CLASS)


def packed(values: Any) -> bytes:
    """A chunk of little-endian whole numbers; with one bit for each at least, so that few bytes never become many."""
    item = values.dtype.itemsize
    lowest, highest = int(values.min()), int(values.max())
    n_bits = max(1, (highest - lowest).bit_length())
    if n_bits > min(_WIDEST, 8 * item - 1):
        n_bits = 8 * item
        content: bytes = values.tobytes()
    else:
        words = np.zeros(len(values) * n_bits // 64 + 1, np.uint64)
        low = np.uint64(lowest % 2**64)
        pack_bits(values, np.uint64(n_bits), low, words)
        content = words.astype(">u8").tobytes()[: (len(values) * n_bits + 7) // 8]
    header = struct.pack("<IBQ", n_bits, 8, lowest % 2**64).ljust(_HEADER_BYTES, b"\0")
    n_stored = _HEADER_BYTES + len(values) * n_bits // 8 + 1
    return (header + content).ljust(n_stored, b"\0")


def unpacked(content: Any, values: Sequence[int], n_bytes: int) -> Any:
    """The `n_bytes` of a packed chunk as an array of bytes, by the filter's parameters; None if it is damaged."""
    item, n_bits_given = values[_SIZE], values[_BITS]
    if n_bits_given == 8 * item:  # the filter leaves the values alone
        return content
    rows = n_bytes // item
    if rows * item != n_bytes or values[_ROWS] != rows or len(content) < _HEADER_BYTES:
        return None
    n_bits, n_lowest = int.from_bytes(content[:4], "little"), min(8, int(content[4]))
    n_stored = (rows * n_bits + 7) // 8
    if n_bits > 8 * item or len(content) < _HEADER_BYTES + n_stored:
        return None
    payload = content[_HEADER_BYTES : _HEADER_BYTES + n_stored]
    lowest = int.from_bytes(content[5 : 5 + n_lowest], "little")
    if n_bits == 8 * item:
        out = payload.view(f"<u{item}") if payload.flags.aligned else payload.copy().view(f"<u{item}")
    else:
        out = np.empty(rows, f"u{item}")
        fill_code, fill = 2**64 - 1, 0
        if values[_HAS_FILL]:
            fill_code, fill = 2**n_bits - 1, values[_FILL] | values[_FILL + 1] << 32
        if n_bits:
            unpack_bits(payload, np.uint64(n_bits), np.uint64(lowest), np.uint64(fill_code), np.uint64(fill), out)
        else:
            out[:] = (fill if values[_HAS_FILL] else lowest) % 256**item
    return (out.astype(f">u{item}") if values[_ORDER] else out).view(np.uint8)
