"""Labelled recordings that Python gives: pairs (recording, label), or with a subject, as the examples of a data set."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame
from spikecut.pipeline.representations.frame_sources import frames_of
from spikecut.sources.datasets.base import Example, FrameSpec
from spikecut.sources.datasets.digests import digests_of_recording
from spikecut.sources.formats.base import ReadOptions
from spikecut.tools.batch.examples import Examples

PLACE = Path("given")
_EXPECTED = "expected a sequence of pairs (recording, label)"


@dataclass(slots=True, eq=False)
class GivenRecording:
    """A `Source` of one recording, number `index` of `pairs`.

    Its digest is that of its file, by which recordings that trained a network are known, else that of the frames that
    were read.
    """

    pairs: Sequence[Any]
    index: int
    network: Any
    file: Path | None = None
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
        """The first 16 hexadecimal digits of the SHA-256 of the file, or of the frames that the network was shown."""
        return str(self.read.hexdigest())[:16] if self.file is None else digests_of_recording(self.file)[0]

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        """Its frames."""
        self.read = hashlib.sha256()
        recording, *_ = _item(self.pairs, self.index)
        self.file = Path(fspath(recording)) if isinstance(recording, str | PathLike) else None
        frames = frames_of(recording, self.network, fit=view.reading.fit or None, filters=view.reading.filters)
        yield self._noting(frames)

    def _noting(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.read.update(f"{frame.segment} {frame.end_us - frame.start_us} {frame.pixels.shape}".encode())
            self.read.update(np.ascontiguousarray(frame.pixels).tobytes())
            yield frame


def examples_given(data: Any, network: Any, card: ModelCard, reading: ReadOptions) -> Examples:
    """The examples of a sequence of pairs; a third entry is the subject, whose recordings are not independent.

    Labels are read at once, recordings when the network is shown them.

    A sequence that has `targets`, as data sets of Tonic and torchvision, is asked for those.

    Raises:
        ConfigError: if there are none, something is no pair, or a label is no class of the network.
    """
    pairs = data if hasattr(data, "__len__") and hasattr(data, "__getitem__") else _listed(data)
    if isinstance(pairs, str | bytes | dict | np.ndarray) or not len(pairs):
        raise ConfigError(f"{'no' if not len(pairs) else 'not'} labelled recordings; {_EXPECTED}")
    targets: Any = getattr(pairs, "targets", None)
    known = targets is not None and len(targets) == len(pairs)
    items = ((None, label) for label in targets) if known else (_item(pairs, at) for at in range(len(pairs)))
    members = []
    for index, (_, label, *subject) in enumerate(items):
        source, number = GivenRecording(pairs, index, network), _number(index, label, card)
        place = str(source.path)  # without a subject each recording is its own
        members.append(Example(source.name, number, "test", source, place, str(*subject) if subject else place))
    return Examples(members, np.array([one.label for one in members], np.int64), reading=reading)


def _listed(data: Any) -> list[Any]:
    try:
        return list(data)
    except TypeError:
        raise ConfigError(f"a {type(data).__name__} in the place of labelled recordings; {_EXPECTED}") from None


def _item(pairs: Any, index: int) -> Sequence[Any]:
    one: Sequence[Any] = pairs[index]
    if not isinstance(one, tuple | list) or len(one) not in (2, 3):
        raise ConfigError(f"item {index} is a {type(one).__name__}; {_EXPECTED}")
    return one


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
