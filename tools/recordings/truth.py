"""Where simulated events come from, beside the recording: signal, or one of three kinds of noise, one byte an event."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch
from spikecut.sources.simulation.pixel import EventKind


@runtime_checkable
class Labelled(Protocol):
    """A simulated recording that knows the `EventKind` of every event."""

    def labelled(self) -> Iterator[tuple[EventBatch, UInt8[ndarray, " N"]]]: ...


class Truth:
    """Collects the kinds of the events while their batches pass, on the disk."""

    def __init__(self) -> None:
        self.counts = np.zeros(len(EventKind), np.int64)
        self._bytes = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)

    def __enter__(self) -> "Truth":
        return self

    def __exit__(self, *error: object) -> None:
        self._bytes.close()

    def watch(self, recording: object) -> Iterator[EventBatch]:
        """The batches of a recording, in its order.

        Raises:
            ConfigError: if it is none of simulated events.
        """
        if not isinstance(recording, Labelled):
            raise ConfigError("--truth is known of simulated events only: of videos and folders of pictures")
        for batch, kinds in recording.labelled():
            self._bytes.write(kinds.tobytes())
            self.counts += np.bincount(kinds, minlength=len(EventKind))
            yield batch

    @property
    def n_signal(self) -> int:
        return int(self.counts[EventKind.signal])

    @property
    def n_noise(self) -> int:
        return int(self.counts.sum()) - self.n_signal

    def write(self, path: Path) -> None:
        """Writes the column `kind` as `.npy`, or with the names of the kinds as `.npz`."""
        if path.suffix == ".npy":
            with path.open("wb") as file:
                self._write_column(file)
            return
        with zipfile.ZipFile(path, "w") as archive:
            with archive.open("kind.npy", "w", force_zip64=True) as member:
                self._write_column(member)  # type: ignore[arg-type]
            with archive.open("names.npy", "w") as member:
                np.lib.format.write_array(member, np.array([kind.name for kind in EventKind]))

    def _write_column(self, file: BinaryIO) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (int(self.counts.sum()),)}
        np.lib.format.write_array_header_1_0(file, header)
        self._bytes.seek(0)
        shutil.copyfileobj(self._bytes, file)


def refuse_other_suffixes(path: Path) -> None:
    """Refuses a name of a file that is not written.

    Raises:
        ConfigError: if the suffix is neither .npy nor .npz.
    """
    if path.suffix not in (".npy", ".npz"):
        raise ConfigError(f"--truth {path}: written are .npy and .npz")
