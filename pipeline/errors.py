"""Every error that spikecut raises on purpose.

SpikecutError
├── SourceError(path)       a recording or a folder of recordings
│   ├── UnreadableSource    missing, a directory, no permission          (OSError)
│   ├── UnknownFormat       the first bytes belong to no format we know   (ValueError)
│   ├── UnsupportedVersion  we know the format but not this version       (ValueError)
│   ├── CorruptRecording    damage that leaves nothing to trust           (ValueError)
│   ├── EmptyRecording      nothing in it                                 (ValueError)
│   ├── MissingLabels       no file says what the recording shows         (OSError)
│   ├── LimitExceeded       it declares more than we are willing to hold  (MemoryError)
│   ├── DamagedOutputs      a file of recorded outputs, unreadable         (ModelError)
│   └── InUse               another process is writing it                 (OSError)
├── EventError              unordered time, a pixel outside the sensor    (ValueError)
├── ModelError              a checkpoint or cutoff that does not fit       (ValueError)
├── ConfigError             an unknown name, a value out of range          (ValueError)
└── EnvironmentProblem      missing on this machine, or cannot be written  (RuntimeError)

A message says what was found, where, and what was expected; `hint` says what to do. Names come from files and other
people's archives, so control characters in either are escaped.
"""

import unicodedata
from os import PathLike, fspath
from typing import Any


class SpikecutError(Exception):
    """The base of all errors that spikecut raises on purpose."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(printable(message, keep="\n"))
        self.hint = None if hint is None else printable(hint, keep="\n")

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors come back whole from worker processes, whatever their constructor takes."""
        return _again, (type(self), self.args), self.__dict__


class SourceError(SpikecutError):
    """Something about one recording; `path` names it."""

    def __init__(self, path: str | PathLike[str], message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{printable(fspath(path))}: {message}", hint=hint)
        self.path = fspath(path)


class UnreadableSource(SourceError, OSError):
    """The path is missing, is a directory, or may not be read."""


class UnknownFormat(SourceError, ValueError):
    """The content matches no format that spikecut reads."""


class UnsupportedVersion(SourceError, ValueError):
    """A known format in a version that spikecut does not read."""


class CorruptRecording(SourceError, ValueError):
    """Damage from which nothing whole could be saved; `offset` is the byte where it was found."""

    def __init__(
        self, path: str | PathLike[str], message: str, *, offset: int | None = None, hint: str | None = None
    ) -> None:
        place = "" if offset is None else f"byte {offset}: "
        super().__init__(path, place + message, hint=hint)
        self.offset = offset


class EmptyRecording(SourceError, ValueError):
    """The file has no bytes, the folder no recordings."""


class MissingLabels(SourceError, OSError):
    """A recording without the file that says what it shows."""


class LimitExceeded(SourceError, MemoryError):
    """The file declares more than we are willing to hold in memory."""


class InUse(SourceError, OSError):
    """Another process holds the file: it is not damaged, and trying again later may work."""


class EventError(SpikecutError, ValueError):
    """Events that break the contract of `EventBatch`."""


class ModelError(SpikecutError, ValueError):
    """A checkpoint, a fitted cutoff or an output that does not fit the others."""


class DamagedOutputs(SourceError, ModelError):
    """A file of recorded outputs, given in the place of recordings, that cannot be read or holds something else."""


class ConfigError(SpikecutError, ValueError):
    """An unknown name or a value out of range."""


class EnvironmentProblem(SpikecutError, RuntimeError):
    """Something is missing on this machine: a display, a codec, a library, a folder that can be written."""


class SpikecutWarning(UserWarning):
    """What was assumed because a recording does not state it. The command line prints it as a line `note: ...`."""


def _again(kind: type[SpikecutError], args: tuple[Any, ...]) -> SpikecutError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


def printable(text: str, *, keep: str = "") -> str:
    """A name as a terminal may show it: control, formatting and unpaired characters are escaped.

    >>> printable("one" + chr(27) + "two") == "one" + chr(92) + "x1btwo"
    True
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        one.encode("unicode_escape").decode() if one not in keep and unicodedata.category(one) in _HIDDEN else one
        for one in text
    )


def in_a_line(error: BaseException) -> str:
    """The text of another library's error, in one line and not longer than a long sentence."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, formatting (writing direction), surrogates, line separators
