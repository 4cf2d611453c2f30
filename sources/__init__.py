"""Where events come from: recorded files and drawn scenes."""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Protocol

from spikecut.pipeline.errors import EmptyRecording, UnknownFormat, UnreadableSource, UnsupportedVersion
from spikecut.pipeline.events import EventBatch, SensorSize

KNOWN = "AEDAT 2.0 (.aedat), ATIS bin (.bin), spikecut HDF5 (.h5)"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_OTHERS = {
    b"#!AER-DAT3": "AEDAT 3",
    b"#!AER-DAT4": "AEDAT 4",
    b"#!AER-DAT1": "AEDAT 1",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file",
    b"\x89PNG": "a PNG picture",
    b"Event Stream": "an event stream (.es)",
    b"% ": "a Prophesee recording (.raw or .dat)",
    b"\x93NUMPY": "a NumPy array (.npy)",
}


class Recording(Protocol):
    """A recorded file as an `EventSource`. Every pass over it reads the file anew, in bounded memory."""

    @property
    def path(self) -> Path: ...

    @property
    def format(self) -> str: ...

    @property
    def sensor(self) -> SensorSize: ...

    def __iter__(self) -> Iterator[EventBatch]: ...


def open_recording(
    path: str | PathLike[str], *, sensor: SensorSize | None = None, batch_events: int = 65_536
) -> Recording:
    """The recording in a file, whatever its format: chosen by content, then by suffix.

    `sensor` helps formats that do not name theirs (ATIS bin) and is ignored by the others. Batches
    hold about `batch_events` events.

    Raises:
        UnreadableSource: if the file is missing, a directory, or may not be read.
        EmptyRecording: if it has no bytes.
        UnknownFormat: if it is none of the known formats; the message says what it looks like.
    """
    from spikecut.sources.records import open_binary

    path = Path(path)
    if path.is_dir():
        raise UnreadableSource(path, "is a directory", hint="for a folder of recordings: spikecut replay")
    with open_binary(path) as file:
        head = file.read(64)
    if not head:
        raise EmptyRecording(path, "the file is empty (0 bytes)")
    if head.startswith(b"#!AER-DAT2"):
        from spikecut.sources.aedat2 import open_aedat2

        return open_aedat2(path, batch_events)
    if head.startswith(_HDF5):
        from spikecut.sources.hdf5 import open_hdf5

        return open_hdf5(path, sensor, batch_events)
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            kind = UnsupportedVersion if magic.startswith(b"#!AER") else UnknownFormat
            raise kind(path, f"this is {name}; spikecut reads {KNOWN}")
    if path.suffix.lower() == ".bin":
        from spikecut.sources.atis import open_atis

        return open_atis(path, sensor, batch_events)
    raise UnknownFormat(
        path,
        f"begins with {head[:8]!r}, which no known format does; spikecut reads {KNOWN}",
        hint="ATIS files have no signature: they are known by their suffix .bin",
    )
