"""The text header of Prophesee files: lines that begin with `% `, up to `% end` or the first line that does not.

Nothing here loads NumPy: the signatures of the format table use it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

HEADER_LIMIT = 1 << 16
_LINE_LIMIT = 4_096
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_EVT = {"2": "evt2", "2.0": "evt2", "2.1": "evt21", "3": "evt3", "3.0": "evt3"}
_FORMAT = {"EVT2": "evt2", "EVT21": "evt21", "EVT2.1": "evt21", "EVT3": "evt3"}
_DAT_FIELDS = {"version", "data"}


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a header by their lower-case names, and the byte after it (None if the header has no end)."""

    fields: Mapping[str, str]
    end: int | None

    @property
    def encoding(self) -> str | None:
        """The name in `FORMATS` of the encoding that the header states, `evt ...` for an unknown one, else None."""
        name, *_ = self.fields.get("format", "").split(";")
        if name.upper().startswith("EVT"):
            return _FORMAT.get(name.upper(), f"evt {name[3:]}")
        if version := self.fields.get("evt"):
            return _EVT.get(version, f"evt {version}")
        return "dat" if _DAT_FIELDS & self.fields.keys() else None

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Width and height of the sensor, if the header states them and they are possible."""
        options = dict(part.split("=", 1) for part in self.fields.get("format", "").lower().split(";") if "=" in part)
        geometry = self.fields.get("geometry", "").lower().partition("x")
        for width, height in (
            (options.get("width"), options.get("height")),
            (geometry[0], geometry[2]),
            (self.fields.get("width"), self.fields.get("height")),
        ):
            size = _number(width), _number(height)
            if all(0 < side <= 1 << 16 for side in size):
                return size
        return None

    @property
    def endianness(self) -> str | None:
        """The order of the halves of EVT2.1 words, `legacy` or `little`, if it is stated."""
        match = re.search(r"endianness=(\w+)", self.fields.get("format", "").lower())
        return match.group(1) if match else self.fields.get("endianness", "").lower() or None


def parse_header(head: bytes) -> Header | None:
    """The header at the beginning of a file's first bytes (64 kB), or None if there is none.

    Lines may end with LF or CRLF. Bytes above 127 are allowed, control characters are not: with them the events begin.
    """
    fields: dict[str, str] = {}
    at = 0
    while head[at : at + 2] == b"% ":
        line_end = head.find(b"\n", at, at + _LINE_LIMIT)
        line = head[at : line_end if line_end >= 0 else at + _LINE_LIMIT]
        if _CONTROL.search(line):
            break
        if line_end < 0:
            return Header(fields, None) if len(line) == _LINE_LIMIT or at else None
        key, _, value = line[2:].decode("utf-8", "replace").strip().partition(" ")
        at = line_end + 1
        if key.lower() == "end":
            return Header(fields, at)
        fields[key.lower()] = value.strip()
    return Header(fields, at if at < HEADER_LIMIT else None) if at else None


def prophesee_encoding(head: bytes) -> str | None:
    """What the first bytes of a Prophesee file are: `evt2`, `evt21`, `evt3`, `dat`, `evt ...` (unknown), else None.

    A header that states no encoding is `evt ?`, unless a DAT file follows it: the type and size of its records.

    >>> prophesee_encoding(b"% evt 3.0" + bytes([10, 1, 2]))
    'evt3'
    """
    header = parse_header(head)
    if header is None:
        return None
    if header.encoding is None and header.end is not None:
        return "dat" if head[header.end : header.end + 2] in (b"\x00\x08", b"\x0c\x08") else "evt ?"
    return header.encoding


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 7 else 0
