"""Where the lines of a run go: each is written whole, and names its stream where there are several."""

import json
import sys
import threading
from dataclasses import dataclass
from typing import TextIO

from spikecut.pipeline.errors import printable

_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class Output:
    """The lines of one stream; `stream` is its name, empty where it is the only one."""

    stream: str = ""

    def result(self, words: str, file: TextIO | None = None) -> None:
        """A result, on stdout unless another file is given; an object in JSON gets the key `stream`."""
        if self.stream and words.startswith("{"):
            words = json.dumps({"stream": self.stream, **json.loads(words)})
        elif self.stream:
            words = "\n".join(f"{self.stream}: {line}" for line in words.splitlines())
        _write(words, sys.stdout if file is None else file)

    def note(self, *lines: str) -> None:
        """Lines for people, on stderr."""
        for line in lines:
            _write(printable(f"{self.stream}: {line}" if self.stream else line), sys.stderr)


def _write(words: str, file: TextIO) -> None:
    with _ONE_AT_A_TIME:
        file.write(words + "\n")
        file.flush()
