"""Files of lines that one process appends to: the quarantine and the log of a run, as JSON."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spikecut.pipeline.files.atomic_files import problems_of


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Adds one line, which is on the disk when this returns; half a line that a kill left is ended first.

    Raises:
        EnvironmentProblem: if it cannot be written.
    """
    with problems_of(path), path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        torn = file.read(1) not in (b"", b"\n")
        text = json.dumps(line, ensure_ascii=False).encode("utf-8", "replace")
        file.write((b"\n" if torn else b"") + text + b"\n")
        file.flush()
        os.fsync(file.fileno())


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file, none if there is no file; half lines are skipped."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line
