"""Reading examples: each source once, each example while its frames are iterated, and what cannot be read set apart."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from spikecut.pipeline.errors import SpikecutError
from spikecut.pipeline.events import Frame
from spikecut.sources.datasets.base import Example, FrameSpec


@dataclass(slots=True)
class Fate:
    """How the reading of one example went; it is filled in while its frames are iterated.

    With an `error` the example is quarantined: its frames ended there. `n_lost` counts lost events of frames read.
    """

    name: str
    error: SpikecutError | None = None
    n_lost: int = 0


def readings(examples: Iterable[Example], view: FrameSpec) -> Iterator[tuple[Fate, Iterator[Frame]]]:
    """The fate and the frames of every example, in order. No error of a source comes out: it ends the frames.

    A source is opened once for all of its examples. Where it fails, those that are left share its error.
    """
    for _, members in groupby(examples, key=lambda example: id(example.source)):
        yield from _of_source(list(members), view)


def _of_source(members: Sequence[Example], view: FrameSpec) -> Iterator[tuple[Fate, Iterator[Frame]]]:
    streams, at = members[0].source.streams(view), 0
    error: SpikecutError | None = None
    for example in members:
        fate = Fate(example.place, error)
        stream: Iterator[Frame] = iter(())
        try:
            while error is None and at <= example.index:
                stream, at = next(streams), at + 1
        except SpikecutError as caught:
            fate.error = error = caught
        yield fate, _watched(stream, fate)


def _watched(stream: Iterator[Frame], fate: Fate) -> Iterator[Frame]:
    try:
        for frame in stream:
            fate.n_lost += frame.lost.damage.total
            yield frame
    except SpikecutError as error:
        fate.error = error
