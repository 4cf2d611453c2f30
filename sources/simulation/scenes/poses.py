"""How a body stands over time: root, turn, lean, hands and feet, in metres; and the joints in between."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.sources.simulation.choreography import REST, TURN
from spikecut.sources.simulation.scenes.lens import Points

if TYPE_CHECKING:
    from spikecut.sources.simulation.scenes.things import Held

Times = Float64[ndarray, " T"]
SEAT = 0.46  # metres from the floor to the hips of somebody who sits


@dataclass(frozen=True, slots=True)
class Axes:
    """Directions of a body over time: to its left arm, forward, and up the spine."""

    across: Points
    forward: Points
    spine: Points


@dataclass(slots=True)
class Pose:
    """A body over the moments of a take; movements write into its arrays before it is drawn.

    `root` is the middle of the hips. `yaw` turns: 0 faces the camera, positive towards the right of the image; `lean`
    bends the trunk forward; the head turns by `look` beyond the trunk and nods. `hands` are given from their shoulder
    as (out, up, forward), `feet` from below the hips as (out, up, forward).
    """

    root: Points
    yaw: Times
    lean: Times
    look: Times
    nod: Times
    hands: Float64[ndarray, "T 2 3"]
    feet: Float64[ndarray, "T 2 3"]
    thing: "Held | None" = None

    def axes(self) -> Axes:
        zero = np.zeros_like(self.yaw)
        across = np.stack([np.cos(self.yaw), zero, np.sin(self.yaw)], axis=1)
        forward = np.stack([np.sin(self.yaw), zero, -np.cos(self.yaw)], axis=1)
        spine = np.sin(self.lean)[:, None] * forward
        spine[:, 1] += np.cos(self.lean)
        return Axes(across, forward, spine)

    def facing(self) -> Points:
        """Where the face points."""
        turn = self.yaw + self.look
        return np.stack([np.sin(turn), np.zeros_like(turn), -np.cos(turn)], axis=1)

    def in_world(self, places: Points, side: int, axes: Axes) -> Points:
        """(out, up, forward) of one side as directions in the room."""
        world = side * places[:, :1] * axes.across + places[:, 2:] * axes.forward
        world[:, 1] += places[:, 1]
        return np.asarray(world)

    def knees_forward(self, hips: Points) -> Times:
        """How far thighs point forward instead of down: 0 standing, 1 sitting."""
        return np.asarray(((hips[:, 1].max(initial=0.6) - hips[:, 1]) / 0.45).clip(0, 1))


def standing(legs: float, place: tuple[float, float, float], t: Times, rng: np.random.Generator) -> Pose:
    """Somebody who stands at (x, z), turned by an angle, sways a little and breathes."""
    n = len(t)
    x, z, yaw = place
    begin = eased(t / 0.3) * eased((t[-1] - t) / 0.3) if n else t  # takes meet without a jump
    sway = [begin * aimless(t, amount, rng) for amount in (0.008, 0.004, 0.010, 0.025, 0.06)]
    root = np.stack([x + sway[0], legs + sway[1] - 0.004, z + sway[2]], axis=1)
    hands = np.stack([hanging(t, rng), hanging(t, rng)], axis=1)
    feet = np.tile([[0.11, 0.0, 0.02], [0.11, 0.0, 0.02]], (n, 1, 1)).astype(np.float64)
    nod = begin * aimless(t, 0.06, rng)
    return Pose(root, yaw + sway[3], np.zeros(n), sway[4], nod, hands, feet)


def hanging(t: Times, rng: np.random.Generator) -> Points:
    """An arm that hangs, relative to its shoulder."""
    swing = 0.008 * np.sin(TURN * rng.uniform(0.2, 0.5) * t) * eased(t / 0.3)
    return np.stack([REST[0] + swing, np.full_like(t, REST[1]), np.full_like(t, 0.03) + swing], axis=1)


def aimless(t: Times, amount: float, rng: np.random.Generator, quick: float = 1.0) -> Times:
    """A slow movement without aim: three sines."""
    hz, phase = quick * rng.uniform(0.12, 0.8, 3), rng.uniform(0, TURN, 3)
    return np.asarray(amount * rng.uniform(0.5, 1.5) * np.sin(TURN * t[:, None] * hz + phase).mean(1))


def eased(share: Times) -> Times:
    x = share.clip(0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def visits(t: Times, marks: Any, targets: Any, least: float = 0.25) -> Any:
    """A path (T, D) that rests at each target and moves on at its mark (s), as hands do; the first is where it begins.

    A movement takes `least` seconds at least, and is slower for longer ways.
    """
    targets = np.asarray(targets, np.float64)
    path = np.repeat(targets[:1], len(t), axis=0)
    for mark, here, there in zip(marks, targets[:-1], targets[1:], strict=True):
        lasts = least + 0.5 * float(np.linalg.norm(there - here))
        path += eased((t - mark) / lasts)[:, None] * (there - here)
    return path


def bent(wish: Points, lengths: tuple[float, float], pole: Points) -> tuple[Points, Points]:
    """The middle joint and the end of a limb of two bones, from its root, for an end that wants to be at `wish`.

    The joint lies towards `pole`. An end out of reach stays on its way there.
    """
    upper, fore = lengths
    distance = np.linalg.norm(wish, axis=1, keepdims=True)
    reached = distance.clip(abs(upper - fore) + 0.05 * upper, 0.995 * (upper + fore))
    direction = wish / np.maximum(distance, 1e-6)
    along = (reached**2 + upper**2 - fore**2) / (2 * reached)
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0))
    normal = pole - (pole * direction).sum(1, keepdims=True) * direction
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-3)
    return along * direction + aside * normal, np.minimum(distance, reached) * direction


def smoothed(values: Any, length: int) -> Any:
    """A running mean over `length` moments, ends held."""
    if length < 2 or len(values) < 2:
        return values
    before, after = length // 2, length - 1 - length // 2
    padded = np.concatenate([np.repeat(values[:1], before, 0), values, np.repeat(values[-1:], after, 0)])
    total = np.cumsum(np.concatenate([np.zeros_like(padded[:1]), padded]), axis=0)
    return (total[length:] - total[:-length]) / length
