"""Digests that identify training examples again, whatever folder they lie in."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from spikecut.pipeline.errors import SpikecutError
from spikecut.sources.datasets.base import INPUTS, Dataset, InputKind, Source, sources_of
from spikecut.sources.formats.reading.files import open_binary

_UNREADABLE = "unreadable"
SKETCH = 1_024


class Named(Protocol):
    """What has the name that a split goes by."""

    @property
    def name(self) -> str: ...


def split_digest(members: Iterable[Named]) -> str:
    """Two people whose parts have the same digest have the same split.

    It is the SHA-256 of the names `<class>/<file>`, sorted by code point, each with a line break.

    >>> from types import SimpleNamespace
    >>> split_digest([SimpleNamespace(name="ant/image_0001.bin")])[:16]
    'c57d0a295f218dd9'
    """
    names = sorted(member.name for member in members)
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode(errors="surrogateescape")).hexdigest()


def digests_of(sources: Iterable[Source]) -> list[str]:
    """The digest of every source, or the word `unreadable`; every byte is read for it."""
    digests = []
    for source in sources:
        try:
            digests.append(source.digest())
        except (SpikecutError, OSError):
            digests.append(_UNREADABLE)
    return digests


def digests_of_recording(path: Path) -> tuple[str, str]:
    """The digest of a recording as a file of its own, and as a session of DVS128 Gesture: cards may know either.

    Raises:
        UnreadableSource: if it cannot be read.
    """
    with open_binary(path) as file:
        total = hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]
    return total.hex()[:16], hashlib.sha256(total).hexdigest()[:16]


def digests_of_training(dataset: Dataset, kind: InputKind) -> tuple[str, ...]:
    """What a network card keeps of the train part: all digests, or a sample of them where the kind is `sampled`."""
    if INPUTS[kind].sampled:
        return sketch_of(dataset)
    return tuple(digests_of(sources_of(dataset.examples("train"))))


def digests_of_policy(digests: Iterable[str], kind: InputKind) -> tuple[str, ...]:
    """What a policy card keeps of the digests of its recordings: each once, or a sample."""
    return sketch(digests) if INPUTS[kind].sampled else tuple(dict.fromkeys(digests))


def sketch_of(dataset: Dataset) -> tuple[str, ...]:
    """A sample of the digests of the train part: the smallest 1,024.

    The same share of any other set with these examples is among them, so an overlap is noticed; a digest for each
    would make a card of a megabyte. Examples that a published set has in two of its parts are left out.
    """
    parts = {part: set(digests_of(sources_of(dataset.examples(part)))) for part in ("train", "calibration", "test")}
    return sketch(parts["train"] - parts["calibration"] - parts["test"])


def sketch(digests: Iterable[str]) -> tuple[str, ...]:
    """The smallest of some digests: as good as drawn at random, and the same wherever the same are among others."""
    return tuple(sorted(set(digests) - {_UNREADABLE})[:SKETCH])
