"""Drawn people as a data set: nothing lies in a folder, every session is drawn when it is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.datasets.base import Example, FrameSpec
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.datasets.parts import Part, drawn_part
from spikecut.sources.simulation.gestures import VERSION, DrawnSession, drawn_session, drawn_users
from spikecut.sources.simulation.scenes import session as scenes
from spikecut.sources.simulation.scenes.session import DrawnScene, gesture_scene

VERSIONS = (VERSION, scenes.VERSION)


def session_of(user: int, seed: int = 0, *, quick: bool = False, version: int = VERSION) -> DrawnSession | DrawnScene:
    """A user's session of all gestures in one of the `VERSIONS` of the drawing; each has people of its own.

    Raises:
        ConfigError: if there is no such version.
    """
    if version not in VERSIONS:
        raise ConfigError(f"drawing version {version}; expected one of {', '.join(map(str, VERSIONS))}")
    return (drawn_session if version == VERSION else gesture_scene)(user, seed, quick=quick)


@dataclass(frozen=True, slots=True)
class DrawnPeople:
    """The users 1 to `n_users`, a session each; with `quick`, sessions for training (`DrawnSession`)."""

    n_users: int
    seed: int = 0
    quick: bool = False
    version: int = VERSION

    @property
    def path(self) -> Path:
        """A name: there is no folder."""
        return Path(f"{self.n_users} drawn users")

    @property
    def classes(self) -> tuple[str, ...]:
        """The eleven gestures."""
        return GESTURES

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing: what is drawn is whole."""
        return ()

    @property
    def origin(self) -> str:
        """Version of the drawing and seed."""
        return f"drawn gestures, version {self.version}, seed {self.seed}: simulated, no real person was recorded"

    def provenance(self, licence: str, attribution: str) -> dict[str, str]:
        """The origin as `data`, and what a recipe says."""
        return {"data": self.origin, "data_licence": licence, "attribution": attribution}

    def examples(self, part: Part) -> list[Example]:
        """One for every gesture of the users of one part."""
        examples = []
        for user in drawn_users(self.n_users, part):
            session = session_of(user, self.seed, quick=self.quick, version=self.version)
            for index, span in enumerate(session.spans()):
                name, times = f"{session.name}: {span.name}", f"{span.label} {span.start_us} {span.end_us}"
                example = Example(name, span.label, drawn_part(user), session, name, f"user {user}", index, times)
                examples.append(example)
        return examples

    def numbered(self, classes: Sequence[str], reader: str) -> tuple[int, ...]:
        """The numbers of the gestures, which are the first of any network for them; it may know more.

        Raises:
            ConfigError: if the network names anything else.
        """
        if tuple(classes)[: len(GESTURES)] != GESTURES:
            raise ConfigError(f"drawn users perform the gestures of DVS128 Gesture; {reader} names others")
        return tuple(range(len(GESTURES)))

    def notes_on(self, part: Part, view: FrameSpec) -> tuple[str, ...]:
        """Nothing."""
        return ()
