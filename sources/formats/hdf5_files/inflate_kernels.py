"""Inflates a deflate stream of known size (RFC 1950 and 1951) with fast runs and stored blocks.

The columns of events are mostly such: the high bytes of times and pixels hardly change, the low ones hardly deflate.
zlib copies a run three bytes at a time and sums every byte that comes out. Here runs are filled, and the sum of zlib is
not verified: chunks that are unpacked by this carry a checksum over what is stored.
"""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

LENGTH_BASE = np.array([*range(3, 11), 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
                        227, 258], np.int64)  # fmt: skip
LENGTH_BITS = np.array([0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4 + [0], np.uint64)
REACH_BASE = np.array([1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
                       3073, 4097, 6145, 8193, 12289, 16385, 24577], np.int64)  # fmt: skip
REACH_BITS = np.array([max(0, number // 2 - 1) for number in range(30)], np.uint64)
ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], np.int64)
_LONGEST = 15


@compiled(nogil=True)
def code_table(lengths: Any, table: Any) -> int:
    """Symbols and code lengths by the next bits of the stream; returns the longest length, or -1 for no code."""
    counts = np.zeros(_LONGEST + 1, np.int64)
    for i in range(lengths.shape[0]):
        counts[lengths[i]] += 1
    longest = 0
    for i in range(1, _LONGEST + 1):
        if counts[i]:
            longest = i
    starts = np.zeros(_LONGEST + 2, np.int64)
    code = 0
    for i in range(1, _LONGEST + 1):
        starts[i] = code
        code = (code + counts[i]) << 1
        if starts[i] + counts[i] > 1 << i:
            return -1
    size = max(1, 1 << longest)
    table[:size] = 0
    for symbol in range(lengths.shape[0]):
        length = lengths[symbol]
        if length == 0:
            continue
        code = starts[length]
        starts[length] += 1
        turned = 0
        for _ in range(length):
            turned = turned << 1 | (code & 1)
            code >>= 1
        for at in range(turned, size, 1 << length):
            table[at] = symbol << 4 | length
    return longest


@compiled(nogil=True)
def inflate(data: Any, out: Any) -> Any:
    """Unpacks a zlib stream into `out`; returns how many bytes, or -1 where it is damaged or does not fit."""
    n, size = data.shape[0], out.shape[0]
    if n < 6 or data[0] & 15 != 8 or (np.int64(data[0]) << 8 | np.int64(data[1])) % 31 or data[1] & 32:
        return -1
    symbols, reaches = np.empty(1 << _LONGEST, np.uint16), np.empty(1 << _LONGEST, np.uint16)
    lengths = np.zeros(320, np.int64)
    at: Any = 2
    to: Any = 0
    n_bits: Any = 0
    i: Any = 0
    length: Any = 0
    symbol: Any = 0
    entry: Any = 0
    bits: Any = np.uint64(0)
    one, last = np.uint64(1), False
    while not last:
        while n_bits < 48 and at < n:
            bits |= np.uint64(data[at]) << np.uint64(n_bits)
            at += 1
            n_bits += 8
        last = bool(bits & one)
        kind = np.int64(bits >> one & np.uint64(3))
        bits >>= np.uint64(3)
        n_bits -= 3
        if kind == 0:
            at -= n_bits >> 3
            bits, n_bits = np.uint64(0), 0
            if at + 4 > n:
                return -1
            length = np.int64(data[at]) | np.int64(data[at + 1]) << 8
            if length ^ 0xFFFF != np.int64(data[at + 2]) | np.int64(data[at + 3]) << 8:
                return -1
            at += 4
            if at + length > n or to + length > size:
                return -1
            begin = np.uint64(at)
            shift = np.uint64(to)
            for i in range(np.uint64(length)):
                out[shift + i] = data[begin + i]
            at, to = at + length, to + length
            continue
        if kind == 1:
            lengths[:144], lengths[144:256], lengths[256:280], lengths[280:288] = 8, 9, 7, 8
            longest = code_table(lengths[:288], symbols)
            lengths[:30] = 5
            furthest = code_table(lengths[:30], reaches)
        elif kind == 2:
            n_symbols = np.int64(bits & np.uint64(31)) + 257
            n_reaches = np.int64(bits >> np.uint64(5) & np.uint64(31)) + 1
            n_lengths = np.int64(bits >> np.uint64(10) & np.uint64(15)) + 4
            bits >>= np.uint64(14)
            n_bits -= 14
            lengths[:19] = 0
            for i in range(n_lengths):
                while n_bits < 48 and at < n:
                    bits |= np.uint64(data[at]) << np.uint64(n_bits)
                    at += 1
                    n_bits += 8
                lengths[ORDER[i]] = np.int64(bits & np.uint64(7))
                bits >>= np.uint64(3)
                n_bits -= 3
            longest = code_table(lengths[:19], symbols)
            if longest < 1 or n_bits < 0 or n_symbols > 286 or n_reaches > 30:
                return -1
            mask = np.uint64((1 << longest) - 1)
            i = 0
            while i < n_symbols + n_reaches:
                while n_bits < 48 and at < n:
                    bits |= np.uint64(data[at]) << np.uint64(n_bits)
                    at += 1
                    n_bits += 8
                entry = np.int64(symbols[bits & mask])
                if entry & 15 == 0:
                    return -1
                bits >>= np.uint64(entry & 15)
                n_bits -= entry & 15
                symbol = entry >> 4
                if symbol < 16:
                    lengths[i] = symbol
                    i += 1
                    continue
                extra = 2 if symbol == 16 else 3 if symbol == 17 else 7
                times = (11 if symbol == 18 else 3) + np.int64(bits & np.uint64((1 << extra) - 1))
                bits >>= np.uint64(extra)
                n_bits -= extra
                if (symbol == 16 and i == 0) or i + times > n_symbols + n_reaches or n_bits < 0:
                    return -1
                lengths[i : i + times] = lengths[i - 1] if symbol == 16 else 0
                i += times
            furthest = code_table(lengths[n_symbols : n_symbols + n_reaches], reaches)
            longest = code_table(lengths[:n_symbols], symbols)
        else:
            return -1
        if longest < 1 or furthest < 0:
            return -1
        mask, reach_mask = np.uint64((1 << longest) - 1), np.uint64((1 << furthest) - 1)
        while True:
            while n_bits < 48 and at < n:
                bits |= np.uint64(data[at]) << np.uint64(n_bits)
                at += 1
                n_bits += 8
            entry = np.int64(symbols[bits & mask])
            if entry & 15 == 0 or n_bits < entry & 15:
                return -1
            bits >>= np.uint64(entry & 15)
            n_bits -= entry & 15
            symbol = entry >> 4
            if symbol < 256:
                if to >= size:
                    return -1
                out[to] = symbol
                to += 1
                continue
            if symbol == 256:
                break
            if symbol > 285:
                return -1
            extra_bits = LENGTH_BITS[symbol - 257]
            length = LENGTH_BASE[symbol - 257] + np.int64(bits & ((one << extra_bits) - one))
            bits >>= extra_bits
            entry = np.int64(reaches[bits & reach_mask])
            bits >>= np.uint64(entry & 15)
            if entry & 15 == 0 or entry >> 4 > 29:
                return -1
            reach_bits = REACH_BITS[entry >> 4]
            reach = REACH_BASE[entry >> 4] + np.int64(bits & ((one << reach_bits) - one))
            bits >>= reach_bits
            n_bits -= np.int64(extra_bits) + (entry & 15) + np.int64(reach_bits)
            if n_bits < 0 or reach > to or to + length > size:
                return -1
            if reach == 1:
                value = out[to - 1]
                for i in range(np.uint64(to), np.uint64(to + length)):
                    out[i] = value
            else:
                for i in range(length):
                    out[to + i] = out[to + i - reach]
            to += length
    return to
