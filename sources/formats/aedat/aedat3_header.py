"""The header of an AEDAT 3.1 file: lines of text, ended by CR LF or LF, that name the cameras."""

import re
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.errors import CorruptRecording, UnsupportedVersion
from spikecut.pipeline.events import SensorSize
from spikecut.sources.formats.aedat.cameras import sensor_of
from spikecut.sources.formats.reading.files import first_bytes

HEADER_LIMIT = 1 << 20
_END = re.compile(rb"#!END-HEADER[^\n]{0,8}\n")
_SOURCE = re.compile(r"^#\s*Source (\d{1,5}):\s*(.{0,200})", re.MULTILINE)
_SENSOR = re.compile(r"^#Sensor (\d{1,5}): (\d{1,5})x(\d{1,5})\s*$", re.MULTILINE)
_FORMAT = re.compile(r"^#Format:(.{0,200})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera of a file: the number of its packets, its name and its sensor where that is known."""

    number: int
    name: str = ""
    sensor: SensorSize | None = None

    def __str__(self) -> str:
        return f"{self.number} ({self.name or 'no name'}{f', {self.sensor}' if self.sensor else ''})"


@dataclass(frozen=True, slots=True)
class Header:
    """Where the packets begin, which cameras the lines name, and a sensor that is named elsewhere in them."""

    begin: int
    cameras: tuple[Camera, ...]
    sensor: SensorSize | None


def read_header(path: Path) -> Header:
    """The header of an AEDAT 3.1 file.

    Raises:
        UnsupportedVersion: if it is AEDAT 3.0, or not raw.
        CorruptRecording: if it has no end within 1 MiB.
    """
    head = first_bytes(path, HEADER_LIMIT)
    version = head[9:16].split(b"\r")[0].split(b"\n")[0].decode("latin-1")
    if not version.startswith("3.1"):
        raise UnsupportedVersion(path, f"AEDAT {version}; spikecut reads AEDAT 2.0, 3.1 and 4.0")
    end = _END.search(head)
    if end is None:
        raise CorruptRecording(path, "the header has no #!END-HEADER line", offset=len(head))
    text = head[: end.start()].decode("latin-1").replace("\r", "\n")
    form = _FORMAT.search(text)
    if form is not None and form[1].strip() != "RAW":
        raise UnsupportedVersion(path, f"AEDAT 3.1 in the format {form[1].strip()}; spikecut reads RAW")
    sizes = {int(one[1]): _size(int(one[2]), int(one[3])) for one in _SENSOR.finditer(text)}
    names = {int(one[1]): one[2].strip() for one in reversed(list(_SOURCE.finditer(text)))}
    cameras = tuple(
        Camera(number, name, sizes.get(number) or sensor_of(name)) for number, name in sorted(names.items())
    )
    return Header(end.end(), cameras, sensor_of(text))


def _size(width: int, height: int) -> SensorSize | None:
    return SensorSize(width, height) if 0 < width <= 1 << 15 and 0 < height <= 1 << 15 else None
