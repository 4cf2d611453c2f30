"""What happens in a session, one act after another: which, when, for how long, and the take of each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spikecut.sources.simulation.choreography import NAMES, fidget
from spikecut.sources.simulation.gestures import IMAGE_US, gesture_s, pause_s
from spikecut.sources.simulation.scenes.gestures_in_depth import play_gesture
from spikecut.sources.simulation.scenes.movements import MOVEMENTS, Movement, User, bridge
from spikecut.sources.simulation.scenes.stage import Place, Stage, Take, at_rest

PAUSE = "pause"
_GESTURE = Movement(lambda take: None, (3.5, 18.5), ("standing",))  # for `bridge`


@dataclass(frozen=True, slots=True)
class Act:
    """A stretch of a session: `kind` is a gesture's or a movement's name or "pause", `start_us <= t < end_us`.

    `label` is the gesture's class, None of acts that are none. `user` says how the user is in view before it,
    `noise_hz` how many events of additional noise a pixel has in a second.
    """

    kind: str
    label: int | None
    start_us: int
    end_us: int
    user: User = "standing"
    noise_hz: float = 0.0

    @property
    def seconds(self) -> float:
        return (self.end_us - self.start_us) * 1e-6


def acts_of(
    order: tuple[int | str, ...], seconds: float | None, start_us: int, rng: np.random.Generator, *, quick: bool
) -> Iterator[Act]:
    """The acts of a session, pauses between them; they tile time on the grid of the images."""
    performs = any(isinstance(one, int) for one in order)
    user: User = "standing" if performs or rng.random() < 0.5 else "absent"
    t = start_us
    for one in _dealt(order, seconds is not None, rng):
        movement = MOVEMENTS[one] if isinstance(one, str) else _GESTURE
        for what in (*bridge(user, movement), one):
            lasts = _pause(performs, rng, quick=quick)
            yield Act(PAUSE, None, t, t := t + lasts, user)
            if isinstance(what, str):
                lasts = _images(rng.uniform(*MOVEMENTS[what].seconds))
                noise_hz = float(np.exp(rng.uniform(np.log(0.3), np.log(12.0)))) if what == "noise" else 0.0
                yield Act(what, None, t, t := t + lasts, user, noise_hz)
                user = MOVEMENTS[what].after or user
            else:
                lasts = _images(min(gesture_s(rng), 3.0) if quick else gesture_s(rng))
                yield Act(NAMES[what], what, t, t := t + lasts, user)
        if seconds is not None and t - start_us >= seconds * 1e6:
            break
    yield Act(PAUSE, None, t, t + _pause(performs, rng, quick=quick), user)


def take_of(stage: Stage, act: Act, place: Place, start_us: int, rng: np.random.Generator) -> Take:
    """One act as poses and shapes, with the user at `place`; the session began at `start_us`."""
    t = np.arange(0, act.end_us - act.start_us, IMAGE_US) * 1e-6
    pose = at_rest(stage, place, act.user == "seated", t, rng) if act.user != "absent" else None
    take = Take(stage, t, act.seconds, rng, place, pose, (act.start_us - start_us) * 1e-6)
    if act.label is not None:
        play_gesture(take, act.label)
    elif act.kind != PAUSE:
        MOVEMENTS[act.kind].play(take)
    elif pose is not None and act.user == "standing":
        pose.hands[:, :, :2] += fidget(t, take.seconds, rng) - [0.05, -0.545]
    take.finish()
    return take


def _dealt(order: tuple[int | str, ...], again: bool, rng: np.random.Generator) -> Iterator[int | str]:
    yield from order if not again else ()
    while again:
        yield from (order[place] for place in rng.permutation(len(order)))


def _pause(performs: bool, rng: np.random.Generator, *, quick: bool) -> int:
    """As in version 1 where gestures are performed, shorter where none are."""
    seconds = pause_s(rng) if performs else float(np.clip(0.5 * np.exp(rng.normal(0, 0.7)), 0.1, 3.0))
    return _images(min(seconds, 0.4) if quick else seconds)


def _images(seconds: float) -> int:
    return round(seconds * 1e6 / IMAGE_US) * IMAGE_US
