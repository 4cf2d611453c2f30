"""Recordings that a set has and its counterpart lacks a picture for: they show a picture of their class once more.

The camera's noise follows from the name of a recording, so no two are the same. Two recordings of one picture are
nearly as good as one, though. Both are in one part (train, calibration, test): which a recording is in follows from its
name, and the picture is chosen among those of that part. Within a part they are not independent: a counterpart with
repeats has the size of the set, for rehearsals, and fewer examples than recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path, PurePosixPath

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.datasets.catalog import PublishedSet
from spikecut.sources.datasets.parts import Division, part_of_recording
from spikecut.sources.simulation.simulated_datasets import Picture

REPEATED = ".repeated"  # beside the class folders: which recordings show the picture of which other


def repeats_of(pictures: Sequence[Picture], published: PublishedSet, images: Path) -> dict[Picture, Picture]:
    """For every recording of the set that is not among `pictures`: what it shows, and whose picture that is.

    Those of a class and a part take their pictures in turn, in the order of the recordings' names.

    Raises:
        ConfigError: if the set is divided by folders, or no picture of a class is in the part of a missing recording.
    """
    if set(published.counts) != {None}:
        raise ConfigError(f"counterparts of {published.name} are not completed", hint="leave --complete out")
    present = {picture.recording for picture in pictures}
    by_part: dict[tuple[str, Division], list[Picture]] = {}
    for picture in sorted(pictures, key=lambda one: one.recording):
        part = part_of_recording(str(picture.recording))
        by_part.setdefault((picture.recording.parent.name, part), []).append(picture)
    turns = {group: cycle(members) for group, members in by_part.items()}
    repeated: dict[Picture, Picture] = {}
    for class_name in published.counts[None]:
        for number in published.numbers(None, class_name):
            recording = PurePosixPath(class_name, published.file_name(class_name, number))
            if recording in present:
                continue
            group = class_name, part_of_recording(str(recording))
            if group not in turns:
                raise ConfigError(
                    f"{images}: {published.name} has {recording}, and there is no picture of {class_name} in the "
                    f"{group[1]} part to repeat for it",
                    hint="leave --complete out, or give more pictures",
                )
            original = next(turns[group])
            repeated[replace(original, recording=recording)] = original
    return repeated


def text_of(repeated: Mapping[Picture, Picture]) -> str:
    """A line for each: the recording, a tabulator, and the recording made from the same picture."""
    return "".join(f"{repeat.recording}\t{original.recording}\n" for repeat, original in repeated.items())
