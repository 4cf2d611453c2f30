"""Labelled examples of any data set, to calibrate and to replay on.

Labels are known at once; frames are read, one example after the other, while they are iterated.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, groupby
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import ConfigError, printable
from spikecut.pipeline.events import Frame
from spikecut.pipeline.fit import Fits
from spikecut.sources.datasets import open_dataset
from spikecut.sources.datasets.base import Dataset, Example, Source, sources_of
from spikecut.sources.datasets.class_folders import MADE_BY
from spikecut.sources.datasets.digests import digests_of
from spikecut.sources.datasets.parts import Part
from spikecut.sources.datasets.reading import Fate, readings
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.tools.batch.run_folder.manifest import ids_of
from spikecut.tools.frame_streams import named, view_of


@dataclass(frozen=True, eq=False)
class Examples:
    """All examples of one part of a data set, with the labels of a network. `notes` are for people.

    Recordings are read with the options `reading`; `fits` are those that reading them has used. `simulated` are those
    that say so themselves; None where nobody can say it, as of recordings that Python gives.
    """

    members: Sequence[Example]
    labels: Int64[ndarray, " N"]
    notes: tuple[str, ...] = ()
    reading: ReadOptions = DEFAULTS
    fits: Fits = field(default_factory=Fits)
    simulated: bool | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def sources(self) -> list[Source]:
        """The files, images and sessions that hold the examples."""
        return sources_of(self.members)

    @cached_property
    def digests(self) -> list[str]:
        """One for every source; every byte is read for it, once."""
        return digests_of(self.sources)

    def ids(self, folder: Path) -> list[str]:
        """A name for each that does not depend on where the data set's folder lies."""
        return ids_of(self.members, folder)

    def that_trained(self, card: ModelCard) -> list[Source]:
        """The sources that shaped a network's weights, known by their content.

        A card may name no more than a sample of what trained a network.
        """
        known = set(card.trained_on)
        return [s for s, digest in zip(self.sources, self.digests, strict=True) if digest in known] if known else []

    def first(self, n: int) -> "Examples":
        """At least `n` of them, whole sources."""
        counts = list(accumulate(self._sizes()))
        kept = next((count for count in counts if count >= n), len(self)) if n > 0 else 0
        return Examples(self.members[:kept], self.labels[:kept], reading=self.reading, simulated=self.simulated)

    def drawn(self, n: int, seed: int) -> "Examples":
        """About `n` of them: sources drawn at random until they hold as many, in the order of the data set."""
        sizes = self._sizes()
        order = np.random.default_rng(seed).permutation(len(sizes))
        enough = int(np.searchsorted(np.cumsum(np.array(sizes)[order]), n)) + 1
        drawn = np.zeros(len(sizes), np.bool_)
        drawn[order[:enough]] = True
        kept = np.flatnonzero(drawn.repeat(sizes)).tolist()
        members = [self.members[i] for i in kept]
        return Examples(members, self.labels[kept], reading=self.reading, simulated=self.simulated)

    def streams(self, card: ModelCard, fates: list[Fate]) -> Iterator[Iterable[Frame]]:
        """The frames of every example, in the order of `labels`; adds a fate for each as it is handed out."""
        for fate, frames in readings(self.members, view_of(card, self.reading, self.fits)):
            fates.append(fate)
            yield frames

    def _sizes(self) -> list[int]:
        """How many examples each source holds."""
        return [len(list(group)) for _, group in groupby(self.members, key=lambda one: id(one.source))]


def examples_of(folder: Path, card: ModelCard, part: Part, reading: ReadOptions = DEFAULTS) -> Examples:
    """The examples of one part of a data set, for a network that knows its classes.

    Raises:
        ConfigError: if there are none, or the network was made for other classes or another kind of input.
        SourceError: if nothing in the folder can be used.
    """
    dataset = open_dataset(folder, card.spec.input_kind, named(card), text=reading.text is not None)
    numbers = dataset.numbered(card.classes, named(card))
    members = dataset.examples(part)
    if not members:
        raise ConfigError(f"{folder}: nothing in its {part} part")
    labels = np.array([numbers[member.label] for member in members], np.int64)
    simulated = says_simulated(dataset, folder)
    notes = (*dataset.notes_on(part, view_of(card, reading)), *(() if simulated else _of_simulation(card)))
    return Examples(members, labels, notes, reading, simulated=simulated)


def says_simulated(dataset: Dataset, folder: Path) -> bool:
    """Whether a data set says of itself that a program made its recordings."""
    return (folder / MADE_BY).is_file() or "simulated" in dataset.provenance("", "").get("data", "")


def _of_simulation(card: ModelCard) -> tuple[str, ...]:
    """What to know before a network of simulated recordings is believed on others."""
    if not card.learned_from_simulation:
        return ()
    return (
        f"{named(card)} learned from simulated recordings, and these do not say that they are simulated: promises of "
        "cutoffs that were fitted on simulated ones are suspended until `spikecut calibrate` has fitted them on yours",
    )


def complain(fates: Sequence[Fate], *, quiet: bool = False) -> int:
    """Says on stderr which examples could not be read or were damaged; returns how many."""
    bad = [fate for fate in fates if fate.error is not None or fate.n_lost]
    for fate in bad if not quiet else ():
        what = f"quarantined: {fate.error}" if fate.error else f"damaged: {fate.name}: {fate.n_lost} events lost"
        print(printable(what), file=sys.stderr)
    return len(bad)
