"""Drawn people who gesture for ever: a live source for who has no camera, with its labels. Simulated data.

`drawn:gestures` is a person whom no shipped network was trained on; `drawn:gestures/24` is person 24.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.datasets.gesture_labels import GestureSpan
from spikecut.sources.formats.base import Recording
from spikecut.sources.formats.open import as_wanted
from spikecut.sources.live.inputs.base import Wanted
from spikecut.sources.live.inputs.waiting import Waiting
from spikecut.sources.simulation.gestures import LIGHTINGS, SENSOR, DrawnSession

_PERSON = 24
_LABELLED_US = 24 * 3_600_000_000


@dataclass(frozen=True, slots=True)
class DrawnForEver:
    """The events of a session without an end."""

    path: Path
    session: DrawnSession
    waiting: Waiting
    sensor: SensorSize = SENSOR
    format: str = "drawn gestures before a simulated DVS128"

    def __iter__(self) -> Iterator[EventBatch]:
        return takewhile(lambda batch: not self.waiting.stopped(), self.session)


@dataclass(frozen=True, slots=True)
class DrawnSource:
    """A drawn person, and what is labelled of the first day."""

    recording: Recording
    spans: tuple[GestureSpan, ...]

    def transport(self) -> Mapping[str, int] | None:
        return None

    def notes(self) -> list[str]:
        return []

    def close(self) -> None:
        pass


def open_drawn(wanted: Wanted) -> DrawnSource:
    """A person who performs gestures in random order, until the run is ended.

    Raises:
        ConfigError: if the word is another.
    """
    kind, _, person = wanted.word.partition(":")[2].partition("/")
    if kind != "gestures" or not (person.isdecimal() or not person):
        raise ConfigError(f"{wanted.word}: nothing of this kind is drawn", hint="drawn:gestures, or drawn:gestures/24")
    number = int(person or _PERSON)
    session = DrawnSession(number, LIGHTINGS[number % len(LIGHTINGS)], order=None)
    recording = DrawnForEver(Path(wanted.word), session, wanted.waiting)
    first = next(session.spans())
    labelled = takewhile(lambda span: span.start_us < first.start_us + _LABELLED_US, session.spans())
    return DrawnSource(as_wanted(recording, wanted.reading), tuple(labelled))
