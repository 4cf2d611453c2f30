"""Limits on what is read from files: sizes and counts beyond which a file is refused before memory is allocated.

Each limit has a default far above honest files. Where it is too low, it is raised for the process and those that it
starts: `--limit pixels=200000000` on the command line, or `SPIKECUT_LIMITS="pixels=200000000 members=3000000"` in the
environment. SECURITY.md lists them all.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from spikecut.pipeline.errors import ConfigError, LimitExceeded
from spikecut.pipeline.files.strict import nearest

VARIABLE = "SPIKECUT_LIMITS"
_MOST = 2**53
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Limit:
    """A default value, and its meaning for messages and for SECURITY.md."""

    default: int
    meaning: str


LIMITS = {
    "pixels": Limit(64_000_000, "pixels of one picture"),
    "picture-bytes": Limit(200_000_000, "bytes of one picture's file, or of one unpacked member of a zip archive"),
    "members": Limit(1_000_000, "members of a zip archive; of a tar archive a tenth"),
    "archive-bytes": Limit(1_000_000_000, "bytes that a tar archive unpacks to, of CIFAR's files at most two fifths"),
    "archive-ratio": Limit(200, "unpacked bytes for each byte of a zip archive that unpacks to over 1 GB"),
    "label-bytes": Limit(1_000_000, "bytes of a file of labels, of a list of recordings or of classes"),
    "table-bytes": Limit(200_000_000, "bytes of a table of decisions (decisions.csv)"),
    "weights-bytes": Limit(2_000_000_000, "bytes of a file of weights (.safetensors)"),
    "outputs-bytes": Limit(2**31, "bytes that the arrays of recorded outputs (.npz) unpack to"),
}


def limit(name: str) -> int:
    """The value of a limit: of the environment, or its default.

    Raises:
        ConfigError: if the environment names another limit, or a value that is no whole number above 0.
    """
    return _given(os.environ.get(VARIABLE, "").split(), VARIABLE).get(name, LIMITS[name].default)


def set_limits(settings: Iterable[str]) -> None:
    """Sets limits, each as `NAME=NUMBER`, for this process and those that it starts.

    Raises:
        ConfigError: for an unknown name, or a value that is no whole number above 0.
    """
    values = _given(os.environ.get(VARIABLE, "").split(), VARIABLE) | _given(settings, "--limit")
    os.environ[VARIABLE] = " ".join(f"{name}={value}" for name, value in values.items())


def too_large(path: str | PathLike[str], name: str, size: str) -> LimitExceeded:
    """The error for a file beyond a limit; `size` says what it has."""
    message = f"{size}; at most {limit(name):,} are read"
    return LimitExceeded(path, message, hint=f"if the file is as it should be, raise the limit: --limit {name}=NUMBER")


def small_text(path: Path, name: str = "label-bytes") -> str:
    """The text of a file of limited size, without a byte-order mark.

    Raises:
        OSError, UnicodeDecodeError: if it cannot be read.
        LimitExceeded: if it has more bytes than the limit.
    """
    return limited_bytes(path, name).decode("utf-8-sig")


def limited_bytes(path: Path, name: str) -> bytes:
    """The bytes of a file of limited size; memory is taken as they come, whatever size the file declares.

    Raises:
        OSError: if it cannot be read.
        LimitExceeded: if it has more bytes than the limit.
    """
    most, blocks, n = limit(name), [], 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            n += len(block)
            if n > most:
                raise too_large(path, name, f"more than {most:,} bytes")
            blocks.append(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _given(settings: Iterable[str], place: str) -> dict[str, int]:
    values = {}
    for setting in settings:
        name, _, number = setting.partition("=")
        if name not in LIMITS:
            raise ConfigError(f"{place}: no limit is called {name!r}{nearest(name, LIMITS)}")
        digits = number.replace("_", "")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 17 and 0 < int(digits) <= _MOST):
            raise ConfigError(f"{place}: {name}={number}; expected a whole number from 1", hint=LIMITS[name].meaning)
        values[name] = int(digits)
    return values
