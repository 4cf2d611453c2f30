"""What a training on pictures is made of: a set of them, divided, fitted to the network, packed as still frames."""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import ConfigError, SpikecutError, printable
from spikecut.pipeline.events import SensorSize
from spikecut.sources.datasets.digests import digests_of
from spikecut.sources.datasets.images.image_sets import LabelledPicture, PictureSet, fitted, resized_notes
from spikecut.sources.datasets.images.open_images import open_pictures
from spikecut.tools.checks.faults import some
from spikecut.tools.training.frame_cache import Frames, kept_frames
from spikecut.tools.training.packing import Labels, seen
from spikecut.tools.training.recipe import Recipe

WATCHED = 50  # one picture of so many shows progress, and trains nothing


def picture_parts(
    data: Path, recipe: Recipe
) -> tuple[PictureSet, tuple[Frames, Labels], tuple[Frames, Labels], "partial[tuple[Frames, Labels]]"]:
    """The set, and its frames and labels to fit, to watch, and, when asked for, to test on.

    Raises:
        ConfigError: if what trains does not fill one batch.
    """
    found = open_pictures(data)
    kept = found.of("train")
    used = [picture for i, picture in enumerate(kept) if i % WATCHED]
    if len(used) < (batch := recipe.training.batch_size):
        raise ConfigError(
            f"{data}: {len(kept)} pictures in its train part, of which {len(kept) - len(used)} are watched; the other "
            f"{len(used)} do not fill one batch of {batch}",
            hint="a smaller batch_size, or more pictures",
        )
    for note in (*found.notes, *resized_notes(kept, recipe.sensor)):
        print(printable(f"note: {note}"), file=sys.stderr)
    fit = pack_pictures(used, recipe.sensor, "train")
    watch = pack_pictures(kept[::WATCHED], recipe.sensor, "watch")
    return found, fit, watch, partial(pack_pictures, found.of("test"), recipe.sensor, "test")


def pack_pictures(pictures: Sequence[LabelledPicture], size: SensorSize, what: str) -> tuple[Frames, Labels]:
    """Pictures as still frames (N, 1, 3, H, W) uint8, mapped from the cache, and the numbers of their classes.

    Those that cannot be read are left out, and said to be on stderr.

    Raises:
        EnvironmentProblem: if the frames cannot be kept.
    """

    def examples() -> Iterator[tuple[Frames, int]]:
        for picture in seen(pictures, what):
            try:
                yield fitted(picture.pixels(), size)[None], 0
            except SpikecutError:
                yield np.zeros((1, 3, size.height, size.width), np.uint8), 1

    made_of = {"pictures": digests_of(pictures), "size": str(size)}
    kept = kept_frames(made_of, (len(pictures), 1, 3, size.height, size.width), examples())
    labels = np.array([picture.label for picture in pictures], np.int64)
    if not any(kept.lost):
        return kept.frames, labels
    unreadable = [picture.name for picture, lost in zip(pictures, kept.lost, strict=True) if lost]
    print(f"{what}: quarantined, for they cannot be read: {some(unreadable)}", file=sys.stderr)
    readable = np.flatnonzero(np.array(kept.lost) == 0)
    return kept.frames[readable], labels[readable]
