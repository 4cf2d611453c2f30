"""Labelled examples, to calibrate and to replay on: class folders, the sessions of DVS128 Gesture, sets of pictures.

Labels are known at once; frames are read, one example after the other, while they are iterated.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import ConfigError, SpikecutError
from spikecut.pipeline.events import Frame
from spikecut.sources.datasets.class_folders import LabelledRecording, Part, list_recordings, part_of
from spikecut.sources.datasets.dvs_gesture import Session, is_gesture_set, open_gesture_set
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.datasets.images.image_sets import LabelledPicture, fitted
from spikecut.sources.datasets.images.open_images import holds_pictures, open_pictures
from spikecut.tools.frame_streams import binner_for, on_sensor, open_for, still, told_sizes
from spikecut.tools.image_digests import digests_of

Source = LabelledRecording | LabelledPicture | Session


@dataclass(slots=True)
class Fate:
    """How the reading of one example went; it is filled in while its frames are iterated."""

    name: str
    error: SpikecutError | None = None
    n_lost: int = 0


@dataclass(frozen=True, eq=False)
class Examples:
    """All examples of one part of a folder. `notes` are for people; a session holds several examples."""

    sources: Sequence[Source]
    labels: Int64[ndarray, " N"]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digests(self) -> list[str]:
        """One for every source; every byte is read for it, once."""
        return [
            digests_of([source])[0] if isinstance(source, LabelledPicture) else source.digest()
            for source in self.sources
        ]

    def that_trained(self, card: ModelCard) -> list[Source]:
        """The sources that shaped a network's weights, known by their content; of pictures, some of them.

        A card names no more than a sample of the pictures that trained a network.
        """
        known = set(card.trained_on)
        return [s for s, digest in zip(self.sources, self.digests, strict=True) if digest in known] if known else []

    def first(self, n: int) -> "Examples":
        """At least `n` of them, whole sources."""
        count, sources = 0, []
        for source in self.sources:
            if count >= n:
                break
            sources.append(source)
            count += len(source.labels().spans) if isinstance(source, Session) else 1
        return Examples(sources, self.labels[:count])

    def drawn(self, n: int, seed: int) -> "Examples":
        """About `n` of them: sources drawn at random until they hold as many, in the order of the folder."""
        sizes = [len(s.labels().spans) if isinstance(s, Session) else 1 for s in self.sources]
        order = np.random.default_rng(seed).permutation(len(sizes))
        enough = int(np.searchsorted(np.cumsum(np.array(sizes)[order]), n)) + 1
        kept = np.zeros(len(sizes), np.bool_)
        kept[order[:enough]] = True
        return Examples(
            [s for s, keep in zip(self.sources, kept, strict=True) if keep], self.labels[kept.repeat(sizes)]
        )

    def streams(self, card: ModelCard, fates: list[Fate]) -> Iterator[Iterable[Frame]]:
        """The frames of every example, in the order of `labels`; adds a fate for each as it is handed out."""
        for source in self.sources:
            if isinstance(source, LabelledRecording):
                fates.append(Fate(str(source.path)))
                yield _file(source.path, card, fates[-1])
            elif isinstance(source, LabelledPicture):
                fates.append(Fate(str(source.path)))
                yield _picture(source, card, fates[-1])
            else:
                yield from _session(source, card, fates)


def examples_of(folder: Path, card: ModelCard, part: Part) -> Examples:
    """The examples of one part of a folder, for a network that knows its classes.

    Raises:
        ConfigError: if there are none, or the network was made for other classes.
    """
    if card.spec.inputs == 3:
        return _pictures(folder, card, part)
    if is_gesture_set(folder):
        if card.classes != GESTURES:
            raise ConfigError(f"{folder} holds the gestures of DVS128 Gesture; network {card.name!r} names others")
        found = open_gesture_set(folder)
        sessions = found.of(part)
        read = [session.labels() for session in sessions]
        labels = np.array([span.label for each in read for span in each.spans], np.int64)
        notes = (*found.notes, *(note for each in read for note in each.notes))
        missing = sum(part in ("all", s.part) for s in found.sessions) - len(sessions)
        if missing:
            notes += (f"{missing} listed sessions are missing; spikecut data check {folder} says which",)
        examples = Examples(sessions, labels, notes)
    else:
        recordings = part_of(_recordings(folder, card), part)
        examples = Examples(recordings, np.array([recording.label for recording in recordings], np.int64))
    if not len(examples):
        raise ConfigError(f"{folder}: nothing in its {part} part")
    return examples


def complain(fates: Sequence[Fate], *, quiet: bool = False) -> int:
    """Says on stderr which examples could not be read or were damaged; returns how many."""
    bad = [fate for fate in fates if fate.error is not None or fate.n_lost]
    for fate in bad if not quiet else ():
        what = f"quarantined: {fate.error}" if fate.error else f"damaged: {fate.name}: {fate.n_lost} events lost"
        print(what, file=sys.stderr)
    return len(bad)


def _recordings(folder: Path, card: ModelCard) -> list[LabelledRecording]:
    try:
        return list_recordings(folder, card.classes)
    except SpikecutError as error:
        if not holds_pictures(folder):
            raise
        raise ConfigError(
            f"{folder} holds pictures; network {card.name!r} looks at events",
            hint="--model names a network for pictures, such as the recipe cifar10 makes",
        ) from error


def _pictures(path: Path, card: ModelCard, part: Part) -> Examples:
    found = open_pictures(path)
    numbers, pictures = found.numbered(card.classes), found.of(part)
    if not pictures:
        raise ConfigError(f"{path}: nothing in its {part} part")
    labels = np.array([numbers[picture.label] for picture in pictures], np.int64)
    return Examples(pictures, labels, (*found.notes, *told_sizes(pictures, card.spec.frame)))


def _picture(picture: LabelledPicture, card: ModelCard, fate: Fate) -> Iterator[Frame]:
    """One picture, again and again; read when it is first asked for. One that cannot be read ends the stream."""
    try:
        pixels = fitted(picture.pixels(), card.spec.frame)
    except SpikecutError as error:
        fate.error = error
        return
    yield from still(pixels, card)


def _file(path: Path, card: ModelCard, fate: Fate) -> Iterator[Frame]:
    """The frames of one file, opened when the first is asked for, and read in small pieces.

    A recording that is decided early is not read to its end. A file that cannot be read ends the stream.
    """
    try:
        recording, binner = open_for(path, card, batch_events=1_024)
        for frame in on_sensor(binner.bins(recording), str(path), recording.sensor):
            fate.n_lost += frame.lost.total
            yield frame
    except SpikecutError as error:
        fate.error = error


def _session(session: Session, card: ModelCard, fates: list[Fate]) -> Iterator[Iterable[Frame]]:
    spans = session.labels().spans
    done = 0
    try:
        for span, batch in session.clips():
            fates.append(Fate(f"{session.name}: {span.name}", n_lost=batch.lost.total))
            done += 1
            yield binner_for(batch.sensor, card, session.name).bins([batch])
    except SpikecutError as error:
        for span in spans[done:]:
            fates.append(Fate(f"{session.name}: {span.name}", error))
            yield iter(())
