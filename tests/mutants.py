"""Damaged files: what a disk, a download or an editor makes of a valid one. Seeded, so a failure comes again."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.pipeline.errors import SpikecutError

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 3, 2**31, 2**63, -(2**63), 10**40, 0.5, -1.5, 1e308, float("inf"), float("nan"), "", "3",
    "false", "inf", "x" * 300, "\x1b[2J", [], [[]], [1, "2"], [None], {}, {"type": "topk"}, {"dtype": "float64"},
)  # fmt: skip


def of_bytes(data: bytes, n: int, seed: int) -> Iterator[bytes]:
    """Flipped bits, cut ends, repeated and exchanged stretches."""
    rng = np.random.default_rng(seed)
    for kind in rng.integers(0, 4, n):
        at, length = int(rng.integers(len(data))), int(rng.integers(1, 40))
        if kind == 0:
            yield data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]
        elif kind == 1:
            yield data[:at]
        elif kind == 2:
            yield data[:at] + data[at : at + length] * 2 + data[at + length :]
        else:
            yield data[:at] + rng.bytes(length) + data[at + length :]


def of_json(document: Any, n: int, seed: int) -> Iterator[Any]:
    """Documents with one value replaced by a strange one, one key gone, renamed or added."""
    rng = np.random.default_rng(seed)
    places = list(_places(document))
    for _ in range(n):
        changed = copy.deepcopy(document)
        *way, last = places[int(rng.integers(len(places)))]
        inside = changed
        for step in way:
            inside = inside[step]
        kind = int(rng.integers(5))
        if kind == 0:
            del inside[last]
        elif kind == 1 and isinstance(inside, dict):
            inside[f"{last}s"] = inside.pop(last)
        else:
            inside[last] = copy.deepcopy(STRANGE[int(rng.integers(len(STRANGE)))])
        yield changed


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value; of a long list the first ones are enough."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:4]) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*way, key)
        yield from _places(inner, (*way, key))


def refused_or_usable(path: Path, contents: Iterator[bytes], use: Callable[[Path], Any]) -> tuple[int, int]:
    """Writes each content to `path` and uses it; how many worked and how many were refused by an error of ours.

    Any other error goes on, with the content beside it in a note.
    """
    worked = refused = 0
    for content in contents:
        path.write_bytes(content)
        try:
            use(path)
            worked += 1
        except SpikecutError as error:
            refused += 1 if str(error) else 0
        except BaseException as error:
            error.add_note(f"the file was {content[:3000]!r}")
            raise
    return worked, refused


def as_json(documents: Iterator[Any]) -> Iterator[bytes]:
    return (json.dumps(document).encode() for document in documents)
