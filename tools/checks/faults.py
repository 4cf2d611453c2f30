"""Faults that a check of a data set reports, and functions that all checks share."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from spikecut.pipeline.errors import SpikecutError, printable
from spikecut.pipeline.events import DropCounts

SHOWN = 12  # names of a long list
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind, the file, a message about it, and the number of files that it covers."""

    kind: str
    file: str
    message: str = ""
    n: int = 1


def losses(name: str, lost: DropCounts) -> Iterator[Fault]:
    """The events lost in reading a recording, cause by cause; a camera's own signals are no loss."""
    for cause, loss in lost.damage.losses.items():
        yield Fault("damaged", name, f"{loss.events:,} events lost: {cause.sentence}")


def unreadable(name: str, path: Path, error: SpikecutError | OSError) -> Fault:
    """The error of one file, without repeating its path."""
    text = str(error) if isinstance(error, SpikecutError) or not error.strerror else error.strerror
    return Fault("unreadable", name, text.removeprefix(f"{printable(str(path))}: "))


def watched(items: Sequence[T], read: bool) -> Iterable[T]:
    """The items, with a progress bar on a terminal if every event is read."""
    console = Console(stderr=True)
    return track(items, "reading", console=console, transient=True, disable=not (read and console.is_terminal))


def some(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
