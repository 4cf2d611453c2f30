"""Drawn people who beckon: a twelfth gesture that no shipped network was trained on, as a user would record it.

Fixed in docs/adr/0034-teaching.md before any network could be taught: who teaches, who tests, how the hand moves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch
from spikecut.pipeline.files.atomic_files import new_file
from spikecut.sources.datasets.segments import cut
from spikecut.sources.formats.aedat3 import write_aedat3
from spikecut.sources.simulation.choreography import BECKON, NAMES
from spikecut.sources.simulation.gestures import LIGHTINGS, VERSION, DrawnSession
from spikecut.sources.simulation.scenes.session import DrawnScene

MOST = 10  # performances of one person


@dataclass(frozen=True, slots=True)
class Beckoning:
    """A drawn user who beckons `n` times, at most `MOST`, for at most 3 s each; the first of more are the same."""

    user: int
    n: int = 1
    seed: int = 0
    version: int = VERSION

    def __post_init__(self) -> None:
        if not 1 <= self.n <= MOST:
            raise ConfigError(f"{self.n} performances of each person; expected 1 to {MOST}")

    @property
    def session(self) -> DrawnSession | DrawnScene:
        """The whole session, of `MOST` performances."""
        kind = DrawnSession if self.version == VERSION else DrawnScene
        return kind(self.user, LIGHTINGS[self.user % len(LIGHTINGS)], self.seed, (BECKON,) * MOST, quick=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the recordings below a folder, `<class>/<recording>`."""
        name = f"{NAMES[BECKON]}/{self.session.name}"
        return tuple(f"{name}_{number:02d}.aedat" for number in range(1, self.n + 1))

    def performances(self) -> Iterator[EventBatch]:
        """The events of one performance after the other."""
        return (batch for _, batch in islice(cut(self.session, self.session.spans()), self.n))


def write_beckoning(folder: Path, person: Beckoning) -> None:
    """Writes every performance into a class folder, each whole or not at all."""
    for name, batch in zip(person.names, person.performances(), strict=True):
        with new_file(folder / name, overwrite=True) as partial:
            write_aedat3(partial, [batch])
