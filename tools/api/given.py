"""Labelled recordings that Python gives: pairs (recording, label) as the examples of a data set."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame
from spikecut.pipeline.representations.frame_sources import frames_of
from spikecut.sources.datasets.base import Example, FrameSpec
from spikecut.sources.formats.base import ReadOptions
from spikecut.tools.batch.examples import Examples

PLACE = Path("given")
_EXPECTED = "expected a sequence of pairs (recording, label)"


@dataclass(slots=True, eq=False)
class GivenRecording:
    """A `Source` of one recording, number `index` of `pairs`; its digest is that of the frames that were read."""

    pairs: Sequence[Any]
    index: int
    network: Any
    read: Any = field(default_factory=hashlib.sha256)

    @property
    def name(self) -> str:
        """Its number in the sequence."""
        return str(self.index)

    @property
    def path(self) -> Path:
        """A place for messages; there is no such file."""
        return PLACE / self.name

    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the frames that the network was shown."""
        return str(self.read.hexdigest())[:16]

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        """Its frames."""
        self.read = hashlib.sha256()
        recording, _ = _pair(self.pairs, self.index)
        frames = frames_of(recording, self.network, fit=view.reading.fit or None, filters=view.reading.filters)
        yield self._noting(frames)

    def _noting(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.read.update(f"{frame.segment} {frame.end_us - frame.start_us} {frame.pixels.shape}".encode())
            self.read.update(np.ascontiguousarray(frame.pixels).tobytes())
            yield frame


def examples_given(data: Any, network: Any, card: ModelCard, reading: ReadOptions) -> Examples:
    """The examples of a sequence of pairs. Labels are read at once, recordings when the network is shown them.

    A sequence that has `targets`, as data sets of Tonic and torchvision, is asked for those.

    Raises:
        ConfigError: if there are none, something is no pair, or a label is no class of the network.
    """
    pairs = data if hasattr(data, "__len__") and hasattr(data, "__getitem__") else _listed(data)
    if isinstance(pairs, str | bytes | dict | np.ndarray) or not len(pairs):
        raise ConfigError(f"{'no' if not len(pairs) else 'not'} labelled recordings; {_EXPECTED}")
    given = getattr(pairs, "targets", None)
    raw = given if given is not None and len(given) == len(pairs) else [_pair(pairs, i)[1] for i in range(len(pairs))]
    labels = np.array([_number(i, label, card) for i, label in enumerate(raw)], np.int64)
    members = []
    for index, label in enumerate(labels.tolist()):
        source = GivenRecording(pairs, index, network)
        members.append(Example(source.name, label, "test", source, str(source.path), ""))
    return Examples(members, labels, reading=reading)


def _listed(data: Any) -> list[Any]:
    try:
        return list(data)
    except TypeError:
        raise ConfigError(f"a {type(data).__name__} in the place of labelled recordings; {_EXPECTED}") from None


def _pair(pairs: Any, index: int) -> tuple[Any, Any]:
    one = pairs[index]
    if not isinstance(one, tuple | list) or len(one) != 2:
        raise ConfigError(f"item {index} is a {type(one).__name__}; {_EXPECTED}")
    return one[0], one[1]


def _number(index: int, label: Any, card: ModelCard) -> int:
    """The number of a class, from it or from its name."""
    if isinstance(label, str) and label in card.classes:
        return card.classes.index(label)
    if isinstance(label, int | np.integer) and not isinstance(label, bool) and 0 <= label < len(card.classes):
        return int(label)
    raise ConfigError(
        f"item {index}: label {label!r:.60} is no class of network {card.name!r}",
        hint=f"a number from 0 to {len(card.classes) - 1}, or one of {', '.join(card.classes[:12])}",
    )
