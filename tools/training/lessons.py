"""Recordings as rows of a network's memory: what its readout is shown of each, read once."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from spikecut.models.card import ModelCard
from spikecut.models.files.memory import Memory, Origin, compact
from spikecut.models.training.teaching import body_and_readout, marks_of, merged, sums_of, varied
from spikecut.pipeline.errors import ConfigError, printable
from spikecut.pipeline.fit import Fits
from spikecut.sources.datasets import open_dataset
from spikecut.sources.datasets.base import Dataset, Example, sources_of
from spikecut.sources.datasets.digests import digests_of
from spikecut.sources.datasets.parts import Part
from spikecut.sources.datasets.reading import readings
from spikecut.sources.formats.base import ReadOptions
from spikecut.tools.frame_streams import named, say_fits, view_of
from spikecut.tools.training.packing import reading as with_progress


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Labelled recordings for a network that may not know all of their classes.

    `keys` identify each recording by its content, `labels` count on behind the classes of the network: `classes` are
    those and the new ones.
    """

    dataset: Dataset
    examples: Sequence[Example]
    keys: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]

    def among(self, wanted: set[str]) -> "Lessons":
        """Those with these keys."""
        kept = [at for at, key in enumerate(self.keys) if key in wanted]
        return replace(
            self,
            examples=[self.examples[at] for at in kept],
            keys=tuple(self.keys[at] for at in kept),
            labels=tuple(self.labels[at] for at in kept),
        )


def lessons_in(folder: Path, card: ModelCard, part: Part, reading: ReadOptions) -> Lessons:
    """The recordings of one part of a data set.

    Raises:
        ConfigError: if there are none.
        SourceError: if nothing in the folder can be used.
    """
    dataset = open_dataset(folder, card.spec.input_kind, named(card), text=reading.text is not None)
    examples = dataset.examples(part)
    if not examples:
        raise ConfigError(f"{folder}: nothing in its {part} part")
    sources = sources_of(examples)
    digest = {id(source): one for source, one in zip(sources, digests_of(sources), strict=True)}
    keys = [digest[id(e.source)] + (f":{e.index}" if e.span else "") for e in examples]
    shown = [dataset.classes[example.label] for example in examples]
    classes = (*card.classes, *sorted(set(shown) - set(card.classes)))
    for note in dataset.notes_on(part, view_of(card, reading)):
        print(printable(f"note: {note}"), file=sys.stderr)
    first = {key: at for at, key in reversed(list(enumerate(keys)))}  # a copy of a file teaches nothing more
    for at, key in enumerate(keys):
        if shown[at] != shown[first[key]]:
            raise ConfigError(
                f"{examples[at].place} is the same recording as {examples[first[key]].place}, of another class",
                hint="leave it in the folder of the class that it shows",
            )
    once = sorted(first.values())
    return Lessons(
        dataset,
        [examples[at] for at in once],
        tuple(keys[at] for at in once),
        tuple(classes.index(shown[at]) for at in once),
        classes,
    )


def empty_memory(network: nn.Module, card: ModelCard) -> Memory:
    """A memory without rows."""
    _, readout = body_and_readout(network)
    marks = marks_of(card.horizon)
    return Memory(
        Origin(card.weights_sha256, card.classes, len(card.classes), marks, (), ()),
        np.zeros((0, len(marks), readout.in_features), np.uint8),
        np.zeros(0, np.int64),
        np.zeros(0, np.bool_),
        readout.weight.detach().numpy(),
        readout.bias.detach().numpy(),
    )


def memory_of(
    lessons: Lessons, network: nn.Module, card: ModelCard, empty: Memory, reading: ReadOptions, seed: int | None
) -> Memory:
    """What the readout is shown of recordings; with a `seed` they are a user's, and variations of each follow it.

    Raises:
        SpikecutError: that of the first recording, if none can be read.
    """
    body, _ = body_and_readout(network)
    fits, rows = Fits(), list[int]()
    sums, view = [], view_of(card, reading, fits)
    errors = []
    for at, (fate, frames) in enumerate(with_progress(readings(lessons.examples, view), "", len(lessons.keys))):
        shown = np.zeros((card.horizon, card.spec.inputs, view.frame.height, view.frame.width), np.float32)
        for frame in frames:
            if frame.index < card.horizon:
                shown[frame.index] = frame.pixels
        if fate.error is not None or fate.n_lost:
            print(printable(f"{'quarantined' if fate.error else 'damaged'}: {fate.name}"), file=sys.stderr)
        if fate.error is not None:
            errors.append(fate.error)
            continue
        one = merged(network, torch.from_numpy(shown)[None])[0]
        batch = one[None] if seed is None else varied(one, _seed(seed, lessons.keys[at]))
        sums.append(sums_of(body, batch, empty.origin.marks))
        rows += [at] * len(batch)
    if not sums:
        raise errors[0]
    say_fits(fits, reading)
    return replace(
        empty,
        origin=replace(
            empty.origin,
            classes=lessons.classes,
            keys=tuple(lessons.keys[at] for at in rows),
            names=tuple(lessons.examples[at].name for at in rows),
        ),
        features=compact(np.concatenate(sums)),
        labels=np.array([lessons.labels[at] for at in rows], np.int64),
        taught=np.full(len(rows), seed is not None),
    )


def _seed(seed: int, key: str) -> int:
    """The seed of the variations of one recording, whatever else is taught."""
    return int.from_bytes(hashlib.sha256(f"{seed} {key}".encode()).digest()[:4])
