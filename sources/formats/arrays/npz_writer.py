"""Writing `.npz`: an archive of the columns t, x, y and p."""

import contextlib
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.arrays.npy_files import array_head

COLUMNS = {"t": "<i8", "x": "<u2", "y": "<u2", "p": "|u1"}


def write_npz(path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
    """Writes columns t, x, y and p with `width` and `height`; returns how many events.

    Columns are collected in files without a name beside the target, so that memory stays bounded.
    """
    with contextlib.ExitStack() as stack:
        files: dict[str, BinaryIO] = {
            name: stack.enter_context(tempfile.TemporaryFile(dir=path.parent)) for name in COLUMNS
        }
        n = 0
        for batch in batches:
            for name, file in files.items():
                file.write(getattr(batch, name).astype(COLUMNS[name], copy=False).tobytes())
            n += len(batch)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, file in files.items():
                file.seek(0)
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    member.write(array_head(np.dtype(COLUMNS[name]), n))
                    while part := file.read(2**20):
                        member.write(part)
            for name, value in (("width", sensor.width), ("height", sensor.height)):
                archive.writestr(f"{name}.npy", array_head(np.dtype("<i8"), 1) + value.to_bytes(8, "little"))
    return n
