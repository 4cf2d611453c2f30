"""Opening and reading files, with errors of ours in place of the operating system's."""

import shlex
import stat
from pathlib import Path
from typing import BinaryIO

from spikecut.pipeline.errors import SourceError, UnreadableSource, printable
from spikecut.sources.formats.incoming import Incoming


def first_bytes(path: Path, n: int) -> bytes:
    """The beginning of a file, at most `n` bytes of it.

    Raises:
        UnreadableSource: if the file is missing or cannot be read.
    """
    with open_binary(path) as file:
        return read_bytes(file, path, n)


def open_binary(path: Path) -> BinaryIO:
    """Opens a file for reading; of bytes that come, their beginning.

    Raises:
        UnreadableSource: if the file is missing or may not be read, or is a pipe, where reading would wait for ever.
    """
    if isinstance(path, Incoming):
        return path.opened()
    try:
        if not stat.S_ISFIFO(path.stat().st_mode):
            return path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:  # a zero byte in the name
        raise UnreadableSource(path, str(error), hint="check the name") from error
    raise UnreadableSource(
        path, "is a pipe, not a file", hint=f"spikecut run - < {in_a_command(path)} reads what comes out of it"
    )


def read_bytes(file: BinaryIO, path: Path, n: int) -> bytes:
    """The next bytes of the open file `path`, at most `n`; none at its end.

    Raises:
        UnreadableSource: if they cannot be read.
    """
    try:
        return file.read(n)
    except OSError as error:
        raise unreadable(path, error) from error


def file_size(path: Path) -> int:
    """How many bytes a file has.

    Raises:
        UnreadableSource: if the file is missing or may not be looked at.
    """
    try:
        return path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error


def is_folder(path: Path) -> bool:
    """Whether there is a folder; a name that the system refuses, such as one that is too long, is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def check_name(path: Path) -> None:
    """Refuses a name that no file can have: for this question the system answers with more than "there is none".

    Raises:
        UnreadableSource: if it is too long.
    """
    try:
        path.exists()
    except OSError as error:
        raise unreadable(path, error) from error


def in_a_command(path: Path) -> str:
    """A name for a command line in a hint: in one line, quoted where the shell needs it."""
    return shlex.quote(printable(str(path)))


def unreadable(path: Path, error: OSError) -> SourceError:
    """An error of the operating system as one of ours, with the file's name."""
    reason = (error.strerror or str(error)).lower()
    hint = "check the name" if isinstance(error, FileNotFoundError) else None
    return UnreadableSource(path, reason, hint=hint)
