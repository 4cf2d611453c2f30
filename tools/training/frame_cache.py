"""Packed frames on disk: a cache keyed by the content they were made from, mapped into memory instead of loaded.

The name of a file is the SHA-256 of the content of all recordings and of every number that shapes frames, so that
neither a changed recording nor another bin width ever meets old frames. A file is read once when it is opened, and
made anew if its own SHA-256 does not agree. The folder is `$SPIKECUT_CACHE`, `$XDG_CACHE_HOME/spikecut` or
`~/.cache/spikecut`, the first that is set; its files may be removed at any time.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.files.atomic_files import claimed, new_file, write_text

VERSION = 1  # one more whenever the same recording gives other frames; tests/test_frame_cache.py notices
Frames = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True, eq=False)
class KeptFrames:
    """Frames (N, T, C, H, W), and how many events each example has lost while it was read.

    The frames are a copy-on-write map of the file: no more of them is in memory than is in use, and writing to
    them does not change the file.
    """

    frames: Frames
    lost: tuple[int, ...]


def cache_folder() -> Path:
    """The folder of the cache.

    Raises:
        EnvironmentProblem: if no variable names a folder, and the user has no home.
    """
    if chosen := os.environ.get("SPIKECUT_CACHE"):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikecut"
    except RuntimeError as error:
        raise EnvironmentProblem(
            "this user has no home folder to keep frames in", hint="set SPIKECUT_CACHE to a folder"
        ) from error


def kept_frames(
    made_of: Mapping[str, Any], shape: tuple[int, ...], examples: Iterable[tuple[Frames, int]]
) -> KeptFrames:
    """Frames that were packed before are opened; others are packed, one example after the other, and kept.

    `made_of` holds all that the frames depend on, as JSON can say it; `examples` are as many frames (T, C, H, W)
    uint8 as `shape` (N, T, C, H, W) has, each with the number of events it has lost; they are only iterated where
    the cache has no file. However many there are, no more than one is in memory.

    Raises:
        EnvironmentProblem: if the cache cannot be written.
    """
    text = json.dumps({"version": VERSION, "shape": shape, **made_of}, sort_keys=True)
    path = cache_folder() / "frames" / f"{hashlib.sha256(text.encode()).hexdigest()}.npy"
    if not shape[0]:
        return KeptFrames(np.zeros(shape, np.uint8), ())
    try:
        with claimed(path.with_suffix(""), wait=True):  # of two trainings on the same data one packs
            if (kept := _opened(path, shape)) is not None:
                return kept
            lost, digest = _written(path, shape, examples)
            about = json.dumps({"sha256": digest, "lost": lost})
            write_text(path.with_suffix(".json"), about, overwrite=True)
    except EnvironmentProblem as error:
        raise EnvironmentProblem(
            f"{path.parent}: frames cannot be kept here: {error}", hint="SPIKECUT_CACHE=FOLDER names another place"
        ) from error
    return KeptFrames(np.load(path, mmap_mode="c"), tuple(lost))


def _opened(path: Path, shape: tuple[int, ...]) -> KeptFrames | None:
    """The frames in the cache, if the file is complete."""
    try:
        about = json.loads(path.with_suffix(".json").read_bytes())
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != about["sha256"]:
                return None
        frames = np.load(path, mmap_mode="c")
        lost = tuple(int(n) for n in about["lost"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return KeptFrames(frames, lost) if frames.shape == shape and len(lost) == len(frames) else None


def _written(path: Path, shape: tuple[int, ...], examples: Iterable[tuple[Frames, int]]) -> tuple[list[int], str]:
    """Writes the array one example at a time, whole or not at all; what each has lost, and the file's SHA-256.

    Not through a map: where a disk is full, that ends the process instead of raising an error.
    """
    header = io.BytesIO()
    npy.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    digest, lost = hashlib.sha256(header.getvalue()), []
    with new_file(path, overwrite=True) as partial, partial.open("wb") as file:
        file.write(header.getvalue())
        for frames, n_lost in examples:
            data = frames.tobytes()
            digest.update(data)
            file.write(data)
            lost.append(n_lost)
    return lost, digest.hexdigest()
