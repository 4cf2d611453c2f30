"""What a text file says about itself before its first event: names of the columns, unit of the times, sensor.

Read are a byte-order mark, comments (`#`, `%`), a line of two numbers (width and height, as rpg_e2vid has it), and a
line of names. Known names are x, y, t, ts, time, timestamp(s), p, pol, polarity and on, in any case, with the unit of
the times behind them: `timestamp_us`, `t [ns]`, `time(s)`. Other names are columns that are skipped.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from spikecut.pipeline.clock import TimeUnit
from spikecut.pipeline.errors import ConfigError, CorruptRecording, EventError, UnknownFormat, printable
from spikecut.pipeline.events import SensorSize
from spikecut.sources.formats.base import TextLayout
from spikecut.sources.formats.reading.files import first_bytes, in_a_command

HEAD_BYTES = 1 << 16
_BOM = b"\xef\xbb\xbf"
_SHOWN, _SHOWN_LINES = 60, 3
_UNITS: dict[str, TimeUnit] = {
    **dict.fromkeys(("us", "usec", "µs", "μs", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), "ns"),
    **dict.fromkeys(("s", "sec", "second", "seconds"), "s"),
}
_UNIT = "|".join(_UNITS)
_TIME = re.compile(rf"(?:timestamps?|time|ts|t)(?:[ _.-]+({_UNIT})|[ _]*[\[(] *({_UNIT}) *[\])])?")
_OTHERS = {"x": "x", "y": "y", "p": "p", "pol": "p", "polarity": "p", "on": "p"}
_SIZE = re.compile(r"(?:sensor|geometry|resolution|size)\W{1,3}(\d{1,9})\s*[x×,; ]\s*(\d{1,9})\b", re.IGNORECASE)
_TIMES_IN = re.compile(rf"\b(?:t|times?|timestamps?) in ({_UNIT})\b", re.IGNORECASE)
_TWO_NUMBERS = re.compile(r"\s*(\d{1,9})[\s,;]+(\d{1,9})\s*")
_WORD = re.compile(r"[^\W\d][\w .()\[\]-]*")


@dataclass(frozen=True, slots=True)
class Preamble:
    """The lines before the first event: their `size` in bytes and number, and what they say (None: nothing).

    `columns` are as in `TextLayout`; `separator` is the byte between the columns, if some of them are skipped, else 0.
    """

    size: int = 0
    n_lines: int = 0
    columns: str | None = None
    time_unit: TimeUnit | None = None
    separator: int = 0
    sensor: SensorSize | None = None


def read_preamble(path: Path, columns: str | None = None) -> Preamble:
    """What stands before the first event, in the first 64 KiB.

    With `columns` given, a line of as many words of which none is a number counts as a header in another language.

    Raises:
        UnreadableSource: if the file cannot be read.
        CorruptRecording: if it names an impossible sensor.
    """
    data = first_bytes(path, HEAD_BYTES)
    preamble = Preamble(len(_BOM) if data.startswith(_BOM) else 0)
    while preamble.size < len(data):
        end = data.find(b"\n", preamble.size) + 1
        if not end and (len(data) == HEAD_BYTES or _TWO_NUMBERS.fullmatch(data[preamble.size :].decode("latin-1"))):
            break  # no size stands in a line without an end: it is an event that was cut off
        line = data[preamble.size : end or len(data)].decode(errors="replace")
        stated = _stated(path, line, preamble, columns)
        if stated is None:
            break
        preamble = replace(stated, size=end or len(data), n_lines=preamble.n_lines + 1)
    return preamble


def layout_of(path: Path, given: TextLayout | None, preamble: Preamble) -> TextLayout:
    """The layout that is given, completed by what the header says.

    Raises:
        UnknownFormat: if neither states the columns or the unit; the message shows the first lines.
        ConfigError: if they contradict one another.
    """
    columns, unit = (None, None) if given is None else (given.columns, given.time_unit)
    if columns is not None and preamble.columns is not None:
        if columns.replace("_", "") != preamble.columns.replace("_", ""):
            raise _contradiction(path, f"columns {' '.join(preamble.columns)}", f"columns {' '.join(columns)}")
        columns = preamble.columns
    if unit is not None and preamble.time_unit not in (None, unit):
        raise _contradiction(path, f"times in {preamble.time_unit}", f"times in {unit}")
    columns = columns or preamble.columns
    unit = unit or preamble.time_unit or ("us" if given is not None and given.columns else None)
    if columns is None:
        command = f"spikecut convert {in_a_command(path)} out.h5 {_likely(path)} --sensor WIDTHxHEIGHT"
        raise UnknownFormat(
            path,
            f"this is text whose header names no columns x, y, t and p; it begins with {_first_lines(path)}",
            hint=f"if a line is an event, give the order of its numbers, such as {command}",
        )
    if unit is None:
        raise UnknownFormat(
            path,
            f"the header names the columns {' '.join(columns)}, but not the unit of the times; the file begins with "
            f"{_first_lines(path)}",
            hint="give it: --time-unit us, ms, s or ns; or name the column, such as t_us",
        )
    return TextLayout(columns, unit)


def names_of(line: str) -> tuple[str, TimeUnit | None, int] | None:
    """The columns that a header line names, the unit of its times, and its separator; None if it is none.

    >>> names_of(",x,y,polarity,timestamp_ns")
    ('_xypt', 'ns', 44)
    """
    cells, separator = _cells(line)
    columns, unit = "", None
    for cell in cells:
        if time := _TIME.fullmatch(cell):
            columns, unit = columns + "t", _UNITS.get(time[1] or time[2] or "")
        else:
            columns += _OTHERS.get(cell, "_")
    if sorted(columns.replace("_", "")) != sorted("xytp"):
        return None
    return columns, unit, separator if "_" in columns else 0


def _stated(path: Path, line: str, before: Preamble, columns: str | None) -> Preamble | None:
    """What one line adds to what is known; None if it may be an event."""
    text = line.strip()
    comment = text.startswith(("#", "%"))
    if comment or not text:
        size, unit = _SIZE.search(text), _TIMES_IN.search(text)
        stated = replace(before, sensor=_sensor(path, size, before) if size else before.sensor)
        stated = replace(stated, time_unit=_UNITS[unit[1].lower()] if unit else stated.time_unit)
        names = names_of(text.lstrip("#% ")) if comment else None
        return _with_names(stated, names) if names else stated
    if size := _TWO_NUMBERS.fullmatch(text):
        return replace(before, sensor=_sensor(path, size, before)) if before.sensor is None else None
    if names := names_of(text):
        return _with_names(before, names)
    cells, _ = _cells(text)
    foreign = columns is not None and len(cells) == len(columns) and all(map(_WORD.fullmatch, cells))
    return before if foreign and before.n_lines < _SHOWN else None


def _with_names(before: Preamble, names: tuple[str, TimeUnit | None, int]) -> Preamble:
    columns, unit, separator = names
    return replace(before, columns=columns, time_unit=unit or before.time_unit, separator=separator)


def _cells(line: str) -> tuple[list[str], int]:
    """The cells of a line in small letters without quotes, and the byte that parts them (0: blanks)."""
    text = line.strip("\r\n").lower()
    for mark in (",", ";", "\t"):
        if mark in text:
            return [cell.strip(" \"'") for cell in text.split(mark)], ord(mark)
    return [cell.strip("\"'") for cell in re.sub(r"\s+(?=[\[(])", "", text).split()], 0


def _sensor(path: Path, size: re.Match[str], before: Preamble) -> SensorSize:
    try:
        return SensorSize(int(size[1]), int(size[2]))
    except EventError as error:
        raise CorruptRecording(
            path, f"line {before.n_lines + 1}: {error}", offset=before.size, hint="correct the line, or remove it"
        ) from error


def _first_lines(path: Path) -> str:
    """The first lines of a file as they may be shown."""
    lines = first_bytes(path, 4_096).decode(errors="replace").lstrip("\ufeff").splitlines()[:_SHOWN_LINES]
    return " / ".join(repr(line[:_SHOWN] + "…" if len(line) > _SHOWN else line) for line in lines)


def _likely(path: Path) -> str:
    """The flags that would fit the first line of numbers: a fraction is a time in seconds, no pixel is beyond 65535."""
    for line in first_bytes(path, 4_096).decode(errors="replace").splitlines():
        words = re.split(r"[\s,;]+", line.strip())
        if len(words) == 4 and all(re.fullmatch(r"-?\d+(\.\d+)?", word) for word in words):
            times_first = "." in words[0] or ("." not in words[2] and float(words[0]) > 65_535)
            unit = "s" if "." in words[0] + words[2] else "us"
            return f"--columns {'txyp' if times_first else 'xytp'} --time-unit {unit}"
    return "--columns xytp --time-unit us"


def _contradiction(path: Path, header: str, given: str) -> ConfigError:
    return ConfigError(
        f"{printable(str(path))}: the header says {header}, given are {given}",
        hint="leave out what the header says; or correct the header, if it is wrong",
    )
