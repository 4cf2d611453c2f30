"""Compiled loops over stored bytes: checksums, the shuffle of bytes, and LZF."""

from typing import Any

import numpy as np

from spikecut.pipeline.compiled import compiled

_MASK = 0xFFFFFFFF


@compiled(nogil=True)
def _rotated(value: Any, bits: Any) -> Any:
    return ((value << bits) | (value >> (np.uint64(32) - bits))) & np.uint64(0xFFFFFFFF)


@compiled(nogil=True)
def lookup3(data: Any) -> Any:
    """The checksum of HDF5's metadata: lookup3 of Bob Jenkins (hashlittle) with initial value 0."""
    mask = np.uint64(0xFFFFFFFF)
    n = data.shape[0]
    a = b = c = (np.uint64(0xDEADBEEF) + np.uint64(n)) & mask
    at = 0
    words = np.zeros(3, np.uint64)
    while True:
        left = min(n - at, 12)
        if left == 0:
            return np.int64(c)
        words[:] = 0
        for i in range(left):
            words[i >> 2] |= np.uint64(data[at + i]) << np.uint64(8 * (i & 3))
        a, b, c = (a + words[0]) & mask, (b + words[1]) & mask, (c + words[2]) & mask
        if n - at <= 12:
            c = ((c ^ b) - _rotated(b, np.uint64(14))) & mask
            a = ((a ^ c) - _rotated(c, np.uint64(11))) & mask
            b = ((b ^ a) - _rotated(a, np.uint64(25))) & mask
            c = ((c ^ b) - _rotated(b, np.uint64(16))) & mask
            a = ((a ^ c) - _rotated(c, np.uint64(4))) & mask
            b = ((b ^ a) - _rotated(a, np.uint64(14))) & mask
            c = ((c ^ b) - _rotated(b, np.uint64(24))) & mask
            return np.int64(c)
        a = ((a - c) & mask) ^ _rotated(c, np.uint64(4))
        c = (c + b) & mask
        b = ((b - a) & mask) ^ _rotated(a, np.uint64(6))
        a = (a + c) & mask
        c = ((c - b) & mask) ^ _rotated(b, np.uint64(8))
        b = (b + a) & mask
        a = ((a - c) & mask) ^ _rotated(c, np.uint64(16))
        c = (c + b) & mask
        b = ((b - a) & mask) ^ _rotated(a, np.uint64(19))
        a = (a + c) & mask
        c = ((c - b) & mask) ^ _rotated(b, np.uint64(4))
        b = (b + a) & mask
        at += 12


@compiled(nogil=True)
def fletcher32(data: Any) -> Any:
    """The checksum of HDF5's filter 3: Fletcher's over big-endian 16-bit words, an odd last byte as a high one."""
    n_words = np.uint64(data.shape[0] // 2)
    low, high = np.uint64(0), np.uint64(0)
    at = np.uint64(0)
    while at < n_words:
        end = min(at + np.uint64(360), n_words)
        for i in range(at, end):
            low += np.uint64(data[np.uint64(2) * i]) << np.uint64(8) | np.uint64(data[np.uint64(2) * i + np.uint64(1)])
            high += low
        low = (low & np.uint64(0xFFFF)) + (low >> np.uint64(16))
        high = (high & np.uint64(0xFFFF)) + (high >> np.uint64(16))
        at = end
    if data.shape[0] % 2:
        low += np.uint64(data[data.shape[0] - 1]) << np.uint64(8)
        high += low
        low = (low & np.uint64(0xFFFF)) + (low >> np.uint64(16))
        high = (high & np.uint64(0xFFFF)) + (high >> np.uint64(16))
    for _ in range(2):
        low = (low & np.uint64(0xFFFF)) + (low >> np.uint64(16))
        high = (high & np.uint64(0xFFFF)) + (high >> np.uint64(16))
    return np.int64(high << np.uint64(16) | low)


@compiled(nogil=True)
def decode_lzf(data: Any, out: Any) -> Any:
    """Unpacks LZF (Marc Lehmann's format) into `out`; returns how many bytes, or -1 where it is damaged."""
    n, size = data.shape[0], out.shape[0]
    at, to = np.int64(0), np.int64(0)
    while at < n:
        control: Any = np.int64(data[at])
        at += 1
        if control < 32:
            length = control + 1
            if at + length > n or to + length > size:
                return -1
            for i in range(length):
                out[to + i] = data[at + i]
            at += length
        else:
            length = control >> 5
            if length == 7:
                if at >= n:
                    return -1
                length += np.int64(data[at])
                at += 1
            if at >= n:
                return -1
            source = to - ((control & 31) << 8) - np.int64(data[at]) - 1
            at += 1
            length += 2
            if source < 0 or to + length > size:
                return -1
            for i in range(length):
                out[to + i] = out[source + i]
        to += length
    return to


@compiled(nogil=True)
def unshuffle_2(planes: Any, out: Any) -> None:
    """16-bit words from their low bytes and then their high bytes."""
    n = np.uint64(out.shape[0])
    for i in range(n):
        out[i] = np.uint16(planes[i]) | np.uint16(planes[n + i]) << np.uint16(8)


@compiled(nogil=True)
def unshuffle_4(planes: Any, out: Any) -> None:
    """32-bit words from four planes of bytes."""
    n = np.uint64(out.shape[0])
    for i in range(n):
        low = np.uint32(planes[i]) | np.uint32(planes[n + i]) << np.uint32(8)
        high = np.uint32(planes[n + n + i]) | np.uint32(planes[n + n + n + i]) << np.uint32(8)
        out[i] = low | high << np.uint32(16)


@compiled(nogil=True)
def unshuffle_8(planes: Any, out: Any) -> None:
    """64-bit words from eight planes of bytes."""
    n = np.uint64(out.shape[0])
    for i in range(n):
        value = np.uint64(0)
        for plane in range(np.uint64(8)):
            value |= np.uint64(planes[plane * n + i]) << (np.uint64(8) * plane)
        out[i] = value
