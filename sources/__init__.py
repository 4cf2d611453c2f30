"""Where events come from: recorded files and drawn scenes."""

from os import PathLike
from pathlib import Path

from spikecut.pipeline.errors import ConfigError, EmptyRecording, UnknownFormat, UnreadableSource
from spikecut.pipeline.events import SensorSize
from spikecut.sources.formats.base import KNOWN, Recording, TextLayout

_HDF5 = b"\x89HDF\r\n\x1a\n"
_OTHERS = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b\x08": "a gzip file",
    b"\x89PNG": "a PNG picture",
    b"Event Stream": "an event stream (.es)",
    b"% ": "a Prophesee recording (.raw or .dat)",
    b"\xff\xd8\xff": "a JPEG picture",
    b"RIFF": "a RIFF file (WAV or WebP)",
    b"%PDF": "a PDF document",
}


def is_video(head: bytes) -> bool:
    """Whether a file that begins so is a video: MP4 or QuickTime, AVI, Matroska or WebM."""
    return head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"AVI ") or head[:4] == b"\x1aE\xdf\xa3"


def open_recording(
    path: str | PathLike[str],
    *,
    sensor: SensorSize | None = None,
    batch_events: int = 65_536,
    text: TextLayout | None = None,
) -> Recording:
    """The recording in a file, whatever its format: chosen by content, then by suffix.

    `sensor` helps formats that do not name theirs (ATIS bin, text), is what a video (MP4, AVI, Matroska, WebM) is
    shown to before a simulated DVS, and is ignored by the others. `text` is how lines of numbers are to be read,
    should it be text. Batches hold about `batch_events` events.
    Damage does not stop the reading: what is whole is delivered, and the rest is counted by cause in the
    batches' `lost`.

    Raises:
        UnreadableSource: if the file is missing, a directory, or may not be read.
        EmptyRecording: if it has no bytes.
        UnknownFormat: if it is none of the known formats; the message says what it looks like.
        UnsupportedVersion, CorruptRecording, LimitExceeded: as the reader of its format says.
        ConfigError: if the sensor is not known and cannot be inferred, or a batch would hold no events.
    """
    from spikecut.sources.formats.fixed_records import first_bytes

    if batch_events < 1:
        raise ConfigError(f"batches of {batch_events} events; there must be at least 1")
    path = Path(path)
    if path.is_dir():
        raise UnreadableSource(path, "is a directory", hint="for a folder of recordings: spikecut replay")
    head = first_bytes(path, 64)
    if not head:
        raise EmptyRecording(path, "the file is empty (0 bytes)")
    if head.startswith(_HDF5):
        from spikecut.sources.formats.hdf5 import open_hdf5

        return open_hdf5(path, sensor, batch_events)
    if is_video(head):
        from spikecut.sources.simulation.video import open_video

        return open_video(path, sensor)
    for magic, name in _OTHERS.items():
        if head.startswith(magic) and (magic != b"% " or head[2:3].isalpha()):  # an ATIS event at (37, 32) begins so
            hint = "a network made for pictures looks at it: --model NETWORK" if "picture" in name else None
            raise UnknownFormat(path, f"this is {name}; spikecut reads {KNOWN}", hint=hint)
    if head.startswith(b"\x93NUMPY"):
        from spikecut.sources.formats.tonic_npy import open_tonic_npy

        return open_tonic_npy(path, batch_events)
    if head.startswith(b"#!AER-DAT3"):
        from spikecut.sources.formats.aedat3 import open_aedat3

        return open_aedat3(path, sensor)
    if head.startswith(b"#!AER-DAT"):
        from spikecut.sources.formats.aedat2 import open_aedat2

        return open_aedat2(path, batch_events)
    if path.suffix.lower() == ".bin":
        from spikecut.sources.formats.atis import open_atis

        return open_atis(path, sensor, batch_events)
    if text is not None and 0 not in head:
        from spikecut.sources.formats.text import open_text

        return open_text(path, sensor, text, batch_events)
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head):
        found, columns = "this is text", f"spikecut convert {path} out.h5 --columns xytp --sensor WIDTHxHEIGHT"
        hint = f"if a line is an event, say what its numbers are: {columns}; ATIS files are known by their suffix .bin"
    else:
        found = f"begins with {head[:8]!r}, which no known format does"
        hint = "ATIS files have no signature: they are known by their suffix .bin"
    raise UnknownFormat(path, f"{found}; spikecut reads {KNOWN}", hint=hint)
