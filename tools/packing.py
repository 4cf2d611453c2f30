"""Recordings as one array of frames, for training: class folders, gesture sessions, or drawn sessions."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.events import EventBatch, Frame
from spikecut.sources import open_recording
from spikecut.sources.clips import cut
from spikecut.sources.datasets import LabelledRecording
from spikecut.sources.gesture_labels import GestureSpan
from spikecut.sources.gesture_set import Session
from spikecut.sources.gestures import DrawnSession
from spikecut.tools.recipes import Recipe

Frames = np.ndarray[Any, np.dtype[np.uint8]]  # (N, T, 2, H, W)
Labels = np.ndarray[Any, np.dtype[np.int64]]


def pack_recordings(recordings: list[LabelledRecording], recipe: Recipe, what: str) -> tuple[Frames, Labels]:
    """One example a file."""
    frames = np.zeros(_shape(len(recordings), recipe), np.uint8)
    binner = _binner(recipe)
    for i, recording in enumerate(_seen(recordings, what)):
        _fill(frames[i], binner.bins(open_recording(recording.path, sensor=recipe.sensor)))
    return frames, np.array([recording.label for recording in recordings], np.int64)


def pack_sessions(sessions: list[Session], recipe: Recipe, what: str) -> tuple[Frames, Labels]:
    """One example a labelled gesture of recorded sessions."""
    parts = [_clips(session.clips(), len(session.labels().spans), recipe) for session in _seen(sessions, what)]
    return _joined(parts, recipe)


def pack_drawn(sessions: list[DrawnSession], recipe: Recipe, what: str) -> tuple[Frames, Labels]:
    """One example a gesture of drawn sessions; all cores draw."""
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        results = pool.map(_draw, sessions, [recipe] * len(sessions))
        return _joined(list(_seen(results, what, len(sessions))), recipe)


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


def _fill(target: Frames, frames: Iterable[Frame]) -> None:
    for frame in islice(frames, len(target)):
        target[frame.index] = frame.pixels


def _binner(recipe: Recipe) -> CountBinner:
    return CountBinner(recipe.sensor, recipe.spec.step_us, downsample=recipe.downsample)


def _shape(n: int, recipe: Recipe) -> tuple[int, ...]:
    size = _binner(recipe).frame_size
    return (n, recipe.horizon + recipe.spare_steps, 2, size.height, size.width)


def _seen(items: Iterable[Any], what: str, n: int | None = None) -> Iterator[Any]:
    total = n if n is not None else len(items)  # type: ignore[arg-type]
    return iter(track(items, f"reading {what}", total, console=Console(stderr=True), transient=True))
