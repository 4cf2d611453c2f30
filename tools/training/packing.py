"""Recordings as one array of frames, for training: class folders, gesture sessions, or drawn sessions.

What is packed from files is kept on disk (`frame_cache`), so that a second training starts at once and a set may be
larger than memory.
"""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.events import DropCause, EventBatch, Frame
from spikecut.sources import open_recording
from spikecut.sources.datasets.class_folders import LabelledRecording
from spikecut.sources.datasets.dvs_gesture import Session
from spikecut.sources.datasets.gesture_labels import GestureSpan
from spikecut.sources.datasets.segments import cut
from spikecut.sources.datasets.tonic import Transform, batch_of, whole_recording
from spikecut.sources.simulation.gestures import DrawnSession
from spikecut.tools.checks.faults import some
from spikecut.tools.training.frame_cache import Frames, kept_frames
from spikecut.tools.training.recipe import Recipe

Labels = np.ndarray[Any, np.dtype[np.int64]]


def pack_recordings(
    recordings: list[LabelledRecording], recipe: Recipe, what: str, *, transform: Transform | None = None
) -> tuple[Frames, Labels]:
    """One example a file: frames (N, T, 2, H, W) uint8, mapped from the cache, and the numbers of their classes.

    With `transform` (one of Tonic's that takes and gives events, or a `Compose` of them) each recording is read
    whole and transformed before it is counted; such frames are held in memory and not kept, since nobody can tell
    whether a transform is the same as another day. What a transform draws (Tonic's from NumPy's global generator) is
    drawn once, and is a function of the training's seed and the recording's name. What reading has cost is said on
    stderr, also where the frames were packed before.

    Raises:
        SourceError: if a recording cannot be read.
        EventError: if a transform makes something else than events.
        EnvironmentProblem: if the frames cannot be kept.
    """
    names = [recording.name for recording in recordings]
    labels = np.array([recording.label for recording in recordings], np.int64)
    binner = _binner(recipe)
    if transform is not None:
        frames = np.zeros(_shape(len(recordings), recipe), np.uint8)
        lost = []
        for recording, target in zip(seen(recordings, what), frames, strict=True):
            read = whole_recording(recording, recipe.sensor)
            with _drawing_for(recipe.training.seed, recording.name):
                events = transform(read.to_structured())
            batch = batch_of(events, recipe.sensor, str(recording.path), read.lost)
            lost.append(_fill(target, binner.bins([batch])))
        _complain(names, lost, what)
        return frames, labels
    digests = [recording.digest() for recording in recordings]
    examples = (
        _example(binner.bins(open_recording(recording.path, sensor=recipe.sensor)), recipe)
        for recording in seen(recordings, what)
    )
    return _kept(digests, examples, names, recipe, what), labels


@contextmanager
def _drawing_for(seed: int, name: str) -> Iterator[None]:
    """NumPy's global generator begins anew for one recording, and is afterwards as it was."""
    before = np.random.get_state()  # noqa: NPY002 - it is the one that Tonic draws from
    np.random.seed(int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4]))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def pack_sessions(sessions: list[Session], recipe: Recipe, what: str) -> tuple[Frames, Labels]:
    """One example a labelled gesture of recorded sessions; as `pack_recordings`."""
    labelled = [(session, span) for session in sessions for span in session.labels().spans]
    digests = [session.digest() for session in sessions]
    digests += [f"{span.label} {span.start_us} {span.end_us}" for _, span in labelled]
    binner = _binner(recipe)
    examples = (
        _example(binner.bins([batch]), recipe) for session in seen(sessions, what) for _, batch in session.clips()
    )
    frames = _kept(digests, examples, [f"{session.name}: {span.name}" for session, span in labelled], recipe, what)
    return frames, np.array([span.label for _, span in labelled], np.int64)


def pack_drawn(sessions: list[DrawnSession], recipe: Recipe, what: str) -> tuple[Frames, Labels]:
    """One example a gesture of drawn sessions; all cores draw."""
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        results = pool.map(_draw, sessions, [recipe] * len(sessions))
        return _joined(list(seen(results, what, len(sessions))), recipe)


def _draw(session: DrawnSession, recipe: Recipe) -> tuple[Frames, Labels]:
    spans = list(session.spans())
    return _clips(cut(session, spans), len(spans), recipe)


def _clips(clips: Iterable[tuple[GestureSpan, EventBatch]], n: int, recipe: Recipe) -> tuple[Frames, Labels]:
    frames = np.zeros(_shape(n, recipe), np.uint8)
    binner = _binner(recipe)
    labels = []
    for i, (span, batch) in enumerate(clips):
        _fill(frames[i], binner.bins([batch]))
        labels.append(span.label)
    return frames, np.array(labels, np.int64)


def _joined(parts: list[tuple[Frames, Labels]], recipe: Recipe) -> tuple[Frames, Labels]:
    if not parts:
        return np.zeros(_shape(0, recipe), np.uint8), np.zeros(0, np.int64)
    return np.concatenate([frames for frames, _ in parts]), np.concatenate([labels for _, labels in parts])


def _kept(
    digests: list[str], examples: Iterator[tuple[Frames, int]], names: list[str], recipe: Recipe, what: str
) -> Frames:
    made_of = {
        "recordings": digests,
        "sensor": str(recipe.sensor),
        "step_us": recipe.network.step_us,
        "downsample": recipe.downsample,
    }
    kept = kept_frames(made_of, _shape(len(names), recipe), examples)
    _complain(names, kept.lost, what)
    return kept.frames


def _complain(names: list[str], lost: Sequence[int], what: str) -> None:
    damaged = [f"{name}: {n:,}" for name, n in zip(names, lost, strict=True) if n]
    if damaged:
        print(f"{what}: events lost: {some(damaged)}", file=sys.stderr)


def _example(frames: Iterable[Frame], recipe: Recipe) -> tuple[Frames, int]:
    """The frames of one example, and how many events were lost in their time."""
    target = np.zeros(_shape(1, recipe)[1:], np.uint8)
    return target, _fill(target, frames)


def _fill(target: Frames, frames: Iterable[Frame]) -> int:
    n_lost = 0
    for frame in islice(frames, len(target)):
        target[frame.index] = frame.pixels
        n_lost += sum(loss.events for cause, loss in frame.lost.losses.items() if cause is not DropCause.special)
    return n_lost


def _binner(recipe: Recipe) -> CountBinner:
    return CountBinner(recipe.sensor, recipe.network.step_us, downsample=recipe.downsample)


def _shape(n: int, recipe: Recipe) -> tuple[int, ...]:
    size = _binner(recipe).frame_size
    return (n, recipe.horizon + recipe.spare_steps, 2, size.height, size.width)


def seen(items: Iterable[Any], what: str, n: int | None = None) -> Iterator[Any]:
    """The items as they are read, under a bar on a terminal; `n` is how many, where they do not say so."""
    total = n if n is not None else len(items)  # type: ignore[arg-type]
    return iter(track(items, f"reading {what}", total, console=Console(stderr=True), transient=True))
