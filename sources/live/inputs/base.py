"""What every live source offers, what it is opened with, and the record of one in the table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from spikecut.pipeline.events import SensorSize
from spikecut.sources.formats.base import ReadOptions, Recording
from spikecut.sources.live.inputs.waiting import Waiting

if TYPE_CHECKING:  # data sets lie above live sources
    from spikecut.sources.datasets.gesture_labels import GestureSpan


@dataclass(frozen=True, slots=True)
class Wanted:
    """The `word` of a live source, and what is given beside it.

    `reading` has what no source states itself; without a sensor in it that of the network, `usual`, is assumed.
    `format` is a name that the source knows. `waiting` says how long it waits.
    """

    word: str
    reading: ReadOptions
    usual: SensorSize
    waiting: Waiting
    format: str | None = None


class LiveSource(Protocol):
    """An open live source. Its `recording` is read once."""

    @property
    def recording(self) -> Recording: ...

    @property
    def spans(self) -> "tuple[GestureSpan, ...] | None":
        """The labelled gestures, by the clock of the events; None where nothing is labelled."""
        ...

    def transport(self) -> Mapping[str, int] | None:
        """The counts of what carried the events, such as datagrams; None where nothing can be lost on the way."""
        ...

    def notes(self) -> list[str]:
        """What is to be said when the stream is over: why it ended, and what was lost on the way."""
        ...

    def close(self) -> None:
        """Nothing is read any more."""
        ...


@dataclass(frozen=True, slots=True)
class LiveInput:
    """One row of `SOURCES`.

    `name` and `form`, how it is written on a command line, are for people. `opener` is `module:function` for a function
    `Wanted` -> `LiveSource`; the module is imported when it is used. A source with `own_pace` sends in real time: it is
    taken as it comes, and `--speed` cannot change it. Of one that is there `once`, two streams cannot be opened.
    """

    name: str
    form: str
    recognise: Callable[[str], bool]
    opener: str
    own_pace: bool = False
    once: bool = True

    def open(self, wanted: Wanted) -> LiveSource:
        """The open source.

        Raises:
            SourceError: if nothing can be read from it.
            ConfigError: if something must be given beside it, or it has no such format.
        """
        module, _, name = self.opener.partition(":")
        opened: LiveSource = getattr(import_module(module), name)(wanted)
        return opened
