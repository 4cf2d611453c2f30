"""The header of an AEDAT4 file: where its packets begin, and which streams they belong to."""

import xml.parsers.expat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from spikecut.pipeline.errors import CorruptRecording, UnsupportedVersion
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, SensorSize
from spikecut.sources.formats.aedat4.flatbuffers import PREFIX, field_at, root_of, vector_at
from spikecut.sources.formats.reading.files import first_bytes

MAGIC = b"#!AER-DAT4."
VERSION_LINE = b"#!AER-DAT4.0\r\n"
HEADER_LIMIT = 1 << 24
_DEPTH, _ELEMENTS, _TEXT = 64, 100_000, 1_000
_BEGIN, _END = b"<dv", b"</dv>"
_PADDING = 16  # at most so many bytes follow the text


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of packets: its number, the type of its packets (EVTS are events), its camera and its sensor."""

    number: int
    identifier: str
    source: str = ""
    sensor: SensorSize | None = None

    def __str__(self) -> str:
        return f"{self.number} ({self.source or 'no name'}{f', {self.sensor}' if self.sensor else ''})"


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the packets. `table_at` is the byte of the table at the end, where the header names one."""

    begin: int
    streams: tuple[Stream, ...]
    table_at: int | None = None
    lost: DropCounts = NOTHING_LOST

    @property
    def cameras(self) -> tuple[Stream, ...]:
        """The streams of events."""
        return tuple(stream for stream in self.streams if stream.identifier == "EVTS")


def read_header(path: Path) -> Header:
    """The header of an AEDAT4 file. What is damaged in it is passed over if the names of the streams are there.

    Raises:
        UnsupportedVersion: if it is AEDAT 4.1 or higher.
        CorruptRecording: if it does not describe its streams within 16 MiB.
    """
    start = first_bytes(path, len(VERSION_LINE) + PREFIX)
    version = start[len(MAGIC) - 2 : len(VERSION_LINE) - 2].decode("latin-1")
    if version != "4.0":
        raise UnsupportedVersion(path, f"AEDAT {version}; spikecut reads AEDAT 2.0, 3.1 and 4.0")
    size = int.from_bytes(start[len(VERSION_LINE) :], "little")
    begin = len(start) + size
    data = first_bytes(path, begin if size <= HEADER_LIMIT else HEADER_LIMIT)
    whole = size <= HEADER_LIMIT and len(data) == begin
    text_at, text_end, table_at = (_declared(data[len(VERSION_LINE) :]) if whole else None) or (0, 0, None)
    sound = whole and text_end and 0 <= begin - len(VERSION_LINE) - text_end <= _PADDING
    if not sound:
        data = first_bytes(path, HEADER_LIMIT)
        text_at, text_end = data.find(_BEGIN), data.find(_END) + len(_END)
        if not 0 <= text_at < text_end:
            raise CorruptRecording(path, "the header does not describe its streams (<dv> to </dv>)", offset=14)
        begin = text_end  # the reader passes over the padding
        text_at, text_end = text_at - len(VERSION_LINE), text_end - len(VERSION_LINE)
    streams, n_read = _streams(data[len(VERSION_LINE) + text_at : len(VERSION_LINE) + text_end])
    lost = NOTHING_LOST
    if not sound or n_read < text_end - text_at:
        lost = DropCounts.of(DropCause.unreadable, 0, max(1, text_end - text_at - n_read), 14 + text_at + n_read)
    return Header(begin, streams, table_at, lost)


def _declared(data: bytes) -> tuple[int, int, int | None] | None:
    """Begin and end of the text in the header's buffer, and the byte of the table; None if the buffer is damaged."""
    root = root_of(data, b"IOHE")
    text = None if root is None else vector_at(data, root, 2)
    if root is None or text is None or text[0] + text[1] > len(data):
        return None
    table = field_at(data, root, 1, 8)
    at = 0 if table is None else int.from_bytes(data[table : table + 8], "little", signed=True)
    return text[0], text[0] + text[1], at if at > 0 else None


class _Stop(Exception):
    """The text is no description of streams."""


@dataclass(slots=True)
class _Tree:
    """What the text says of its streams, as far as it was read: nodes outInfo/N, with attributes in them."""

    streams: dict[int, dict[str, str]] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    key: str = ""
    text: str = ""
    n_elements: int = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.n_elements += 1
        if len(self.path) >= _DEPTH or self.n_elements > _ELEMENTS:
            raise _Stop
        self.path.append(attributes.get("name", "") if name == "node" else name)
        self.key, self.text = attributes.get("key", ""), ""

    def characters(self, text: str) -> None:
        self.text = (self.text + text)[:_TEXT]

    def end(self, name: str) -> None:
        self.path.pop()
        number = next((n for place, n in zip(self.path, self.path[1:], strict=False) if place == "outInfo"), "")
        if name == "attr" and number.isascii() and number.isdigit() and len(number) < 10:
            self.streams.setdefault(int(number), {}).setdefault(self.key, self.text.strip())

    def doctype(self, *_: object) -> None:
        raise _Stop


def _streams(text: bytes) -> tuple[tuple[Stream, ...], int]:
    """The streams that a text describes, and how many of its bytes were read before damage. No entities are used."""
    tree, parser = _Tree(), xml.parsers.expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = tree.start, tree.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = tree.characters, tree.doctype
    n_read = len(text)
    try:
        parser.Parse(text.decode("utf-8", "replace"), True)
    except (xml.parsers.expat.ExpatError, _Stop):
        n_read = min(max(0, parser.CurrentByteIndex), max(0, len(text) - 1))
    return tuple(_stream(number, of) for number, of in sorted(tree.streams.items())), n_read


def _stream(number: int, attributes: dict[str, str]) -> Stream:
    return Stream(
        number,
        attributes.get("typeIdentifier", ""),
        attributes.get("source", ""),
        _sensor(attributes.get(key, "") for key in ("sizeX", "sizeY")),
    )


def _sensor(sizes: Iterable[str]) -> SensorSize | None:
    numbers = [int(size) if size.isascii() and size.isdigit() and len(size) < 6 else 0 for size in sizes]
    return SensorSize(*numbers) if all(0 < number <= 1 << 15 for number in numbers) else None
