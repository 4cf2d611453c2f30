"""Damage on purpose, the kinds that files really suffer; seeded, so that every bad file can be made again."""

from collections.abc import Iterator

import numpy as np


def truncate(data: bytes, at: int) -> bytes:
    """The file as an interrupted copy leaves it: its first `at` bytes."""
    return data[:at]


def flip_bits(data: bytes, rng: np.random.Generator, n: int = 1) -> bytes:
    """`n` bits turned over, anywhere."""
    damaged = bytearray(data)
    for bit in rng.integers(0, 8 * len(data), n).tolist():
        damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def overwrite(data: bytes, rng: np.random.Generator, n: int = 16) -> bytes:
    """A stretch of `n` bytes replaced by random ones."""
    at = _place(data, rng, n)
    return data[:at] + rng.bytes(n) + data[at + n :]


def delete(data: bytes, rng: np.random.Generator, n: int = 100) -> bytes:
    """A stretch of `n` bytes missing; what follows has moved forward."""
    at = _place(data, rng, n)
    return data[:at] + data[at + n :]


def insert(data: bytes, rng: np.random.Generator, n: int = 7) -> bytes:
    """`n` random bytes too many; what follows has moved back."""
    at = _place(data, rng, 0)
    return data[:at] + rng.bytes(n) + data[at:]


def swap_records(data: bytes, rng: np.random.Generator, begin: int, size: int) -> bytes:
    """Two records of `size` bytes in each other's place, and so two times out of order."""
    first, second = sorted(rng.choice((len(data) - begin) // size, 2, replace=False).tolist())
    i, j = begin + first * size, begin + second * size
    return data[:i] + data[j : j + size] + data[i + size : j] + data[i : i + size] + data[j + size :]


def mutants(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged copies, each with the name of what was done to it, the kinds taking turns."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        kind = ("flip_bits", "overwrite", "truncate", "delete", "insert")[number % 5]
        if kind == "flip_bits":
            yield kind, flip_bits(data, rng, int(rng.integers(1, 4)))
        elif kind == "overwrite":
            yield kind, overwrite(data, rng)
        elif kind == "truncate":
            yield kind, truncate(data, int(rng.integers(0, len(data))))
        elif kind == "delete":
            yield kind, delete(data, rng, int(rng.integers(1, 101)))
        else:
            yield kind, insert(data, rng, int(rng.integers(1, 101)))


def _place(data: bytes, rng: np.random.Generator, n: int) -> int:
    return int(rng.integers(0, max(1, len(data) - n + 1)))
