"""Sources of bytes in a file format: standard input, and a file that is still being written.

Formats that stream are read as their bytes come, in bounded memory. Others need the whole file: standard input is then
copied to a temporary file first, and a file that grows is refused.
"""

import os
import select
import stat
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, UnreadableSource
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.sources.formats import FORMATS
from spikecut.sources.formats.base import Format, ReadOptions, Recording
from spikecut.sources.formats.incoming import Incoming, Take
from spikecut.sources.formats.open import format_of, open_as
from spikecut.sources.formats.reading.files import open_binary, read_bytes
from spikecut.sources.formats.reading.known_sensors import assumed
from spikecut.sources.live.inputs.base import Wanted
from spikecut.sources.live.inputs.waiting import POLL_S, Waiting


@dataclass(frozen=True, slots=True)
class ByteSource:
    """A recording whose bytes come; `files` are open for it, and `ended` gets the reason of its end."""

    recording: Recording
    waiting: Waiting
    files: ExitStack = field(default_factory=ExitStack)
    ended: list[str] = field(default_factory=list)
    spans: None = None  # those of a file lie beside it

    def transport(self) -> Mapping[str, int] | None:
        return None

    def notes(self) -> list[str]:
        return [*self.ended, *self.waiting.notes()]

    def close(self) -> None:
        self.files.close()


def open_stdin(wanted: Wanted) -> ByteSource:
    """The recording in standard input.

    Raises:
        EnvironmentProblem: if standard input is closed, or a terminal.
        EmptyRecording, UnknownFormat: as `open_recording`.
    """
    try:
        number = sys.stdin.fileno()
        is_terminal = os.isatty(number)
    except (AttributeError, OSError, ValueError) as error:
        raise EnvironmentProblem("standard input is closed", hint="cat FILE | spikecut run -") from error
    if is_terminal:
        raise EnvironmentProblem(
            "standard input is a terminal, and events are expected from it", hint="cat FILE | spikecut run -"
        )
    waiting = wanted.waiting

    def take(n: int) -> bytes:
        poll_s = 0.0
        while not select.select([number], [], [], poll_s)[0]:
            if not waiting.goes_on():
                return b""
            poll_s = POLL_S
        waiting.came()
        return b"" if waiting.stopped() else os.read(number, n)

    incoming, row = _begun(Incoming.of("-", take), wanted)
    if row.streams:
        return ByteSource(_opened(row, incoming, wanted), waiting)
    with ExitStack() as files:
        whole = files.enter_context(tempfile.NamedTemporaryFile(prefix="spikecut-"))
        for block in incoming.blocks(0, 1 << 20):
            whole.write(block)
        whole.flush()
        return ByteSource(_opened(row, Path(whole.name), wanted), waiting, files.pop_all())


def open_growing(wanted: Wanted) -> ByteSource:
    """The recording in a file: what is there, and what another program goes on to write.

    It ends where the file becomes shorter or is removed, too.

    Raises:
        UnreadableSource: if the file is missing, or is none.
        ConfigError: if its format cannot be read before it is whole.
    """
    path, ended = Path(wanted.word), list[str]()
    with ExitStack() as files:
        file = files.enter_context(open_binary(path))
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnreadableSource(path, "is no file that grows", hint=f"spikecut run - < {path}")
        incoming, row = _begun(Incoming.of(path, _growing(file, path, wanted.waiting, ended)), wanted)
        if not row.streams:
            growing = ", ".join(one.name for one in FORMATS.values() if one.streams)
            raise ConfigError(
                f"{path}: {row.name} can be read when it is whole, not while it is written",
                hint=f"leave out --follow; these can be followed: {growing}",
            )
        return ByteSource(_opened(row, incoming, wanted), wanted.waiting, files.pop_all(), ended)


def _growing(file: BinaryIO, path: Path, waiting: Waiting, ended: list[str]) -> Take:
    """What a file holds and is going to hold."""

    def take(n: int) -> bytes:
        while not (block := read_bytes(file, path, n)):
            if reason := _gone(file):
                ended.append(f"{path} {reason}: the end")
                return b""
            if not waiting.goes_on():
                return b""
            waiting.clock.sleep_s(POLL_S)
        waiting.came()
        return block

    return take


def _begun(incoming: Incoming, wanted: Wanted) -> tuple[Incoming, Format]:
    """The bytes when their header has come, and their format."""
    if wanted.format is not None and wanted.format not in FORMATS:
        raise ConfigError(
            f"there is no format {wanted.format!r}",
            hint=did_you_mean(wanted.format, FORMATS, otherwise=f"known are {', '.join(FORMATS)}"),
        )
    incoming.wait_for_header()
    if wanted.format is not None and incoming.beginning:
        return incoming, FORMATS[wanted.format]
    return incoming, format_of(incoming, wanted.reading.text)


def _opened(row: Format, path: Path, wanted: Wanted) -> Recording:
    """The recording, with the sensor of the network where neither it nor the options say another."""
    if wanted.reading.sensor is not None:
        return open_as(row, path, wanted.reading)
    recording = _with_sensor(row, path, wanted.reading, wanted.usual)
    other = SensorSize(wanted.usual.width + 1, wanted.usual.height)
    if not row.simulated and _with_sensor(row, path, wanted.reading, other).sensor == other:
        assumed(path, wanted.usual, "the input", "that of the network")
    return recording


def _with_sensor(row: Format, path: Path, reading: ReadOptions, sensor: SensorSize) -> Recording:
    return open_as(row, path, replace(reading, sensor=sensor))


def _gone(file: BinaryIO) -> str | None:
    """Why nothing more can come out of an open file, or None."""
    now = os.fstat(file.fileno())
    if now.st_size < file.tell():
        return "has become shorter"
    return None if now.st_nlink else "was removed"
