"""Damage on purpose, which knows what it did: the kind, the place, how many bytes. Seeded, so each comes again."""

import copy
import json
import zlib
from dataclasses import dataclass

import numpy as np

import mutants

EXTREMES = (
    0,
    1,
    -1,
    2**7,
    2**8 - 1,
    2**15,
    2**16 - 1,
    2**24,
    2**28,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**63 - 1,
    -(2**63),
)
KINDS = ("flip", "overwrite", "zeros", "truncate", "insert", "delete", "duplicate", "swap", "extreme")


@dataclass(frozen=True, slots=True)
class Damage:
    """One fault: its `kind`, the first byte of the original that it touches, how many bytes, and how many are new."""

    kind: str
    at: int
    length: int
    added: int = 0


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged file and its faults, in the order in which they were made."""

    data: bytes
    damage: tuple[Damage, ...]

    @property
    def kind(self) -> str:
        return self.damage[0].kind if len(self.damage) == 1 else "several"


def rng_of(group: str, seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng((seed, zlib.crc32(group.encode()), index))


def mutant_of(data: bytes, rng: np.random.Generator, fields: tuple[tuple[int, int], ...] = ()) -> Mutant:
    """A copy of `data` with one fault, in one of ten with two or three. `fields` are places of lengths and counts."""
    n = 1 if rng.random() < 0.9 else int(rng.integers(2, 4))
    faults = []
    for _ in range(n):
        data, fault = _damaged(data, rng, fields if n == 1 else ())
        faults.append(fault)
    return Mutant(data, tuple(faults))


def _damaged(data: bytes, rng: np.random.Generator, fields: tuple[tuple[int, int], ...]) -> tuple[bytes, Damage]:
    kind = KINDS[int(rng.integers(len(KINDS)))]
    size = len(data)
    at = _place(size, rng)
    length = min(int(2 ** rng.uniform(0, 9)), max(1, size - at))
    if kind == "flip":
        flipped = bytearray(data)
        if flipped:
            flipped[at] ^= 1 << int(rng.integers(8))
        return bytes(flipped), Damage(kind, at, 1)
    if kind == "overwrite":
        return data[:at] + rng.bytes(length) + data[at + length :], Damage(kind, at, length)
    if kind == "zeros":
        return data[:at] + bytes(length) + data[at + length :], Damage(kind, at, length)
    if kind == "truncate":
        return data[:at], Damage(kind, at, size - at)
    if kind == "insert":
        return data[:at] + rng.bytes(length) + data[at:], Damage(kind, at, 0, length)
    if kind == "delete":
        return data[:at] + data[at + length :], Damage(kind, at, length)
    if kind == "duplicate":
        return data[:at] + data[at : at + length] + data[at:], Damage(kind, at, 0, min(length, size - at))
    if kind == "swap":
        other = _place(size, rng)
        first, second = min(at, other), max(at, other)
        length = min(length, second - first, size - second)
        changed = data[:first] + data[second : second + length] + data[first + length : second]
        return changed + data[first : first + length] + data[second + length :], Damage(kind, first, length)
    return _extreme(data, rng, fields, at)


def _extreme(
    data: bytes, rng: np.random.Generator, fields: tuple[tuple[int, int], ...], at: int
) -> tuple[bytes, Damage]:
    width = (1, 2, 4, 8)[int(rng.integers(4))]
    if fields and rng.random() < 0.7:
        at, width = fields[int(rng.integers(len(fields)))]
    value = EXTREMES[int(rng.integers(len(EXTREMES)))] & (1 << 8 * width) - 1
    raw = value.to_bytes(width, "little" if rng.random() < 0.7 else "big")[: max(0, len(data) - at)]
    return data[:at] + raw + data[at + len(raw) :], Damage("extreme", at, len(raw))


def _place(size: int, rng: np.random.Generator) -> int:
    """A byte of the file: one of four near its beginning, one of ten near its end, else anywhere."""
    draw = rng.random()
    if draw < 0.25:
        return int(rng.integers(max(1, min(size, 256))))
    if draw < 0.35:
        return size - 1 - int(rng.integers(max(1, min(size, 64)))) if size else 0
    return int(rng.integers(max(1, size)))


def document_of(data: bytes, rng: np.random.Generator) -> Mutant:
    """A JSON file with one value replaced, removed or renamed; every third time its bytes are damaged instead."""
    if rng.random() < 1 / 3:
        return mutant_of(data, rng)
    document = copy.deepcopy(json.loads(data))
    (changed,) = mutants.of_json(document, 1, int(rng.integers(2**31)))
    return Mutant(json.dumps(changed).encode(), (Damage("value", 0, 0),))
