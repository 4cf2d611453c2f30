"""Examples of any data set as one array of frames, for training.

What is packed from files is kept on disk (`frame_cache`), so that a second training starts at once and a set may be
larger than memory.
"""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError, SpikecutError, printable
from spikecut.pipeline.events import Frame
from spikecut.pipeline.filters.parsing import filters_from
from spikecut.sources.datasets.base import Example, FrameSpec, sources_of
from spikecut.sources.datasets.class_folders import LabelledRecording, example_of
from spikecut.sources.datasets.digests import digests_of
from spikecut.sources.datasets.dvs_gesture import examples_of
from spikecut.sources.datasets.frames import binner_for
from spikecut.sources.datasets.gesture_session import Session
from spikecut.sources.datasets.reading import readings
from spikecut.sources.datasets.tonic import Transform, batch_of, whole_recording
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.tools.checks.faults import some
from spikecut.tools.training.drawings import ToPack
from spikecut.tools.training.frame_cache import Frames, kept_frames
from spikecut.tools.training.recipe import Recipe

Labels = np.ndarray[Any, np.dtype[np.int64]]
_UNREADABLE = -1  # in the place of the number of lost events


def view_for(recipe: Recipe, reading: ReadOptions = DEFAULTS) -> FrameSpec:
    """The frames that a recipe trains on: its window and the spare steps behind it."""
    network = recipe.network
    return FrameSpec(
        network.input_kind,
        recipe.sensor,
        CountBinner(recipe.sensor, network.step_us, downsample=recipe.downsample).frame_size,
        network.step_us,
        recipe.horizon + recipe.spare_steps,
        downsample=recipe.downsample,
        reader=f"recipe {recipe.name!r}",
        batch_events=65_536,
        reading=reading_for(recipe, reading),
    )


def reading_for(recipe: Recipe, reading: ReadOptions = DEFAULTS) -> ReadOptions:
    """The options of reading that are given, with the fit and the filters of a recipe."""
    return replace(reading, fit=recipe.fit, filters=(*reading.filters, *filters_from(recipe.filters)))


def pack_examples(
    examples: Sequence[Example],
    recipe: Recipe,
    what: str,
    reading: ReadOptions = DEFAULTS,
    *,
    transform: Transform | None = None,
) -> tuple[Frames, Labels]:
    """Frames (N, T, C, H, W) uint8 of examples, mapped from the cache, and the numbers of their classes (N,).

    Examples that cannot be read are left out and named on stderr, as are lost events, also where the frames were
    packed before. With `transform` see `_transformed`.

    Raises:
        SpikecutError: that of the first example, if none can be read.
        EventError: if a transform makes something else than events.
        EnvironmentProblem: if the frames cannot be kept.
    """
    view = view_for(recipe, reading)
    if transform is None:
        made_of = {
            "recordings": [*digests_of(sources_of(examples)), *(one.span for one in examples if one.span)],
            "sensor": str(view.sensor),
            "step_us": view.step_us,
            "downsample": view.downsample,
            **({"reading": text} if (text := view.reading.given) else {}),
        }
        kept = kept_frames(made_of, (len(examples), *view.distinct), _packed(examples, view, what))
        frames, lost = kept.frames, list(kept.lost)
    else:
        frames, lost = _transformed(examples, recipe, view, what, transform)
    _complain(examples, lost, what)
    labels = np.array([example.label for example in examples], np.int64)
    readable = np.flatnonzero(np.array(lost, np.int64) != _UNREADABLE)
    return (frames, labels) if len(readable) == len(labels) else (frames[readable], labels[readable])


def pack_recordings(
    recordings: Sequence[LabelledRecording], recipe: Recipe, what: str, *, transform: Transform | None = None
) -> tuple[Frames, Labels]:
    """Recordings of class folders with their own labels; see `pack_examples`."""
    return pack_examples([example_of(one, one.label) for one in recordings], recipe, what, transform=transform)


def pack_sessions(sessions: Sequence[Session], recipe: Recipe, what: str) -> tuple[Frames, Labels]:
    """The gestures of sessions of DVS128 Gesture with their own labels; see `pack_examples`."""
    return pack_examples(examples_of(sessions), recipe, what)


def pack_drawn(sessions: Sequence[ToPack], recipe: Recipe, what: str) -> tuple[Frames, Labels]:
    """One example a span of drawn sessions, not cached; all cores draw."""
    view = view_for(recipe)
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        results = list(reading(pool.map(_draw, sessions, [view] * len(sessions)), what, len(sessions)))
    frames = [np.zeros((0, *view.distinct), np.uint8), *(drawn for drawn, _ in results)]
    return np.concatenate(frames), np.concatenate([np.zeros(0, np.int64), *(labels for _, labels in results)])


def _draw(session: ToPack, view: FrameSpec) -> tuple[Frames, Labels]:
    labels = np.array([span.label for span in session.spans()], np.int64)
    frames = np.zeros((len(labels), *view.distinct), np.uint8)
    for target, stream in zip(frames, session.streams(view), strict=True):
        _fill(target, stream)
    return frames, labels


def _packed(examples: Sequence[Example], view: FrameSpec, what: str) -> Iterator[tuple[Frames, int]]:
    """The frames of every example, and how many events it lost, or `_UNREADABLE`."""
    errors: list[SpikecutError] = []
    for fate, frames in reading(readings(examples, view), what, len(examples)):
        target = np.zeros(view.distinct, np.uint8)
        n_lost = _fill(target, frames)
        if fate.error is None:
            yield target, n_lost
            continue
        errors.append(fate.error)
        if len(errors) == len(examples):
            raise fate.error
        yield np.zeros_like(target), _UNREADABLE


def _transformed(
    examples: Sequence[Example], recipe: Recipe, view: FrameSpec, what: str, transform: Transform
) -> tuple[Frames, list[int]]:
    """Each recording read whole and transformed (by one of Tonic's, or a `Compose` of them) before it is counted.

    Such frames stay in memory and are not cached, since a transform has no identity to compare. The random numbers of
    a transform (Tonic's from NumPy's global generator) are drawn once, and are a function of the training's seed and
    the recording's name.

    Raises:
        ConfigError: if several examples lie in one recording.
        SourceError: if a recording cannot be read.
    """
    if any(example.span for example in examples):
        raise ConfigError(f"recipe {recipe.name!r}: transforms are for recordings in class folders")
    frames = np.zeros((len(examples), *view.distinct), np.uint8)
    lost = []
    for example, target in zip(reading(examples, what), frames, strict=True):
        read = whole_recording(example.source, recipe.sensor, view.read_options)
        with _drawing_for(recipe.training.seed, example.name):
            events = transform(read.to_structured())
        batch = batch_of(events, recipe.sensor, str(example.source.path), read.lost, "us")
        lost.append(_fill(target, binner_for(batch.sensor, view, example.name).bins([batch])))
    return frames, lost


@contextmanager
def _drawing_for(seed: int, name: str) -> Iterator[None]:
    """Seeds NumPy's global generator for one recording, and restores its state afterwards."""
    before = np.random.get_state()  # noqa: NPY002 - it is the one that Tonic draws from
    np.random.seed(int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4]))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _complain(examples: Sequence[Example], lost: Sequence[int], what: str) -> None:
    from spikecut.models.training.distributed import leads

    if not leads():
        return
    pairs = list(zip(examples, lost, strict=True))
    if damaged := [f"{example.name}: {n:,}" for example, n in pairs if n > 0]:
        print(printable(f"{what}: events lost: {some(damaged)}"), file=sys.stderr)
    if unreadable := [example.name for example, n in pairs if n == _UNREADABLE]:
        print(printable(f"{what}: quarantined, for they cannot be read: {some(unreadable)}"), file=sys.stderr)


def _fill(target: Frames, frames: Iterable[Frame]) -> int:
    """Writes the first frames of an example; how many events were lost in their time."""
    n_lost = 0
    for frame in islice(frames, len(target)):
        target[frame.index] = frame.pixels
        n_lost += frame.lost.damage.total
    return n_lost


def reading(items: Iterable[Any], what: str, n: int | None = None) -> Iterator[Any]:
    """The items as they are read, with a progress bar on a terminal; `n` is their number, if they have no length."""
    total = n if n is not None else len(items)  # type: ignore[arg-type]
    return iter(track(items, f"reading {what}", total, console=Console(stderr=True), transient=True))
