"""What a recipe may draw to train on where no data is given: one row a drawing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.sources.datasets.base import FrameSpec
from spikecut.sources.datasets.gesture_labels import GESTURES, GestureSpan
from spikecut.sources.simulation.gestures import VERSION, drawn_session
from spikecut.sources.simulation.scenes import session as scenes
from spikecut.sources.simulation.scenes.session import DrawnScene, gesture_scene, movement_scene

MOVEMENT_S = 30.0  # of a user's movements that are no gesture: a dozen windows, about as many as gestures


class ToPack(Protocol):
    """A session whose examples are drawn when their frames are asked for."""

    def spans(self) -> Iterator[GestureSpan]:
        """When the examples lie, in their order, and their classes."""
        ...

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        """The frames of each, in the order of `spans`."""
        ...


@dataclass(frozen=True, slots=True)
class MovementWindows:
    """A session without gestures as examples of the class "no gesture": its movements in windows of `length_us`."""

    scene: DrawnScene
    length_us: int

    def spans(self) -> Iterator[GestureSpan]:
        """When the examples lie, in their order."""
        return (GestureSpan(scenes.NO_GESTURE, act.start_us, act.end_us) for act in self.scene.windows(self.length_us))

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        """The frames of each, in the order of `spans`; drawn in one pass."""
        return (frames for _, frames in self.scene.window_streams(view, self.length_us))


@dataclass(frozen=True, slots=True)
class Drawing:
    """One kind of drawn session: its version, the classes that it shows, and a user's session to train on.

    `session` takes the user's number and the length of an example in microseconds. `key` begins the names of files of
    packed frames.
    """

    version: int
    classes: tuple[str, ...]
    key: str
    session: Callable[[int, int], ToPack]


DRAWINGS: Mapping[str, Drawing] = {
    "gestures": Drawing(VERSION, GESTURES, f"drawn{VERSION}", lambda user, _: drawn_session(user, quick=True)),
    "gestures-2": Drawing(
        scenes.VERSION, GESTURES, f"drawn{scenes.VERSION}", lambda user, _: gesture_scene(user, quick=True)
    ),
    "movements": Drawing(
        scenes.VERSION,
        scenes.CLASSES[-1:],
        f"movements{scenes.VERSION}",
        lambda user, length_us: MovementWindows(movement_scene(user, MOVEMENT_S), length_us),
    ),
}


def check_drawings(names: Sequence[str], classes: Sequence[str]) -> None:
    """Refuses unknown drawings, none at all or one twice, and those that show a class which a network does not have.

    Raises:
        ConfigError: naming what is wrong.
    """
    for name in names:
        if name not in DRAWINGS:
            known = f"one of {', '.join(DRAWINGS)}"
            nearest = did_you_mean(name, list(DRAWINGS))
            raise ConfigError(f"no drawing {name!r}", hint=f"{nearest} {known}" if nearest else known)
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"drawings {list(names)}; expected one or more, each once")
    shown = {one for name in names for one in DRAWINGS[name].classes}
    expected = scenes.CLASSES if shown - set(GESTURES) else GESTURES
    if classes and tuple(classes) != expected:
        raise ConfigError(
            f"drawings {', '.join(names)} show {', '.join(sorted(shown))}; the classes are {', '.join(classes)}",
            hint=f"classes = {list(expected)}",
        )


def described(names: Sequence[str]) -> str:
    """What is drawn, in words, with the versions of the drawing.

    >>> described(["gestures"])
    'drawn gestures, version 1'
    >>> described(["gestures", "gestures-2", "movements"])
    'drawn gestures, version 1; gestures, version 2; movements, version 2'
    """
    return "drawn " + "; ".join(f"{name.partition('-')[0]}, version {DRAWINGS[name].version}" for name in names)
