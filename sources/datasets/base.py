"""What a data set is: classes, examples divided into parts, and the frames of an example for a network.

A data set of a new kind is one module with `recognise(path)` and `open_set(path)`, and one row in `DATASETS`
(`sources.datasets`). Every command reads it through the protocols below and never asks for its type.

An example lies in a source: a file, an image, or a session that holds several examples. A source is opened once and
gives the frames of all its examples in order (`reading.readings`), so no more than one example is in memory.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame, SensorSize
from spikecut.pipeline.fit import Fits
from spikecut.sources.datasets.parts import WATCHED_IMAGES, WATCHED_RECORDINGS, Part
from spikecut.sources.formats.base import DEFAULTS, ReadOptions

_BATCH_OF_A_STRETCH = 1_024

InputKind = Literal["events", "images"]


@dataclass(frozen=True, slots=True)
class Input:
    """What follows from the kind of input that a network takes.

    `channels` of a frame, `things` the word for examples, `looks_at` for what a network sees. With `still` all frames
    of an example are the same. `watched_every` is the distance between watched examples of the train part. With
    `sampled` a network card keeps a sample of the digests of its training examples, otherwise all of them.
    `network_hint` says which network to give.
    """

    channels: int
    things: str
    looks_at: str
    still: bool
    watched_every: int
    sampled: bool
    network_hint: str


INPUTS: Mapping[InputKind, Input] = {
    "events": Input(
        channels=2,
        things="recordings",
        looks_at="events",
        still=False,
        watched_every=WATCHED_RECORDINGS,
        sampled=False,
        network_hint="--model names a network for events, such as nmnist or gestures",
    ),
    "images": Input(
        channels=3,
        things="pictures",
        looks_at="pictures",
        still=True,
        watched_every=WATCHED_IMAGES,
        sampled=True,
        network_hint="--model names a network for pictures, such as the recipe cifar10 makes",
    ),
}


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """The frames that a network takes: all that a source must know of it.

    `sensor` is the size of recordings that do not name their own, `frame` the size of frames in pixels, `horizon` how
    many there are. Events are counted over `step_us` microseconds, and over squares of `downsample` pixels; without
    `downsample`, over those that bring the recording's own sensor to `frame`. `reader` names the network in errors.
    Recordings are read with the options `reading`, in batches of about `batch_events` events; in smaller ones where a
    stretch ends early, so that little is read behind its end.
    Other sensors are fitted to the frame as `reading` says, which `fits` notes.
    """

    kind: InputKind
    sensor: SensorSize
    frame: SensorSize
    step_us: int
    horizon: int
    downsample: int | None = None
    reader: str = "the network"
    batch_events: int = 16_384
    reading: ReadOptions = DEFAULTS
    fits: Fits = field(default_factory=Fits, compare=False)

    @property
    def input(self) -> Input:
        """What follows from the kind of input."""
        return INPUTS[self.kind]

    @property
    def read_options(self) -> ReadOptions:
        """The options with which a recording is opened: `reading`, with the sensor and the batches of this value."""
        batch = self.batch_events if self.reading.duration_us is None else min(self.batch_events, _BATCH_OF_A_STRETCH)
        return replace(self.reading, sensor=self.reading.sensor or self.sensor, batch_events=batch)

    @property
    def distinct(self) -> tuple[int, int, int, int]:
        """The shape (T, C, H, W) of the frames of an example that can differ from one another."""
        steps = 1 if self.input.still else self.horizon
        return steps, self.input.channels, self.frame.height, self.frame.width


class Source(Protocol):
    """What holds examples and is read in one pass: a file, an image, a session. `name` decides about its part."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path: ...

    def digest(self) -> str:
        """The first 16 hexadecimal digits of a SHA-256 of its content.

        Raises:
            SpikecutError, OSError: if it cannot be read.
        """

    def streams(self, view: FrameSpec, /) -> Iterator[Iterator[Frame]]:
        """The frames of each of its examples, in order; each is read while it is iterated.

        Raises:
            SpikecutError: if it cannot be read, here or in a stream.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One labelled thing of a data set: number `index` in its `source`.

    `name` is short, `place` says where it lies. `label` is the number of its class. `subject` is who or what it shows:
    examples of one subject are not independent. `span` is empty, or says which piece of its source it is.
    """

    name: str
    label: int
    part: Part
    source: Source
    place: str
    subject: str
    index: int = 0
    span: str = ""

    def digest(self) -> str:
        """The digest of its source."""
        return self.source.digest()

    def frames(self, view: FrameSpec) -> Iterator[Frame]:
        """Its frames for a network.

        Raises:
            SpikecutError: if it cannot be read.
        """
        return next(islice(self.source.streams(view), self.index, None))


class Dataset(Protocol):
    """Labelled examples, divided into parts."""

    @property
    def path(self) -> Path: ...

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes in the order of their numbers."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing, damaged or not used, a sentence each."""

    @property
    def origin(self) -> str:
        """What it is or who made it; empty where nothing says so."""

    def provenance(self, licence: str, attribution: str, /) -> Mapping[str, str]:
        """`data`, `data_licence` and `attribution` for the card of a network trained on it, which a recipe gives."""

    def examples(self, part: Part, /) -> Sequence[Example]:
        """The examples of one part. Those of one source follow one another, and their labels need no frames.

        Raises:
            SourceError: if labels are missing or damaged.
        """

    def numbered(self, classes: Sequence[str], reader: str, /) -> tuple[int, ...]:
        """For each class of this set, its number among `classes`, those of the network called `reader`.

        Raises:
            ConfigError: if it is none of them.
        """

    def notes_on(self, part: Part, view: FrameSpec, /) -> tuple[str, ...]:
        """The notes that concern one part, read for a network."""


def in_part(part: Part, division: Part) -> bool:
    """Whether an example of `division` belongs to `part`."""
    return part in ("all", division)


def sources_of(examples: Iterable[Example]) -> list[Source]:
    """Every source of some examples once, in their order."""
    return list({id(example.source): example.source for example in examples}.values())


def numbers_among(path: Path, names: Sequence[str], classes: Sequence[str], thing: str, hint: str) -> tuple[int, ...]:
    """The number of each name among `classes`; `thing` is the word for a name, `hint` what to do.

    Raises:
        ConfigError: if it is none of them.
    """
    if strangers := [name for name in names if name not in classes]:
        raise ConfigError(f"{path}: {thing} {strangers[0]!r} is none of the classes {', '.join(classes)}", hint=hint)
    return tuple(list(classes).index(name) for name in names)
